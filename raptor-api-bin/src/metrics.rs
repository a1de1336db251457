//! `GET /metrics` for Prometheus, with `METRICS_TOKEN`.

use crate::{App, Problem, extract::Query, problem::Answer};
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, Method, StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use prometheus_client::metrics::{
    counter::Counter,
    family::Family,
    histogram::{Histogram, exponential_buckets},
};
use raptor_core::{
    Error,
    authz::{Actor, actions::ListDaemons},
    containers::{lifecycle::Phase, service::ContainerFilter},
    live::LinkState,
    paging::{MAX_LIMIT, PageRequest},
};
use raptor_server::metrics::{Labels, Page, number};
use serde::Deserialize;
use std::time::Duration;

/// Counters over all requests.
pub struct Metrics {
    requests: Family<[(&'static str, String); 2], Counter>,
    durations: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        // 1 ms to 16 s.
        let durations = Histogram::new(exponential_buckets(0.001, 4.0, 8));
        Self { requests: Family::default(), durations }
    }
}

impl Metrics {
    /// Counts a response. Streams and transfers are counted when they begin.
    pub(crate) fn count(&self, method: &Method, status: StatusCode, took: Duration) {
        // Clients can invent methods, and each would become a series.
        let known = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS];
        let method = if known.contains(method) { method.as_str() } else { "other" };
        let labels = [("method", method.to_owned()), ("status", status.as_str().to_owned())];
        self.requests.get_or_create(&labels).inc();
        self.durations.observe(took.as_secs_f64());
    }
}

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/metrics", get(metrics))
}

#[derive(Debug, Deserialize)]
struct MetricsQuery {
    /// Whether each container has series of its own.
    #[serde(default)]
    containers: bool,
}

async fn metrics(
    State(app): State<App>,
    headers: HeaderMap,
    Query(query): Query<MetricsQuery>,
) -> Answer<impl IntoResponse> {
    let Some(token) = &app.metrics_token else {
        let detail = "Metrics are off. Set METRICS_TOKEN to switch them on.";
        return Err(Problem::new(StatusCode::NOT_FOUND, "not_found", detail));
    };
    if !shown(&headers, token) {
        let detail = "Send METRICS_TOKEN in the header `Authorization: Bearer`.";
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail));
    }
    let mut page = Page::new("raptor", env!("CARGO_PKG_VERSION"));
    let registry = page.registry();
    registry.register("http_requests", "Answered requests", app.metrics.requests.clone());
    let help = "Time until the response began, in seconds";
    registry.register("http_request_duration_seconds", help, app.metrics.durations.clone());
    // The counters of this process are reported even if the database is down.
    let up = stored(&app, &mut page, query.containers).await.is_ok();
    page.single("database_up", "1 if the database answers, otherwise 0", f64::from(u8::from(up)));
    Ok(page)
}

/// Whether the token was sent, compared in constant time.
fn shown(headers: &HeaderMap, token: &str) -> bool {
    let sent = headers.get(header::AUTHORIZATION).and_then(|sent| sent.to_str().ok()).unwrap_or_default();
    let sent = sent.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let (sent, token) = (sent.map_or("", |(_, sent)| sent).as_bytes(), token.as_bytes());
    sent.len() == token.len()
        && sent.iter().zip(token).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

/// Measurements from the database and the hosts.
async fn stored(app: &App, page: &mut Page, each: bool) -> Result<(), Error> {
    app.raptor.health().await?;
    let permit = app.raptor.authz().allow::<ListDaemons>(&Actor::System)?;
    let daemons = app.raptor.daemons().list(permit).await?;
    let up = daemons.iter().map(|one| {
        let online = one.connection.as_ref().is_some_and(|connection| connection.state == LinkState::Online);
        let labels = vec![("id", one.daemon.id.to_string()), ("name", one.daemon.name.clone())];
        (labels, f64::from(u8::from(online)))
    });
    page.gauge("daemon_up", "1 if the daemon is connected, otherwise 0", up);
    let mut counts = Vec::new();
    for phase in [Phase::Offline, Phase::Starting, Phase::Running, Phase::Stopping] {
        let filter = ContainerFilter { phase: Some(phase), ..ContainerFilter::default() };
        let request = PageRequest { limit: 1, cursor: None, with_total: true };
        let total = app.raptor.containers().list(&Actor::System, &filter, &request).await?.total;
        let count = u64::try_from(total.unwrap_or_default()).unwrap_or_default();
        counts.push((vec![("phase", phase.name().to_owned())], number(count)));
    }
    page.gauge("containers", "Containers, by phase", counts);
    if each { containers(app, page).await } else { Ok(()) }
}

/// One series per container.
async fn containers(app: &App, page: &mut Page) -> Result<(), Error> {
    let mut series: [Vec<(Labels, f64)>; 6] = Default::default();
    let mut request = PageRequest { limit: MAX_LIMIT, ..PageRequest::default() };
    loop {
        let found =
            app.raptor.containers().list(&Actor::System, &ContainerFilter::default(), &request).await?;
        for one in found.items {
            let labels = vec![
                ("id", one.id.to_string()),
                ("name", one.name.clone()),
                ("daemon", one.daemon.name.clone()),
            ];
            let running = one.live.phase == Phase::Running;
            let stats = one.live.stats.unwrap_or_default();
            let values = [
                f64::from(u8::from(running)),
                stats.cpu_percent,
                number(stats.memory_bytes),
                number(stats.disk_bytes),
                number(stats.network_rx_bytes),
                number(stats.network_tx_bytes),
            ];
            for (series, value) in series.iter_mut().zip(values) {
                series.push((labels.clone(), value));
            }
        }
        match found.next {
            Some(next) => request.cursor = Some(next),
            None => break,
        }
    }
    let names = [
        ("container_running", "1 if the container runs, otherwise 0"),
        ("container_cpu_percent", "CPU use in percent of one CPU"),
        ("container_memory_bytes", "Memory in use"),
        ("container_disk_bytes", "Disk space in use"),
        ("container_network_received_bytes", "Bytes received since the container was started"),
        ("container_network_sent_bytes", "Bytes sent since the container was started"),
    ];
    for ((name, help), series) in names.into_iter().zip(series) {
        page.gauge(name, help, series);
    }
    Ok(())
}
