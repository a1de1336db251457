//! Which events the end of a process causes, and when.

use crate::world::{World, pass, seconds};
use futures_util::StreamExt;
use raptor_model::{
    containers::lifecycle::{Phase, RestartPolicy},
    node::{Fault, Node, NodeEvent},
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
