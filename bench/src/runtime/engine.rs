//! An engine without containers: it answers raptor-daemon's requests to Docker, and its containers are tasks that print lines.

use anyhow::Context;
use axum::{
    Json, Router,
    body::Body,
    extract::{Path, Query, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use bollard::models::{
    ContainerCpuStats, ContainerCpuUsage, ContainerInspectResponse, ContainerMemoryStats,
    ContainerNetworkStats, ContainerPidsStats, ContainerState, ContainerStateStatusEnum,
    ContainerStatsResponse, ContainerWaitResponse, ImageInspect, NetworkCreateRequest, NetworkInspect,
    SystemVersion,
};
use futures_util::stream;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;
use std::{
    collections::HashMap,
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixListener,
    sync::watch,
    task::JoinSet,
};

const MIB: u64 = 1024 * 1024;
/// How often containers print and their measurements change.
const TICK: Duration = Duration::from_secs(1);

/// The engine behind a socket, stopped when dropped.
pub struct Engine {
    pub socket: PathBuf,
    shared: Arc<Shared>,
    _serving: JoinSet<()>,
    _folder: tempfile::TempDir,
}

struct Shared {
    containers: Mutex<HashMap<String, Arc<Simulated>>>,
    networks: Mutex<HashMap<String, NetworkCreateRequest>>,
    /// Lines that each container prints per tick.
    lines: AtomicU64,
    printed: AtomicU64,
    began: Instant,
}

struct Simulated {
    /// A number that makes the container's measurements unique.
    number: u64,
    life: watch::Sender<Life>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    Created,
    Running,
    Ended(i64),
}

type Shares = State<Arc<Shared>>;

impl Engine {
    /// Starts answering on a new socket.
    pub fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("engine.sock");
        let listener = UnixListener::bind(&socket).context("the simulated engine has no socket")?;
        let shared = Arc::new(Shared {
            containers: Mutex::default(),
            networks: Mutex::default(),
            lines: AtomicU64::new(1),
            printed: AtomicU64::new(0),
            began: Instant::now(),
        });
        let routes = routes().with_state(shared.clone());
        // Clients name a version of the API before the path, or none.
        let router = Router::new().nest("/{version}", routes.clone()).merge(routes);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { socket, shared, _serving: serving, _folder: folder })
    }

    /// Makes each container print this many lines per second from now on.
    pub fn print(&self, lines: u64) {
        self.shared.lines.store(lines, Ordering::Relaxed);
    }

    /// Lines printed so far by all containers.
    pub fn printed(&self) -> u64 {
        self.shared.printed.load(Ordering::Relaxed)
    }
}

fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/version", get(version))
        .route("/images/{*name}", get(image))
        .route("/networks", get(nothing))
        .route("/networks/create", post(create_network))
        .route("/networks/{name}", get(inspect_network).delete(remove_network))
        .route("/containers/json", get(nothing))
        .route("/containers/create", post(create))
        .route("/containers/{name}", delete(remove))
        .route("/containers/{name}/json", get(inspect))
        .route("/containers/{name}/attach", post(attach))
        .route("/containers/{name}/start", post(start))
        .route("/containers/{name}/kill", post(kill))
        .route("/containers/{name}/wait", post(wait))
        .route("/containers/{name}/stats", get(stats))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The response, or the engine's error for something that doesn't exist.
type Found<T> = Result<T, (StatusCode, Json<serde_json::Value>)>;

fn missing() -> (StatusCode, Json<serde_json::Value>) {
    (StatusCode::NOT_FOUND, Json(json!({ "message": "there is no such thing" })))
}

impl Shared {
    fn container(&self, name: &str) -> Found<Arc<Simulated>> {
        locked(&self.containers).get(name).cloned().ok_or_else(missing)
    }
}

/// A container's name, after the optional API version.
#[derive(Deserialize)]
struct Named {
    name: String,
}

async fn version() -> Json<SystemVersion> {
    Json(SystemVersion { version: Some("simulated".into()), ..SystemVersion::default() })
}

/// Every image exists.
async fn image() -> Json<ImageInspect> {
    Json(ImageInspect { id: Some("sha256:simulated".into()), ..ImageInspect::default() })
}

async fn nothing() -> Json<serde_json::Value> {
    Json(json!([]))
}

async fn create_network(
    State(shared): Shares,
    Json(network): Json<NetworkCreateRequest>,
) -> impl IntoResponse {
    let id = network.name.clone();
    locked(&shared.networks).insert(network.name.clone(), network);
    (StatusCode::CREATED, Json(json!({ "Id": id, "Warning": "" })))
}

async fn inspect_network(
    State(shared): Shares,
    Path(Named { name }): Path<Named>,
) -> Found<Json<NetworkInspect>> {
    let network = locked(&shared.networks).get(&name).cloned().ok_or_else(missing)?;
    Ok(Json(NetworkInspect {
        name: Some(name),
        options: network.options,
        ipam: network.ipam,
        ..NetworkInspect::default()
    }))
}

async fn remove_network(State(shared): Shares, Path(Named { name }): Path<Named>) -> Found<StatusCode> {
    locked(&shared.networks).remove(&name).map(|_| StatusCode::NO_CONTENT).ok_or_else(missing)
}

async fn create(State(shared): Shares, Query(Named { name }): Query<Named>) -> impl IntoResponse {
    let mut containers = locked(&shared.containers);
    let number = containers.len() as u64;
    containers.insert(name.clone(), Arc::new(Simulated { number, life: watch::Sender::new(Life::Created) }));
    (StatusCode::CREATED, Json(json!({ "Id": name, "Warnings": [] })))
}

async fn remove(State(shared): Shares, Path(Named { name }): Path<Named>) -> Found<StatusCode> {
    let container = locked(&shared.containers).remove(&name).ok_or_else(missing)?;
    container.life.send_replace(Life::Ended(137));
    Ok(StatusCode::NO_CONTENT)
}

async fn inspect(
    State(shared): Shares,
    Path(Named { name }): Path<Named>,
) -> Found<Json<ContainerInspectResponse>> {
    let life = *shared.container(&name)?.life.borrow();
    let state = match life {
        Life::Created => {
            ContainerState { status: Some(ContainerStateStatusEnum::CREATED), ..ContainerState::default() }
        }
        Life::Running => ContainerState { running: Some(true), ..ContainerState::default() },
        Life::Ended(code) => ContainerState { exit_code: Some(code), ..ContainerState::default() },
    };
    Ok(Json(ContainerInspectResponse {
        id: Some(name),
        state: Some(state),
        ..ContainerInspectResponse::default()
    }))
}

async fn start(State(shared): Shares, Path(Named { name }): Path<Named>) -> Found<StatusCode> {
    shared.container(&name)?.life.send_replace(Life::Running);
    Ok(StatusCode::NO_CONTENT)
}

/// Every signal kills it.
async fn kill(State(shared): Shares, Path(Named { name }): Path<Named>) -> Found<StatusCode> {
    shared.container(&name)?.life.send_replace(Life::Ended(137));
    Ok(StatusCode::NO_CONTENT)
}

/// Responds at once, as the engine does, and sends the exit code when the container has ended.
async fn wait(State(shared): Shares, Path(Named { name }): Path<Named>) -> Found<Body> {
    let mut life = shared.container(&name)?.life.subscribe();
    Ok(Body::from_stream(stream::once(async move {
        let ended = life.wait_for(|life| matches!(life, Life::Ended(_))).await.map(|life| *life);
        let Ok(Life::Ended(status_code)) = ended else { return Err(io::ErrorKind::NotFound.into()) };
        serde_json::to_vec(&ContainerWaitResponse { status_code, error: None }).map_err(io::Error::from)
    })))
}

/// Upgrades the connection to the container's terminal.
async fn attach(
    State(shared): Shares,
    Path(Named { name }): Path<Named>,
    request: Request,
) -> Found<Response> {
    let container = shared.container(&name)?;
    tokio::spawn(async move {
        if let Ok(upgraded) = hyper::upgrade::on(request).await {
            // An error says that nobody reads it any more.
            let _ = shared.terminal(&container, TokioIo::new(upgraded)).await;
        }
    });
    let upgrade = [(header::CONNECTION, "Upgrade"), (header::UPGRADE, "tcp")];
    Ok((StatusCode::SWITCHING_PROTOCOLS, upgrade).into_response())
}

impl Shared {
    /// Prints lines until the container ends, and discards input.
    async fn terminal(
        &self,
        container: &Simulated,
        upgraded: TokioIo<hyper::upgrade::Upgraded>,
    ) -> anyhow::Result<()> {
        let (mut typed, mut screen) = tokio::io::split(upgraded);
        let mut life = container.life.subscribe();
        life.wait_for(|life| *life != Life::Created).await?;
        let mut ticks = tokio::time::interval(TICK);
        let (mut number, mut keys) = (0_u64, [0; 256]);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                read = typed.read(&mut keys) => match read? {
                    0 => return Ok(()),
                    _ => continue,
                },
                ended = life.wait_for(|life| matches!(life, Life::Ended(_))) => {
                    ended?;
                    return Ok(());
                }
            }
            let lines = self.lines.load(Ordering::Relaxed);
            let text: String = (number..number + lines).map(line).collect();
            number += lines;
            screen.write_all(text.as_bytes()).await?;
            screen.flush().await?;
            self.printed.fetch_add(lines, Ordering::Relaxed);
        }
    }
}

/// About 75 bytes, with CRLF as from a terminal.
fn line(number: u64) -> String {
    format!("[INFO] line {number:08} of a server on which somebody does something every second\r\n")
}

async fn stats(
    State(shared): Shares,
    Path(Named { name }): Path<Named>,
) -> Found<Json<ContainerStatsResponse>> {
    let container = shared.container(&name)?;
    if *container.life.borrow() != Life::Running {
        return Err(missing());
    }
    let nanos = u64::try_from(shared.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let turn = nanos / 1_000_000_000 + container.number;
    let cpu_usage = ContainerCpuUsage { total_usage: Some(nanos / 5), ..ContainerCpuUsage::default() };
    let network = ContainerNetworkStats {
        rx_bytes: Some(turn * 2_000),
        tx_bytes: Some(turn * 8_000),
        ..ContainerNetworkStats::default()
    };
    Ok(Json(ContainerStatsResponse {
        cpu_stats: Some(ContainerCpuStats {
            cpu_usage: Some(cpu_usage),
            system_cpu_usage: Some(nanos * 2),
            online_cpus: Some(2),
            throttling_data: None,
        }),
        memory_stats: Some(ContainerMemoryStats {
            usage: Some(32 * MIB + turn % 64 * MIB / 4),
            stats: Some(HashMap::from([("inactive_file".into(), MIB)])),
            ..ContainerMemoryStats::default()
        }),
        networks: Some(HashMap::from([("eth0".into(), network)])),
        pids_stats: Some(ContainerPidsStats { current: Some(12), limit: None }),
        ..ContainerStatsResponse::default()
    }))
}
