//! The same host on Podman's socket: a separate engine for the test, with its own images, networks and state.

use crate::world::{ECHO, PATIENCE, World, docker, installed, served};
use raptor_model::{
    containers::lifecycle::Phase,
    node::{LineKind, Node, PowerAction},
};
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

/// Podman's service, which can be stopped and started; containers don't need it.
struct Engine {
    folder: tempfile::TempDir,
    service: Option<Child>,
}

impl Engine {
    /// `None` if Podman is not installed, which is a failure in CI.
    fn start() -> Option<Self> {
        if !PROGRAMS.into_iter().all(installed) {
            return None;
        }
        let mut engine = Self { folder: tempfile::tempdir().unwrap(), service: None };
        // Podman's defaults exceed the limits of the user who runs this.
        let limits = "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n";
        fs::write(engine.at("containers.conf"), limits).unwrap();
        let mut save = Command::new("docker").args(["save", IMAGE]).stdout(Stdio::piped()).spawn().unwrap();
        let load = engine.podman().arg("load").stdin(save.stdout.take().unwrap()).output().unwrap();
        assert!(load.status.success(), "{}", String::from_utf8_lossy(&load.stderr));
        assert!(save.wait().unwrap().success());
        engine.serve();
        Some(engine)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn podman(&self) -> Command {
        let mut podman = Command::new(PROGRAMS[0]);
        podman.env("CONTAINERS_CONF", self.at("containers.conf"));
        for (option, name) in [
            ("--root", "storage"),
            ("--runroot", "run"),
            ("--tmpdir", "state"),
            ("--network-config-dir", "networks"),
        ] {
            podman.arg(option).arg(self.at(name));
        }
        podman.args(["--storage-driver", "vfs", "--runtime", "runc", "--network-backend", "netavark"]);
        podman.args(["--cgroup-manager", "cgroupfs", "--events-backend", "file"]);
        podman
    }

    fn socket(&self) -> PathBuf {
        self.at("podman.sock")
    }

    fn serve(&mut self) {
        let mut podman = self.podman();
        podman.args(["system", "service", "--time", "0"]).arg(format!("unix://{}", self.socket().display()));
        self.service = Some(podman.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        served("Podman", || UnixStream::connect(self.socket()));
    }

    /// From now on, data sent to it stays unread.
    fn stop_service(&self) {
        let service = self.service.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-STOP", &service]).status().unwrap().success());
    }

    /// Waits until exactly `bytes` are unread in one of its connections.
    async fn has_unread(&self, bytes: usize) {
        let (socket, bytes) = (self.socket(), bytes.to_string());
        let deadline = Instant::now() + PATIENCE;
        loop {
            let sockets = Command::new("ss").args(["-xnH", "src"]).arg(&socket).output().unwrap();
            let sockets = String::from_utf8(sockets.stdout).unwrap();
            if sockets.lines().any(|line| line.split_whitespace().nth(2) == Some(&bytes)) {
                return;
            }
            assert!(Instant::now() < deadline, "no {bytes} bytes unread in\n{sockets}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn kill_service(&mut self) {
        if let Some(mut service) = self.service.take() {
            let _ = service.kill();
            let _ = service.wait();
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
        self.kill_service();
        // Podman may leave its storage bind-mounted.
        let _ = Command::new("umount").arg(self.at("storage")).stderr(Stdio::null()).status();
    }
}

async fn answers(world: &World, word: &str) {
    world.host.command(world.id, word, "").await.unwrap();
    world.line(&format!("got {word}")).await;
}

#[tokio::test]
async fn a_container_lives_on_podman_as_it_does_on_docker() {
    // Docker builds its image.
    if !docker() {
        return;
    }
    let Some(mut engine) = Engine::start() else { return };
    let image = |spec: &mut raptor_model::node::ContainerSpec| spec.image = format!("~localhost/{IMAGE}");
    let world = World::on(engine.socket(), ECHO, image).await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.phase(Phase::Running).await;
    answers(&world, "one").await;
    let name = format!("raptor-{}", world.id);
    let hardened = "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.PidsLimit}} {{.Config.User}}";
    let hardened = engine.says(&["inspect", "--format", hardened, &name]);
    assert!(hardened.starts_with("true 64 ") && !hardened.ends_with(" 0:0"), "{hardened}");
    let process = engine.says(&["inspect", "--format", "{{.State.Pid}}", &name]);

    engine.kill_service();
    assert!(world.host.system().await.unwrap().docker_problem.is_some(), "the daemon sees that it is away");
    assert!(Path::new("/proc").join(&process).exists(), "the container does not need it");
    engine.serve();
    answers(&world, "two").await;
    assert_eq!(engine.says(&["inspect", "--format", "{{.State.Pid}}", &name]), process);

    engine.stop_service();
    world.host.command(world.id, "three", "").await.unwrap();
    engine.has_unread("three\n".len()).await;
    engine.kill_service();
    engine.serve();
    world.line("got three").await;
    answers(&world, "four").await;
    assert_eq!(engine.says(&["inspect", "--format", "{{.State.Pid}}", &name]), process);
    // The terminal echoes its input.
    let lines = ["hello ready", "one", "got one", "two", "got two", "three", "got three", "four", "got four"];
    assert_eq!(world.texts(LineKind::Output).await, lines);

    engine.says(&["kill", "--signal", "KILL", &name]);
    world
        .until("started again after a crash", |status| {
            status.phase == Phase::Running && status.last_exit.is_some()
        })
        .await;
    answers(&world, "five").await;

    world.host.power(world.id, PowerAction::Stop, "").await.unwrap();
    world
        .until("stopped by its own command", |status| {
            status.phase == Phase::Offline && status.last_exit.as_ref().is_some_and(|exit| exit.code == 0)
        })
        .await;
    world.host.remove(world.id).await.unwrap();
    let filter = format!("name={name}");
    for kind in [["ps", "--all"], ["network", "ls"]] {
        assert_eq!(engine.says(&[kind[0], kind[1], "--quiet", "--filter", &filter]), "", "{kind:?}");
    }
}
