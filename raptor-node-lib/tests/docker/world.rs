//! A host on a real Docker Engine, with one container.

use futures_util::{FutureExt, StreamExt};
use raptor_model::{
    containers::{
        Limits, Network,
        lifecycle::{Phase, Policy},
    },
    id::ContainerId,
    node::{ConsoleLine, ContainerSpec, ContainerStatus, Happened, LineKind, Node, NodeEvent},
    templates::StopRule,
};
use raptor_node_lib::Host;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

pub const PATIENCE: Duration = Duration::from_secs(40);
const SCAN_EVERY: Duration = Duration::from_secs(1);

/// Whether Docker is available; prints a message if not, and fails in CI.
pub fn docker() -> bool {
    if std::env::var_os("RAPTOR_TEST_DOCKER").is_some() {
        return true;
    }
    assert!(std::env::var("CI").map_or(true, |ci| ci != "true"), "RAPTOR_TEST_DOCKER is needed in CI");
    println!("SKIP: Docker, run `cargo xtask test`");
    false
}

/// Whether a program that some tests need is installed; prints a message if not, and fails in CI.
pub fn installed(program: &str) -> bool {
    let there = Path::new(program).exists();
    if !there {
        assert!(std::env::var("CI").map_or(true, |ci| ci != "true"), "{program} is needed in CI");
        println!("SKIP: {program}, run `cargo xtask test`");
    }
    there
}

/// Waits until a server that was just started accepts connections.
pub fn served<T>(what: &str, connect: impl Fn() -> std::io::Result<T>) {
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = connect() {
        assert!(Instant::now() < deadline, "{what} does not answer: {error}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub struct World {
    pub host: Host,
    pub base: PathBuf,
    pub id: ContainerId,
    /// The engine's socket, if it is not Docker's default.
    socket: Option<PathBuf>,
    /// How often the host measures the files.
    scan_every: Duration,
    _folder: tempfile::TempDir,
}

impl World {
    pub async fn new(startup: &str, change: impl FnOnce(&mut ContainerSpec)) -> Self {
        Self::at(&std::env::temp_dir(), startup, change).await
    }

    /// A world whose host does not measure files while containers run.
    pub async fn unmeasured(startup: &str, change: impl FnOnce(&mut ContainerSpec)) -> Self {
        Self::build(&std::env::temp_dir(), None, Duration::from_secs(3_600), startup, change).await
    }

    /// A world on the engine behind `socket`.
    pub async fn on(socket: PathBuf, startup: &str, change: impl FnOnce(&mut ContainerSpec)) -> Self {
        Self::build(&std::env::temp_dir(), Some(socket), SCAN_EVERY, startup, change).await
    }

    /// A world with its files in a new folder below `place`.
    pub async fn at(place: &Path, startup: &str, change: impl FnOnce(&mut ContainerSpec)) -> Self {
        Self::build(place, None, SCAN_EVERY, startup, change).await
    }

    async fn build(
        place: &Path,
        socket: Option<PathBuf>,
        scan_every: Duration,
        startup: &str,
        change: impl FnOnce(&mut ContainerSpec),
    ) -> Self {
        let folder = tempfile::tempdir_in(place).unwrap();
        let base = folder.path().join("containers");
        std::fs::create_dir(&base).unwrap();
        // The containers' user must be able to reach its own folder.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).unwrap();
        let host = Self::host(&base, socket.as_deref(), scan_every).await;
        let mut spec = spec(startup);
        change(&mut spec);
        let id = spec.id;
        host.declare(spec).await.unwrap();
        Self { host, base, id, socket, scan_every, _folder: folder }
    }

    pub async fn until(&self, what: &str, met: impl Fn(&ContainerStatus) -> bool) -> ContainerStatus {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let status = self
                .host
                .containers()
                .await
                .unwrap()
                .into_iter()
                .find(|status| status.id == self.id)
                .unwrap();
            if met(&status) {
                return status;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "not {what}: {status:?}\n{}",
                self.transcript().await
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn phase(&self, phase: Phase) -> ContainerStatus {
        self.until(&format!("{phase:?}"), |status| status.phase == phase).await
    }

    pub async fn line(&self, text: &str) -> ConsoleLine {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let lines = self.host.console(self.id, None, 1_000).await.unwrap();
            if let Some(line) = lines.into_iter().find(|line| line.text.contains(text)) {
                return line;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "no line {text:?} in\n{}",
                self.transcript().await
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn transcript(&self) -> String {
        let lines = self.host.console(self.id, None, 1_000).await.unwrap();
        lines.into_iter().map(|line| format!("{} {:?} {}\n", line.seq, line.kind, line.text)).collect()
    }

    /// Kills the daemon and starts another one in its place.
    pub async fn restart_daemon(&mut self) {
        self.host.shutdown().await;
        self.host = Self::host(&self.base, self.socket.as_deref(), self.scan_every).await;
    }

    async fn host(base: &Path, socket: Option<&Path>, scan_every: Duration) -> Host {
        let allowed = base.join("../shared");
        let builder = Host::builder(base).mounts(vec![allowed]).scan_every(scan_every);
        let builder = match socket {
            Some(socket) => builder.docker_socket(socket),
            None => builder,
        };
        builder.build().await.unwrap()
    }

    /// Changes the specification and declares it.
    pub async fn change(&self, change: impl FnOnce(&mut ContainerSpec)) {
        let mut spec = spec_of(&self.base, self.id);
        spec.revision += 1;
        change(&mut spec);
        self.host.declare(spec).await.unwrap();
    }

    /// All events that the host has reported and that are not acknowledged.
    pub async fn happened(&self) -> Vec<Happened> {
        let mut events = self.host.events().await.unwrap();
        let mut happened = Vec::new();
        loop {
            match tokio::time::timeout(Duration::from_millis(300), events.next()).await {
                Ok(Some(NodeEvent::Happened(event))) => happened.push(event),
                Ok(Some(NodeEvent::Snapshot { .. })) => {}
                _ => return happened,
            }
        }
    }

    /// The console lines of one kind.
    pub async fn texts(&self, kind: LineKind) -> Vec<String> {
        let lines = self.host.console(self.id, None, 1_000).await.unwrap();
        lines.into_iter().filter(|line| line.kind == kind).map(|line| line.text).collect()
    }

    /// Waits until `docker inspect` with this format returns `wanted` for one of its containers.
    pub async fn engine_says(&self, format: &str, name: &str, wanted: &str) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while docker_output(&["inspect", "--format", format, name]) != wanted {
            assert!(tokio::time::Instant::now() < deadline, "{name}: {format} is not {wanted}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Kills its process without the engine's knowledge, like a crash.
    pub fn crash(&self) {
        let pid = self.inspect("{{.State.Pid}}");
        assert!(Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
    }

    /// Waits until Docker knows that its process has ended, which can be a while after that.
    pub async fn ended(&self) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while self.inspect("{{.State.Running}}") != "false" {
            assert!(tokio::time::Instant::now() < deadline, "Docker says that it still runs");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn inspect(&self, format: &str) -> String {
        docker_output(&["inspect", "--format", format, &format!("raptor-{}", self.id)])
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Starting it is enough: the host shuts down, and restarts nothing that is removed here.
        let _ = self.host.shutdown().now_or_never();
        let name = format!("raptor-{}", self.id);
        let _ = Command::new("docker").args(["rm", "-f", &name, &format!("{name}-installer")]).output();
        let _ = Command::new("docker").args(["network", "rm", &name]).output();
    }
}

pub fn docker_output(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    assert!(output.status.success(), "docker {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub fn spec(startup: &str) -> ContainerSpec {
    ContainerSpec {
        id: ContainerId::generate(),
        revision: 1,
        name: "test".into(),
        image: "~raptor-test/busybox:1".into(),
        image_refused: None,
        startup: startup.into(),
        environment: BTreeMap::from([("GREETING".into(), "hello".into())]),
        limits: Limits { memory_mib: 64, pids: 64, ..Limits::default() },
        ports: Vec::new(),
        done: vec!["ready".into()],
        strip_ansi: false,
        stop: StopRule::Command { command: "stop".into() },
        stop_timeout_ms: 3_000,
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

/// Prints that it is ready, then repeats its input until it reads `stop`.
pub const ECHO: &str = "sh -c 'echo {{GREETING}} ready; while read line; do [ \"$line\" = stop ] && exit 0; echo \"got $line\"; done'";

/// Saves when it receives the signal to stop.
pub const SAVES: &str =
    "sh -c 'trap \"echo SAVING; exit 0\" TERM; echo {{GREETING}} ready; while true; do sleep 0.1; done'";

/// The specification that the daemon of `base` has stored.
pub fn spec_of(base: &Path, id: ContainerId) -> ContainerSpec {
    let spec = base.join(".raptor").join(id.to_string()).join("spec.json");
    serde_json::from_slice(&std::fs::read(spec).unwrap()).unwrap()
}
