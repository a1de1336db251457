use super::{operations::Progress, *};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use raptor_model::node::files::{
    ArchiveFormat, Existing, FileMove, FileRead, FileSort, FileTask, FileWrite, LeftOut, Operation,
    OperationState,
};
use std::io::Write;

mod archives;
mod full;
mod fuzz;
mod links;
mod sending;
mod seven;
mod texts;

struct World {
    folder: tempfile::TempDir,
    workspace: Workspace,
}

fn path(text: &str) -> FilePath {
    FilePath::parse(text).unwrap()
}

impl World {
    fn new() -> Self {
        Self::limited(0)
    }

    /// With a disk limit in bytes; 0 = unlimited.
    fn limited(limit: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (data, kept) = (folder.path().join("data"), folder.path().join("kept"));
        let usage = Arc::new(crate::files::Usage::new(limit));
        let root = Root::measured(&data, &kept, 0, 0, usage).unwrap();
        let workspace = Workspace::open(root, &kept, Clock::System, Arc::new(Operations::default()));
        Self { folder, workspace }
    }

    /// The workspace as the next daemon process finds it.
    fn again(&self) -> Workspace {
        let root = Root::open(&self.folder.path().join("data"), 0, 0).unwrap();
        let operations = Arc::new(Operations::default());
        Workspace::open(root, &self.folder.path().join("kept"), Clock::System, operations)
    }

    fn put(&self, at: &str, data: &[u8]) {
        let at = path(at);
        self.workspace.root.create_dir_all(&at.parent().unwrap()).unwrap();
        self.workspace.root.open_file(&at, Open::REPLACE).unwrap().write_at(data, 0).unwrap();
    }

    fn text(&self, at: &str) -> Option<String> {
        self.workspace.root.read_text(at).unwrap()
    }

    fn run(&self, task: FileTask) -> FileResult<()> {
        self.workspace.run(task, &Progress::default())
    }

    /// Fails if an entry was left out.
    fn extract(&self, archive: &str) -> FileResult<()> {
        match self.unpack(archive, Existing::Skip, None)?.first() {
            None => Ok(()),
            Some(left) => Err(FileError::Invalid(format!("{}: {}", left.name, left.why))),
        }
    }

    /// Extracts into the folder `out`, and returns the entries that were left out.
    fn unpack(&self, archive: &str, existing: Existing, encoding: Option<&str>) -> FileResult<Vec<LeftOut>> {
        let progress = Progress::default();
        let encoding = encoding.map(str::to_owned);
        let task = FileTask::Extract { path: path(archive), into: path("out"), existing, encoding };
        self.workspace.run(task, &progress)?;
        Ok(progress.left_out().0)
    }

    async fn write(&self, request: FileWrite, data: &'static [u8]) -> FileResult<FileAnswer> {
        let workspace = self.workspace.clone();
        let body = stream::iter([Ok(Bytes::from_static(data))]).boxed();
        tokio::task::spawn_blocking(move || workspace.write(request, body)).await.unwrap()
    }

    async fn save(&self, at: &str, etag: Option<&str>, data: &'static [u8]) -> FileResult<FileAnswer> {
        let etag = etag.map(str::to_owned);
        self.write(FileWrite::File { path: path(at), etag, keep: true, by: "ann".into() }, data).await
    }

    async fn read(&self, request: FileRead) -> Vec<u8> {
        let content = self.workspace.read(request).unwrap();
        content.body.try_collect::<Vec<_>>().await.unwrap().concat()
    }
}

#[tokio::test]
async fn of_two_who_saw_the_same_version_one_wins() {
    let world = World::new();
    world.save("a.txt", Some(""), b"one").await.unwrap();
    let seen = world.workspace.info(&path("a.txt")).unwrap().etag;
    world.save("a.txt", Some(&seen), b"two").await.unwrap();
    assert!(matches!(world.save("a.txt", Some(&seen), b"three").await, Err(FileError::Changed)));
    assert!(matches!(world.save("a.txt", Some(""), b"new").await, Err(FileError::Changed)));
    assert_eq!(world.text("a.txt").as_deref(), Some("two"));
    let versions = world.workspace.versions(&path("a.txt")).unwrap();
    assert_eq!((versions.len(), versions[0].replaced_by.as_str()), (1, "ann"));
    let id = versions[0].id;
    assert_eq!(world.read(FileRead::Version { path: path("a.txt"), id }).await, b"one");
}

#[tokio::test]
async fn a_range_is_what_it_says() {
    let world = World::new();
    world.put("a", b"0123456789");
    let part = |start, length| world.read(FileRead::File { path: path("a"), start, length });
    assert_eq!(part(2, Some(3)).await, b"234");
    assert_eq!(part(-3, None).await, b"789");
    assert_eq!(part(5, None).await, b"56789");
    assert_eq!(part(50, None).await, b"");
}

#[tokio::test]
async fn an_upload_goes_on_where_it_stopped_and_appears_whole() {
    let world = World::new();
    let upload = world.workspace.begin_upload(None, path("new/world.dat"), 10, false).unwrap();
    let piece = |offset| FileWrite::Piece { upload: upload.id, offset };
    world.write(piece(0), b"01234").await.unwrap();
    assert!(world.write(piece(3), b"xx").await.is_err(), "no gap and no overlap");
    assert!(world.workspace.finish_upload(upload.id, true).is_err());
    assert_eq!(world.text("new/world.dat"), None, "nobody sees half of it");
    assert_eq!(world.workspace.upload(upload.id).unwrap().received_bytes, 5);
    assert!(world.write(piece(5), b"5678901").await.is_err(), "no more than was announced");
    let received = world.workspace.upload(upload.id).unwrap().received_bytes;
    assert_eq!(received, 5);
    world.write(piece(5), b"56789").await.unwrap();
    world.workspace.finish_upload(upload.id, true).unwrap();
    assert_eq!(world.text("new/world.dat").as_deref(), Some("0123456789"));
    assert!(matches!(
        world.workspace.begin_upload(None, path("new/world.dat"), 1, false),
        Err(FileError::Exists)
    ));
}

#[test]
fn what_is_deleted_comes_back_where_it_was() {
    let world = World::new();
    world.put("a/b.txt", b"b");
    let items = world.workspace.discard(&[path("a")], "ann").unwrap();
    assert_eq!(world.text("a/b.txt"), None);
    assert_eq!(world.workspace.discarded().unwrap(), items);
    world.workspace.restore(items[0].id).unwrap();
    assert_eq!(world.text("a/b.txt").as_deref(), Some("b"));
    let items = world.workspace.discard(&[path("a/b.txt")], "ann").unwrap();
    world.put("a/b.txt", b"other");
    assert!(matches!(world.workspace.restore(items[0].id), Err(FileError::Exists)), "nothing is replaced");
    world.workspace.empty_trash(None).unwrap();
    assert!(world.workspace.discarded().unwrap().is_empty());
    assert_eq!(world.text("a/b.txt").as_deref(), Some("other"));
}

#[test]
fn one_thing_is_deleted_for_good_and_what_is_old_goes_by_itself() {
    let world = World::new();
    for name in ["one", "old.key", "new"] {
        world.put(name, b"x");
    }
    let items = world.workspace.discard(&[path("one"), path("old.key"), path("new")], "ann").unwrap();
    world.workspace.empty_trash(Some(vec![items[0].id])).unwrap();
    assert_eq!(world.workspace.discarded().unwrap().len(), 2);

    // As if it was deleted a month ago.
    let note = world.folder.path().join(format!("kept/trash/{}.json", items[1].id));
    let mut text: serde_json::Value = serde_json::from_slice(&std::fs::read(&note).unwrap()).unwrap();
    text["at"] = serde_json::json!(Clock::System.now() - chrono::TimeDelta::days(30));
    std::fs::write(&note, text.to_string()).unwrap();
    assert_eq!(world.workspace.age_trash(31).unwrap(), 0);
    // Also entries that are hidden from this caller.
    let denied = crate::files::Denied::new(&["*.key"]);
    let theirs = Workspace { root: world.workspace.root.denying(&denied), ..world.workspace.clone() };
    assert_eq!(theirs.age_trash(30).unwrap(), 1);
    let left: Vec<_> = world.workspace.discarded().unwrap().into_iter().map(|item| item.path).collect();
    assert_eq!(left, [path("new")]);
    assert_eq!(std::fs::read_dir(world.folder.path().join("kept/trash")).unwrap().count(), 2);
}

#[test]
fn what_lies_in_the_trash_without_a_note_is_listed_restored_and_emptied() {
    let world = World::new();
    for lost in ["", "{\"path\": \"/o"] {
        world.put("one", b"1");
        world.put("two", b"2");
        let items = world.workspace.discard(&[path("one"), path("two")], "ann").unwrap();
        for item in &items {
            let note = world.folder.path().join(format!("kept/trash/{}.json", item.id));
            if lost.is_empty() {
                std::fs::remove_file(note).unwrap()
            } else {
                std::fs::write(note, lost).unwrap()
            }
        }
        let found = world.workspace.discarded().unwrap();
        assert_eq!(found.len(), 2, "{lost:?}");
        assert!(found.iter().all(|item| (item.size_bytes, item.kind) == (1, FileKind::File)));
        // It may be a file that is hidden from them.
        let denied = crate::files::Denied::new(&["*.key"]);
        let theirs = Workspace { root: world.workspace.root.denying(&denied), ..world.workspace.clone() };
        assert!(theirs.discarded().unwrap().is_empty());
        assert!(theirs.restore(items[0].id).is_err() && theirs.empty_trash(Some(vec![items[0].id])).is_err());

        world.workspace.restore(items[0].id).unwrap();
        assert_eq!(world.text(&format!("recovered-{}", items[0].id)).as_deref(), Some("1"));
        world.workspace.empty_trash(None).unwrap();
        assert!(world.workspace.discarded().unwrap().is_empty());
        assert_eq!(std::fs::read_dir(world.folder.path().join("kept/trash")).unwrap().count(), 0);
    }
}

#[test]
fn every_format_is_packed_and_unpacked() {
    use ArchiveFormat as F;
    for format in [F::Zip, F::Tar, F::TarGz, F::TarXz, F::TarBz2, F::TarZst] {
        let world = World::new();
        world.put("world/region/r.dat", &[7; 100_000]);
        world.put("world/ü name.txt", "ü".as_bytes());
        world.workspace.root.symlink("ü name.txt", &path("world/link")).unwrap();
        let archive = format!("w.{}", format.extension());
        world.run(FileTask::Archive { paths: vec![path("world")], to: path(&archive), format }).unwrap();
        world.extract(&archive).unwrap();
        assert_eq!(world.text("out/world/ü name.txt").as_deref(), Some("ü"), "{format:?}");
        assert_eq!(world.workspace.root.stat(&path("out/world/region/r.dat")).unwrap().len, 100_000);
        assert_eq!(world.workspace.root.read_link(&path("out/world/link")).unwrap(), "ü name.txt");
        assert!(world.extract(&archive).is_err(), "nothing is replaced unless asked");
    }
}

/// A tar with one entry of this exact name.
fn tar_with(kind: tar::EntryType, name: &str, target: &str) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(0);
    header.set_mode(0o644);
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_cksum();
    let mut tar = tar::Builder::new(Vec::new());
    tar.append(&header, std::io::empty()).unwrap();
    tar.into_inner().unwrap()
}

#[test]
fn cve_2023_25152_an_archive_leaves_nothing_outside() {
    use tar::EntryType as T;
    let cases = [
        (T::Regular, "../escaped", ""),
        (T::Regular, "a/../../escaped", ""),
        (T::Symlink, "link", "/etc/passwd"),
        (T::Symlink, "link", "../../escaped"),
        (T::Link, "hard", "/etc/passwd"),
        (T::Link, "hard", "../../escaped"),
        (T::Char, "device", ""),
        (T::Fifo, "pipe", ""),
    ];
    for (kind, name, target) in cases {
        let world = World::new();
        world.put("a.tar", &tar_with(kind, name, target));
        assert!(world.extract("a.tar").is_err(), "{kind:?} {name} {target}");
        assert!(!world.folder.path().join("escaped").exists());
        assert!(!world.folder.path().join("data/escaped").exists());
    }
}

#[test]
fn zip_slip_is_refused() {
    for name in ["../escaped", "..\\escaped", "a/../../escaped", "a/..\\../escaped"] {
        let world = World::new();
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(b"x").unwrap();
        world.put("a.zip", &zip.finish().unwrap().into_inner());
        assert!(world.extract("a.zip").is_err(), "{name}");
        assert!(!world.folder.path().join("data/escaped").exists());
    }
}

#[test]
fn a_bomb_is_defused() {
    let world = World::new();
    let zeros = std::io::Read::take(std::io::repeat(0), 1 << 30);
    let packed = zstd::encode_all(zeros, 3).unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_size(1 << 30);
    header.set_cksum();
    drop(packed);
    let mut tar = tar::Builder::new(zstd::Encoder::new(Vec::new(), 3).unwrap());
    tar.append_data(&mut header, "zeros", std::io::Read::take(std::io::repeat(0), 1 << 30)).unwrap();
    world.put("bomb.tar.zst", &tar.into_inner().unwrap().finish().unwrap());
    assert!(matches!(world.extract("bomb.tar.zst"), Err(FileError::TooMuch(_))));
    assert!(world.workspace.root.size() < 1 << 29);
}

#[test]
fn copies_go_deep_and_never_into_themselves() {
    let world = World::new();
    world.put("a/b/c.txt", b"c");
    let copy = |to: &str| FileTask::Copy { copies: vec![FileMove { from: path("a"), to: path(to) }] };
    world.run(copy("copy")).unwrap();
    assert_eq!(world.text("copy/b/c.txt").as_deref(), Some("c"));
    assert!(world.run(copy("a/b/a")).is_err());
    assert!(matches!(world.run(copy("copy")), Err(FileError::Exists)));
}

#[test]
fn what_is_cancelled_stops() {
    let world = World::new();
    world.put("a/b", b"b");
    let progress = Progress::default();
    progress.cancel.cancel();
    let copies = vec![FileMove { from: path("a"), to: path("c") }];
    assert!(matches!(world.workspace.run(FileTask::Copy { copies }, &progress), Err(FileError::Cancelled)));
}

#[test]
fn a_folder_of_ten_thousand_is_listed_at_once() {
    let world = World::new();
    for number in 0..10_000 {
        std::fs::write(world.folder.path().join(format!("data/file{number}")), "").unwrap();
    }
    let began = std::time::Instant::now();
    let page = world.workspace.list(&FilePath::ROOT, FileSort::Name, false, 9_998, 10, None).unwrap();
    assert_eq!((page.total, page.items.len()), (10_000, 2));
    assert_eq!(page.items[1].name, "file9999");
    assert!(began.elapsed() < std::time::Duration::from_secs(2), "{:?}", began.elapsed());
}

#[test]
fn a_page_far_down_is_the_same_as_of_a_folder_that_was_sorted_at_once() {
    let world = World::new();
    for number in 0..400 {
        std::fs::write(world.folder.path().join(format!("data/file{number}")), "").unwrap();
    }
    let root = FilePath::ROOT;
    let page = |descending, offset, search: Option<&str>| {
        let page =
            world.workspace.list_by(64, &root, (FileSort::Name, descending), (offset, 2), search).unwrap();
        (page.total, page.items.into_iter().map(|item| item.name).collect::<Vec<_>>())
    };
    let names = |numbers: [u32; 2]| numbers.map(|number| format!("file{number}")).to_vec();
    for offset in [0, 63, 64, 65, 128, 300, 398] {
        let at = u32::try_from(offset).unwrap();
        assert_eq!(page(false, offset, None), (400, names([at, at + 1])));
        assert_eq!(page(true, offset, None), (400, names([399 - at, 398 - at])));
    }
    for beyond in [400, 1_000_000, u64::MAX] {
        assert_eq!(page(false, beyond, None), (400, Vec::new()));
    }
    assert_eq!(page(false, 1, Some("E39")), (11, vec!["file390".into(), "file391".into()]));
}

#[test]
fn a_search_finds_names_and_text() {
    let world = World::new();
    world.put("plugins/a.yml", b"x: 1\nMotd: Hello World\n");
    world.put("plugins/b.bin", b"Hello\0World");
    let found = |name: Option<&str>, content: Option<&str>| {
        let hits = world.workspace.search(&FilePath::ROOT, name, content).unwrap();
        hits.items.iter().map(|hit| (hit.file.path.to_string(), hit.line)).collect::<Vec<_>>()
    };
    assert_eq!(found(Some("*.yml"), None), [("/plugins/a.yml".to_owned(), None)]);
    assert_eq!(found(None, Some("hello")), [("/plugins/a.yml".to_owned(), Some(2))]);
    assert!(world.workspace.search(&FilePath::ROOT, None, None).is_err());
}

#[test]
fn checksums_are_those_of_everybody() {
    use raptor_model::node::files::ChecksumKind as K;
    let world = World::new();
    world.put("a", b"abc");
    let sum = |kind| world.workspace.checksum(&path("a"), kind).unwrap();
    assert_eq!(sum(K::Md5), "900150983cd24fb0d6963f7d28e17f72");
    assert_eq!(sum(K::Sha1), "a9993e364706816aba3e25717850c26c9cd0d89d");
    assert_eq!(sum(K::Sha256), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[tokio::test]
async fn what_ran_when_the_daemon_ended_is_told_and_its_halves_are_gone() {
    let world = World::new();
    world.put("a", b"a");
    let done = world.workspace.start(FileTask::Delete { paths: vec![path("a")] }, "ann").unwrap();
    while world.workspace.operations_shown()[0].state == OperationState::Running {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(world.again().operations_shown().is_empty(), "what has ended is not told again");

    // As left by a daemon that was killed: the record of a running operation, and a partial archive.
    let killed = Operation { id: Uuid::now_v7(), ended_at: None, state: OperationState::Running, ..done };
    world.workspace.note_running(&killed);
    let uploads = world.workspace.kept_folder("uploads").unwrap();
    uploads.open_file(&kept("uploads", Uuid::now_v7(), "").unwrap(), Open::NEW).unwrap();
    let upload = world.workspace.begin_upload(None, path("new"), 5, false).unwrap();

    let next = world.again();
    let shown = next.operations_shown();
    assert_eq!((shown.len(), shown[0].id, shown[0].state), (1, killed.id, OperationState::Failed));
    assert!(shown[0].problem.as_ref().unwrap().contains("restarted"));
    assert_eq!(next.kept().unwrap().entries(&path("uploads")).unwrap().count(), 2, "an upload and its note");
    assert_eq!(next.upload(upload.id).unwrap().received_bytes, 0, "which can go on");
    assert_eq!(world.again().operations_shown().len(), 1, "nobody has looked at it yet");
    next.cancel(killed.id).unwrap();
    assert!(next.operations_shown().is_empty() && world.again().operations_shown().is_empty());
}

#[tokio::test]
async fn what_is_kept_from_somebody_is_kept_in_every_way() {
    let world = World::new();
    for name in ["a.key", "secret/x", "open.txt", "folder/b.key", "folder/c.txt"] {
        world.put(name, b"token");
    }
    let denied = crate::files::Denied::new(&["*.key", "/secret"]);
    let theirs = Workspace { root: world.workspace.root.denying(&denied), ..world.workspace.clone() };
    let refused = |what: &str, result: FileResult<()>| assert!(result.is_err(), "{what}: {result:?}");
    let shows = |what: &str, shown: String| {
        assert!(shown.contains("c.txt"), "{what} shows nothing: {shown}");
        assert!(!shown.contains(".key") && !shown.contains("secret"), "{what}: {shown}");
    };
    let all = FilePath::ROOT;
    let listed = theirs.list(&path("folder"), FileSort::Name, false, 0, 100, None).unwrap();
    shows("a list", format!("{listed:?}"));
    shows("a search by name", format!("{:?}", theirs.search(&all, Some("*"), None).unwrap()));
    shows("a search by content", format!("{:?}", theirs.search(&all, None, Some("token")).unwrap()));
    let sizes = format!("{:?}", theirs.sizes(&all).unwrap());
    assert!(sizes.contains("folder") && !sizes.contains("secret"), "{sizes}");

    let run = |task| theirs.run(task, &Progress::default());
    let format = ArchiveFormat::Tar;
    run(FileTask::Archive { paths: vec![path("folder"), path("open.txt")], to: path("t.tar"), format })
        .unwrap();
    let mut packed = tar::Archive::new(std::fs::File::open(world.folder.path().join("data/t.tar")).unwrap());
    let names = packed.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().into_owned());
    shows("an archive", format!("{:?}", names.collect::<Vec<_>>()));
    let moved = |from: &str, to: &str| vec![FileMove { from: path(from), to: path(to) }];
    run(FileTask::Copy { copies: moved("folder", "copy") }).unwrap();
    assert!(world.text("copy/c.txt").is_some() && world.text("copy/b.key").is_none());
    world.put("theirs.zip", &{
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        zip.start_file("new.key", zip::write::SimpleFileOptions::default()).unwrap();
        zip.finish().unwrap().into_inner()
    });
    let (zip, into) = (path("theirs.zip"), FilePath::ROOT);
    let unpacking = Progress::default();
    let task = FileTask::Extract { path: zip, into, existing: Existing::Replace, encoding: None };
    theirs.run(task, &unpacking).unwrap();
    assert_eq!(unpacking.left_out().1, 1, "unpacking");
    for hidden in ["a.key", "secret/x", "secret", "folder/b.key"] {
        let at = path(hidden);
        refused("looking", theirs.info(&at).map(drop));
        refused(
            "reading",
            theirs.read(FileRead::File { path: at.clone(), start: 0, length: None }).map(drop),
        );
        refused("packing", theirs.read(FileRead::Archive { paths: vec![at.clone()], format }).map(drop));
        refused("a checksum", theirs.checksum(&at, raptor_model::node::files::ChecksumKind::Md5).map(drop));
        refused("versions", theirs.versions(&at).map(drop));
        refused("copying", run(FileTask::Copy { copies: moved(hidden, "mine") }));
        refused("copying there", run(FileTask::Copy { copies: moved("open.txt", "new.key") }));
        let moves = moved(hidden, "mine");
        refused("moving", theirs.ask(FileRequest::Move { moves, replace: true }).map(drop));
        refused(
            "a mode",
            theirs.ask(FileRequest::SetMode { paths: vec![at.clone()], mode: 0o777 }).map(drop),
        );
        refused("the trash", theirs.discard(std::slice::from_ref(&at), "eve").map(drop));
        refused("deleting", run(FileTask::Delete { paths: vec![at.clone()] }));
        let text = raptor_model::node::TextRead {
            path: at.clone(),
            version: None,
            unpack: false,
            encoding: None,
            tail_bytes: None,
        };
        refused("reading as text", theirs.read_text(text).map(drop));
        let whole = FileWrite::Upload { path: at.clone(), size_bytes: 0, replace: true, may_read: true };
        refused("sending at once", theirs.write(whole, stream::empty().boxed()).map(drop));
        refused("sending", theirs.begin_upload(None, at, 5, true).map(drop));
    }
    refused("deleting what is above", run(FileTask::Delete { paths: vec![path("folder")] }));

    let thrown = world.workspace.discard(&[path("a.key")], "ann").unwrap();
    assert!(theirs.discarded().unwrap().is_empty());
    refused("restoring", theirs.restore(thrown[0].id));
    theirs.empty_trash(None).unwrap();
    refused("emptying", theirs.empty_trash(Some(vec![thrown[0].id])));
    world.workspace.restore(thrown[0].id).unwrap();
    world.workspace.start(FileTask::Delete { paths: vec![path("secret")] }, "ann").unwrap();
    assert_eq!((world.workspace.operations_shown().len(), theirs.operations_shown().len()), (1, 0));
}

mod pulls {
    use super::*;
    use raptor_outbound::{Outbound, Resolver};
    use std::{
        net::IpAddr,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// A web server that always gives this response.
    async fn server(answer: String) -> u16 {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = [0; 2_048];
                let _ = socket.read(&mut request).await;
                let _ = socket.write_all(answer.as_bytes()).await;
            }
        });
        port
    }

    async fn pull(world: &World, url: &str, outbound: &Outbound) -> FileResult<()> {
        world.workspace.fetch(url, &FilePath::ROOT, None, &Progress::default(), outbound).await
    }

    /// 127.0.0.1 counts as a public address, all other addresses of this machine as private.
    fn only_first() -> Outbound {
        Outbound::default().allowed(|address| address == IpAddr::from([127, 0, 0, 1]))
    }

    /// Resolves a name to 127.0.0.1 the first time, and to 127.0.0.2 from then on.
    #[derive(Default)]
    struct Flips(AtomicUsize);

    #[async_trait::async_trait]
    impl Resolver for Flips {
        async fn resolve(&self, _: &str) -> std::io::Result<Vec<IpAddr>> {
            let first = self.0.fetch_add(1, Ordering::SeqCst) == 0;
            Ok(vec![[127, 0, 0, if first { 1 } else { 2 }].into()])
        }
    }

    #[tokio::test]
    async fn a_file_is_fetched() {
        let world = World::new();
        let port =
            server("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello".into()).await;
        pull(&world, &format!("http://127.0.0.1:{port}/mod.jar"), &only_first()).await.unwrap();
        assert_eq!(world.text("mod.jar").as_deref(), Some("hello"));
    }

    #[tokio::test]
    async fn cve_2024_34068_private_addresses_are_refused_however_they_are_written() {
        let world = World::new();
        let port = server("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret".into()).await;
        let hosts = [
            "127.0.0.1",
            "localhost",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "2130706433",
            "0x7f.1",
            "0",
            "017700000001",
        ];
        for host in hosts {
            let url = format!("http://{host}:{port}/secret");
            assert!(pull(&world, &url, &Outbound::default()).await.is_err(), "{url}");
        }
        for url in ["file:///etc/passwd", "ftp://example.com/x", "gopher://127.0.0.1/", "nonsense"] {
            assert!(pull(&world, url, &Outbound::default()).await.is_err(), "{url}");
        }
        assert_eq!(world.text("secret"), None);
    }

    #[tokio::test]
    async fn ghsa_6rg3_8h8x_5xfv_a_redirect_is_checked_like_the_first_address() {
        let world = World::new();
        let inner = server("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret".into()).await;
        let answer = format!(
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2:{inner}/secret\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        let outer = server(answer).await;
        let refused = pull(&world, &format!("http://127.0.0.1:{outer}/x"), &only_first()).await;
        assert!(refused.unwrap_err().to_string().contains("public addresses only"));
        assert_eq!(world.text("secret"), None);
    }

    #[tokio::test]
    async fn a_name_that_changes_its_address_is_fetched_from_where_it_was_checked() {
        let world = World::new();
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
        let port = server(answer.into()).await;
        let resolver = Arc::new(Flips::default());
        let outbound = only_first().resolver(resolver.clone());
        pull(&world, &format!("http://flips.test:{port}/a"), &outbound).await.unwrap();
        assert_eq!((world.text("a").as_deref(), resolver.0.load(Ordering::SeqCst)), (Some("hello"), 1));
        let refused = pull(&world, &format!("http://flips.test:{port}/b"), &outbound).await;
        assert!(refused.unwrap_err().to_string().contains("public addresses only"));
        assert_eq!(world.text("b"), None);
    }
}

#[tokio::test]
async fn names_that_are_no_utf8_are_names_like_others() {
    let world = World::new();
    let odd = path(r"mods/caf\xE9.txt");
    world.put("mods/caf\u{fffd}.txt", b"another");
    world.put(odd.as_str(), b"odd");
    let page = world.workspace.list(&path("mods"), FileSort::Name, false, 0, 100, None).unwrap();
    assert!(page.items.iter().any(|item| item.path == odd && item.name == r"caf\xE9.txt"));
    assert_eq!(world.read(FileRead::File { path: odd.clone(), start: 0, length: None }).await, b"odd");
    assert_eq!(world.workspace.search(&FilePath::ROOT, Some(r"F\xe9"), None).unwrap().items.len(), 1);

    for (format, number) in [(ArchiveFormat::TarGz, 1), (ArchiveFormat::Zip, 2)] {
        let to = path(&format!("{number}.{}", format.extension()));
        world.run(FileTask::Archive { paths: vec![path("mods")], to, format }).unwrap();
    }
    world.extract("1.tar.gz").unwrap();
    assert_eq!(world.text(r"out/mods/caf\xE9.txt").as_deref(), Some("odd"));
    let zip = std::fs::File::open(world.folder.path().join("data/2.zip")).unwrap();
    let raw = zip::ZipArchive::new(zip).unwrap();
    assert!(raw.file_names_raw().any(|name| name == b"mods/caf\xe9.txt"));

    let copies = vec![FileMove { from: path("mods"), to: path(r"copy\xFF") }];
    world.run(FileTask::Copy { copies }).unwrap();
    assert_eq!(world.text(r"copy\xFF/caf\xE9.txt").as_deref(), Some("odd"));
    let gone = world.workspace.discard(std::slice::from_ref(&odd), "ann").unwrap();
    assert_eq!((world.text(odd.as_str()), &gone[0].path), (None, &odd));
    world.workspace.restore(gone[0].id).unwrap();
    world.workspace.root.rename(&odd, &path("mods/café.txt"), false).unwrap();
    assert_eq!(world.text("mods/café.txt").as_deref(), Some("odd"));
    world.run(FileTask::Delete { paths: vec![path(r"copy\xFF"), path("out")] }).unwrap();
    assert_eq!(world.text("mods/caf\u{fffd}.txt").as_deref(), Some("another"), "no two names are one");

    let guarded = world.workspace.root.denying(&crate::files::Denied::new(&["*.txt"]));
    assert!(matches!(guarded.open_file(&odd, Open::REPLACE), Err(FileError::Denied)));
}
