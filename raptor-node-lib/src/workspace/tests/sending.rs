//! Uploads over unreliable connections: every request can be repeated.

use super::*;

impl World {
    async fn whole(
        &self,
        at: &str,
        size_bytes: u64,
        replace: bool,
        data: &'static [u8],
    ) -> FileResult<FileAnswer> {
        self.write(FileWrite::Upload { path: path(at), size_bytes, replace, may_read: true }, data).await
    }

    fn open_uploads(&self) -> usize {
        let names = std::fs::read_dir(self.folder.path().join("kept/uploads")).unwrap();
        names.filter(|name| !name.as_ref().unwrap().file_name().to_string_lossy().ends_with(".json")).count()
    }
}

#[tokio::test]
async fn a_small_file_is_sent_in_one_request_and_again_without_harm() {
    let world = World::new();
    for _ in 0..2 {
        world.whole("mods/a.jar", 3, false, b"jar").await.unwrap();
    }
    assert_eq!(world.text("mods/a.jar").as_deref(), Some("jar"));
    assert!(matches!(world.whole("mods/a.jar", 5, false, b"other").await, Err(FileError::Exists)));
    assert!(matches!(world.whole("mods/a.jar", 3, false, b"JAR").await, Err(FileError::Exists)));
    assert_eq!(world.text("mods/a.jar").as_deref(), Some("jar"));
    world.whole("mods/a.jar", 5, true, b"other").await.unwrap();
    assert_eq!(world.text("mods/a.jar").as_deref(), Some("other"));
    world.whole("empty", 0, false, b"").await.unwrap();
    assert_eq!(world.text("empty").as_deref(), Some(""));
    assert_eq!(world.open_uploads(), 0);
}

#[tokio::test]
async fn a_sender_who_may_not_read_a_file_cannot_try_out_what_is_in_it() {
    let world = World::new();
    world.put("ops.json", b"[steve]");
    for guess in [&b"[steve]"[..], b"[alex!]"] {
        let upload =
            FileWrite::Upload { path: path("ops.json"), size_bytes: 7, replace: false, may_read: false };
        assert!(matches!(world.write(upload, guess).await, Err(FileError::Exists)), "{guess:?}");
    }
    assert_eq!(world.open_uploads(), 0);
}

#[tokio::test]
async fn the_note_of_a_finished_upload_goes_after_an_hour_and_counts_no_longer() {
    let world = World::limited(1 << 20);
    let begun = world.workspace.begin_upload(None, path("a.bin"), 4, false).unwrap();
    world.write(FileWrite::Piece { upload: begun.id, offset: 0 }, b"data").await.unwrap();
    world.workspace.finish_upload(begun.id, true).unwrap();
    let note = world.folder.path().join(format!("kept/uploads/{}.json", begun.id));
    let used = world.workspace.root.usage().used();
    let aged = |minutes: u64| {
        let then = std::time::SystemTime::now() - std::time::Duration::from_secs(minutes * 60);
        std::fs::File::options().write(true).open(&note).unwrap().set_modified(then).unwrap();
        world.workspace.drop_old_uploads().unwrap();
    };
    aged(50);
    assert!(note.exists(), "whoever lost the answer may ask again");
    aged(70);
    assert!(!note.exists());
    assert!(world.workspace.root.usage().used() < used);
    assert_eq!(world.text("a.bin").as_deref(), Some("data"));
}

#[tokio::test]
async fn a_file_that_was_cut_on_its_way_does_not_appear() {
    let world = World::new();
    for data in [&b"jar"[..], b"jar and more than was announced"] {
        assert!(matches!(world.whole("a.jar", 10, true, data).await, Err(FileError::Invalid(_))));
    }
    assert_eq!(world.text("a.jar"), None);
    assert_eq!(world.open_uploads(), 0);
}

#[tokio::test]
async fn beginning_and_finishing_an_upload_can_be_asked_again() {
    let world = World::new();
    let id = Some(Uuid::now_v7());
    let begun = world.workspace.begin_upload(id, path("a.bin"), 4, false).unwrap();
    assert_eq!(Some(begun.id), id);
    assert_eq!(world.workspace.begin_upload(id, path("a.bin"), 4, false).unwrap(), begun);
    assert!(matches!(world.workspace.begin_upload(id, path("b.bin"), 4, false), Err(FileError::Invalid(_))));
    assert_eq!(world.open_uploads(), 1);

    world.write(FileWrite::Piece { upload: begun.id, offset: 0 }, b"data").await.unwrap();
    // A restart of the daemon or a lost answer in between does no harm.
    let again = world.again();
    assert_eq!(again.begin_upload(id, path("a.bin"), 4, false).unwrap().received_bytes, 4);
    let file = again.finish_upload(begun.id, true).unwrap();
    assert_eq!(again.finish_upload(begun.id, true).unwrap(), file);
    let begun = again.begin_upload(id, path("a.bin"), 4, false).unwrap();
    assert_eq!((begun.received_bytes, world.text("a.bin").as_deref()), (4, Some("data")));
    assert_eq!(world.open_uploads(), 0);
    again.abort_upload(begun.id).unwrap();
    assert_eq!(world.text("a.bin").as_deref(), Some("data"));
}

#[tokio::test]
async fn an_upload_that_may_no_longer_replace_leaves_the_file_that_is_there() {
    let world = World::new();
    world.put("a.bin", b"old");
    let begun = world.workspace.begin_upload(None, path("a.bin"), 3, true).unwrap();
    world.write(FileWrite::Piece { upload: begun.id, offset: 0 }, b"new").await.unwrap();
    assert!(matches!(world.workspace.finish_upload(begun.id, false), Err(FileError::Exists)));
    assert_eq!(world.text("a.bin").as_deref(), Some("old"));
    world.workspace.finish_upload(begun.id, true).unwrap();
    assert_eq!(world.text("a.bin").as_deref(), Some("new"));
}

#[tokio::test]
async fn an_upload_that_stopped_between_its_note_and_its_place_is_finished_by_the_next_attempt() {
    let world = World::new();
    let begun = world.workspace.begin_upload(None, path("a.bin"), 4, false).unwrap();
    world.write(FileWrite::Piece { upload: begun.id, offset: 0 }, b"data").await.unwrap();
    world.put("a.bin", b"somebody else's");
    assert!(matches!(world.workspace.finish_upload(begun.id, true), Err(FileError::Exists)));
    std::fs::remove_file(world.folder.path().join("data/a.bin")).unwrap();
    world.workspace.finish_upload(begun.id, true).unwrap();
    assert_eq!(world.text("a.bin").as_deref(), Some("data"));
}
