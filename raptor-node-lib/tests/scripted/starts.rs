//! Starting: cancelled, late, twice.

use crate::world::{World, pass, seconds};
use raptor_model::{
    containers::lifecycle::{Phase, Refused},
    node::{Fault, Node, NodeError, PowerAction},
};
use raptor_node_lib::runtime::{Call, InjectedFault, Script};

/// The calls of a start that can complete after nothing waits for them any more.
const LATE: [Call; 5] = [Call::Pull, Call::Network, Call::Create, Call::Attach, Call::Start];

#[tokio::test(start_paused = true)]
async fn a_stop_during_any_step_of_a_start_ends_it_at_once_and_nothing_comes_of_it_later() {
    for call in LATE {
        for power in [PowerAction::Stop, PowerAction::Kill] {
            let world = World::new(|_| {}).await;
            world.engine.inject(call, InjectedFault::Late(seconds(60)));
            world.start().await;
            pass(2).await;
            assert_eq!(world.status().await.phase, Phase::Starting, "{call:?}");
            assert!(!world.engine.has_pending_faults(), "{call:?} is what it waits for");
            world.host.power(world.id, power, "").await.unwrap();
            let status = world.phase(Phase::Offline).await;
            assert_eq!((status.problem, status.last_exit), (None, None), "{call:?}");
            world.stays_offline().await;
            assert_eq!(world.engine.count(world.id), 0, "{call:?}: nothing is left in the engine");
            assert_eq!(world.happened().await, [], "{call:?}: nothing happened that anybody should hear of");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_after_a_cancelled_one_runs_one_process_whatever_the_first_one_left_behind() {
    for call in LATE {
        let world = World::new(|_| {}).await;
        world.engine.inject(call, InjectedFault::Late(seconds(20)));
        world.start().await;
        pass(2).await;
        world.kill().await;
        world.phase(Phase::Offline).await;
        world.start().await;
        world.phase(Phase::Running).await;
        pass(60).await;
        assert_eq!(world.status().await.phase, Phase::Running, "{call:?}: {}", world.transcript().await);
        assert!(world.engine.is_running(world.id), "{call:?}");
        assert_eq!((world.engine.most_at_once(world.id), world.engine.count(world.id)), (1, 1), "{call:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_during_a_start_begins_it_anew_once() {
    let world = World::new(|_| {}).await;
    world.engine.inject(Call::Pull, InjectedFault::Late(seconds(60)));
    world.start().await;
    pass(2).await;
    world.host.power(world.id, PowerAction::Restart, "").await.unwrap();
    world.phase(Phase::Running).await;
    pass(120).await;
    assert_eq!(world.status().await.phase, Phase::Running);
    assert_eq!(world.engine.starts(world.id), 1);
}

#[tokio::test(start_paused = true)]
async fn of_two_starts_the_second_is_refused() {
    let world = World::new(|_| {}).await;
    world.start().await;
    let second = world.host.power(world.id, PowerAction::Start, "").await;
    assert!(matches!(second, Err(NodeError::Refused(Refused::AlreadyRunning))), "{second:?}");
    world.phase(Phase::Running).await;
    assert_eq!(world.engine.starts(world.id), 1);
}

#[tokio::test(start_paused = true)]
async fn what_the_engine_refuses_is_said_and_not_tried_again() {
    for call in [Call::Network, Call::Create, Call::Attach, Call::Start] {
        let world = World::new(|_| {}).await;
        world.engine.inject(call, InjectedFault::Refused("no".into()));
        world.start().await;
        let status = world.until("a problem", |status| status.problem.is_some()).await;
        assert_eq!(status.phase, Phase::Offline, "{call:?}");
        assert_eq!(status.fault.as_deref(), Some(&Fault::EngineRefused { details: "no".into() }));
        world.stays_offline().await;
        world.start().await;
        assert_eq!(world.phase(Phase::Running).await.problem, None, "{call:?}: the next one works");
    }
}

#[tokio::test(start_paused = true)]
async fn a_port_that_is_in_use_for_a_moment_is_waited_for_once() {
    let world = World::new(|_| {}).await;
    let taken = || InjectedFault::Refused("address already in use".into());
    world.engine.inject(Call::Start, taken());
    world.start().await;
    world.phase(Phase::Running).await;
    world.stop().await;
    world.phase(Phase::Offline).await;
    world.engine.inject(Call::Start, taken());
    world.engine.inject(Call::Start, taken());
    world.start().await;
    world.until("a problem", |status| status.problem.is_some()).await;
    world.stays_offline().await;
}

#[tokio::test(start_paused = true)]
async fn an_image_that_a_registry_refuses_is_used_as_it_is_here_and_otherwise_said() {
    let world = World::new(|_| {}).await;
    world.engine.inject(Call::Pull, InjectedFault::Refused("dial tcp: i/o timeout".into()));
    world.start().await;
    world.phase(Phase::Running).await;
    world.stop().await;
    world.phase(Phase::Offline).await;
    world.engine.lacks("ghcr.io/games/test:1");
    world.engine.inject(Call::Pull, InjectedFault::Refused("dial tcp: i/o timeout".into()));
    world.start().await;
    let status = world.until("a problem", |status| status.problem.is_some()).await;
    assert!(matches!(status.fault.as_deref(), Some(Fault::RegistryUnreachable { .. })), "{status:?}");
}

#[tokio::test(start_paused = true)]
async fn what_somebody_removes_between_its_creation_and_its_start_fails_the_start_and_the_next_one_works() {
    for call in [Call::Attach, Call::Start] {
        let world = World::new(|_| {}).await;
        world.engine.inject(call, InjectedFault::Removed);
        world.start().await;
        let status = world.until("a problem", |status| status.problem.is_some()).await;
        assert_eq!((status.phase, status.last_exit), (Phase::Offline, None), "{call:?}");
        world.start().await;
        world.phase(Phase::Running).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_is_running_only_once_it_has_said_that_it_is_ready() {
    let world = World::new(|_| {}).await;
    world.engine.runs(Script::new().print("loading").wait(seconds(100)).print("ready"));
    world.start().await;
    pass(90).await;
    assert_eq!(world.status().await.phase, Phase::Starting);
    pass(20).await;
    assert_eq!(world.status().await.phase, Phase::Running);
    assert_eq!(world.output().await, ["loading", "ready"]);
}
