//! Crashes are counted and reported once, restarts are delayed more and more, and finally stop.

use crate::world::{World, pass, seconds};
use raptor_model::{
    containers::lifecycle::{Phase, RestartPolicy},
    node::{Happening, Node, NodeError, PowerAction},
};
use raptor_node_lib::runtime::Script;
use tokio::time::Instant;

fn crashes_after(time: u64) -> Script {
    Script::new().print("ready").wait(seconds(time)).exit(1)
}

#[tokio::test(start_paused = true)]
async fn crashes_in_a_row_are_answered_by_growing_pauses_and_end_in_quarantine() {
    let world = World::new(|spec| spec.policy.max_crashes = 4).await;
    world.engine.runs(crashes_after(2));
    let begun = Instant::now();
    world.start().await;
    let quarantined = |status: &raptor_model::node::ContainerStatus| {
        status.crashes.as_ref().is_some_and(|crashes| crashes.quarantined)
    };
    world.until("quarantined", quarantined).await;
    // Four runs of 2 s, with pauses of 1, 4 and 16 s between them.
    assert!((seconds(29)..seconds(35)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert_eq!(world.engine.starts(world.id), 4);
    world.stays_offline().await;
    let told = world.happened().await.into_iter().map(|happening| match happening {
        Happening::Crashed { count, quarantined, exit, lines } => {
            assert!(exit.crash && lines == ["ready"], "{exit:?} {lines:?}");
            (count, quarantined)
        }
        other => panic!("{other:?}"),
    });
    assert_eq!(told.collect::<Vec<_>>(), [(1, false), (2, false), (3, false), (4, true)]);
    world.engine.runs(Script::new().print("ready"));
    world.start().await;
    assert_eq!(world.phase(Phase::Running).await.crashes, None, "a person's start begins anew");
}

#[tokio::test(start_paused = true)]
async fn a_calm_minute_forgives_earlier_crashes_and_a_shorter_one_does_not() {
    for (calm, counted) in [(50, 2), (70, 1)] {
        let world = World::new(|_| {}).await;
        world.engine.runs_next(crashes_after(1));
        world.engine.runs_next(crashes_after(calm));
        world.start().await;
        world.until("up again", |status| status.crashes.is_some() && status.phase == Phase::Running).await;
        let again = world.until("down again", |status| status.phase == Phase::Offline).await;
        assert_eq!(again.crashes.unwrap().count, counted, "after {calm} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_ends_as_soon_as_it_is_started_has_crashed_once() {
    let world = World::new(|spec| spec.policy.restart = RestartPolicy::Never).await;
    world.engine.runs(Script::new().print("no such file").exit(127));
    world.start().await;
    let status = world.until("ended", |status| status.last_exit.is_some()).await;
    assert_eq!((status.phase, status.last_exit.unwrap().code), (Phase::Offline, 127));
    world.stays_offline().await;
    let told = world.happened().await;
    assert!(
        matches!(&told[..], [Happening::Crashed { count: 1, lines, .. }] if lines[..] == ["no such file"]),
        "{told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stop_in_the_pause_after_a_crash_ends_it_and_a_start_does_not_wait_for_it() {
    let world = World::new(|_| {}).await;
    world.engine.runs_next(crashes_after(1));
    world.engine.runs_next(crashes_after(1));
    world.start().await;
    world
        .until("crashed twice", |status| status.crashes.as_ref().is_some_and(|crashes| crashes.count == 2))
        .await;
    world.stop().await;
    world.stays_offline().await;
    world.engine.runs_next(crashes_after(1));
    world.start().await;
    world.until("down", |status| status.crashes.is_some()).await;
    let asked = Instant::now();
    world.start().await;
    world.phase(Phase::Running).await;
    assert!(asked.elapsed() < seconds(1), "{:?}", asked.elapsed());
    let starts = world.engine.starts(world.id);
    pass(600).await;
    assert_eq!(world.engine.starts(world.id), starts, "the pause starts nothing on top");
}

#[tokio::test(start_paused = true)]
async fn what_counts_as_a_crash_is_what_the_policy_says_and_every_other_end_is_told_as_one() {
    // (exit code, crashes are detected, code 0 is one, crashed)
    let cases =
        [(1, true, false, true), (0, true, false, false), (0, true, true, true), (1, false, true, false)];
    for (code, detect, clean, crashed) in cases {
        let world = World::new(|spec| {
            let policy = &mut spec.policy;
            (policy.detect_crashes, policy.clean_exit_is_crash) = (detect, clean);
            policy.restart = RestartPolicy::Never;
        })
        .await;
        world.engine.runs(Script::new().print("ready").wait(seconds(1)).exit(code));
        world.start().await;
        let exit = world.until("ended", |status| status.last_exit.is_some()).await.last_exit.unwrap();
        assert_eq!((exit.code, exit.crash), (code, crashed));
        let told = world.happened().await;
        match &told[..] {
            [Happening::Crashed { .. }] if crashed => {}
            [Happening::Ended { by_hand: false, .. }] if !crashed => {}
            _ => panic!("{code} {detect} {clean}: {told:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_ended_by_hand_stays_offline_and_is_no_crash() {
    for remove in [false, true] {
        let world = World::running(|spec| spec.policy.restart = RestartPolicy::Always).await;
        if remove {
            world.engine.remove_by_hand(world.id);
        } else {
            world.engine.kill_by_hand(world.id);
        }
        world.stays_offline().await;
        let told = world.happened().await;
        assert!(matches!(told[..], [Happening::Ended { by_hand: true, .. }]), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_to_what_has_crashed_is_refused_and_one_to_the_next_process_arrives_there() {
    let world = World::new(|_| {}).await;
    world.engine.runs_next(crashes_after(1));
    world.start().await;
    world.until("crashed", |status| status.crashes.is_some()).await;
    let refused = world.host.command(world.id, "lost", "").await;
    assert!(matches!(refused, Err(NodeError::Refused(_))), "{refused:?}");
    world.phase(Phase::Running).await;
    world.host.command(world.id, "hello", "").await.unwrap();
    world.host.power(world.id, PowerAction::Stop, "").await.unwrap();
    world.phase(Phase::Offline).await;
    assert_eq!(world.output().await, ["ready", "ready", "hello", "got hello"]);
}
