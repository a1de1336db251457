//! Metrics for Prometheus: `GET /metrics`, with the daemon's key.

use crate::routes::Shared;
use axum::{Router, extract::State, response::IntoResponse, routing::get};
use futures_util::{StreamExt, future::join_all};
use raptor_model::{
    containers::lifecycle::Phase,
    node::{ContainerStats, ContainerStatus, LiveFrame, LiveParts, Since, SystemInfo},
};
use raptor_server::{
    extract::Query,
    metrics::{Page, number},
    problem::Answer,
};
use serde::Deserialize;
use std::time::Duration;

/// How long to wait for measurements, which are sent once a second while a container runs.
const MEASUREMENT_TIMEOUT: Duration = Duration::from_millis(1_500);

pub(crate) fn routes() -> Router<Shared> {
    Router::new().route("/metrics", get(metrics))
}

#[derive(Deserialize)]
struct MetricsQuery {
    /// Whether to include series for each container.
    #[serde(default)]
    containers: bool,
}

async fn metrics(State(node): State<Shared>, Query(query): Query<MetricsQuery>) -> Answer<impl IntoResponse> {
    let (system, containers) = (node.system().await?, node.containers().await?);
    let mut page = Page::new("raptor_daemon", env!("CARGO_PKG_VERSION"));
    host(&mut page, &system);
    let phases = [Phase::Offline, Phase::Starting, Phase::Running, Phase::Stopping].map(|phase| {
        let count = containers.iter().filter(|container| container.phase == phase).count();
        (vec![("phase", phase.name().to_owned())], number(count as u64))
    });
    page.gauge("containers", "Containers, by phase", phases);
    if query.containers {
        each(&mut page, &containers, &measured(&node, &containers).await);
    }
    Ok(page)
}

fn host(page: &mut Page, system: &SystemInfo) {
    let up = f64::from(u8::from(system.docker_problem.is_none()));
    page.single("docker_up", "1 if Docker answers, otherwise 0", up);
    page.single(
        "cpu_percent",
        "CPU use of the host, summed over its CPUs: 100 is one CPU fully used",
        system.cpu_percent,
    );
    for (name, help, bytes) in [
        ("memory_bytes", "Memory of the host", system.memory_total_bytes),
        ("memory_used_bytes", "Memory of the host in use", system.memory_used_bytes),
        ("disk_bytes", "Size of the disk with the containers' files", system.disk_total_bytes),
        ("disk_used_bytes", "Space in use on that disk", system.disk_used_bytes),
    ] {
        page.single(name, help, number(bytes));
    }
}

/// The current usage of the running containers. Each is requested separately: the host's own stream belongs to the API, which
/// answers its questions.
async fn measured(node: &Shared, containers: &[ContainerStatus]) -> Vec<ContainerStats> {
    let running = containers.iter().filter(|container| container.phase == Phase::Running);
    let measuring = running.map(|container| async move {
        let parts = LiveParts { console: false, stats: true };
        let mut frames = node.live(container.id, Since::Tail(0), parts).await.ok()?;
        while let Some(frame) = frames.next().await {
            if let LiveFrame::Stats { stats } = frame {
                return Some(ContainerStats { id: container.id, stats });
            }
        }
        None
    });
    let measured = measuring.map(|one| tokio::time::timeout(MEASUREMENT_TIMEOUT, one));
    join_all(measured).await.into_iter().filter_map(|one| one.ok().flatten()).collect()
}

fn each(page: &mut Page, containers: &[ContainerStatus], stats: &[ContainerStats]) {
    let running = containers.iter().map(|container| {
        (vec![("id", container.id.to_string())], f64::from(u8::from(container.phase == Phase::Running)))
    });
    page.gauge("container_running", "1 if the container runs, otherwise 0", running);
    let series = |value: fn(&ContainerStats) -> f64| {
        stats.iter().map(move |one| (vec![("id", one.id.to_string())], value(one)))
    };
    let cpu = series(|one| one.stats.cpu_percent);
    page.gauge("container_cpu_percent", "CPU use in percent of one CPU", cpu);
    let memory = series(|one| number(one.stats.memory_bytes));
    page.gauge("container_memory_bytes", "Memory in use", memory);
    let disk = series(|one| number(one.stats.disk_bytes));
    page.gauge("container_disk_bytes", "Disk space in use", disk);
}

#[cfg(test)]
mod tests {
    use axum::{
        body::{Body, to_bytes},
        http::{Request, header},
    };
    use raptor_core::daemons::simulated::SimulatedHost;
    use raptor_model::{
        containers::Limits,
        id::ContainerId,
        node::{ContainerSpec, Node, PowerAction},
    };
    use std::{sync::Arc, time::Duration};

    async fn metrics(host: &SimulatedHost, query: &str) -> String {
        let request = Request::get(format!("/metrics{query}")).header(header::AUTHORIZATION, "Bearer key");
        let router = crate::router(Arc::new(host.clone()), "key".into());
        let answer = tower::ServiceExt::oneshot(router, request.body(Body::empty()).unwrap()).await.unwrap();
        String::from_utf8(to_bytes(answer.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap()
    }

    async fn declared(host: &SimulatedHost) -> ContainerId {
        let id = ContainerId::generate();
        let spec: ContainerSpec = serde_json::from_value(serde_json::json!({
            "id": id, "revision": 1, "name": "x", "image": "x", "startup": "", "environment": {},
            "limits": Limits::default(), "ports": [], "done": [], "strip_ansi": false,
            "stop": { "type": "docker" }, "stop_timeout_ms": 1_000, "config_files": [], "suspended": false,
        }))
        .unwrap();
        host.declare(spec).await.unwrap();
        id
    }

    #[tokio::test]
    async fn containers_have_series_only_on_request_and_none_once_they_are_removed() {
        let host = SimulatedHost::builder().stats_every(Duration::from_millis(20)).build();
        let (runs, stands) = (declared(&host).await, declared(&host).await);
        host.power(runs, PowerAction::Start, "").await.unwrap();
        let running =
            |id: ContainerId, value| format!("raptor_daemon_container_running{{id=\"{id}\"}} {value}");
        let measured = format!("raptor_daemon_container_memory_bytes{{id=\"{runs}\"}} ");
        let until = async {
            loop {
                let text = metrics(&host, "?containers=true").await;
                if text.contains(&running(runs, "1.0")) && text.contains(&measured) {
                    return text;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let text = tokio::time::timeout(Duration::from_secs(60), until).await.unwrap();
        assert!(text.contains(&running(stands, "0.0")), "{text}");

        let few = metrics(&host, "").await;
        assert!(!few.contains("raptor_daemon_container_") && !few.contains(&runs.to_string()), "{few}");

        host.remove(runs).await.unwrap();
        let text = metrics(&host, "?containers=true").await;
        assert!(!text.contains(&runs.to_string()) && text.contains(&running(stands, "0.0")), "{text}");
    }
}
