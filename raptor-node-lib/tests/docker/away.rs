//! The engine is away for a while and its containers keep running: nothing that was accepted in the meantime is lost.

use crate::world::{ECHO, SAVES, World, docker, docker_output};
use raptor_model::{
    containers::lifecycle::{Phase, RestartPolicy},
    node::{ContainerSpec, InstallSpec, LineKind, Node, PowerAction},
    templates::StopRule,
};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// The stop timeout in these tests, and a longer time.
const STOP_MS: u64 = 3_000;
const LONGER: Duration = Duration::from_millis(4_500);

/// The connection to the engine, which can be cut, or left open without passing anything.
struct Line {
    socket: PathBuf,
    relay: Option<JoinHandle<()>>,
    frozen: watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

impl Line {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut line = Self {
            socket: folder.path().join("docker.sock"),
            relay: None,
            frozen: watch::Sender::new(false),
            _folder: folder,
        };
        line.mend();
        line
    }

    fn mend(&mut self) {
        let listener = UnixListener::bind(&self.socket).unwrap();
        let frozen = self.frozen.subscribe();
        self.relay = Some(tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((from, _)) = listener.accept().await {
                let frozen = frozen.clone();
                open.spawn(async move {
                    if let Ok(to) = UnixStream::connect("/var/run/docker.sock").await {
                        let (from, to) = (from.into_split(), to.into_split());
                        tokio::join!(pass(from.0, to.1, frozen.clone()), pass(to.0, from.1, frozen));
                    }
                });
            }
        }));
    }

    async fn cut(&mut self) {
        let relay = self.relay.take().unwrap();
        relay.abort();
        let _ = relay.await;
        std::fs::remove_file(&self.socket).unwrap();
    }
}

/// Forwards the bytes, unless the line is frozen.
async fn pass(
    mut from: tokio::net::unix::OwnedReadHalf,
    mut to: tokio::net::unix::OwnedWriteHalf,
    mut frozen: watch::Receiver<bool>,
) {
    let mut piece = vec![0; 65_536];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        if frozen.wait_for(|frozen| !frozen).await.is_err() || to.write_all(&piece[..length]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

async fn started(line: &Line, startup: &str, change: impl FnOnce(&mut ContainerSpec)) -> World {
    let world = World::on(line.socket.clone(), startup, |spec| {
        spec.stop_timeout_ms = STOP_MS;
        change(spec);
    })
    .await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.phase(Phase::Running).await;
    world
}

fn by_signal(spec: &mut ContainerSpec) {
    spec.stop = StopRule::Signal { signal: "SIGTERM".into() };
}

/// It still runs after its stop timeout: it was not killed, because it never received the stop.
async fn waits(world: &World) {
    tokio::time::sleep(LONGER).await;
    assert_eq!(world.inspect("{{.State.Running}}"), "true");
    assert_eq!(world.until("there", |_| true).await.phase, Phase::Stopping);
}

async fn saved(world: &World) {
    world.line("SAVING").await;
    let exit = world.phase(Phase::Offline).await.last_exit.unwrap();
    assert_eq!((exit.code, exit.crash), (0, false), "{}", world.transcript().await);
    let said = world.texts(LineKind::Daemon).await;
    assert!(!said.iter().any(|line| line.contains("Killing")), "{said:?}");
}

#[tokio::test]
async fn a_stop_asked_while_the_engine_is_away_is_asked_when_it_is_back_and_only_then_the_time_to_stop_begins()
 {
    if !docker() {
        return;
    }
    let image = |spec: &mut ContainerSpec| spec.stop = StopRule::Docker;
    for rule in [by_signal, image] {
        let mut line = Line::new();
        let world = started(&line, SAVES, rule).await;
        line.cut().await;
        world.host.power(world.id, PowerAction::Stop, "steve").await.unwrap();
        world.line("Stopping it: steve asked for it.").await;
        world.line("Asking it to stop is delayed. Docker does not answer").await;
        waits(&world).await;
        line.mend();
        saved(&world).await;
    }
}

#[tokio::test]
async fn a_stop_command_given_while_the_engine_is_away_arrives_when_it_is_back() {
    if !docker() {
        return;
    }
    let startup =
        "sh -c 'echo ready; while read line; do [ \"$line\" = stop ] && echo SAVING && exit 0; done'";
    for typed in [false, true] {
        let mut line = Line::new();
        let world = started(&line, startup, |_| {}).await;
        line.cut().await;
        if typed {
            world.host.command(world.id, "stop", "steve").await.unwrap();
        } else {
            world.host.power(world.id, PowerAction::Stop, "").await.unwrap();
        }
        waits(&world).await;
        line.mend();
        saved(&world).await;
    }
}

#[tokio::test]
async fn a_stop_that_was_not_delivered_is_delivered_by_the_next_daemon() {
    if !docker() {
        return;
    }
    let mut line = Line::new();
    let mut world = started(&line, SAVES, by_signal).await;
    line.cut().await;
    world.host.power(world.id, PowerAction::Stop, "").await.unwrap();
    world.restart_daemon().await;
    waits(&world).await;
    line.mend();
    saved(&world).await;
}

#[tokio::test]
async fn an_engine_that_hangs_with_the_stop_in_its_hands_does_not_make_a_kill_of_it() {
    if !docker() {
        return;
    }
    let reads = "sh -c 'echo ready; while read line; do [ \"$line\" = stop ] && echo SAVING && exit 0; done'";
    for (startup, rule) in [(reads, None), (SAVES, Some(by_signal as fn(&mut ContainerSpec)))] {
        let line = Line::new();
        let world = started(&line, startup, |spec| rule.unwrap_or(|_| {})(spec)).await;
        line.frozen.send_replace(true);
        world.host.power(world.id, PowerAction::Stop, "").await.unwrap();
        waits(&world).await;
        if rule.is_none() {
            // Its stop timeout is over, and it was not killed: the signal is still on its way, so the timeout has not begun.
            world.line("Docker does not answer, so it may not have passed on the stop.").await;
            assert_eq!(world.inspect("{{.State.Running}}"), "true");
        }
        line.frozen.send_replace(false);
        saved(&world).await;
    }
}

#[tokio::test]
async fn what_does_not_heed_a_stop_that_was_delivered_late_is_killed_after_its_time() {
    if !docker() {
        return;
    }
    let mut line = Line::new();
    let stubborn = "sh -c 'trap \"\" TERM; echo ready; while true; do sleep 0.1; done'";
    let world = started(&line, stubborn, by_signal).await;
    line.cut().await;
    world.host.power(world.id, PowerAction::Stop, "").await.unwrap();
    waits(&world).await;
    line.mend();
    world.line("It did not stop within 3 s. Killing it.").await;
    assert_eq!(world.phase(Phase::Offline).await.last_exit.unwrap().code, 137);
}

#[tokio::test]
async fn a_kill_asked_while_the_engine_is_away_is_done_when_it_is_back() {
    if !docker() {
        return;
    }
    let mut line = Line::new();
    let world = started(&line, SAVES, by_signal).await;
    line.cut().await;
    world.host.power(world.id, PowerAction::Kill, "steve").await.unwrap();
    world.line("Killing it is delayed. Docker does not answer").await;
    waits(&world).await;
    line.mend();
    assert_eq!(world.phase(Phase::Offline).await.last_exit.unwrap().code, 137);
    let said = world.texts(LineKind::Daemon).await;
    let kills = said.iter().filter(|line| line.starts_with("Killing it")).count();
    assert_eq!(kills, 2, "who asked and that it waits, once each: {said:?}");
}

/// Waits until the container waits for the engine.
async fn waiting(world: &World) {
    let status = world.until("waiting", |status| status.problem.is_some()).await;
    assert_eq!(status.phase, Phase::Starting);
    let problem = status.problem.unwrap();
    assert!(problem.contains("Docker does not answer") && problem.contains("as soon as"), "{problem}");
}

#[tokio::test]
async fn a_start_that_was_accepted_while_the_engine_is_away_is_done_when_it_is_back() {
    if !docker() {
        return;
    }
    let mut line = Line::new();
    line.cut().await;
    let world = World::on(line.socket.clone(), ECHO, |_| {}).await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    waiting(&world).await;
    line.mend();
    let status = world.phase(Phase::Running).await;
    assert_eq!(status.problem, None, "what is over is not told any more");
    // A restart is a start as well.
    line.cut().await;
    world.host.power(world.id, PowerAction::Restart, "steve").await.unwrap();
    world.line("Restarting it: steve asked for it.").await;
    line.mend();
    world
        .until("started again", |now| now.phase == Phase::Running && now.started_at != status.started_at)
        .await;
}

#[tokio::test]
async fn a_start_that_waits_for_the_engine_is_stopped_and_does_not_come_back() {
    if !docker() {
        return;
    }
    for action in [PowerAction::Stop, PowerAction::Kill] {
        let mut line = Line::new();
        line.cut().await;
        let world = World::on(line.socket.clone(), ECHO, |_| {}).await;
        world.host.power(world.id, PowerAction::Start, "").await.unwrap();
        waiting(&world).await;
        world.host.power(world.id, action, "").await.unwrap();
        let status = world.phase(Phase::Offline).await;
        assert_eq!(status.problem, None, "it is no failure to be stopped");
        line.mend();
        let host = async || world.host.system().await.unwrap().docker_problem;
        while host().await.is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(LONGER).await;
        assert_eq!(world.until("there", |_| true).await.phase, Phase::Offline);
        let name = format!("name=raptor-{}", world.id);
        assert_eq!(docker_output(&["ps", "-aq", "--filter", &name]), "");
    }
}

#[tokio::test]
async fn an_installation_that_was_accepted_while_the_engine_is_away_is_done_when_it_is_back() {
    if !docker() {
        return;
    }
    let mut line = Line::new();
    line.cut().await;
    let world = World::on(line.socket.clone(), ECHO, |spec| {
        spec.install = Some(InstallSpec {
            number: 1,
            image: "~raptor-test/busybox:1".into(),
            entrypoint: "sh".into(),
            script: "echo installing; touch /mnt/server/installed".into(),
            wipe: false,
            start: true,
            timeout_ms: 10_000,
            strict: false,
        });
    })
    .await;
    let status = world.until("waiting", |status| status.problem.is_some()).await;
    assert!(status.problem.unwrap().contains("It is installed as soon as Docker answers."));
    line.mend();
    let status = world.phase(Phase::Running).await;
    assert_eq!((status.installed, status.problem), (1, None));
    assert!(Path::new(&world.base).join(world.id.to_string()).join("installed").exists());
}

#[tokio::test]
async fn what_was_made_while_the_engine_is_away_is_not_started_unasked_when_it_is_back() {
    if !docker() {
        return;
    }
    let mut line = Line::new();
    line.cut().await;
    let world =
        World::on(line.socket.clone(), ECHO, |spec| spec.policy.restart = RestartPolicy::Always).await;
    // The engine is polled about it for two seconds, and again later.
    tokio::time::sleep(LONGER).await;
    line.mend();
    while world.host.system().await.unwrap().docker_problem.is_some() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(LONGER).await;
    assert_eq!(world.until("there", |_| true).await.phase, Phase::Offline);
}
