//! An engine that does not answer: accepted requests are carried out when it is back, and no container is considered dead in
//! the meantime.

use crate::world::{World, pass};
use raptor_model::{
    containers::lifecycle::{Hold, Phase, RestartPolicy},
    node::{Done, Handler, Happening, InstallSpec, Node, requests::CancelInstall},
    templates::StopRule,
};
use raptor_node_lib::runtime::{Call, InjectedFault, Script};

#[tokio::test(start_paused = true)]
async fn a_start_comes_to_one_process_whichever_call_the_engine_goes_away_at() {
    for call in Call::OF_A_START {
        for fault in [InjectedFault::Away, InjectedFault::AwayAfterwards] {
            let world = World::new(|_| {}).await;
            world.engine.inject(call, fault.clone());
            world.start().await;
            pass(10).await;
            assert!(world.engine.is_away(), "{call:?} is made");
            assert_ne!(world.status().await.phase, Phase::Offline, "{call:?}: it is not given up");
            world.engine.come_back();
            let status = world.phase(Phase::Running).await;
            assert_eq!((status.problem, status.crashes), (None, None), "{call:?} {fault:?}");
            pass(20).await;
            let (starts, at_once) = (world.engine.starts(world.id), world.engine.most_at_once(world.id));
            assert_eq!((starts, at_once), (1, 1), "{call:?} {fault:?}: {}", world.transcript().await);
            assert_eq!(world.engine.count(world.id), 1);
            assert_eq!(world.output().await, ["ready"], "{call:?} {fault:?}: its first line is there, once");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_ended_before_the_engine_could_answer_the_start_is_not_started_once_more() {
    let world = World::new(|spec| spec.policy.restart = RestartPolicy::Never).await;
    world.engine.runs(Script::new().print("ready").wait(crate::world::seconds(1)).exit(0));
    world.engine.inject(Call::Start, InjectedFault::AwayAfterwards);
    world.start().await;
    pass(10).await;
    world.engine.come_back();
    let status = world.until("ended", |status| status.last_exit.is_some()).await;
    assert_eq!((status.phase, status.problem), (Phase::Offline, None));
    world.stays_offline().await;
    assert_eq!(world.engine.starts(world.id), 1);
    assert_eq!(world.output().await, ["ready"]);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_stopped_while_the_engine_is_away_comes_to_nothing() {
    for call in Call::OF_A_START {
        for fault in [InjectedFault::Away, InjectedFault::AwayAfterwards] {
            let world = World::new(|_| {}).await;
            world.engine.inject(call, fault.clone());
            world.start().await;
            pass(10).await;
            world.stop().await;
            pass(10).await;
            world.engine.come_back();
            let status = world.phase(Phase::Offline).await;
            assert_eq!(status.problem, None, "{call:?} {fault:?}");
            world.stays_offline().await;
            assert!(!world.engine.is_running(world.id), "{call:?} {fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_is_accepted_while_the_engine_is_away_and_says_what_it_waits_for() {
    let world = World::new(|_| {}).await;
    world.engine.go_away();
    world.start().await;
    let waiting = world.until("waiting", |status| status.problem.is_some()).await;
    assert_eq!(waiting.phase, Phase::Starting);
    let problem = waiting.problem.unwrap();
    assert!(problem.ends_with("It is started as soon as Docker answers."), "{problem}");
    pass(300).await;
    assert_eq!(world.status().await.phase, Phase::Starting);
    world.engine.come_back();
    assert_eq!(world.phase(Phase::Running).await.problem, None);
}

#[tokio::test(start_paused = true)]
async fn a_stop_or_kill_that_is_asked_for_while_the_engine_is_away_is_carried_out_when_it_is_back() {
    for stop in [StopRule::Signal { signal: "SIGTERM".into() }, StopRule::Command { command: "stop".into() }]
    {
        for kill in [false, true] {
            let world = World::running(|spec| spec.stop = stop.clone()).await;
            world.engine.go_away();
            if kill {
                world.kill().await;
            } else {
                world.stop().await;
            }
            pass(120).await;
            assert_eq!(world.status().await.phase, Phase::Stopping, "nobody knows that it has ended");
            assert!(world.engine.is_running(world.id));
            world.engine.come_back();
            let status = world.phase(Phase::Offline).await;
            let exit = status.last_exit.unwrap();
            assert_eq!((exit.code, exit.crash), (if kill { 137 } else { 0 }, false), "{stop:?}");
            world.stays_offline().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_to_stop_does_not_run_while_nobody_could_pass_the_stop_on() {
    let world = World::new(|_| {}).await;
    world.engine.runs(Script::new().print("ready").takes_to_stop(crate::world::seconds(20)));
    world.start().await;
    world.phase(Phase::Running).await;
    world.engine.go_away();
    world.stop().await;
    pass(300).await;
    world.engine.come_back();
    let exit = world.phase(Phase::Offline).await.last_exit.unwrap();
    assert_eq!(exit.code, 0, "it had its time to save: {}", world.transcript().await);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_declared_dead_because_the_engine_does_not_answer() {
    let world = World::running(|_| {}).await;
    world.engine.go_away();
    pass(300).await;
    assert_eq!(world.status().await.phase, Phase::Running);
    world.engine.come_back();
    pass(60).await;
    assert_eq!(world.status().await.phase, Phase::Running);
    assert_eq!(world.engine.starts(world.id), 1);
    assert_eq!(world.happened().await, []);
}

#[tokio::test(start_paused = true)]
async fn what_ends_while_the_engine_is_away_was_interrupted_and_is_started_again_where_the_policy_says_so() {
    for (restart, back) in [(RestartPolicy::UnlessStopped, true), (RestartPolicy::Never, false)] {
        let world = World::running(|spec| spec.policy.restart = restart).await;
        world.engine.go_away();
        world.engine.exit(world.id, 137);
        pass(60).await;
        assert_eq!(world.status().await.phase, Phase::Running, "nobody knows of it yet");
        world.engine.come_back();
        if back {
            world
                .until("started again", |status| status.last_exit.is_some() && status.phase == Phase::Running)
                .await;
            assert_eq!(world.happened().await, [Happening::Recovered]);
        } else {
            world.stays_offline().await;
            assert_eq!(world.happened().await, []);
        }
        let status = world.status().await;
        assert_eq!((status.last_exit.unwrap().crash, status.crashes), (false, None));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_written_while_the_engine_is_away_is_read_afterwards_and_nothing_twice() {
    let world = World::running(|_| {}).await;
    for round in 0..3 {
        world.engine.print(world.id, &format!("before {round}"));
        pass(1).await;
        world.engine.go_away();
        world.engine.print(world.id, &format!("meanwhile {round}"));
        pass(10).await;
        world.engine.come_back();
        pass(10).await;
        world.engine.print(world.id, &format!("after {round}"));
        pass(1).await;
    }
    let wanted: Vec<String> = (0..3)
        .flat_map(|round| ["before", "meanwhile", "after"].map(|when| format!("{when} {round}")))
        .collect();
    assert_eq!(world.output().await[1..], wanted);
}

#[tokio::test(start_paused = true)]
async fn many_short_outages_change_nothing() {
    let world = World::running(|_| {}).await;
    for _ in 0..30 {
        world.outage(1).await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
    pass(10).await;
    world.host.command(world.id, "hello", "").await.unwrap();
    pass(2).await;
    assert_eq!(world.output().await, ["ready", "hello", "got hello"]);
    assert_eq!(world.engine.starts(world.id), 1);
}

#[tokio::test(start_paused = true)]
async fn an_installation_comes_to_one_installer_whichever_call_the_engine_goes_away_at() {
    let install: InstallSpec = serde_json::from_value(serde_json::json!({
        "number": 1, "image": "ghcr.io/games/installer:1", "entrypoint": "sh", "script": "true", "wipe": false,
        "start": true, "strict": true, "timeout_ms": 3_600_000,
    }))
    .unwrap();
    let mut met = Vec::new();
    for call in Call::OF_A_START.into_iter().chain([Call::Rejoin, Call::Wait]) {
        for fault in [InjectedFault::Away, InjectedFault::AwayAfterwards] {
            let world = World::new(|_| {}).await;
            world.engine.installs(Script::new().print("unpacked").wait(crate::world::seconds(20)).exit(0));
            world.engine.lacks("ghcr.io/games/installer:1");
            world.engine.inject(call, fault.clone());
            let mut spec = world.host.declared(world.id).await.unwrap();
            (spec.revision, spec.install) = (2, Some(install.clone()));
            world.host.declare(spec).await.unwrap();
            pass(10).await;
            if !world.engine.is_away() {
                // An installation makes no such call.
                continue;
            }
            met.push(call);
            let status = world.status().await;
            assert_eq!(status.hold, Some(Hold::Installing), "{call:?}: it is not given up");
            pass(30).await;
            world.engine.come_back();
            let status = world.phase(Phase::Running).await;
            assert_eq!((status.installed, status.hold), (1, None), "{call:?} {fault:?}");
            assert_eq!(status.problem, None, "{call:?} {fault:?}");
            let transcript = world.transcript().await;
            assert_eq!(transcript.matches(" unpacked").count(), 1, "{call:?} {fault:?}: {transcript}");
            let (starts, left) = (world.engine.starts(world.id), world.engine.count(world.id));
            assert_eq!((starts, left), (1, 1), "{call:?} {fault:?}: its installer is gone");
        }
    }
    for made in [Call::Version, Call::Pull, Call::Create, Call::Attach, Call::Start] {
        assert_eq!(met.iter().filter(|call| **call == made).count(), 2, "{made:?} is made: {met:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_installation_that_is_cancelled_while_the_engine_is_away_leaves_nothing() {
    let install: InstallSpec = serde_json::from_value(serde_json::json!({
        "number": 1, "image": "ghcr.io/games/installer:1", "entrypoint": "sh", "script": "true", "wipe": false,
        "start": true, "strict": true, "timeout_ms": 3_600_000,
    }))
    .unwrap();
    for begun in [false, true] {
        let world = World::new(|_| {}).await;
        world.engine.installs(Script::new().wait(crate::world::seconds(600)).exit(0));
        if !begun {
            world.engine.go_away();
        }
        let mut spec = world.host.declared(world.id).await.unwrap();
        (spec.revision, spec.install) = (2, Some(install.clone()));
        world.host.declare(spec).await.unwrap();
        pass(20).await;
        world.engine.go_away();
        let Done = world.host.handle(world.id, CancelInstall).await.unwrap();
        pass(20).await;
        world.engine.come_back();
        let status = world.until("ended", |status| status.hold == Some(Hold::InstallFailed)).await;
        assert!(status.problem.unwrap().contains("cancelled"));
        pass(30).await;
        assert_eq!((world.engine.starts(world.id), world.engine.count(world.id)), (0, 0), "begun: {begun}");
    }
}
