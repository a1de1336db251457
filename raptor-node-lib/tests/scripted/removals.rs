//! Removing: whatever is in progress, nothing is left and nothing comes back.

use crate::world::{World, pass, seconds};
use raptor_model::{
    containers::lifecycle::Phase,
    node::{InstallSpec, Node, NodeError},
};
use raptor_node_lib::runtime::{Call, InjectedFault, Script};

/// Asserts that it is gone from the host, the engine and the disk, and stays gone.
async fn gone(world: &World) {
    pass(120).await;
    assert_eq!(world.host.containers().await.unwrap(), []);
    assert_eq!(world.engine.count(world.id), 0, "nothing is left in the engine");
    assert!(!world.base.join(world.id.to_string()).exists(), "its files are gone");
    let state = world.base.join(".raptor").join(world.id.to_string());
    assert!(!state.exists(), "its state is gone");
}

#[tokio::test(start_paused = true)]
async fn a_removal_during_any_step_of_a_start_leaves_nothing() {
    for call in [Call::Pull, Call::Network, Call::Create, Call::Attach, Call::Start] {
        let world = World::new(|_| {}).await;
        world.engine.inject(call, InjectedFault::Late(seconds(60)));
        world.start().await;
        pass(2).await;
        world.host.remove(world.id).await.unwrap();
        gone(&world).await;
        assert_eq!(world.engine.starts(world.id), 0, "{call:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_removal_while_it_runs_stops_crashes_or_waits_to_be_started_again_leaves_nothing() {
    let crashes = Script::new().print("ready").wait(seconds(1)).exit(1);
    let ignores = Script::new().print("ready").ignores_stop();
    for (script, stop, pause) in [
        (Script::new().print("ready"), false, 5),
        (ignores, true, 5),
        (crashes.clone(), false, 1),
        // The second pause after a crash is 4 s.
        (crashes, false, 4),
    ] {
        let world = World::new(|_| {}).await;
        world.engine.runs(script);
        world.start().await;
        world.phase(Phase::Running).await;
        if stop {
            world.stop().await;
        }
        pass(pause).await;
        let starts = world.engine.starts(world.id);
        world.host.remove(world.id).await.unwrap();
        gone(&world).await;
        assert_eq!(world.engine.starts(world.id), starts, "nothing starts it again");
    }
}

#[tokio::test(start_paused = true)]
async fn a_removal_while_it_is_installed_leaves_nothing() {
    let install: InstallSpec = serde_json::from_value(serde_json::json!({
        "number": 1, "image": "ghcr.io/games/installer:1", "entrypoint": "sh", "script": "true", "wipe": false,
        "start": true, "strict": true, "timeout_ms": 600_000,
    }))
    .unwrap();
    for late in [None, Some(Call::Pull), Some(Call::Create), Some(Call::Start)] {
        let world = World::new(|_| {}).await;
        world.engine.installs(Script::new().wait(seconds(100)).exit(0));
        if let Some(call) = late {
            world.engine.inject(call, InjectedFault::Late(seconds(60)));
        }
        let mut spec = world.host.declared(world.id).await.unwrap();
        (spec.revision, spec.install) = (2, Some(install.clone()));
        world.host.declare(spec).await.unwrap();
        pass(5).await;
        world.host.remove(world.id).await.unwrap();
        gone(&world).await;
        assert_eq!(world.engine.starts(world.id), 0, "{late:?}: it is not started after its installation");
    }
}

#[tokio::test(start_paused = true)]
async fn a_removal_while_the_engine_is_away_fails_and_works_when_it_is_back() {
    let world = World::running(|_| {}).await;
    world.engine.go_away();
    let failed = world.host.remove(world.id).await;
    assert!(matches!(failed, Err(NodeError::Docker(_))), "{failed:?}");
    assert!(world.base.join(world.id.to_string()).exists(), "no file is removed before the process is");
    pass(30).await;
    world.engine.come_back();
    world.host.remove(world.id).await.unwrap();
    gone(&world).await;
}

#[tokio::test(start_paused = true)]
async fn of_two_removals_at_once_both_are_answered_and_nothing_is_left() {
    let world = World::running(|_| {}).await;
    let (first, second) = tokio::join!(world.host.remove(world.id), world.host.remove(world.id));
    assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
    gone(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_removal_leaves_nothing_whichever_of_its_calls_the_engine_goes_away_at() {
    let mut met = 0;
    for call in [Call::Remove, Call::RemoveNetwork] {
        // The server and its installer; its own network and its owner's.
        for before in [0, 1] {
            for fault in [InjectedFault::Away, InjectedFault::AwayAfterwards] {
                // Asked for once more, or ended by a daemon that starts.
                let restarts = before == 1;
                let mut world = World::running(|_| {}).await;
                for _ in 0..before {
                    world.engine.inject(call, InjectedFault::Late(seconds(1)));
                }
                world.engine.inject(call, fault.clone());
                let first = world.host.remove(world.id).await;
                assert!(
                    world.engine.is_away() && !world.engine.has_pending_faults(),
                    "{call:?} {before}: it is made"
                );
                assert!(first.is_err(), "{call:?} {before} {fault:?}: nobody is told that it is done");
                met += 1;
                pass(5).await;
                world.engine.come_back();
                if restarts {
                    // What was begun is ended by itself.
                    world.restart_daemon().await;
                } else {
                    world.host.remove(world.id).await.unwrap();
                }
                gone(&world).await;
                assert_eq!(world.engine.starts(world.id), 1, "{call:?} {before} {fault:?}");
            }
        }
    }
    assert_eq!(met, 8);
}
