use super::*;
use std::path::Path;

fn root(folder: &Path) -> Root {
    let id = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(folder).unwrap());
    Root::open(&folder.join("data"), id, id).unwrap()
}

#[test]
fn a_link_leads_nowhere_outside() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "key").unwrap();
    let root = root(folder.path());
    let data = folder.path().join("data");
    std::os::unix::fs::symlink(folder.path(), data.join("folder")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("secret"), data.join("file")).unwrap();
    assert!(root.read_text("folder/secret").is_err());
    assert!(root.read_text("file").is_err());
    assert!(root.read_text("../secret").is_err());
    assert!(root.write_text("folder/secret", "x").is_err());
    assert!(root.write_text("../secret", "x").is_err());
    assert!(matches!(root.write_text("file", "x"), Err(FileError::Outside)));
    assert_eq!(std::fs::read_to_string(folder.path().join("secret")).unwrap(), "key");
    assert!(std::fs::symlink_metadata(data.join("file")).unwrap().is_symlink());
}

/// Links of every form that stay inside of the folder, with their targets.
fn linked(folder: &Path) -> Root {
    let root = root(folder);
    let data = folder.join("data");
    std::fs::create_dir_all(data.join("shared/deep")).unwrap();
    for (link, target) in [
        ("plain", "shared/real.cfg"),
        ("up", "shared/../shared/real.cfg"),
        ("home", "/home/container/shared/real.cfg"),
        ("chain", "shared/deep/second"),
        ("shared/deep/second", "/home/container/plain"),
        ("folder", "/home/container/shared"),
        ("all", "/home/container"),
        ("new", "/home/container/shared/made.cfg"),
    ] {
        std::os::unix::fs::symlink(target, data.join(link)).unwrap();
    }
    root
}

const THROUGH: [&str; 6] = ["plain", "up", "home", "chain", "folder/real.cfg", "all/folder/real.cfg"];

#[test]
fn a_configuration_file_is_written_through_a_link_that_stays_inside() {
    for link in THROUGH {
        let folder = tempfile::tempdir().unwrap();
        let root = linked(folder.path());
        let real = folder.path().join("data/shared/real.cfg");
        std::fs::write(&real, "old").unwrap();
        std::fs::set_permissions(&real, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        assert_eq!(root.read_text(link).unwrap().as_deref(), Some("old"), "{link}");
        root.write_text(link, "new").unwrap();
        assert_eq!(std::fs::read_to_string(&real).unwrap(), "new", "{link}");
        let kept = ["plain", "up", "home", "chain", "shared/deep/second", "folder", "all"];
        for link in kept {
            let there = std::fs::symlink_metadata(folder.path().join("data").join(link)).unwrap();
            assert!(there.is_symlink(), "{link}");
        }
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&real).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn links_by_the_containers_own_path_lead_there_for_everything() {
    let folder = tempfile::tempdir().unwrap();
    let root = linked(folder.path());
    write(&root, "shared/real.cfg", b"old");
    for link in THROUGH {
        assert_eq!(root.stat(&path(link)).unwrap().len, 3, "{link}");
        write(&root, link, b"new");
        assert_eq!(root.read_text("shared/real.cfg").unwrap().as_deref(), Some("new"), "{link}");
        write(&root, "shared/real.cfg", b"old");
    }
    let names = |at: &str| root.entries(&path(at)).unwrap().count();
    assert_eq!(names("folder"), names("shared"));
    root.create_dir_all(&path("folder/a/b")).unwrap();
    root.rename(&path("all/folder/real.cfg"), &path("folder/a/b/c"), false).unwrap();
    assert_eq!(root.read_text("shared/a/b/c").unwrap().as_deref(), Some("old"));
    // A dangling link says where the file is created.
    write(&root, "new", b"made");
    root.write_text("new", "again").unwrap();
    assert_eq!(root.read_text("shared/made.cfg").unwrap().as_deref(), Some("again"));
    assert!(root.read_link(&path("new")).is_ok());
    root.symlink("/home/container/shared", &path("made")).unwrap();
    for outside in ["/home/container/../../etc", "/home/containers", "/home"] {
        assert!(matches!(root.symlink(outside, &path("bad")), Err(FileError::Outside)), "{outside}");
    }
}

#[test]
fn links_in_a_circle_have_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let root = root(folder.path());
    let data = folder.path().join("data");
    std::os::unix::fs::symlink("/home/container/b", data.join("a")).unwrap();
    std::os::unix::fs::symlink("/home/container/a", data.join("b")).unwrap();
    std::os::unix::fs::symlink("/home/container/grow/grow", data.join("grow")).unwrap();
    for link in ["a", "b", "grow"] {
        assert!(matches!(root.read_text(link), Err(FileError::Loop)), "{link}");
        assert!(matches!(root.write_text(link, "x"), Err(FileError::Loop)), "{link}");
    }
}

#[test]
fn a_link_leads_to_nothing_that_is_denied() {
    let folder = tempfile::tempdir().unwrap();
    let root = linked(folder.path());
    write(&root, "shared/real.cfg", b"old");
    let theirs = root.denying(&Denied::new(&["/shared"]));
    for link in THROUGH {
        assert!(matches!(theirs.read_text(link), Err(FileError::Denied)), "{link}");
        assert!(matches!(theirs.write_text(link, "x"), Err(FileError::Denied)), "{link}");
        assert!(matches!(theirs.open_file(&path(link), Open::REPLACE), Err(FileError::Denied)), "{link}");
    }
    assert!(matches!(theirs.write_text("new", "x"), Err(FileError::Denied)));
    assert!(!folder.path().join("data/shared/made.cfg").exists());
    assert_eq!(root.read_text("shared/real.cfg").unwrap().as_deref(), Some("old"));
}

#[test]
fn a_file_with_two_names_keeps_both() {
    let folder = tempfile::tempdir().unwrap();
    let root = limited(folder.path(), 1 << 20);
    write(&root, "a", &[b'a'; 9_000]);
    root.hard_link(&path("a"), &path("b")).unwrap();
    root.write_text("b", "new").unwrap();
    assert_eq!(root.read_text("a").unwrap().as_deref(), Some("new"));
    assert_eq!(root.lstat(&path("a")).unwrap().links, 2);
    agrees(&root);
}

#[test]
fn folders_on_the_way_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let root = root(folder.path());
    assert_eq!(root.read_text("a/b.cfg").unwrap(), None);
    root.write_text("a/b.cfg", "x=1").unwrap();
    assert_eq!(root.read_text("a/b.cfg").unwrap().as_deref(), Some("x=1"));
    assert!(root.size() > 0);
}

fn path(text: &str) -> FilePath {
    FilePath::parse(text).unwrap()
}

fn write(root: &Root, at: &str, data: &[u8]) {
    root.open_file(&path(at), Open::REPLACE).unwrap().write_at(data, 0).unwrap();
}

/// A root with a limit in bytes.
fn limited(folder: &Path, limit: u64) -> Root {
    let id = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(folder).unwrap());
    let root =
        Root::with_usage(&folder.join("data"), id, id, std::sync::Arc::new(Usage::new(limit))).unwrap();
    root.usage().rescan(|| Ok(root.size())).unwrap();
    root
}

/// Checks that the account agrees with the disk.
fn agrees(root: &Root) {
    // File systems may allocate a block for metadata when they write out; the next scan counts it.
    let apart = root.usage().used().abs_diff(root.size());
    assert!(apart <= 16 * 1024, "the account and the disk are {apart} bytes apart");
}

#[test]
fn files_are_opened_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let root = root(folder.path());
    let at = path("a.txt");
    assert!(matches!(root.open_file(&at, Open::READ), Err(FileError::NotFound)));
    write(&root, "a.txt", b"hello");
    assert!(matches!(root.open_file(&at, Open::NEW), Err(FileError::Exists)));
    let append = Open { append: true, ..Open::WRITE };
    root.open_file(&at, append).unwrap().write_at(b" world", 0).unwrap();
    let mut text = [0; 20];
    let file = root.open_file(&at, Open::READ).unwrap();
    assert_eq!(file.read_at(&mut text, 0).unwrap(), 11);
    assert_eq!(&text[..11], b"hello world");
    assert!(file.write_at(b"x", 0).is_err(), "it is open for reading only");
    root.create_dir(&path("d"), 0o755).unwrap();
    assert!(matches!(root.open_file(&path("d"), Open::READ), Err(FileError::IsAFolder)));
    let names: Vec<_> = root.entries(&FilePath::ROOT).unwrap().map(|entry| entry.unwrap().name).collect();
    assert_eq!(names.len(), 2);
}

#[test]
fn renames_replace_only_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let root = limited(folder.path(), 1 << 20);
    write(&root, "a", b"a");
    write(&root, "b", b"b");
    assert!(matches!(root.rename(&path("a"), &path("b"), false), Err(FileError::Exists)));
    root.rename(&path("a"), &path("b"), true).unwrap();
    assert_eq!(root.read_text("b").unwrap().as_deref(), Some("a"));
    root.create_dir(&path("d"), 0o755).unwrap();
    assert!(matches!(root.rename(&path("d"), &path("d/e"), true), Err(FileError::Invalid(_))));
    assert!(root.rename(&FilePath::ROOT, &path("x"), true).is_err());
    agrees(&root);
}

#[test]
fn links_are_relative_and_inside() {
    let folder = tempfile::tempdir().unwrap();
    let root = root(folder.path());
    root.create_dir(&path("d"), 0o755).unwrap();
    write(&root, "a", b"a");
    root.symlink("../a", &path("d/link")).unwrap();
    assert_eq!(root.read_link(&path("d/link")).unwrap(), "../a");
    assert_eq!(root.lstat(&path("d/link")).unwrap().kind, Kind::Symlink);
    assert_eq!(root.stat(&path("d/link")).unwrap().kind, Kind::File);
    for target in ["/etc/passwd", "../../a", "../d/../../x", ""] {
        assert!(matches!(root.symlink(target, &path("d/bad")), Err(FileError::Outside)), "{target}");
    }
    root.hard_link(&path("a"), &path("b")).unwrap();
    assert_eq!(root.stat(&path("b")).unwrap().links, 2);
    assert!(root.hard_link(&path("d"), &path("e")).is_err());
}

#[test]
fn modes_lose_what_gives_rights() {
    let folder = tempfile::tempdir().unwrap();
    let root = root(folder.path());
    let file = root.open_file(&path("a"), Open { mode: 0o6755, ..Open::NEW }).unwrap();
    assert_eq!(file.stat().unwrap().mode & 0o7000, 0);
    root.set_mode(&path("a"), 0o7700).unwrap();
    assert_eq!(root.stat(&path("a")).unwrap().mode, 0o700);
    root.create_dir(&path("d"), 0o7755).unwrap();
    assert_eq!(root.stat(&path("d")).unwrap().mode, 0o755);
    let time = Time { seconds: 1_000_000_000, nanoseconds: 5 };
    root.set_times(&path("a"), time, time, true).unwrap();
    assert_eq!(root.stat(&path("a")).unwrap().modified, time);
}

#[test]
fn pipes_sockets_and_devices_are_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let root = root(folder.path());
    let pipe = folder.path().join("data/pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::from_raw_mode(0o644)).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("data/socket")).unwrap();
    for name in ["pipe", "socket"] {
        for how in [Open::READ, Open { read: false, ..Open::WRITE }, Open::WRITE, Open::REPLACE] {
            assert!(matches!(root.open_file(&path(name), how), Err(FileError::Special)), "{name} {how:?}");
        }
        assert!(matches!(root.set_mode(&path(name), 0o777), Err(FileError::Special)));
        root.remove_file(&path(name)).unwrap();
    }
}

#[test]
fn every_way_to_write_counts() {
    let folder = tempfile::tempdir().unwrap();
    let root = limited(folder.path(), 1 << 20);
    let over = |result: FileResult<()>| assert!(matches!(result, Err(FileError::OverLimit { .. })));
    let big = vec![7; 600 * 1024];
    write(&root, "a", &big);
    agrees(&root);
    over(root.open_file(&path("b"), Open::REPLACE).unwrap().write_at(&big, 0));
    agrees(&root);
    // Overwriting takes no more space.
    root.open_file(&path("a"), Open::WRITE).unwrap().write_at(&big, 0).unwrap();
    over(root.open_file(&path("a"), Open { append: true, ..Open::WRITE }).unwrap().write_at(&big, 0));
    over(root.open_file(&path("a"), Open::WRITE).unwrap().write_at(b"x", 1 << 40));
    over(root.truncate(&path("a"), 1 << 40));
    agrees(&root);
    // A hole takes no space until it is filled.
    root.truncate(&path("b"), 1 << 20).unwrap();
    agrees(&root);
    over(root.open_file(&path("b"), Open::WRITE).unwrap().write_at(&big, 0));
    agrees(&root);
    let (from, to) =
        (root.open_file(&path("a"), Open::READ).unwrap(), root.open_file(&path("c"), Open::NEW).unwrap());
    over(from.copy_to(0, &to, 0, u64::MAX).map(drop));
    let mut sink = root.open_file(&path("d"), Open::NEW).unwrap();
    assert!(std::io::Write::write_all(&mut sink, &big).is_err());
    agrees(&root);
    root.truncate(&path("a"), 0).unwrap();
    agrees(&root);
    assert_eq!(to.copy_to(0, &from, 0, 1).unwrap(), 0, "nothing is copied from an empty file");
    root.remove_tree(&path("b"), |_| true).unwrap();
    root.remove_file(&path("c")).unwrap();
    root.remove_file(&path("d")).unwrap();
    drop((from, to, sink));
    agrees(&root);
    assert!(root.usage().used() <= 1 << 20);
}

#[test]
fn many_writers_of_one_file_are_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let root = limited(folder.path(), 1 << 30);
    write(&root, "a", b"");
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let root = &root;
            scope.spawn(move || {
                let file = root.open_file(&path("a"), Open::WRITE).unwrap();
                for piece in 0..64 {
                    file.write_at(&[1; 10_000], (piece * 4 + writer) * 10_000).unwrap();
                    if piece % 16 == 0 {
                        file.set_len(0).unwrap();
                    }
                }
            });
        }
    });
    agrees(&root);
}

#[test]
fn what_is_denied_has_no_other_name() {
    let folder = tempfile::tempdir().unwrap();
    let all = root(folder.path());
    all.create_dir(&path("keys"), 0o755).unwrap();
    write(&all, "keys/server.key", b"secret");
    write(&all, "open.txt", b"x");
    all.symlink("keys/server.key", &path("innocent")).unwrap();
    all.symlink("keys", &path("folder")).unwrap();
    let root = all.denying(&Denied::new(&["*.key"]));
    let denied = |result: FileResult<()>| assert!(matches!(result, Err(FileError::Denied)), "{result:?}");
    for name in ["keys/server.key", "innocent", "folder/server.key"] {
        denied(root.open_file(&path(name), Open::READ).map(drop));
        denied(root.open_file(&path(name), Open::REPLACE).map(drop));
        denied(root.stat(&path(name)).map(drop));
        denied(root.set_mode(&path(name), 0o777));
    }
    for name in ["keys/server.key", "folder/server.key"] {
        denied(root.remove_file(&path(name)));
        denied(root.lstat(&path(name)).map(drop));
        denied(root.rename(&path(name), &path("x"), false));
        denied(root.hard_link(&path(name), &path("x")));
    }
    denied(root.rename(&path("open.txt"), &path("keys/new.key"), true));
    denied(root.rename(&path("keys"), &path("other"), true));
    denied(root.remove_tree(&path("keys"), |_| true));
    denied(root.symlink("keys/server.key", &path("x")));
    denied(root.create_dir(&path("x.key"), 0o755));
    assert_eq!(root.entries(&path("folder")).unwrap().count(), 0);
    assert!(root.walk(&FilePath::ROOT).unwrap().all(|step| !step.path.ends_with("server.key")));
    assert_eq!(all.read_text("keys/server.key").unwrap().as_deref(), Some("secret"));
}

#[test]
fn a_tree_of_any_depth_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let root = limited(folder.path(), 0);
    // Deeper than the longest path, so it is created step by step, as a container's process would.
    let mut fd: std::os::fd::OwnedFd = std::fs::File::open(folder.path().join("data")).unwrap().into();
    let mode = rustix::fs::Mode::from_raw_mode(0o755);
    for _ in 0..3_000 {
        rustix::fs::mkdirat(&fd, "dd", mode).unwrap();
        let flags = rustix::fs::OFlags::DIRECTORY;
        fd = rustix::fs::openat(&fd, "dd", flags, rustix::fs::Mode::empty()).unwrap();
    }
    drop(fd);
    root.remove_tree(&path("dd"), |_| true).unwrap();
    assert_eq!(root.entries(&FilePath::ROOT).unwrap().count(), 0);
    remove(&folder.path().join("data")).unwrap();
    remove(&folder.path().join("data")).unwrap();
    assert!(!folder.path().join("data").exists());
}
