//! Installations.

use crate::world::{ECHO, World, docker, docker_output};
use raptor_model::{
    containers::lifecycle::{Hold, Phase},
    node::{
        ContainerStatus, FilePath, Handler, Happening, InstallSpec, LineKind, Node, PowerAction,
        files::{FileRequest, Scoped},
        requests::CancelInstall,
    },
};
use std::os::unix::fs::MetadataExt;

fn install(script: &str) -> InstallSpec {
    InstallSpec {
        number: 1,
        image: "~raptor-test/busybox:1".into(),
        entrypoint: "sh".into(),
        script: script.into(),
        wipe: false,
        start: false,
        timeout_ms: 60_000,
        strict: true,
    }
}

async fn installed(world: &World, number: u64) -> ContainerStatus {
    world.until("installed", |status| status.installed == number && status.progress.is_none()).await
}

async fn results(world: &World) -> Vec<(u64, Option<String>)> {
    let happened = world.happened().await.into_iter();
    let results = happened.filter_map(|event| match event.what {
        Happening::Installed { number, problem, .. } => Some((number, problem)),
        _ => None,
    });
    results.collect()
}

#[tokio::test]
async fn a_script_installs_before_the_first_start_and_its_files_belong_to_the_container() {
    if !docker() {
        return;
    }
    let script = "#!/bin/sh\r\necho \"installing for $GREETING\"\r\nmkdir -p /mnt/server/maps\r\nln -s /etc /mnt/server/link\r\n\
                  id -u > /mnt/server/maps/who\r\ncat /mnt/server/maps/who\r\n";
    let world = World::new(ECHO, |spec| {
        spec.install = Some(InstallSpec { start: true, ..install(script) });
    })
    .await;
    world.line("installing for hello").await;
    world.phase(Phase::Running).await;
    assert_eq!(world.texts(LineKind::Install).await, ["installing for hello", "0"]);
    let data = world.base.join(world.id.to_string());
    for path in ["maps", "maps/who"] {
        assert_eq!(std::fs::metadata(data.join(path)).unwrap().uid(), 988, "{path}");
    }
    assert_eq!(std::fs::symlink_metadata(data.join("link")).unwrap().uid(), 988);
    assert_eq!(std::fs::metadata("/etc").unwrap().uid(), 0, "a link is given, not followed");
    assert_eq!(results(&world).await, [(1, None)]);
    let label = format!("label=raptor.container={}", world.id);
    let left = docker_output(&["ps", "-a", "--format", "{{.Names}}", "--filter", &label]);
    assert_eq!(left, format!("raptor-{}", world.id), "the installer's container is gone");
    assert!(!world.base.join(".raptor").join(world.id.to_string()).join("install").exists());
}

#[tokio::test]
async fn an_installation_declared_while_the_base_folder_is_away_begins_when_it_is_back() {
    if !docker() {
        return;
    }
    let world = World::new(ECHO, |_| {}).await;
    let (instance, away) = (world.base.join(".raptor/instance"), world.base.join("away"));
    std::fs::rename(&instance, &away).unwrap();
    world.change(|spec| spec.install = Some(install("touch /mnt/server/made"))).await;
    let made = world.base.join(world.id.to_string()).join("made");
    assert!(!made.exists() && results(&world).await.is_empty());
    std::fs::rename(&away, &instance).unwrap();
    installed(&world, 1).await;
    assert!(made.exists());
    assert_eq!(results(&world).await, [(1, None)]);
}

#[tokio::test]
async fn an_installer_is_locked_up_and_sees_nothing_of_the_host() {
    if !docker() {
        return;
    }
    let world = World::new(ECHO, |spec| spec.install = Some(install("echo begun; sleep 30"))).await;
    world.line("begun").await;
    let inspect = |format: &str| {
        docker_output(&["inspect", "--format", format, &format!("raptor-{}-installer", world.id)])
    };
    let binds = inspect("{{json .HostConfig.Binds}}");
    let state = world.base.join(".raptor").join(world.id.to_string());
    assert_eq!(
        binds,
        format!(
            r#"["{}:/mnt/server:rw","{}:/mnt/install:rw"]"#,
            world.base.join(world.id.to_string()).display(),
            state.join("install").display()
        )
    );
    assert_eq!(
        inspect("{{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}} {{.HostConfig.Privileged}}"),
        "[ALL] [no-new-privileges] false"
    );
    assert_eq!(
        inspect("{{.HostConfig.PidsLimit}} {{.HostConfig.Memory}}"),
        format!("1024 {}", 1024 * 1024 * 1024_u64 / 100 * 115)
    );
    let mode = std::fs::metadata(state.join("install")).unwrap().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(
        world.host.power(world.id, PowerAction::Start, "").await.unwrap_err().to_string(),
        "The container is being installed. Wait until that has ended, or cancel it."
    );
    world.host.handle(world.id, CancelInstall).await.unwrap();
    let status = installed(&world, 1).await;
    assert_eq!(status.hold, Some(Hold::InstallFailed));
    assert_eq!(status.problem.as_deref(), Some("The installation was cancelled."));
}

#[tokio::test]
async fn a_failed_installation_says_why_and_can_be_tried_again_or_dropped() {
    if !docker() {
        return;
    }
    let world = World::new(ECHO, |spec| spec.install = Some(install("echo no such file; exit 3"))).await;
    let status = installed(&world, 1).await;
    assert_eq!(status.hold, Some(Hold::InstallFailed));
    assert!(status.problem.unwrap().contains("exit code 3"));
    assert!(world.host.power(world.id, PowerAction::Start, "").await.is_err());
    let data = world.base.join(world.id.to_string());
    std::fs::write(data.join("kept"), "x").unwrap();
    world.change(|spec| spec.install = Some(InstallSpec { number: 2, ..install("echo fine") })).await;
    assert_eq!(installed(&world, 2).await.hold, None);
    assert!(data.join("kept").exists());
    world
        .change(|spec| spec.install = Some(InstallSpec { number: 3, wipe: true, ..install("exit 1") }))
        .await;
    assert_eq!(installed(&world, 3).await.hold, Some(Hold::InstallFailed));
    assert!(!data.join("kept").exists());
    world.change(|spec| spec.install = None).await;
    let dropped = world.until("dropped", |status| status.hold.is_none()).await;
    assert_eq!((dropped.phase, dropped.problem), (Phase::Offline, None), "nothing of it is a failed start");
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.phase(Phase::Running).await;
    let numbers: Vec<_> =
        results(&world).await.into_iter().map(|(number, problem)| (number, problem.is_some())).collect();
    assert_eq!(numbers, [(1, true), (2, false), (3, true)]);
}

/// Published scripts often install everything and then end with a command that fails harmlessly.
#[tokio::test]
async fn a_scripts_own_exit_code_is_a_warning_unless_the_template_is_strict_and_nothing_starts_after_it() {
    if !docker() {
        return;
    }
    let script = "echo done > /mnt/server/file\necho \"----\"\necho \"---- \nls\n";
    let lenient = InstallSpec { start: true, strict: false, ..install(script) };
    let world = World::new(ECHO, |spec| spec.install = Some(lenient)).await;
    let status = installed(&world, 1).await;
    assert_eq!(
        (status.hold, status.problem, status.phase),
        (None, None, Phase::Offline),
        "it waits for somebody"
    );
    let happened = world.happened().await.into_iter().find_map(|event| match event.what {
        Happening::Installed { problem, warning, lines, .. } => Some((problem, warning, lines)),
        _ => None,
    });
    let (problem, warning, lines) = happened.unwrap();
    let said = "Installed, but the script ended with exit code 2. Check its last lines before you start the container.";
    assert_eq!((problem, warning.as_deref()), (None, Some(said)));
    assert!(lines.iter().any(|line| line == "----"), "{lines:?}");
    assert!(world.texts(LineKind::Daemon).await.iter().any(|line| line == said));
    assert!(world.base.join(world.id.to_string()).join("file").exists());
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.phase(Phase::Running).await;
    world.host.power(world.id, PowerAction::Kill, "").await.unwrap();
    world.phase(Phase::Offline).await;

    // An end that the script did not cause itself is still a failure.
    let second = |script: &str| InstallSpec { number: 2, strict: false, ..install(script) };
    world.change(|spec| spec.install = Some(second("echo killed; exit 137"))).await;
    assert_eq!(installed(&world, 2).await.hold, Some(Hold::InstallFailed));
    world
        .change(|spec| {
            spec.install = Some(InstallSpec { number: 3, ..second("echo begun-3; sleep 60; exit 5") })
        })
        .await;
    world.line("begun-3").await;
    world.host.handle(world.id, CancelInstall).await.unwrap();
    assert_eq!(installed(&world, 3).await.problem.as_deref(), Some("The installation was cancelled."));
    let full = "dd if=/dev/zero of=/mnt/server/big bs=1M count=8; exit 1";
    world
        .change(|spec| {
            spec.limits.disk_mib = 8;
            spec.install = Some(InstallSpec { number: 4, ..second(full) });
        })
        .await;
    let status = installed(&world, 4).await;
    assert_eq!(status.hold, Some(Hold::InstallFailed), "{status:?}");
}

#[tokio::test]
async fn an_installer_begins_in_the_working_folder_of_its_image() {
    if !docker() {
        return;
    }
    let world = World::new(ECHO, |spec| spec.install = Some(install("pwd; echo x > file"))).await;
    assert_eq!(installed(&world, 1).await.hold, None);
    let image = docker_output(&["inspect", "--format", "{{.Config.WorkingDir}}", "raptor-test/busybox:1"]);
    let folder = if image.is_empty() { "/".to_owned() } else { image };
    assert_eq!(world.texts(LineKind::Install).await, [folder]);
    assert!(!world.base.join(world.id.to_string()).join("file").exists());
}

#[tokio::test]
async fn an_installation_has_its_time_and_what_runs_is_stopped_for_it() {
    if !docker() {
        return;
    }
    let world = World::new(ECHO, |_| {}).await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.phase(Phase::Running).await;
    world
        .change(|spec| {
            spec.install = Some(InstallSpec { timeout_ms: 1_500, ..install("echo long; sleep 60") })
        })
        .await;
    world.line("long").await;
    let status = installed(&world, 1).await;
    assert!(status.problem.unwrap().contains("longer than it may"));
    assert_eq!(status.last_exit.unwrap().code, 0, "it was asked to stop, not killed");
}

#[tokio::test]
async fn a_new_daemon_goes_on_with_an_installation_without_losing_a_line() {
    if !docker() {
        return;
    }
    let script = "i=0; while [ $i -lt 30 ]; do i=$((i+1)); echo step $i; sleep 0.1; done; echo done > /mnt/server/done";
    let mut world = World::new(ECHO, |spec| spec.install = Some(install(script))).await;
    world.line("step 5").await;
    for step in [10, 15] {
        world.restart_daemon().await;
        world.line(&format!("step {step}")).await;
    }
    assert_eq!(installed(&world, 1).await.hold, None);
    let steps = world.texts(LineKind::Install).await;
    assert_eq!(steps, (1..=30).map(|n| format!("step {n}")).collect::<Vec<_>>());

    // A script that ended while no daemon ran is judged the same way.
    world
        .change(|spec| {
            spec.install = Some(InstallSpec { number: 2, ..install("echo short; sleep 1; exit 7") })
        })
        .await;
    world.line("short").await;
    world.host.shutdown().await;
    world.engine_says("{{.State.Running}}", &format!("raptor-{}-installer", world.id), "false").await;
    world.restart_daemon().await;
    assert!(installed(&world, 2).await.problem.unwrap().contains("exit code 7"));

    world
        .change(|spec| spec.install = Some(InstallSpec { number: 3, ..install("echo third; sleep 60") }))
        .await;
    world.line("third").await;
    world.host.shutdown().await;
    docker_output(&["rm", "-f", &format!("raptor-{}-installer", world.id)]);
    world.restart_daemon().await;
    let status = installed(&world, 3).await;
    assert_eq!(status.hold, Some(Hold::InstallFailed));
    assert!(status.problem.unwrap().contains("interrupted"));
}

#[tokio::test]
async fn an_installation_past_the_disk_limit_is_stopped_and_says_so_with_its_log() {
    if !docker() {
        return;
    }
    // It writes into the container's folder, or into the installer's own root file system, and does not end by itself.
    for place in ["/mnt/server/fill", "/fill"] {
        let script = format!(
            "echo writing; dd if=/dev/zero of={place} bs=1M count=80 2>/dev/null; echo wrote; sleep 300"
        );
        let world = World::new(ECHO, |spec| {
            spec.limits.disk_mib = 50;
            spec.install = Some(install(&script));
        })
        .await;
        let status = installed(&world, 1).await;
        assert_eq!(status.hold, Some(Hold::InstallFailed), "{place}");
        let problem = status.problem.unwrap();
        assert!(problem.contains("disk limit of 50 MiB"), "{place}: {problem}");
        let said = world.texts(LineKind::Daemon).await;
        assert_eq!(said.iter().filter(|line| **line == problem).count(), 1, "{said:?}");
        let happened = world.happened().await;
        assert!(happened.iter().any(|event| matches!(
            &event.what,
            Happening::Installed { problem: Some(why), lines, .. }
                if *why == problem && lines.iter().any(|line| line.contains("writing"))
        )));
        // Its files can still be used.
        let request = FileRequest::Search { path: FilePath::ROOT, name: Some("*".into()), content: None };
        world.host.handle(world.id, Scoped { request, denied: Vec::new() }).await.unwrap();
    }
}

#[tokio::test]
async fn what_an_installation_wrote_last_counts_too() {
    if !docker() {
        return;
    }
    let halves = "dd if=/dev/zero of=/mnt/server/a bs=1M count=30 2>/dev/null; dd if=/dev/zero of=/b bs=1M count=30 2>/dev/null";
    let world = World::new(ECHO, |spec| {
        spec.limits.disk_mib = 50;
        spec.install = Some(install(halves));
    })
    .await;
    let problem = installed(&world, 1).await.problem.unwrap();
    assert!(problem.contains("installer's own files take 30 MiB"), "{problem}");
    world.change(|spec| spec.install = Some(InstallSpec { number: 2, ..install("rm /mnt/server/a") })).await;
    assert_eq!(installed(&world, 2).await.problem, None);
}
