//! Which events the end of a process causes, and when.

use crate::world::{World, pass, seconds};
use futures_util::StreamExt;
use raptor_model::{
    containers::lifecycle::{Phase, RestartPolicy},
    node::{Fault, Happening, Node, NodeEvent},
};
use raptor_node_lib::runtime::Script;

#[tokio::test(start_paused = true)]
async fn a_bad_end_is_told_before_the_files_are_measured_and_a_full_disk_afterwards() {
    let world = World::running(|spec| {
        spec.limits.disk_mib = 10;
        spec.policy.restart = RestartPolicy::Never;
    })
    .await;
    std::fs::write(world.base.join(world.id.to_string()).join("world.dat"), vec![1; 12 << 20]).unwrap();
    let mut events = world.host.events().await.unwrap();
    world.engine.exit(world.id, 3);
    let deadline = tokio::time::Instant::now() + seconds(60);
    let mut faults = Vec::new();
    while faults.last().is_none_or(Option::is_none) {
        let event = tokio::time::timeout_at(deadline, events.next()).await.unwrap().unwrap();
        if let NodeEvent::Status { status } = event
            && status.phase == Phase::Offline
        {
            assert_eq!(status.last_exit.map(|exit| exit.code), Some(3));
            faults.push(status.fault.map(|fault| *fault));
        }
    }
    assert_eq!(faults.first(), Some(&None), "the end comes first");
    assert!(
        matches!(faults.last(), Some(Some(Fault::DiskFull { limit_bytes: 10_485_760, .. }))),
        "{faults:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_not_said_of_a_process_that_was_started_again_meanwhile() {
    let world = World::running(|spec| spec.limits.disk_mib = 10).await;
    let file = world.base.join(world.id.to_string()).join("world.dat");
    std::fs::write(&file, vec![1; 12 << 20]).unwrap();
    world.engine.exit(world.id, 3);
    world.until("ended", |status| status.last_exit.is_some()).await;
    std::fs::remove_file(&file).unwrap();
    assert_eq!(world.phase(Phase::Running).await.fault, None);
    pass(60).await;
    assert_eq!(world.status().await.fault, None);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_ran_out_of_memory_says_so_until_the_next_start() {
    let world = World::new(|spec| spec.policy.restart = RestartPolicy::Never).await;
    world.engine.runs_next(Script::new().print("ready").wait(seconds(1)).run_out_of_memory());
    world.start().await;
    let status = world.until("ended", |status| status.last_exit.is_some()).await;
    let exit = status.last_exit.unwrap();
    assert_eq!((exit.out_of_memory, exit.crash, exit.code), (true, true, 137));
    assert!(
        matches!(status.fault.as_deref(), Some(Fault::OutOfMemory { limit_mib: Some(64), .. })),
        "{status:?}"
    );
    world.start().await;
    assert_eq!(world.phase(Phase::Running).await.fault, None);
}

#[tokio::test(start_paused = true)]
async fn an_end_is_told_after_the_last_output() {
    let world = World::new(|spec| spec.policy.restart = RestartPolicy::Never).await;
    let mut events = world.host.events().await.unwrap();
    world.engine.runs_next(Script::new().print("ready").wait(seconds(1)).print("last words").exit(3));
    world.start().await;
    loop {
        let event = tokio::time::timeout(seconds(60), events.next()).await.unwrap().unwrap();
        match event {
            NodeEvent::Status { status } if status.last_exit.is_some() => {
                assert_eq!(world.output().await, ["ready", "last words"]);
            }
            NodeEvent::Happened(event) => {
                let Happening::Crashed { lines, .. } = event.what else { continue };
                assert_eq!(lines.last().map(String::as_str), Some("last words"));
                return;
            }
            _ => {}
        }
    }
}

/// Stops whoever writes the state, by a pipe in the place of the file that is being written, until somebody reads it.
struct HeldUpState {
    pipe: std::path::PathBuf,
    state: std::path::PathBuf,
}

impl HeldUpState {
    fn of(world: &World) -> Self {
        let folder = world.base.join(".raptor").join(world.id.to_string());
        let (pipe, state) = (folder.join("state.json.new"), folder.join("state.json"));
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        Self { pipe, state }
    }

    fn says_running(&self) -> bool {
        std::fs::read_to_string(&self.state).unwrap().contains(r#""phase":"running""#)
    }

    fn release(self) {
        let reader = std::fs::File::open(&self.pipe).unwrap();
        std::fs::remove_file(&self.pipe).unwrap();
        drop(reader);
    }
}

/// A daemon that is killed between the two would otherwise have forgotten it: nothing later tells of an end that is no crash.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn an_end_that_is_no_crash_is_kept_for_the_api_before_the_state_says_that_it_ended() {
    let world = World::running(|spec| spec.policy.restart = RestartPolicy::Never).await;
    let events = world.base.join(".raptor/events.jsonl");
    let kept = || std::fs::read_to_string(&events).unwrap().matches(&world.id.to_string()).count();
    let state = world.base.join(".raptor").join(world.id.to_string()).join("state.json");
    let until = async |what: &str, met: &dyn Fn() -> bool| {
        let deadline = std::time::Instant::now() + seconds(30);
        while !met() {
            assert!(std::time::Instant::now() < deadline, "{what}");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    let saved = || std::fs::read_to_string(&state).is_ok_and(|text| text.contains(r#""phase":"running""#));
    until("the state says that it runs", &saved).await;
    let before = kept();
    let held_up = HeldUpState::of(&world);
    world.engine.exit(world.id, 0);
    until("its end is kept", &|| kept() > before).await;
    assert!(held_up.says_running(), "the state is not written yet");
    held_up.release();
    world.phase(Phase::Offline).await;
}
