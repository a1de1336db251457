//! A container at or beyond its disk limit.

use super::*;
use raptor_model::node::files::{ChecksumKind, FileRequest as Request};

const LIMIT: u64 = 1 << 20;

/// A folder whose process has written more than the limit.
fn over() -> World {
    let world = World::limited(LIMIT);
    world.put("maps/one", &[7; 100_000]);
    let data = world.folder.path().join("data");
    std::fs::write(data.join("big"), vec![1; 3 << 20]).unwrap();
    world.workspace.root.measure(&world.folder.path().join("kept"));
    assert!(world.workspace.root.usage().used() > LIMIT);
    world
}

/// Filled by uploads only: not a block is left.
fn at_the_limit() -> World {
    let world = World::limited(LIMIT);
    world.put("maps/one", &[7; 100_000]);
    let file = world.workspace.root.open_file(&path("big"), Open::NEW).unwrap();
    let mut at = 0;
    while file.write_at(&[1; 4_096], at).is_ok() {
        at += 4_096;
    }
    assert!(world.workspace.root.usage().free().unwrap() < 4_096);
    world
}

fn ask(world: &World, request: FileRequest) -> FileAnswer {
    let said = format!("{request:?}");
    world.workspace.ask(request).unwrap_or_else(|error| panic!("{said}: {error}"))
}

fn list(path: FilePath) -> Request {
    Request::List { path, sort: FileSort::Name, descending: false, offset: 0, limit: 100, search: None }
}

#[tokio::test]
async fn at_and_past_the_limit_everything_but_writing_works() {
    for world in [over(), at_the_limit()] {
        // As the first request of a new daemon: nothing exists beside the folder yet.
        assert!(!world.folder.path().join("kept/trash").exists());
        let root = FilePath::ROOT;
        for request in [
            list(root.clone()),
            Request::Stat { path: path("big") },
            Request::Versions { path: path("big") },
            Request::Search { path: root.clone(), name: Some("one".into()), content: None },
            Request::Sizes { path: root.clone() },
            Request::Checksum { path: path("maps/one"), algorithm: ChecksumKind::Sha256 },
            Request::ListTrash,
            Request::Operations,
            Request::SetMode { paths: vec![path("big")], mode: 0o600 },
            Request::Move {
                moves: vec![FileMove { from: path("maps/one"), to: path("maps/two") }],
                replace: false,
            },
        ] {
            ask(&world, request);
        }
        assert_eq!(world.read(FileRead::File { path: path("big"), start: 0, length: Some(2) }).await, [1, 1]);
        let refused = world.workspace.ask(Request::CreateFolder { path: path("new") });
        assert!(matches!(refused, Err(FileError::OverLimit { .. })), "{refused:?}");

        // Into the trash and back, with the parent folder deleted meanwhile.
        let FileAnswer::Trash { items } =
            ask(&world, Request::Trash { paths: vec![path("maps/two")], by: "ann".into() })
        else {
            panic!()
        };
        world.run(FileTask::Delete { paths: vec![path("maps")] }).unwrap();
        ask(&world, Request::Restore { ids: vec![items[0].id] });
        assert_eq!(world.workspace.info(&path("maps/two")).unwrap().size_bytes, 100_000);

        let FileAnswer::Trash { items } =
            ask(&world, Request::Trash { paths: vec![path("big")], by: "ann".into() })
        else {
            panic!()
        };
        let refused = world.save("new", None, b"x").await.map(drop);
        let why = refused.map_err(|error| error.to_string());
        if world.workspace.root.usage().used() > LIMIT {
            assert!(why.unwrap_err().contains("Empty the trash, which holds "));
        }
        let FileAnswer::Trash { items: listed } = ask(&world, Request::ListTrash) else { panic!() };
        assert_eq!(listed, items);
        ask(&world, Request::EmptyTrash { ids: None });
        world.save("new", None, b"x").await.unwrap();

        let FileAnswer::Operation { operation } = ask(
            &world,
            Request::Start { task: FileTask::Delete { paths: vec![path("maps")] }, by: "ann".into() },
        ) else {
            panic!()
        };
        while world.workspace.info(&path("maps")).is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        ask(&world, Request::Cancel { id: operation.id });
    }
}

#[tokio::test]
async fn an_upload_at_the_limit_can_be_looked_at_and_ended() {
    let world = World::limited(LIMIT);
    let upload = world.workspace.begin_upload(None, path("new"), 10, false).unwrap();
    std::fs::write(world.folder.path().join("data/big"), vec![1; 3 << 20]).unwrap();
    world.workspace.root.measure(&world.folder.path().join("kept"));
    ask(&world, Request::GetUpload { id: upload.id });
    let refused = world.write(FileWrite::Piece { upload: upload.id, offset: 0 }, b"0123456789").await;
    assert!(matches!(refused, Err(FileError::OverLimit { .. })));
    ask(&world, Request::AbortUpload { id: upload.id });
    let refused = world.workspace.begin_upload(None, path("new"), 1, false);
    assert!(matches!(refused, Err(FileError::OverLimit { .. })));
    assert_eq!(std::fs::read_dir(world.folder.path().join("kept/uploads")).unwrap().count(), 0);
}

#[test]
fn what_the_trash_holds_is_said_and_told_anew_when_it_changes() {
    let world = World::limited(LIMIT);
    let held = |world: &World| match world.workspace.root.usage().over_limit() {
        FileError::OverLimit { trash, .. } => trash,
        other => panic!("{other}"),
    };
    world.put("a", &[1; 300_000]);
    assert_eq!(held(&world), 0);
    let items = world.workspace.discard(&[path("a")], "ann").unwrap();
    assert!((300_000..400_000).contains(&held(&world)), "{}", held(&world));
    world.workspace.restore(items[0].id).unwrap();
    assert!(held(&world) < 300_000);
}

/// Somebody who keeps creating empty files can't fill the disk with metadata about them.
#[test]
fn notes_past_the_limit_have_an_end() {
    let world = over();
    let trash = world.folder.path().join("kept/trash");
    std::fs::create_dir_all(&trash).unwrap();
    for number in 0..10_000 {
        std::fs::write(trash.join(format!("{number}.json")), "").unwrap();
    }
    let refused = world.workspace.discard(&[path("big")], "ann");
    assert!(matches!(refused, Err(FileError::TooMuch(_))), "{refused:?}");
    world.run(FileTask::Delete { paths: vec![path("big")] }).unwrap();
    world.workspace.discard(&[path("maps")], "ann").unwrap();
}

/// As on XFS, where the kernel refuses even a metadata file: it is stored outside of what the limit counts.
#[test]
fn a_note_outside_of_the_limit_is_as_good_as_one_beside() {
    let world = World::new();
    world.put("a", b"a");
    let mut items = world.workspace.discard(&[path("a")], "ann").unwrap();
    let item = items.remove(0);
    let outside = world.folder.path().join("kept.notes");
    std::fs::create_dir(&outside).unwrap();
    let name = format!("{}.json", item.id);
    std::fs::rename(world.folder.path().join("kept/trash").join(&name), outside.join(&name)).unwrap();
    assert_eq!(world.workspace.discarded().unwrap(), std::slice::from_ref(&item));
    world.workspace.restore(item.id).unwrap();
    assert_eq!(world.text("a").as_deref(), Some("a"));
    assert!(!outside.join(&name).exists() && world.workspace.discarded().unwrap().is_empty());
}

/// A small tmpfs.
struct Full(PathBuf);

impl Full {
    /// `None` if this user can't mount one, which is printed.
    fn mount(at: &Path) -> Option<Self> {
        std::fs::create_dir(at).unwrap();
        let mut mount = std::process::Command::new("mount");
        let done = mount.args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(at).output();
        match done {
            Ok(done) if done.status.success() => Some(Self(at.to_owned())),
            done => {
                println!("SKIP: a full file system: {done:?}");
                None
            }
        }
    }
}

impl Drop for Full {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

/// The kernel accepts not a single byte more: the trash's metadata is stored where it does.
#[test]
fn on_a_file_system_without_a_free_block_what_is_there_is_still_moved_to_the_trash_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Full::mount(&folder.path().join("disk")) else { return };
    let (data, kept) = (disk.0.join("data"), disk.0.join("kept"));
    let root = Root::measured(&data, &kept, 0, 0, Arc::default()).unwrap();
    create_kept_folders(&root.beside(&kept).unwrap()).unwrap();
    std::fs::create_dir(folder.path().join("notes")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("notes"), disk.0.join("kept.notes")).unwrap();
    let mut big = std::fs::File::create(data.join("big")).unwrap();
    while big.write_all(&[1; 4_096]).is_ok() {}
    drop(big);
    let workspace = Workspace::open(root, &kept, Clock::System, Arc::new(Operations::default()));
    let refused = workspace.ask(Request::CreateFolder { path: path("no/folder") });
    assert!(refused.is_err());
    workspace.ask(list(FilePath::ROOT)).unwrap();
    let items = workspace.discard(&[path("big")], "ann").unwrap();
    assert_eq!(std::fs::read_dir(folder.path().join("notes")).unwrap().count(), 1);
    assert_eq!(workspace.discarded().unwrap(), items);
    let full =
        workspace.root.open_file(&path("new"), Open::NEW).unwrap().write_at(&[1; 4_096], 0).unwrap_err();
    assert!(full.to_string().contains("trash, which holds "), "{full}");
    workspace.restore(items[0].id).unwrap();
    workspace.run(FileTask::Delete { paths: vec![path("big")] }, &Progress::default()).unwrap();
    workspace.root.open_file(&path("new"), Open::WRITE).unwrap().write_at(&[1; 4_096], 0).unwrap();
}
