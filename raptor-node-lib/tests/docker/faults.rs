//! Faults that keep a container from running: their codes and messages.

use crate::{
    pull::Registry,
    world::{ECHO, World, docker},
};
use futures_util::StreamExt;
use raptor_model::{
    containers::lifecycle::{Hold, Phase, RestartPolicy},
    node::{
        ContainerStatus, Fault, FilePath, Handler, InstallSpec, Node, NodeEvent, PowerAction,
        files::{FileRequest, Scoped},
        requests::RegistryLogins,
    },
};
use std::{net::TcpListener, time::Duration};

/// Starts it, waits until that has failed, and returns the message and the code.
async fn failed(world: &World) -> (String, Fault) {
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    let over = |status: &ContainerStatus| {
        status.phase == Phase::Offline && status.problem.is_some() && status.fault.is_some()
    };
    let status = world.until("failed", over).await;
    let (problem, fault) = (status.problem.unwrap(), *status.fault.unwrap());
    if let Some(details) = fault.details() {
        assert!(!problem.contains(details), "the engine's words are not the sentence: {problem}");
        world.line(details).await;
    }
    (problem, fault)
}

/// A port of this machine that nothing listens on.
fn closed() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

fn install(image: &str, script: &str) -> InstallSpec {
    InstallSpec {
        number: 1,
        image: image.into(),
        entrypoint: "sh".into(),
        script: script.into(),
        wipe: false,
        start: false,
        timeout_ms: 60_000,
        strict: true,
    }
}

#[tokio::test]
async fn an_image_that_is_missing_or_wants_a_login_and_a_registry_that_is_away_are_told_apart() {
    if !docker() {
        return;
    }
    let Some(registry) = Registry::start() else { return };
    let host = registry.host.clone();
    let missing = format!("{host}/games/nowhere:1");
    let world = World::new(ECHO, |spec| spec.image = missing.clone()).await;

    let (problem, fault) = failed(&world).await;
    assert_eq!(
        problem,
        format!(
            "The image {missing} can't be downloaded: {host} requires a login for it. Add a login for this registry under \
             Daemons, or choose another image."
        )
    );
    assert!(
        matches!(&fault, Fault::LoginRequired { image, registry, .. } if *image == missing && *registry == host)
    );

    world.host.handle((), RegistryLogins { items: vec![registry.login()] }).await.unwrap();
    let (problem, fault) = failed(&world).await;
    assert_eq!(
        problem,
        format!(
            "The image {missing} can't be downloaded: {host} has no such image. Check its name and tag, or choose another image."
        )
    );
    assert!(
        matches!(&fault, Fault::ImageNotFound { image, details: Some(_) } if *image == missing),
        "{fault:?}"
    );

    let away = closed();
    world.change(|spec| spec.image = format!("{away}/games/echo:1")).await;
    let (problem, fault) = failed(&world).await;
    assert!(
        problem.contains(&format!("{away} can't be reached from this host. Try again when it answers")),
        "{problem}"
    );
    assert!(matches!(&fault, Fault::RegistryUnreachable { registry, .. } if *registry == away), "{fault:?}");

    world.change(|spec| spec.image = "~raptor-test/nowhere:1".into()).await;
    let (problem, fault) = failed(&world).await;
    assert!(problem.starts_with("The local image raptor-test/nowhere:1 is not on this host."), "{problem}");
    assert_eq!(fault, Fault::ImageNotFound { image: "raptor-test/nowhere:1".into(), details: None });

    world.change(|spec| spec.image_refused = Some("The image is not allowed.".into())).await;
    let (problem, fault) = failed(&world).await;
    assert_eq!(problem, "The image is not allowed.");
    assert_eq!(fault, Fault::ImageRefused { image: "raptor-test/nowhere:1".into() });
}

#[tokio::test]
async fn what_docker_refuses_for_a_reason_of_its_own_has_a_plain_sentence_and_its_words_as_details() {
    if !docker() {
        return;
    }
    let world = World::new(ECHO, |spec| spec.limits.cpuset = Some("4000".into())).await;
    let (problem, fault) = failed(&world).await;
    assert_eq!(problem, "Docker refused to start the container.");
    let Fault::EngineRefused { details } = fault else { panic!("{fault:?}") };
    assert!(details.contains("4000"), "{details}");
    world.change(|spec| spec.limits.cpuset = None).await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    let status = world.phase(Phase::Running).await;
    assert_eq!((status.problem, status.fault), (None, None));
}

#[tokio::test]
async fn a_process_that_outgrows_its_memory_limit_is_said_to_have_done_so_until_the_next_start() {
    if !docker() {
        return;
    }
    let hungry = "sh -c 'echo ready; exec dd if=/dev/zero of=/dev/null bs=64M'";
    let mut world = World::new(hungry, |spec| {
        spec.limits.memory_mib = 6;
        spec.policy.restart = RestartPolicy::Never;
    })
    .await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    let killed = world.until("killed", |status| status.last_exit.is_some()).await;
    let wanted = Some(Box::new(Fault::OutOfMemory { limit_mib: Some(6), details: None }));
    assert!(killed.last_exit.unwrap().out_of_memory, "{killed:?}");
    assert_eq!((killed.fault, killed.problem), (wanted.clone(), None));
    world.restart_daemon().await;
    assert_eq!(world.phase(Phase::Offline).await.fault, wanted, "also by the next daemon");
    world.change(|spec| spec.startup = ECHO.into()).await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    assert_eq!(world.phase(Phase::Running).await.fault, None);
}

#[tokio::test]
async fn the_end_of_a_process_is_told_before_its_files_are_measured_and_a_full_disk_afterwards() {
    if !docker() {
        return;
    }
    let fills = "sh -c 'dd if=/dev/zero of=full bs=1M count=12; exit 3'";
    // The host must not notice the full disk before the process has ended.
    let world = World::unmeasured(fills, |spec| {
        spec.limits.disk_mib = 10;
        spec.policy.restart = RestartPolicy::Never;
    })
    .await;
    let mut events = world.host.events().await.unwrap();
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    let told = async {
        let mut faults = Vec::new();
        while let Some(event) = events.next().await {
            let NodeEvent::Status { status } = event else { continue };
            if status.last_exit.is_some_and(|exit| exit.code == 3) && status.phase == Phase::Offline {
                faults.push(status.fault.map(|fault| *fault));
                if faults.last().is_some_and(Option::is_some) {
                    break;
                }
            }
        }
        faults
    };
    let faults = tokio::time::timeout(Duration::from_secs(60), told).await.unwrap();
    assert_eq!(faults.first(), Some(&None), "the end comes first");
    assert!(
        matches!(faults.last(), Some(Some(Fault::DiskFull { limit_bytes: 10_485_760, .. }))),
        "{faults:?}"
    );
}

#[tokio::test]
async fn an_installation_that_fails_has_the_code_of_its_reason() {
    if !docker() {
        return;
    }
    let local = "~raptor-test/busybox:1";
    let away = format!("{}/installers/sh:1", closed());
    let world = World::new(ECHO, |spec| {
        (spec.limits.disk_mib, spec.limits.memory_mib) = (50, 16);
        spec.install = Some(install(&away, "true"));
    })
    .await;
    let ended = async |number| {
        let over = |status: &ContainerStatus| status.installed == number && status.progress.is_none();
        let status = world.until("ended", over).await;
        assert_eq!(status.hold, Some(Hold::InstallFailed), "{status:?}");
        (status.problem.unwrap(), *status.fault.unwrap())
    };
    let (problem, fault) = ended(1).await;
    assert!(problem.contains("can't be reached from this host"), "{problem}");
    assert!(matches!(fault, Fault::RegistryUnreachable { .. }), "{fault:?}");
    world.change(|spec| spec.install = Some(InstallSpec { number: 2, ..install(local, "exit 3") })).await;
    let (problem, fault) = ended(2).await;
    assert_eq!(problem, "The installation script failed with exit code 3.");
    assert_eq!(fault, Fault::ScriptFailed { exit_code: 3 });
    let fill = "dd if=/dev/zero of=/mnt/server/fill bs=1M count=80";
    world.change(|spec| spec.install = Some(InstallSpec { number: 3, ..install(local, fill) })).await;
    let (_, fault) = ended(3).await;
    let limit = 50 << 20;
    assert!(
        matches!(fault, Fault::DiskFull { used_bytes, limit_bytes, trash_bytes: 0 } if used_bytes > limit && limit_bytes == limit),
        "{fault:?}"
    );
    let hungry = "exec dd if=/dev/zero of=/dev/null bs=1400M";
    let next = InstallSpec { number: 4, wipe: true, ..install(local, hungry) };
    world.change(|spec| spec.install = Some(next)).await;
    let (_, fault) = ended(4).await;
    assert_eq!(fault, Fault::OutOfMemory { limit_mib: Some(1_024), details: None });
}

#[tokio::test]
async fn files_over_the_disk_limit_are_said_with_what_emptying_the_trash_frees() {
    if !docker() {
        return;
    }
    let world = World::new(ECHO, |spec| spec.limits.disk_mib = 1).await;
    let data = world.base.join(world.id.to_string());
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("old"), vec![1; 3 << 20]).unwrap();
    let ask = async |request| {
        world.host.handle(world.id, Scoped { request, denied: vec![] }).await.unwrap();
    };
    ask(FileRequest::Trash { paths: vec![FilePath::parse("old").unwrap()], by: "ann".into() }).await;
    let (problem, fault) = failed(&world).await;
    let Fault::DiskFull { used_bytes, limit_bytes, trash_bytes } = fault else { panic!("{fault:?}") };
    assert_eq!(limit_bytes, 1 << 20);
    assert!(used_bytes >= trash_bytes && trash_bytes >= 3 << 20, "{used_bytes} {trash_bytes}");
    assert!(problem.contains("Empty the trash, which holds "), "{problem}");
    ask(FileRequest::EmptyTrash { ids: None }).await;
    world.until("well", |status| status.problem.is_none() && status.fault.is_none()).await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.phase(Phase::Running).await;
}
