//! The engine's own commands used on the host, and damage to the daemon's folder.

use crate::world::{ECHO, SAVES, World, docker, docker_output, spec_of};
use raptor_model::{
    containers::lifecycle::{Phase, RestartPolicy},
    node::{ContainerSpec, Happening, InstallSpec, LineKind, Node, PowerAction},
    templates::StopRule,
};
use raptor_node_lib::Host;
use std::time::Duration;

async fn started(startup: &str, change: impl FnOnce(&mut ContainerSpec)) -> World {
    let world = World::new(startup, change).await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.phase(Phase::Running).await;
    world
}

fn by_signal(spec: &mut ContainerSpec) {
    spec.stop = StopRule::Signal { signal: "SIGTERM".into() };
}

/// The id of its running process.
fn process(world: &World) -> String {
    world.inspect("{{.State.Running}} {{.State.StartedAt}}")
}

#[tokio::test]
async fn what_is_stopped_killed_or_removed_with_dockers_own_commands_stays_offline_and_is_no_crash() {
    if !docker() {
        return;
    }
    for (command, away) in [
        (&["stop"][..], false),
        (&["kill"][..], false),
        (&["rm", "-f"][..], false),
        (&["stop"][..], true),
        (&["kill"][..], true),
    ] {
        let mut world = started(SAVES, |spec| spec.policy.restart = RestartPolicy::UnlessStopped).await;
        if away {
            world.host.shutdown().await;
        }
        let name = format!("raptor-{}", world.id);
        docker_output(&[command, &[&name]].concat());
        if away {
            world.restart_daemon().await;
        }
        let status = world.until("ended", |now| now.last_exit.is_some()).await;
        assert_eq!((status.phase, status.crashes.clone()), (Phase::Offline, None), "{command:?} {status:?}");
        assert!(!status.last_exit.unwrap().crash, "{command:?}");
        world.line("ended on the host with Docker's own command, not by Raptor").await;
        let told: Vec<_> = world.happened().await.into_iter().map(|event| event.what).collect();
        assert!(matches!(told[..], [Happening::Ended { by_hand: true, .. }]), "{command:?} {told:?}");
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(world.until("there", |_| true).await.phase, Phase::Offline, "{command:?}");
        world.host.power(world.id, PowerAction::Start, "").await.unwrap();
        world.phase(Phase::Running).await;
    }
}

#[tokio::test]
async fn what_is_started_again_with_dockers_own_commands_is_looked_after() {
    if !docker() {
        return;
    }
    let world = started(ECHO, |_| {}).await;
    let name = format!("raptor-{}", world.id);
    for (command, starts) in [(&["restart", "-t", "0"][..], 2), (&["start"][..], 3)] {
        if command[0] == "start" {
            world.host.power(world.id, PowerAction::Stop, "").await.unwrap();
            world.phase(Phase::Offline).await;
        }
        let before = world.inspect("{{.State.StartedAt}}");
        docker_output(&[command, &[&name]].concat());
        assert_ne!(world.inspect("{{.State.StartedAt}}"), before);
        let text = format!("after {}", command[0]);
        let deadline = tokio::time::Instant::now() + crate::world::PATIENCE;
        // Input during the restart may still go to the process that ended.
        while !world.texts(LineKind::Output).await.contains(&format!("got {text}")) {
            assert!(tokio::time::Instant::now() < deadline, "{command:?}\n{}", world.transcript().await);
            let _ = world.host.command(world.id, &text, "").await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        assert_eq!(world.until("there", |_| true).await.phase, Phase::Running);
        let said = world.texts(LineKind::Output).await;
        let ready = said.iter().filter(|line| *line == "hello ready").count();
        assert_eq!(ready, starts, "each line once\n{}", world.transcript().await);
    }
}

#[tokio::test]
async fn a_renamed_container_stops_and_is_removed_like_any_other() {
    if !docker() {
        return;
    }
    for rule in [by_signal, |_: &mut ContainerSpec| {}] {
        let startup = "sh -c 'trap \"echo SAVING; exit 0\" TERM; echo ready; while read line; do [ \"$line\" = stop ] && echo SAVING && exit 0; done'";
        let mut world = started(startup, rule).await;
        let (name, other) = (format!("raptor-{}", world.id), format!("mine-{}", world.id));
        docker_output(&["rename", &name, &other]);
        world.restart_daemon().await;
        world.until("measured", |status| status.phase == Phase::Running).await;
        world.host.power(world.id, PowerAction::Stop, "").await.unwrap();
        assert_eq!(
            world.phase(Phase::Offline).await.last_exit.unwrap().code,
            0,
            "{}",
            world.transcript().await
        );
        world.host.power(world.id, PowerAction::Start, "").await.unwrap();
        world.phase(Phase::Running).await;
        let label = format!("label=raptor.container={}", world.id);
        let all = || docker_output(&["ps", "-aq", "--filter", &label]);
        assert_eq!(all().lines().count(), 1, "the renamed one that had ended is gone");
        docker_output(&["rename", &name, &other]);
        world.host.remove(world.id).await.unwrap();
        assert_eq!(all(), "");
    }
}

#[tokio::test]
async fn a_folder_is_one_daemons_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("none.sock");
    let first = Host::builder(folder.path()).docker_socket(&nowhere).build().await.unwrap();
    let refused = Host::builder(folder.path()).docker_socket(&nowhere).build().await.err().unwrap();
    let refused = refused.to_string();
    assert!(refused.contains("Another Raptor daemon") && refused.contains("Stop it"), "{refused}");
    first.shutdown().await;
    Host::builder(folder.path()).docker_socket(&nowhere).build().await.unwrap();
}

#[tokio::test]
async fn what_runs_goes_on_when_the_data_disk_is_not_mounted_and_nothing_is_started_on_an_empty_folder() {
    if !docker() {
        return;
    }
    let install = InstallSpec {
        number: 1,
        image: "~raptor-test/busybox:1".into(),
        entrypoint: "sh".into(),
        script: "touch /mnt/server/world.dat".into(),
        wipe: true,
        start: true,
        timeout_ms: 10_000,
        strict: false,
    };
    let mut world = World::new(SAVES, |spec| {
        by_signal(spec);
        spec.install = Some(install);
    })
    .await;
    world.phase(Phase::Running).await;
    let (before, spec) = (process(&world), spec_of(&world.base, world.id));
    world.host.shutdown().await;
    let disk = world.base.with_file_name("disk");
    std::fs::rename(&world.base, &disk).unwrap();
    std::fs::create_dir(&world.base).unwrap();
    for _ in 0..2 {
        // Also if a daemon was started on the empty folder before.
        world.restart_daemon().await;
        let problem = world.host.system().await.unwrap().folder_problem.unwrap();
        assert!(
            problem.contains("Is its disk mounted?")
                && problem.contains("1 container") | problem.contains("a container"),
            "{problem}"
        );
        // As the API does with containers that the host reports as missing.
        world.host.declare(spec.clone()).await.unwrap();
        let status = world.phase(Phase::Running).await;
        assert!(status.problem.unwrap().contains("Is its disk mounted?"));
        assert_eq!(process(&world), before, "nobody touched it");
    }
    let said = world.texts(LineKind::Daemon).await;
    assert!(!said.iter().any(|line| line.contains("nstall")), "it is not installed again: {said:?}");
    world.host.power(world.id, PowerAction::Stop, "").await.unwrap();
    world.line("SAVING").await;
    assert_eq!(world.phase(Phase::Offline).await.last_exit.unwrap().code, 0);
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    let status = world.until("refused", |now| now.phase == Phase::Offline && now.problem.is_some()).await;
    assert!(status.problem.unwrap().contains("Is its disk mounted?"));
    assert_eq!(world.inspect("{{.State.Running}}"), "false");
    world.host.shutdown().await;
    std::fs::remove_dir_all(&world.base).unwrap();
    std::fs::rename(&disk, &world.base).unwrap();
    world.restart_daemon().await;
    assert_eq!(world.host.system().await.unwrap().folder_problem, None);
    // In the daemon's memory it runs; in the meantime a person stopped it, which is not stored on disk.
    world.until("settled", |now| now.phase == Phase::Running || now.phase == Phase::Offline).await;
    let _ = world.host.power(world.id, PowerAction::Start, "").await;
    world.phase(Phase::Running).await;
    assert!(world.base.join(world.id.to_string()).join("world.dat").exists());
}

#[tokio::test]
async fn what_runs_without_its_state_is_left_alone_and_taken_over_when_it_is_declared_again() {
    if !docker() {
        return;
    }
    for whole in [false, true] {
        let mut world = started(SAVES, by_signal).await;
        let (before, spec) = (process(&world), spec_of(&world.base, world.id));
        world.host.shutdown().await;
        let state = world.base.join(".raptor");
        std::fs::remove_dir_all(if whole { state } else { state.join(world.id.to_string()) }).unwrap();
        world.restart_daemon().await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(process(&world), before, "nobody touched it");
        assert_eq!(world.host.system().await.unwrap().folder_problem, None, "the files are there");
        world.host.declare(spec).await.unwrap();
        world.phase(Phase::Running).await;
        world.line("hello ready").await;
        world.line("supervised again").await;
        assert_eq!(process(&world), before);
        world.host.power(world.id, PowerAction::Stop, "").await.unwrap();
        world.line("SAVING").await;
        assert_eq!(world.phase(Phase::Offline).await.last_exit.unwrap().code, 0);
    }
}

#[tokio::test]
async fn what_runs_although_an_older_state_says_otherwise_is_taken_over_and_not_killed() {
    if !docker() {
        return;
    }
    let mut world = World::new(ECHO, |_| {}).await;
    let state = world.base.join(".raptor").join(world.id.to_string()).join("state.json");
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.phase(Phase::Running).await;
    world.host.power(world.id, PowerAction::Stop, "").await.unwrap();
    world.phase(Phase::Offline).await;
    let older = std::fs::read(&state).unwrap();
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.phase(Phase::Running).await;
    let before = process(&world);
    world.host.shutdown().await;
    std::fs::write(&state, older).unwrap();
    world.restart_daemon().await;
    world.phase(Phase::Running).await;
    assert_eq!(process(&world), before);
    world.host.command(world.id, "ping", "").await.unwrap();
    world.line("got ping").await;
}

#[tokio::test]
async fn a_start_on_a_folder_that_is_missing_is_refused_and_said() {
    if !docker() {
        return;
    }
    let world = started(ECHO, |_| {}).await;
    world.host.power(world.id, PowerAction::Stop, "").await.unwrap();
    world.phase(Phase::Offline).await;
    let data = world.base.join(world.id.to_string());
    let elsewhere = data.with_extension("elsewhere");
    std::fs::rename(&data, &elsewhere).unwrap();
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    let status = world.until("refused", |now| now.phase == Phase::Offline && now.problem.is_some()).await;
    let problem = status.problem.unwrap();
    assert!(problem.contains("is missing. Is its disk mounted?"), "{problem}");
    assert!(!data.exists(), "nothing was made in its place");
    std::fs::rename(&elsewhere, &data).unwrap();
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    assert_eq!(world.phase(Phase::Running).await.problem, None);
}
