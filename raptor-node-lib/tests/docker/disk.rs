//! Disk limits enforced by the kernel, on file systems that the tests create in a file and mount.

use crate::world::{World, docker};
use raptor_model::{
    containers::lifecycle::Phase,
    node::{
        FilePath, Handler, Node, PowerAction,
        files::{FileAnswer, FileRequest, FileSort, FileTask, Scoped},
    },
};
use std::{fs, path::Path, process::Command};

/// Fills its disk by its own writes, and prints whether everything fitted.
const FILL: &str = "sh -c 'echo ready; while read line; do dd if=/dev/zero of=big bs=1M count=40 2>/dev/null && echo all || echo refused; done'";
const MIB: u64 = 1024 * 1024;

/// A file system in a file.
struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    /// `None` if this user or this kernel can't create it, with a message.
    fn new(kind: &str, make: &[&str], options: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        fs::File::create(&image).unwrap().set_len(600 * MIB).unwrap();
        fs::create_dir(folder.path().join("mount")).unwrap();
        let disk = Self { folder };
        let mount = disk.mount();
        let steps = [
            (make[0], [&make[1..], &[image.to_str().unwrap()]].concat()),
            ("mount", vec!["-o", options, image.to_str().unwrap(), mount.to_str().unwrap()]),
        ];
        for (program, args) in steps {
            let done = Command::new(program).args(&args).output();
            match done {
                Ok(done) if done.status.success() => {}
                Ok(done) => {
                    println!("SKIP: {kind} with quotas: {}", String::from_utf8_lossy(&done.stderr).trim());
                    return None;
                }
                Err(error) => {
                    println!("SKIP: {kind} with quotas: {program}: {error}");
                    return None;
                }
            }
        }
        Some(disk)
    }

    fn mount(&self) -> std::path::PathBuf {
        self.folder.path().join("mount")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.mount()).output();
    }
}

fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// When the kernel accepts no more bytes, existing files can be listed, moved to the trash and back, and deleted.
async fn full_but_not_locked(world: &World, data: &Path) {
    let ask = |request| world.host.handle(world.id, Scoped { request, denied: Vec::new() });
    let paths = || vec![FilePath::parse("big").unwrap()];
    // Up to the last block, which the process may have left free.
    let mut fill = fs::File::options().append(true).open(data.join("big")).unwrap();
    while std::os::unix::fs::MetadataExt::blocks(&fs::metadata(data.join("big")).unwrap()) < 1 << 20
        && std::io::Write::write_all(&mut fill, &[1; 4_096]).is_ok()
        // Root can exceed an ext4 quota.
        && fs::metadata(data.join("big")).unwrap().len() < 12 * MIB
    {}
    drop(fill);
    let list = FileRequest::List {
        path: FilePath::ROOT,
        sort: FileSort::Name,
        descending: false,
        offset: 0,
        limit: 10,
        search: None,
    };
    let FileAnswer::Page { page } = ask(list).await.unwrap() else { unreachable!("another answer") };
    assert_eq!(page.items.len(), 1);
    let FileAnswer::Trash { items } =
        ask(FileRequest::Trash { paths: paths(), by: "steve".into() }).await.unwrap()
    else {
        unreachable!("another answer")
    };
    assert!(!data.join("big").exists());
    assert_eq!(ask(FileRequest::ListTrash).await.unwrap(), FileAnswer::Trash { items: items.clone() });
    ask(FileRequest::Restore { ids: vec![items[0].id] }).await.unwrap();
    assert!(data.join("big").exists());
    let task = FileTask::Delete { paths: paths() };
    ask(FileRequest::Start { task, by: "steve".into() }).await.unwrap();
    let deadline = tokio::time::Instant::now() + crate::world::PATIENCE;
    while data.join("big").exists() {
        assert!(tokio::time::Instant::now() < deadline, "it is not deleted");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// The tests for any file system with kernel quotas. `limited`: whether a limit of 10 MiB is set on it.
async fn promises(file_system: &str, mount: &Path, limited: impl Fn() -> bool) {
    let mut world = World::at(mount, FILL, |spec| spec.limits.disk_mib = 10).await;
    let limits = world.host.system().await.unwrap().disk_limits;
    assert!(limits.by_kernel && limits.file_system == file_system, "{limits:?}");
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.phase(Phase::Running).await;
    assert!(limited());
    world.host.command(world.id, "fill", "").await.unwrap();
    world.line("refused").await;
    let data = world.base.join(world.id.to_string());
    let length = || fs::metadata(data.join("big")).unwrap().len();
    assert!(length() <= 10 * MIB && length() > 5 * MIB, "{} bytes were written", length());
    assert_eq!(world.until("there", |_| true).await.phase, Phase::Running, "it goes on");
    full_but_not_locked(&world, &data).await;

    // A higher limit applies at once.
    world.change(|spec| spec.limits.disk_mib = 100).await;
    world.host.command(world.id, "fill", "").await.unwrap();
    world.line("all").await;
    assert_eq!(length(), 40 * MIB);

    // The existing files don't prevent the next start either.
    world.host.power(world.id, PowerAction::Kill, "").await.unwrap();
    world.phase(Phase::Offline).await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.phase(Phase::Running).await;
    assert!(limited() && length() == 40 * MIB);

    // File operations use the folder beside it, and must not fail at the quota's boundary.
    fs::create_dir(data.join("maps")).unwrap();
    fs::write(data.join("maps/one"), "x").unwrap();
    for path in ["big", "maps"] {
        let paths = vec![FilePath::parse(path).unwrap()];
        let request = FileRequest::Trash { paths, by: "steve".into() };
        world.host.handle(world.id, Scoped { request, denied: Vec::new() }).await.unwrap();
        assert!(!data.join(path).exists());
    }
    world.restart_daemon().await;
    world.phase(Phase::Running).await;

    world.host.remove(world.id).await.unwrap();
    assert!(!data.exists());
    assert!(!limited(), "the limit goes with the container");
}

#[tokio::test]
async fn btrfs_keeps_a_containers_limit_and_forgets_it_with_the_container() {
    let Some(disk) = docker().then(|| Disk::new("btrfs", &["mkfs.btrfs", "-q"], "loop")).flatten() else {
        return;
    };
    let mount = disk.mount();
    let world = World::at(&mount, FILL, |_| {}).await;
    let limits = world.host.system().await.unwrap().disk_limits;
    assert!(!limits.by_kernel && limits.note.contains("btrfs quota enable"), "{limits:?}");
    drop(world);
    output("btrfs", &["quota", "enable", mount.to_str().unwrap()]);
    promises("btrfs", &mount, || {
        let shown = output("btrfs", &["qgroup", "show", "-r", "--mbytes", mount.to_str().unwrap()]);
        shown.lines().any(|line| line.contains("10.00MiB") || line.contains("100.00MiB"))
    })
    .await;
}

#[tokio::test]
async fn xfs_keeps_a_containers_limit_and_forgets_it_with_the_container() {
    let Some(disk) = docker().then(|| Disk::new("XFS", &["mkfs.xfs", "-q"], "loop,prjquota")).flatten()
    else {
        return;
    };
    let mount = disk.mount();
    promises("xfs", &mount, || {
        let report = output("xfs_quota", &["-x", "-c", "report -p -N -b", mount.to_str().unwrap()]);
        report
            .lines()
            .any(|line| line.split_whitespace().nth(3).is_some_and(|hard| hard != "0" && hard != "00"))
    })
    .await;
}

#[tokio::test]
async fn ext4_keeps_a_containers_limit_and_forgets_it_with_the_container() {
    let make = ["mkfs.ext4", "-q", "-O", "project,quota"];
    let Some(disk) = docker().then(|| Disk::new("ext4", &make, "loop,prjquota")).flatten() else { return };
    let mount = disk.mount();
    promises("ext4", &mount, || {
        let report = output("repquota", &["-P", mount.to_str().unwrap()]);
        report.lines().any(|line| line.starts_with('#') && line.split_whitespace().nth(4) != Some("0"))
    })
    .await;
}

#[tokio::test]
async fn the_advice_to_empty_the_trash_goes_once_somebody_has_followed_it() {
    if !docker() {
        return;
    }
    let world = World::new(FILL, |spec| spec.limits.disk_mib = 1).await;
    let data = world.base.join(world.id.to_string());
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("old"), vec![1; 3 << 20]).unwrap();
    let ask = async |request| {
        world.host.handle(world.id, Scoped { request, denied: vec![] }).await.unwrap();
    };
    ask(FileRequest::Trash { paths: vec![FilePath::parse("old").unwrap()], by: "ann".into() }).await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    let advised = |said: Option<&str>| said.is_some_and(|said| said.contains("Empty the trash, which holds"));
    world.until("advised", |status| advised(status.problem.as_deref())).await;
    ask(FileRequest::EmptyTrash { ids: None }).await;
    let status = world.until("well", |status| status.problem.is_none()).await;
    assert_eq!(status.phase, Phase::Offline);
}
