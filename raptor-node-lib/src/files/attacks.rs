//! Attacks that have succeeded against other panels: a container's user owns the files and changes them while the daemon works.

use super::*;
use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

/// Duration of each race.
const RACE: Duration = Duration::from_millis(1_500);

struct World {
    folder: tempfile::TempDir,
    root: Root,
}

fn path(text: &str) -> FilePath {
    FilePath::parse(text).unwrap()
}

impl World {
    /// A container's folder, next to a folder of the host that contains a canary.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let id = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(folder.path()).unwrap());
        let root = Root::open(&folder.path().join("data"), id, id).unwrap();
        std::fs::create_dir(folder.path().join("host")).unwrap();
        let world = Self { folder, root };
        std::fs::write(world.host("canary"), "alive").unwrap();
        std::fs::set_permissions(world.host("canary"), std::os::unix::fs::PermissionsExt::from_mode(0o640))
            .unwrap();
        world
    }

    fn host(&self, name: &str) -> PathBuf {
        self.folder.path().join("host").join(name)
    }

    fn data(&self, name: &str) -> PathBuf {
        self.folder.path().join("data").join(name)
    }

    /// Links of every form that lead out of the container's folder.
    fn with_links(self) -> Self {
        let host = self.folder.path().join("host");
        std::os::unix::fs::symlink(&host, self.data("absolute")).unwrap();
        std::os::unix::fs::symlink("../host", self.data("relative")).unwrap();
        std::os::unix::fs::symlink("relative", self.data("chained")).unwrap();
        std::os::unix::fs::symlink("/proc/self/root", self.data("magic")).unwrap();
        std::os::unix::fs::symlink(host.join("canary"), self.data("leaf")).unwrap();
        std::os::unix::fs::symlink(host.join("new"), self.data("dangling")).unwrap();
        self
    }

    /// Checks that nothing on the host was touched.
    fn unharmed(&self) {
        let names: Vec<_> = std::fs::read_dir(self.folder.path().join("host"))
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(names, ["canary"], "nothing was made, moved or removed outside");
        assert_eq!(std::fs::read_to_string(self.host("canary")).unwrap(), "alive");
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(self.host("canary")).unwrap().permissions(),
        );
        assert_eq!(mode & 0o7777, 0o640);
    }

    /// Calls `work` repeatedly while another thread swaps a folder for a link out of the container as fast as it can.
    fn race(&self, mut work: impl FnMut(&Root)) {
        std::fs::create_dir(self.data("swapped")).unwrap();
        std::fs::write(self.data("swapped/canary"), "inside").unwrap();
        std::os::unix::fs::symlink(self.folder.path().join("host"), self.data("other")).unwrap();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (a, b) = (self.data("swapped"), self.data("other"));
                while !over.load(Ordering::Relaxed) {
                    let flags = rustix::fs::RenameFlags::EXCHANGE;
                    let cwd = rustix::fs::CWD;
                    let _ = rustix::fs::renameat_with(cwd, &a, cwd, &b, flags);
                }
            });
            let until = Instant::now() + RACE;
            while Instant::now() < until {
                work(&self.root);
            }
            over.store(true, Ordering::Relaxed);
        });
        self.unharmed();
    }
}

#[test]
fn cve_2024_27102_a_swapped_folder_never_shows_the_host() {
    let world = World::new();
    let mut read = 0;
    world.race(|root| {
        if let Ok(file) = root.open_file(&path("swapped/canary"), Open::READ) {
            let mut text = [0; 16];
            let length = file.read_at(&mut text, 0).unwrap();
            assert_ne!(&text[..length], b"alive", "the host's file was read");
            read += 1;
        }
        if let Ok(entries) = root.entries(&path("swapped")) {
            let _ = entries.count();
        }
        let _ = root.stat(&path("swapped/canary"));
    });
    assert!(read > 0, "some of the time the folder is the honest one");
}

#[test]
fn cve_2024_27102_a_swapped_folder_never_lets_anything_be_made_or_moved_outside() {
    let world = World::new();
    std::os::unix::fs::symlink("/home/container", world.data("home")).unwrap();
    std::os::unix::fs::symlink("/home/container/swapped/canary", world.data("leaf")).unwrap();
    let mut number = 0_u32;
    world.race(|root| {
        number += 1;
        let at = |kind: &str| path(&format!("swapped/{kind}{number}"));
        let _ = root.open_file(&at("f"), Open::REPLACE).and_then(|file| file.write_at(b"x", 0));
        let _ =
            root.open_file(&path("swapped/canary"), Open::REPLACE).and_then(|file| file.write_at(b"x", 0));
        let _ = root.create_dir(&at("d"), 0o755);
        let _ = root.create_dir_all(&path(&format!("swapped/deep{number}/er")));
        let _ = root.rename(&at("f"), &at("g"), true);
        let _ = root.hard_link(&at("g"), &at("h"));
        let _ = root.symlink("x", &at("l"));
        let _ = root.set_mode(&path("swapped/canary"), 0o777);
        let now = Time { seconds: 1, nanoseconds: 0 };
        let _ = root.set_times(&path("swapped/canary"), now, now, true);
        let _ = root.truncate(&path("swapped/canary"), 0);
        let _ = root.remove_file(&at("g"));
        let _ = root.write_text("swapped/canary", "x");
        let _ = root.write_text(at("t").as_str(), "x");
        // The same with links whose targets are paths as the container's processes see them.
        let _ = root.write_text("home/swapped/canary", "x");
        let _ =
            root.open_file(&path("home/swapped/new"), Open::REPLACE).and_then(|file| file.write_at(b"x", 0));
        let _ = root.write_text("leaf", "x");
        let _ = root.open_file(&path("leaf"), Open::REPLACE).and_then(|file| file.write_at(b"x", 0));
    });
}

#[test]
fn cve_2023_25168_a_tree_that_is_removed_while_it_is_swapped_leaves_the_host_alone() {
    let world = World::new();
    world.race(|root| {
        let _ = root.create_dir_all(&path("swapped/a/b/c"));
        let _ = root.remove_tree(&path("swapped/a"), |_| true);
        let _ = root.remove_file(&path("swapped/canary"));
    });
}

#[test]
fn cve_2023_25152_nothing_is_made_on_the_host_through_a_link() {
    let world = World::new().with_links();
    world.root.open_file(&path("own"), Open::NEW).unwrap();
    for link in ["absolute", "relative", "chained", "magic/tmp"] {
        let below = path(&format!("{link}/new"));
        let outside = |result: FileResult<()>| assert!(result.is_err(), "{link}: {result:?}");
        outside(world.root.open_file(&below, Open::REPLACE).map(drop));
        outside(world.root.open_file(&below, Open::NEW).map(drop));
        outside(world.root.create_dir(&below, 0o755));
        outside(world.root.create_dir_all(&path(&format!("{link}/new/er"))));
        outside(world.root.rename(&path("own"), &below, true));
        outside(world.root.hard_link(&path("own"), &below));
        outside(world.root.symlink("x", &below));
        outside(world.root.write_text(&format!("{link}/new"), "x"));
    }
    for leaf in ["leaf", "dangling"] {
        assert!(world.root.open_file(&path(leaf), Open::WRITE).is_err());
        assert!(world.root.open_file(&path(leaf), Open::REPLACE).is_err());
        assert!(world.root.truncate(&path(leaf), 0).is_err());
        assert!(matches!(world.root.write_text(leaf, "x"), Err(FileError::Outside)));
        assert!(matches!(world.root.target(&path(leaf)), Err(FileError::Outside)));
    }
    world.unharmed();
}

#[test]
fn cve_2023_25168_a_tree_with_links_out_is_removed_without_what_they_lead_to() {
    let world = World::new();
    std::fs::create_dir_all(world.data("tree/deep")).unwrap();
    std::os::unix::fs::symlink(world.folder.path().join("host"), world.data("tree/deep/out")).unwrap();
    std::os::unix::fs::symlink(world.host("canary"), world.data("tree/canary")).unwrap();
    world.root.remove_tree(&path("tree"), |_| true).unwrap();
    assert!(!world.data("tree").exists());
    std::os::unix::fs::symlink(world.folder.path().join("host"), world.data("out")).unwrap();
    remove(&world.folder.path().join("data")).unwrap();
    world.unharmed();
}

#[test]
fn ghsa_rhq6_9rgh_v45c_modes_and_times_never_change_through_a_link_out() {
    let world = World::new().with_links();
    for link in ["leaf", "absolute/canary", "chained/canary", "absolute"] {
        assert!(world.root.set_mode(&path(link), 0o777).is_err(), "{link}");
        let now = Time { seconds: 1, nanoseconds: 0 };
        assert!(world.root.set_times(&path(link), now, now, true).is_err(), "{link}");
        assert!(world.root.stat(&path(link)).is_err(), "{link}");
    }
    world.unharmed();
}

#[test]
fn cve_2026_52857_a_configuration_file_has_a_size_that_is_read() {
    let world = World::new();
    let file = std::fs::File::create(world.data("bomb.yml")).unwrap();
    file.set_len(1 << 40).unwrap();
    assert!(matches!(world.root.read_text("bomb.yml"), Err(FileError::TooMuch(_))));
    rustix::fs::mkfifoat(rustix::fs::CWD, world.data("pipe.yml"), rustix::fs::Mode::from_raw_mode(0o600))
        .unwrap();
    assert!(world.root.read_text("pipe.yml").is_err(), "and nobody waits for a pipe");
}

#[test]
fn cve_2026_61617_a_write_past_the_limit_fails_in_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let limit = 1 << 20;
    let usage = std::sync::Arc::new(Usage::new(limit));
    let root = Root::with_usage(&folder.path().join("data"), 0, 0, usage).unwrap();
    let over =
        |result: FileResult<()>| assert!(matches!(result, Err(FileError::OverLimit { .. })), "{result:?}");
    let half = vec![1; 600 << 10];
    let file = root.open_file(&path("a"), Open::NEW).unwrap();
    file.write_at(&half, 0).unwrap();
    over(file.write_at(&half, 600 << 10));
    over(file.write_at(b"sparse", 1 << 45));
    over(file.set_len(1 << 45));
    over(root.open_file(&path("a"), Open { append: true, ..Open::WRITE }).unwrap().write_at(&half, 0));
    let copy = root.open_file(&path("b"), Open::NEW).unwrap();
    over(file.copy_to(0, &copy, 0, u64::MAX).map(drop));
    // A sparse file can be filled only as far as there is space.
    copy.set_len(limit).unwrap();
    over(copy.write_at(&half, 0));
    assert!(root.size() <= limit);
}

#[test]
fn names_that_only_look_like_the_folder_stay_outside() {
    let world = World::new();
    std::fs::create_dir(world.folder.path().join("data-x")).unwrap();
    std::fs::write(world.folder.path().join("data-x/f"), "x").unwrap();
    std::os::unix::fs::symlink("../data-x/f", world.data("f")).unwrap();
    assert!(world.root.open_file(&path("f"), Open::READ).is_err());
    assert!(FilePath::parse("../data-x/f").is_err());
    assert!(Path::new("/srv/x").starts_with("/srv"), "paths are compared by names");
}
