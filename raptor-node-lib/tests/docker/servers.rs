//! Servers that behave badly or unusually.

use crate::world::{PATIENCE, World, docker, docker_output};
use futures_util::StreamExt;
use raptor_model::{
    containers::lifecycle::Phase,
    node::{Happening, LiveFrame, LiveParts, Node, PowerAction, Since},
    templates::StopRule,
};

async fn running(startup: &str, change: impl FnOnce(&mut raptor_model::node::ContainerSpec)) -> World {
    let world = World::new(startup, change).await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.phase(Phase::Running).await;
    world
}

#[tokio::test]
async fn what_eats_memory_is_ended_by_the_kernel_and_that_is_said() {
    if !docker() {
        return;
    }
    let world = running("sh -c 'echo ready; read line; exec tail /dev/zero'", |spec| {
        spec.policy.max_crashes = 1;
    })
    .await;
    world.host.command(world.id, "eat", "").await.unwrap();
    let status = world.until("ended", |status| status.last_exit.is_some()).await;
    let exit = status.last_exit.unwrap();
    assert!(exit.out_of_memory && exit.crash, "{exit:?}");
    world.line("ran out of memory").await;
    let told = world.happened().await;
    let crash = told.iter().any(|event| {
        matches!(&event.what, Happening::Crashed { exit, quarantined: true, .. } if exit.out_of_memory)
    });
    assert!(crash, "{told:?}");
}

#[tokio::test]
async fn what_forks_without_end_is_kept_within_its_processes_and_can_be_killed() {
    if !docker() {
        return;
    }
    // The forking shell ends when it can't fork any more; its children stay, and so does the shell that reads lines.
    let bomb =
        "sh -c 'echo ready; read line; (while true; do sleep 1000 & done) & while read line; do :; done'";
    let world = running(bomb, |spec| spec.limits.pids = 40).await;
    world.host.command(world.id, "fork", "").await.unwrap();
    world.line("fork").await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let name = format!("raptor-{}", world.id);
        let count = docker_output(&["stats", "--no-stream", "--format", "{{.PIDs}}", &name]);
        let count: u32 = count.parse().unwrap();
        assert!(count <= 40, "{count} processes");
        if count > 35 {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "it does not fork: {count} processes");
    }
    world.host.power(world.id, PowerAction::Kill, "").await.unwrap();
    world.phase(Phase::Offline).await;
}

#[tokio::test]
async fn what_fills_its_disk_is_stopped_and_does_not_start_until_there_is_room() {
    if !docker() {
        return;
    }
    let fill =
        "sh -c 'echo ready; read line; dd if=/dev/zero of=big bs=1M count=30 2>/dev/null; read line; exit 0'";
    let world = running(fill, |spec| spec.limits.disk_mib = 10).await;
    if world.host.system().await.unwrap().disk_limits.by_kernel {
        println!("SKIP: the kernel keeps the limit here");
        return;
    }
    world.host.command(world.id, "fill", "").await.unwrap();
    let status = world.phase(Phase::Offline).await;
    assert!(!status.last_exit.unwrap().crash);
    world.line("may use 10 MiB: stopping it").await;
    assert!(world.happened().await.iter().any(|event| {
        matches!(event.what, Happening::DiskFull { limit_bytes, .. } if limit_bytes == 10 << 20)
    }));
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    let status =
        world.until("refused", |status| status.phase == Phase::Offline && status.problem.is_some()).await;
    assert!(status.problem.unwrap().contains("may use 10 MiB"));
    std::fs::remove_file(world.base.join(world.id.to_string()).join("big")).unwrap();
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.phase(Phase::Running).await;
}

const FREECIV: &str = "/usr/games/freeciv-server -p 5556";

fn freeciv(spec: &mut raptor_model::node::ContainerSpec) {
    spec.image = "~raptor-test/freeciv:1".into();
    spec.limits.memory_mib = 256;
    spec.done = vec!["Now accepting new client connections".into()];
    spec.stop = StopRule::Command { command: "quit".into() };
    spec.stop_timeout_ms = 10_000;
}

#[tokio::test]
async fn freeciv_shows_its_prompt_answers_and_quits() {
    if !docker() {
        return;
    }
    let world = running(FREECIV, freeciv).await;
    let parts = LiveParts { console: true, stats: false };
    let mut live = world.host.live(world.id, Since::Tail(0), parts).await.unwrap();
    let mut prompt = false;
    while !prompt {
        let frame = tokio::time::timeout(PATIENCE, live.next()).await.expect("no prompt").unwrap();
        // Readline marks its prompt with escape sequences.
        prompt = matches!(frame, LiveFrame::Partial { text } if text.contains("> "));
    }
    world.host.command(world.id, "set aifill 3", "").await.unwrap();
    world.line("'aifill' has been set to 3").await;
    world.host.power(world.id, PowerAction::Stop, "").await.unwrap();
    let exit = world.phase(Phase::Offline).await.last_exit.unwrap();
    assert_eq!((exit.code, exit.crash), (0, false));
    world.line("Goodbye").await;
}

#[tokio::test]
async fn freeciv_wants_two_interrupts_and_stays_stopping_until_it_has_ended() {
    if !docker() {
        return;
    }
    let world = running(FREECIV, |spec| {
        freeciv(spec);
        spec.stop = StopRule::Signal { signal: "SIGINT".into() };
    })
    .await;
    world.host.power(world.id, PowerAction::Stop, "").await.unwrap();
    world.line("must interrupt Freeciv twice").await;
    assert_eq!(world.until("there", |_| true).await.phase, Phase::Stopping);
    // On a busy machine two in a row may be more than a second apart.
    let name = format!("raptor-{}", world.id);
    let interrupts = format!("for i in 1 2 3 4 5 6; do docker kill -s INT {name} & done; wait");
    std::process::Command::new("sh").args(["-c", &interrupts]).output().unwrap();
    let exit = world.phase(Phase::Offline).await.last_exit.unwrap();
    assert!(!exit.crash, "{exit:?}");
}
