//! Links with targets inside of the folder are followed on writes; those that lead out are refused.

use super::*;
use std::os::unix::fs::symlink;

fn linked() -> World {
    let world = World::new();
    world.put("shared/real.cfg", b"old");
    let data = world.folder.path().join("data");
    std::fs::set_permissions(
        data.join("shared/real.cfg"),
        std::os::unix::fs::PermissionsExt::from_mode(0o640),
    )
    .unwrap();
    std::fs::write(world.folder.path().join("secret"), "key").unwrap();
    symlink("shared/real.cfg", data.join("link.cfg")).unwrap();
    symlink("/home/container/link.cfg", data.join("chain.cfg")).unwrap();
    symlink("../secret", data.join("out.cfg")).unwrap();
    world
}

fn still_linked(world: &World, text: &str) {
    let data = world.folder.path().join("data");
    for link in ["link.cfg", "chain.cfg", "out.cfg"] {
        assert!(std::fs::symlink_metadata(data.join(link)).unwrap().is_symlink(), "{link}");
    }
    assert_eq!(world.text("shared/real.cfg").as_deref(), Some(text));
    assert_eq!(world.workspace.info(&path("shared/real.cfg")).unwrap().mode, 0o640);
    assert_eq!(std::fs::read_to_string(world.folder.path().join("secret")).unwrap(), "key");
}

#[tokio::test]
async fn the_editor_saves_through_a_link_again_and_again_with_versions_of_its_target() {
    for link in ["link.cfg", "chain.cfg"] {
        let world = linked();
        let seen = world.workspace.info(&path(link)).unwrap().etag;
        let FileAnswer::File { file } = world.save(link, Some(&seen), b"new").await.unwrap() else {
            panic!()
        };
        assert_eq!((file.path, file.kind), (path(link), FileKind::Symlink));
        still_linked(&world, "new");
        // With the etag of the answer, as the editor does.
        world.save(link, Some(&file.etag), b"newer").await.unwrap();
        still_linked(&world, "newer");
        assert!(matches!(world.save(link, Some(&seen), b"late").await, Err(FileError::Changed)));
        assert!(matches!(world.save(link, Some(""), b"late").await, Err(FileError::Changed)));
        let versions = world.workspace.versions(&path("shared/real.cfg")).unwrap();
        assert_eq!(versions.len(), 2);
        assert_eq!(world.workspace.versions(&path(link)).unwrap(), versions);
        let id = versions[1].id;
        assert_eq!(world.read(FileRead::Version { path: path(link), id }).await, b"old");
    }
}

#[tokio::test]
async fn an_upload_that_replaces_writes_through_a_link() {
    let world = linked();
    let upload = world.workspace.begin_upload(None, path("chain.cfg"), 3, true).unwrap();
    world.write(FileWrite::Piece { upload: upload.id, offset: 0 }, b"new").await.unwrap();
    world.workspace.finish_upload(upload.id, true).unwrap();
    still_linked(&world, "new");
    assert!(matches!(world.workspace.begin_upload(None, path("link.cfg"), 3, false), Err(FileError::Exists)));
}

#[tokio::test]
async fn a_link_that_leads_out_is_refused_as_reading_is() {
    let world = linked();
    let refused = world.workspace.read(FileRead::File { path: path("out.cfg"), start: 0, length: None });
    let why = refused.map(drop).unwrap_err().to_string();
    assert_eq!(world.save("out.cfg", None, b"x").await.unwrap_err().to_string(), why);
    assert_eq!(world.workspace.begin_upload(None, path("out.cfg"), 1, true).unwrap_err().to_string(), why);
    still_linked(&world, "old");
}

#[tokio::test]
async fn a_link_to_the_containers_folder_is_the_root() {
    let world = linked();
    symlink("/home/container/shared", world.folder.path().join("data/home")).unwrap();
    world.save("home/new.cfg", None, b"new").await.unwrap();
    assert_eq!(world.text("shared/new.cfg").as_deref(), Some("new"));
    let page = world.workspace.list(&path("home"), FileSort::Name, false, 0, 10, None).unwrap();
    assert_eq!(page.items.len(), 2);
    let info = world.workspace.info(&path("home")).unwrap();
    assert_eq!(info.target_kind, Some(FileKind::Folder));
    // A copy keeps the link.
    let copies = vec![FileMove { from: path("home"), to: path("copy") }];
    world.run(FileTask::Copy { copies }).unwrap();
    assert_eq!(world.workspace.root.read_link(&path("copy")).unwrap(), "/home/container/shared");
}

#[tokio::test]
async fn earlier_versions_of_a_file_that_is_kept_from_somebody_are_not_read_by_a_link_to_it() {
    let world = World::new();
    world.put("server.key", b"secret");
    world.save("server.key", None, b"newer secret").await.unwrap();
    let id = world.workspace.versions(&path("server.key")).unwrap()[0].id;
    symlink("server.key", world.folder.path().join("data/notes.txt")).unwrap();
    let denied = crate::files::Denied::new(&["*.key"]);
    let theirs = Workspace { root: world.workspace.root.denying(&denied), ..world.workspace.clone() };
    for name in ["server.key", "notes.txt", "/home/container/notes.txt", "./notes.txt"] {
        let Ok(path) = FilePath::parse(name) else { continue };
        assert!(theirs.versions(&path).is_err() || theirs.versions(&path).unwrap().is_empty(), "{name}");
        assert!(theirs.version(&path, id).is_err(), "{name}");
        let asked = raptor_model::node::TextRead {
            path,
            version: Some(id),
            unpack: false,
            encoding: None,
            tail_bytes: None,
        };
        assert!(theirs.read_text(asked).is_err(), "{name}");
    }
    assert!(matches!(theirs.version(&path("notes.txt"), id), Err(FileError::Denied)));
}
