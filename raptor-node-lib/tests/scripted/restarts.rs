//! A daemon that is killed and restarted at every step of what it was doing.

use crate::world::{World, pass, seconds};
use raptor_model::{
    containers::lifecycle::{Phase, RestartPolicy},
    node::Happening,
};
use raptor_node_lib::runtime::{Call, InjectedFault, Script};

#[tokio::test(start_paused = true)]
async fn a_new_daemon_finishes_the_start_that_the_old_one_had_begun_with_one_process() {
    for call in [Call::Pull, Call::Network, Call::Create, Call::Attach, Call::Start] {
        let mut world = World::new(|_| {}).await;
        world.engine.inject(call, InjectedFault::Late(seconds(5)));
        world.start().await;
        pass(2).await;
        world.restart_daemon().await;
        let status = world.phase(Phase::Running).await;
        assert_eq!(status.crashes, None, "{call:?}");
        pass(120).await;
        assert_eq!(world.status().await.phase, Phase::Running, "{call:?}: {}", world.transcript().await);
        assert_eq!((world.engine.most_at_once(world.id), world.engine.count(world.id)), (1, 1), "{call:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_daemon_joins_what_runs_and_misses_no_line() {
    let mut world = World::running(|_| {}).await;
    world.host.shutdown().await;
    world.engine.print(world.id, "nobody reads this yet");
    world.restart_daemon().await;
    pass(5).await;
    assert_eq!(world.status().await.phase, Phase::Running);
    assert_eq!(world.output().await, ["ready", "nobody reads this yet"]);
    assert_eq!(world.engine.starts(world.id), 1);
    world.stop().await;
    world.stays_offline().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_daemon_goes_on_with_the_stop_that_the_old_one_had_begun() {
    let mut world = World::new(|_| {}).await;
    world.engine.runs(Script::new().print("ready").ignores_stop());
    world.start().await;
    world.phase(Phase::Running).await;
    world.stop().await;
    pass(5).await;
    world.restart_daemon().await;
    let exit = world.phase(Phase::Offline).await.last_exit.unwrap();
    assert_eq!((exit.code, exit.crash), (137, false));
    world.stays_offline().await;
}

#[tokio::test(start_paused = true)]
async fn an_end_that_no_daemon_saw_is_told_by_the_next_one_once() {
    let mut world = World::running(|spec| spec.policy.restart = RestartPolicy::Never).await;
    world.host.shutdown().await;
    world.engine.exit(world.id, 3);
    pass(5).await;
    world.restart_daemon().await;
    let status = world.phase(Phase::Offline).await;
    assert!(status.last_exit.is_some_and(|exit| exit.code == 3 && exit.crash), "{status:?}");
    world.restart_daemon().await;
    world.stays_offline().await;
    let told = world.happened().await;
    assert!(matches!(told[..], [Happening::Crashed { count: 1, .. }]), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn the_pause_after_a_crash_outlasts_the_daemon() {
    let mut world = World::new(|_| {}).await;
    world.engine.runs_next(Script::new().print("ready").wait(seconds(1)).exit(1));
    world.start().await;
    world.until("crashed", |status| status.crashes.is_some()).await;
    world.restart_daemon().await;
    let status = world.phase(Phase::Running).await;
    assert_eq!(status.crashes.unwrap().count, 1);
    assert_eq!(world.engine.starts(world.id), 2);
}
