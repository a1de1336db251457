//! One real API with thousands of simulated daemons, each of which reports the state of its containers every second.

use super::host::{self, EventCounts};
use crate::{
    Setting,
    programs::{Api, free_port, fresh_postgres, raptor_client_http, template, text, until},
    report::{Report, Row, Target},
    seed,
};
use anyhow::Context;
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt, future::try_join_all, stream};
use raptor_core::{
    clock::Clock,
    daemons::simulated::SimulatedHost,
    id::{ContainerId, DaemonId},
    node::LiveFrame,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use std::{
    collections::HashMap,
    net::Ipv4Addr,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tokio::{net::TcpListener, task::JoinSet};

/// Containers per daemon.
const EACH: u32 = 100;
/// Browsers that each watch a container of another daemon.
const VIEWERS: usize = 50;
/// How long they watch.
const WATCH: Duration = Duration::from_secs(30);
/// Concurrent requests during set-up.
const AT_ONCE: usize = 16;
/// A measurement up to this age in milliseconds belongs to the last second.
const FRESH_MS: f64 = 2_000.0;

/// A daemon that was added to the API.
struct Registered {
    id: DaemonId,
    key: String,
    ip: Ipv4Addr,
    port: u16,
}

/// Runs the suite.
pub async fn run(setting: &Setting, report: &mut Report) -> anyhow::Result<()> {
    allow_many_sockets()?;
    let database = fresh_postgres(setting).await?;
    let mut api = Api::start(setting, Some(&database), 4).await?;
    let begun = Instant::now();
    let daemons = register(&api, setting.daemons).await?;
    println!("{} daemons were added in {:.1} s", daemons.len(), begun.elapsed().as_secs_f64());
    let containers = populate(&api, &daemons).await?;
    let shown: Vec<ContainerId> = containers.values().filter_map(|of| of.first().copied()).collect();
    let counts = Arc::new(EventCounts::default());
    let _serving = serve(daemons, containers, &counts).await?;
    // The first time, the API writes down what it hears of each container.
    let first = connect(&mut api, &shown).await?;
    println!("the first time, all were heard after {first:.1} s");
    let again = connect(&mut api, &shown).await?;
    let mut add = |what: &str, unit, ours| {
        let what = format!("API with {} daemons × {EACH} containers{what}", setting.daemons);
        report.add(Row { what, unit, ours, reference: None, target: Target::Known });
    };
    add(", from its start to measurements of all", "s", again);
    let watched = watch(&api, &shown, &counts).await?;
    add(": measurements that it takes", "1/s", watched.rate);
    add(": its CPU", "% of a core", watched.cpu_percent);
    add(": its memory", "MiB", watched.resident_mib);
    add(": measurement to viewer, p50", "ms", percentile(&watched.lags_ms, 0.5));
    add(": measurement to viewer, p99", "ms", percentile(&watched.lags_ms, 0.99));
    add(": age of a measurement when asked for, p99", "ms", percentile(&watched.ages_ms, 0.99));
    add(": links lost meanwhile", "", watched.lost as f64);
    Ok(())
}

/// Raises the limit of open files, since all ends of the API's links are in this process. Child processes inherit it.
fn allow_many_sockets() -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
        .context("the limit of open files can't be raised")
}

/// Adds daemons, one address each.
async fn register(api: &Api, count: u32) -> anyhow::Result<Vec<Registered>> {
    let port = free_port()?;
    let adding = (0..count).map(|place| async move {
        let ip = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 1)) + place);
        let (name, host) = (format!("Host {place:04}"), ip.to_string());
        let draft = json!({ "name": name, "host": host, "port": port, "transport": "plain" });
        let created = api.post("/daemons", draft).await?;
        let id = text(&created["daemon"]["id"]).parse().ok().context("a daemon has no id")?;
        anyhow::Ok(Registered { id, key: text(&created["api_key"]), ip, port })
    });
    stream::iter(adding).buffered(AT_ONCE).try_collect().await
}

/// Creates one container through the API, and copies it in the database until each daemon has its own.
async fn populate(api: &Api, daemons: &[Registered]) -> anyhow::Result<HashMap<DaemonId, Vec<ContainerId>>> {
    let first = daemons.first().context("there are no daemons")?;
    let container = json!({
        "name": "Simulated", "template_id": template(api, "simulated").await?, "daemon_id": first.id,
        "image": "~raptor-test/busybox:1", "allocation_count": 0, "skip_install": true,
        "limits": { "memory_mib": 1024, "swap_mib": 0, "cpu_percent": 100, "disk_mib": 0, "pids": 64, "io_weight": 500 },
    });
    api.post("/containers", container).await?;
    let rows = seed::running(api.database(), EACH).await?;
    let mut containers: HashMap<DaemonId, Vec<ContainerId>> = HashMap::new();
    for (id, daemon) in rows {
        containers.entry(daemon.into()).or_default().push(id.into());
    }
    Ok(containers)
}

/// Starts answering as all daemons, with measurements spread over the second.
async fn serve(
    daemons: Vec<Registered>,
    mut containers: HashMap<DaemonId, Vec<ContainerId>>,
    counts: &Arc<EventCounts>,
) -> anyhow::Result<JoinSet<()>> {
    let (mut tasks, rest) = (JoinSet::new(), SimulatedHost::default());
    let (since, count) = (Clock::System.now(), daemons.len().max(1));
    for (place, Registered { id, key, ip, port }) in daemons.into_iter().enumerate() {
        let listener = TcpListener::bind((ip, port)).await?;
        let first = Duration::from_secs(1).mul_f64(place as f64 / count as f64);
        let own = containers.remove(&id).unwrap_or_default();
        host::serve(&mut tasks, listener, key, own, (since, first), counts.clone(), rest.clone()).await?;
    }
    Ok(tasks)
}

/// Restarts the API, and returns after how many seconds it had a fresh measurement of each of these containers.
async fn connect(api: &mut Api, shown: &[ContainerId]) -> anyhow::Result<f64> {
    let begun = Instant::now();
    api.restart().await?;
    for id in shown {
        until("all measurements are fresh", || async {
            Ok(age_ms(api, *id).await?.filter(|age| *age < FRESH_MS))
        })
        .await?;
    }
    Ok(begun.elapsed().as_secs_f64())
}

/// The age of the measurement that the API shows for a container.
async fn age_ms(api: &Api, id: ContainerId) -> anyhow::Result<Option<f64>> {
    let container = api.get(&format!("/containers/{id}")).await?;
    Ok(container["live"]["stats"]["network_rx_bytes"].as_u64().map(since_ms))
}

/// Milliseconds since the time `at`, in microseconds.
fn since_ms(at: u64) -> f64 {
    let now: DateTime<Utc> = Clock::System.now();
    (now.timestamp_micros() as f64 - at as f64) / 1_000.0
}

/// The results of watching.
struct Watched {
    rate: f64,
    cpu_percent: f64,
    resident_mib: f64,
    lags_ms: Vec<f64>,
    ages_ms: Vec<f64>,
    lost: u64,
}

async fn watch(api: &Api, shown: &[ContainerId], counts: &EventCounts) -> anyhow::Result<Watched> {
    let step = (shown.len() / VIEWERS).max(1);
    let viewed = shown.iter().step_by(step).take(VIEWERS);
    let sockets = try_join_all(viewed.map(|id| open(api, *id))).await?;
    let count = || (counts.stats.load(Ordering::Relaxed), counts.ended.load(Ordering::Relaxed));
    let ((stats, ended), cpu, begun) = (count(), api.program.cpu_seconds()?, Instant::now());
    let viewing: Vec<_> = sockets.into_iter().map(|frames| tokio::spawn(view(frames))).collect();
    tokio::time::sleep(WATCH).await;
    let seconds = begun.elapsed().as_secs_f64();
    let ((stats_now, ended_now), cpu_now) = (count(), api.program.cpu_seconds()?);
    let mut lags_ms = Vec::new();
    for view in viewing {
        lags_ms.extend(view.await??);
    }
    let ages = shown.iter().map(|id| age_ms(api, *id));
    let ages: Vec<Option<f64>> = stream::iter(ages).buffered(AT_ONCE).try_collect().await?;
    Ok(Watched {
        rate: (stats_now - stats) as f64 / seconds,
        cpu_percent: (cpu_now - cpu) / seconds * 100.0,
        resident_mib: api.program.resident_mib()?,
        lags_ms,
        ages_ms: ages.into_iter().map(|age| age.unwrap_or(f64::INFINITY)).collect(),
        lost: ended_now - ended,
    })
}

type Frames = stream::BoxStream<'static, String>;

async fn open(api: &Api, id: ContainerId) -> anyhow::Result<Frames> {
    // Prepares the process for the client library.
    raptor_client_http()?;
    let url = format!("{}/api/v1/containers/{id}/live?tail=0", api.base.replacen("http", "ws", 1));
    Ok(raptor_client::connect(&url, &api.token).await?.boxed())
}

/// The delays in milliseconds from each measurement to its arrival at a viewer.
async fn view(mut frames: Frames) -> anyhow::Result<Vec<f64>> {
    let (deadline, mut lags) = (tokio::time::Instant::now() + WATCH, Vec::new());
    while let Ok(frame) = tokio::time::timeout_at(deadline, frames.next()).await {
        let frame = frame.context("a viewer's stream ended")?;
        if let LiveFrame::Stats { stats } = serde_json::from_str(&frame)? {
            lags.push(since_ms(stats.network_rx_bytes));
        }
    }
    anyhow::ensure!(lags.len() as u64 * 2 > WATCH.as_secs(), "a viewer saw {} measurements", lags.len());
    Ok(lags)
}

/// The value below which this fraction of the values lies.
fn percentile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len().saturating_sub(1) as f64 * part).round();
    sorted.get(place as usize).copied().unwrap_or(f64::INFINITY)
}
