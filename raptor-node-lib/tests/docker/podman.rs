//! The same host on Podman's socket: an engine of the test's own, with its own images, networks and state.

use crate::world::{ECHO, PATIENCE, docker, spec};
use raptor_core::{
    containers::lifecycle::Phase,
    id::ContainerId,
    node::{ConsoleLine, ContainerStatus, LineKind, Node, PowerAction},
};
use raptor_node_lib::Host;
use std::{
    fs,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// From the packages `podman` and `netavark`.
const PROGRAMS: [&str; 2] = ["/usr/bin/podman", "/usr/lib/podman/netavark"];
const IMAGE: &str = "raptor-test/busybox:1";

/// Podman's service, which may go and come; containers don't need it.
struct Engine {
    folder: tempfile::TempDir,
    service: Option<Child>,
}

impl Engine {
    /// None where Podman is missing, which is a failure in CI.
    fn start() -> Option<Self> {
        if let Some(missing) = PROGRAMS.iter().find(|program| !Path::new(program).exists()) {
            assert!(std::env::var("CI").map_or(true, |ci| ci != "true"), "{missing} is needed in CI");
            println!("SKIP: {missing}, run `cargo xtask test`");
            return None;
        }
        let mut engine = Self { folder: tempfile::tempdir().unwrap(), service: None };
        // Its own choices are more than whoever runs this may have.
        fs::write(
            engine.config(),
            "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n",
        )
        .unwrap();
        let mut save = Command::new("docker").args(["save", IMAGE]).stdout(Stdio::piped()).spawn().unwrap();
        let load = engine.podman().arg("load").stdin(save.stdout.take().unwrap()).output().unwrap();
        assert!(load.status.success(), "{}", String::from_utf8_lossy(&load.stderr));
        assert!(save.wait().unwrap().success());
        engine.serve();
        Some(engine)
    }

    fn podman(&self) -> Command {
        let mut podman = Command::new(PROGRAMS[0]);
        podman.env("CONTAINERS_CONF", self.config());
        for (option, name) in [
            ("--root", "storage"),
            ("--runroot", "run"),
            ("--tmpdir", "state"),
            ("--network-config-dir", "networks"),
        ] {
            podman.arg(option).arg(self.folder.path().join(name));
        }
        podman.args(["--storage-driver", "vfs", "--runtime", "runc", "--network-backend", "netavark"]);
        podman.args(["--cgroup-manager", "cgroupfs", "--events-backend", "file"]);
        podman
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("containers.conf")
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("podman.sock")
    }

    fn serve(&mut self) {
        let mut podman = self.podman();
        podman.args(["system", "service", "--time", "0"]).arg(format!("unix://{}", self.socket().display()));
        self.service = Some(podman.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let deadline = Instant::now() + PATIENCE;
        while UnixStream::connect(self.socket()).is_err() {
            assert!(Instant::now() < deadline, "Podman does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn kill_service(&mut self) {
        if let Some(mut service) = self.service.take() {
            service.kill().unwrap();
            service.wait().unwrap();
        }
    }

    fn says(&self, args: &[&str]) -> String {
        let output = self.podman().args(args).output().unwrap();
        assert!(output.status.success(), "podman {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.podman().args(["rm", "--all", "--force", "--time", "0"]).output();
        let _ = self.podman().args(["network", "prune", "--force"]).output();
        if let Some(mut service) = self.service.take() {
            let _ = service.kill();
            let _ = service.wait();
        }
        // Podman may leave its storage mounted on itself.
        let _ = Command::new("umount").arg(self.folder.path().join("storage")).stderr(Stdio::null()).status();
    }
}

async fn until(host: &Host, id: ContainerId, what: &str, met: impl Fn(&ContainerStatus) -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let found = host.containers().await.unwrap().into_iter().find(|status| status.id == id);
        if found.as_ref().is_some_and(&met) {
            return;
        }
        let lines = host.console(id, None, 1_000).await.unwrap_or_default();
        assert!(tokio::time::Instant::now() < deadline, "not {what}: {found:?}\n{lines:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn output(host: &Host, id: ContainerId) -> Vec<String> {
    let lines = host.console(id, None, 1_000).await.unwrap();
    let of_it = |line: ConsoleLine| (line.kind == LineKind::Output).then_some(line.text);
    lines.into_iter().filter_map(of_it).collect()
}

async fn answers(host: &Host, id: ContainerId, word: &str) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    host.command(id, word, "").await.unwrap();
    while !output(host, id).await.contains(&format!("got {word}")) {
        assert!(tokio::time::Instant::now() < deadline, "{word}: {:?}", output(host, id).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_container_lives_on_podman_as_it_does_on_docker() {
    // Its image is made by Docker.
    if !docker() {
        return;
    }
    let Some(mut engine) = Engine::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(folder.path(), open).unwrap();
    let base = folder.path().join("containers");
    fs::create_dir(&base).unwrap();
    let build = || Host::builder(&base).docker_socket(engine.socket()).scan_every(Duration::from_secs(1));
    let host = build().build().await.unwrap();
    let mut spec = spec(ECHO);
    spec.image = format!("~localhost/{IMAGE}");
    let id = spec.id;
    host.declare(spec).await.unwrap();
    host.power(id, PowerAction::Start).await.unwrap();
    until(&host, id, "running", |status| status.phase == Phase::Running).await;
    answers(&host, id, "one").await;
    let name = format!("raptor-{id}");
    let hardened = "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.PidsLimit}} {{.Config.User}}";
    let hardened = engine.says(&["inspect", "--format", hardened, &name]);
    assert!(hardened.starts_with("true 64 ") && !hardened.ends_with(" 0:0"), "{hardened}");
    let process = engine.says(&["inspect", "--format", "{{.State.Pid}}", &name]);

    engine.kill_service();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(Path::new("/proc").join(&process).exists(), "it goes on while the service is away");
    engine.serve();
    answers(&host, id, "two").await;
    assert_eq!(engine.says(&["inspect", "--format", "{{.State.Pid}}", &name]), process);
    // The terminal repeats what is typed.
    assert_eq!(output(&host, id).await, ["hello ready", "one", "got one", "two", "got two"]);

    engine.says(&["kill", "--signal", "KILL", &name]);
    until(&host, id, "started again after a crash", |status| {
        status.phase == Phase::Running && status.last_exit.is_some()
    })
    .await;
    answers(&host, id, "three").await;

    host.power(id, PowerAction::Stop).await.unwrap();
    until(&host, id, "stopped by its own command", |status| {
        status.phase == Phase::Offline && status.last_exit.as_ref().is_some_and(|exit| exit.code == 0)
    })
    .await;
    host.remove(id).await.unwrap();
    let filter = format!("name={name}");
    for kind in [["ps", "--all"], ["network", "ls"]] {
        assert_eq!(engine.says(&[kind[0], kind[1], "--quiet", "--filter", &filter]), "", "{kind:?}");
    }
    host.shutdown().await;
}
