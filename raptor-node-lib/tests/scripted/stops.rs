//! Stopping: by signal and by command, ignored, twice, overtaken by a kill or an end.

use crate::world::{World, pass, seconds};
use raptor_model::{
    containers::lifecycle::{Phase, Refused, RestartPolicy},
    node::{Node, NodeError, PowerAction},
    templates::StopRule,
};
use raptor_node_lib::runtime::Script;
use tokio::time::Instant;

fn deaf() -> Script {
    Script::new().print("ready").ignores_stop()
}

#[tokio::test(start_paused = true)]
async fn a_process_that_ignores_the_stop_is_killed_when_its_time_is_over_and_not_before() {
    for stop in [StopRule::Signal { signal: "SIGINT".into() }, StopRule::Command { command: "stop".into() }] {
        let world = World::new(|spec| spec.stop = stop).await;
        world.engine.runs(deaf());
        world.start().await;
        world.phase(Phase::Running).await;
        world.stop().await;
        pass(29).await;
        assert_eq!(world.status().await.phase, Phase::Stopping);
        assert!(world.engine.is_running(world.id));
        pass(3).await;
        let status = world.status().await;
        assert_eq!(status.phase, Phase::Offline, "{}", world.transcript().await);
        let exit = status.last_exit.unwrap();
        assert_eq!((exit.code, exit.crash), (137, false), "it was asked to");
        world.stays_offline().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_kill_while_it_stops_does_not_wait_for_the_time_to_stop() {
    let world = World::new(|spec| spec.stop_timeout_ms = 600_000).await;
    world.engine.runs(deaf());
    world.start().await;
    world.phase(Phase::Running).await;
    world.stop().await;
    pass(2).await;
    let asked = Instant::now();
    world.kill().await;
    world.phase(Phase::Offline).await;
    assert!(asked.elapsed() < seconds(5), "{:?}", asked.elapsed());
    world.stays_offline().await;
}

#[tokio::test(start_paused = true)]
async fn a_second_stop_gives_it_no_more_time_than_the_first() {
    let world = World::new(|_| {}).await;
    world.engine.runs(deaf());
    world.start().await;
    world.phase(Phase::Running).await;
    let asked = Instant::now();
    world.stop().await;
    pass(20).await;
    world.stop().await;
    world.phase(Phase::Offline).await;
    assert!(asked.elapsed() < seconds(35), "{:?}", asked.elapsed());
    let third = world.host.power(world.id, PowerAction::Stop, "").await;
    assert!(matches!(third, Err(NodeError::Refused(Refused::Offline))), "{third:?}");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_crashes_while_it_stops_has_stopped_and_is_not_started_again() {
    let world = World::new(|spec| spec.policy.restart = RestartPolicy::Always).await;
    world.engine.runs(deaf());
    world.start().await;
    world.phase(Phase::Running).await;
    world.stop().await;
    pass(2).await;
    world.engine.exit(world.id, 139);
    let status = world.phase(Phase::Offline).await;
    let exit = status.last_exit.unwrap();
    assert_eq!((exit.code, exit.crash, status.crashes), (139, false, None));
    world.stays_offline().await;
    assert_eq!(world.happened().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_stop_on_its_way_to_a_process_that_has_just_ended_is_answered_once_and_kills_nothing_later() {
    let world = World::running(|_| {}).await;
    world.engine.exit(world.id, 1);
    // Both are in progress at the same time, in either order.
    let stopped = world.host.power(world.id, PowerAction::Stop, "").await;
    assert!(matches!(stopped, Ok(()) | Err(NodeError::Refused(Refused::Offline))), "{stopped:?}");
    world.phase(Phase::Offline).await;
    if stopped.is_ok() {
        world.stays_offline().await;
    }
    pass(120).await;
    world.host.power(world.id, PowerAction::Restart, "").await.unwrap();
    world.phase(Phase::Running).await;
    pass(120).await;
    assert_eq!(world.status().await.phase, Phase::Running, "no deadline of before ends it");
}

#[tokio::test(start_paused = true)]
async fn a_restart_during_a_stop_starts_it_once_after_its_end() {
    let world = World::new(|_| {}).await;
    world.engine.runs(Script::new().print("ready").takes_to_stop(seconds(10)));
    world.start().await;
    world.phase(Phase::Running).await;
    world.stop().await;
    pass(2).await;
    world.host.power(world.id, PowerAction::Restart, "").await.unwrap();
    world.host.power(world.id, PowerAction::Restart, "").await.unwrap();
    world.phase(Phase::Running).await;
    pass(60).await;
    assert_eq!(world.status().await.phase, Phase::Running);
    assert_eq!((world.engine.starts(world.id), world.engine.most_at_once(world.id)), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_typed_stop_command_stops_it_and_its_end_is_no_crash() {
    let world = World::new(|spec| spec.stop = StopRule::Command { command: "quit".into() }).await;
    world.engine.runs(Script::new().print("ready").takes_to_stop(seconds(5)).stops_with(1));
    world.start().await;
    world.phase(Phase::Running).await;
    world.host.command(world.id, "hello", "").await.unwrap();
    world.host.command(world.id, "quit", "").await.unwrap();
    let status = world.phase(Phase::Offline).await;
    let exit = status.last_exit.unwrap();
    assert_eq!((exit.code, exit.crash), (1, false));
    assert_eq!(world.output().await, ["ready", "hello", "got hello", "quit"]);
    world.stays_offline().await;
}
