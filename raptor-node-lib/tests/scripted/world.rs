//! A host on a scripted engine, with one container.

use futures_util::StreamExt;
use raptor_model::{
    containers::{
        Limits, Network,
        lifecycle::{Phase, Policy},
    },
    id::ContainerId,
    node::{ContainerSpec, ContainerStatus, Happening, LineKind, Node, NodeEvent, PowerAction},
    templates::StopRule,
};
use raptor_node_lib::{Host, runtime::Scripted};
use std::{collections::BTreeMap, path::PathBuf, time::Duration};
use tokio::time::Instant;

/// In paused time, this only elapses if the awaited condition is never met.
const PATIENCE: Duration = Duration::from_secs(900);

pub struct World {
    pub host: Host,
    pub engine: Scripted,
    pub id: ContainerId,
    pub base: PathBuf,
    _folder: tempfile::TempDir,
}

pub const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Advances the time by this many seconds.
pub async fn pass(time: u64) {
    tokio::time::sleep(seconds(time)).await;
}

impl World {
    /// A world with a container that was never started.
    pub async fn new(change: impl FnOnce(&mut ContainerSpec)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("containers");
        std::fs::create_dir(&base).unwrap();
        let engine = Scripted::new();
        let host = host(&base, &engine).await;
        let mut spec = spec();
        change(&mut spec);
        let id = spec.id;
        host.declare(spec).await.unwrap();
        Self { host, engine, id, base, _folder: folder }
    }

    /// A world with a running container.
    pub async fn running(change: impl FnOnce(&mut ContainerSpec)) -> Self {
        let world = Self::new(change).await;
        world.start().await;
        world.phase(Phase::Running).await;
        world
    }

    pub async fn start(&self) {
        self.host.power(self.id, PowerAction::Start, "").await.unwrap();
    }

    pub async fn stop(&self) {
        self.host.power(self.id, PowerAction::Stop, "").await.unwrap();
    }

    pub async fn kill(&self) {
        self.host.power(self.id, PowerAction::Kill, "").await.unwrap();
    }

    pub async fn status(&self) -> ContainerStatus {
        let all = self.host.containers().await.unwrap();
        all.into_iter().find(|status| status.id == self.id).unwrap()
    }

    pub async fn until(&self, what: &str, met: impl Fn(&ContainerStatus) -> bool) -> ContainerStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.status().await;
            if met(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "not {what}: {status:?}\n{}", self.transcript().await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn phase(&self, phase: Phase) -> ContainerStatus {
        self.until(&format!("{phase:?}"), |status| status.phase == phase).await
    }

    pub async fn transcript(&self) -> String {
        let lines = self.host.console(self.id, None, 1_000).await.unwrap();
        lines.into_iter().map(|line| format!("{} {:?} {}\n", line.seq, line.kind, line.text)).collect()
    }

    /// The output of its processes.
    pub async fn output(&self) -> Vec<String> {
        let lines = self.host.console(self.id, None, 1_000).await.unwrap();
        let output = lines.into_iter().filter(|line| line.kind == LineKind::Output);
        output.map(|line| line.text).collect()
    }

    /// The events that the host has reported to the API.
    pub async fn happened(&self) -> Vec<Happening> {
        let mut events = self.host.events().await.unwrap();
        let deadline = Instant::now() + Duration::from_millis(100);
        let mut happened = Vec::new();
        while let Ok(Some(event)) = tokio::time::timeout_at(deadline, events.next()).await {
            if let NodeEvent::Happened(event) = event {
                happened.push(event.what);
            }
        }
        happened
    }

    /// Makes the engine unavailable for this many seconds.
    pub async fn outage(&self, time: u64) {
        self.engine.go_away();
        pass(time).await;
        self.engine.come_back();
    }

    /// Kills the daemon and starts another one in its place. The engine does not notice.
    pub async fn restart_daemon(&mut self) {
        self.host.shutdown().await;
        self.host = host(&self.base, &self.engine).await;
    }

    /// Asserts that no process of it runs, and none starts within three delays after crashes in a row.
    pub async fn stays_offline(&self) {
        let (before, starts) = (self.phase(Phase::Offline).await, self.engine.starts(self.id));
        pass(90).await;
        let now = self.status().await;
        assert_eq!((now.phase, now.since), (Phase::Offline, before.since), "{}", self.transcript().await);
        assert!(!self.engine.is_running(self.id));
        assert_eq!(self.engine.starts(self.id), starts);
    }
}

async fn host(base: &std::path::Path, engine: &Scripted) -> Host {
    Host::builder(base).engine(engine.clone()).scan_every(seconds(3_600)).build().await.unwrap()
}

fn spec() -> ContainerSpec {
    ContainerSpec {
        id: ContainerId::generate(),
        revision: 1,
        name: "test".into(),
        image: "ghcr.io/games/test:1".into(),
        image_refused: None,
        startup: "./server".into(),
        environment: BTreeMap::new(),
        limits: Limits { memory_mib: 64, pids: 64, ..Limits::default() },
        ports: Vec::new(),
        done: vec!["ready".into()],
        strip_ansi: false,
        stop: StopRule::Signal { signal: "SIGTERM".into() },
        stop_timeout_ms: 30_000,
        config_files: Vec::new(),
        denied_files: Vec::new(),
        suspended: false,
        policy: Policy::default(),
        install: None,
        timezone: None,
        owner: None,
        network: Network::Alone,
        mounts: Vec::new(),
        outgoing_ip: None,
        labels: BTreeMap::new(),
        console_encoding: None,
        existed: false,
    }
}
