//! Files over HTTP with the real programs: losing a permission ends links and transfers at once.

use crate::{
    programs::Api,
    sftp::{Fixture, suspend},
    support::bodies::{self, PASSWORD},
};
use raptor_client::api::{
    query::ListFiles,
    types::{AccessGrant, FileInfo, FileMove, FileMoves, FilePath, Level, NewLink, PathList, UserId},
};
use std::{
    ffi::OsStr,
    io::Read,
    os::unix::ffi::OsStrExt,
    time::{Duration, Instant},
};

const SIZE: u64 = 1 << 32;

/// Steve's container with a large file, and Mia, who has access to it.
struct Scene {
    fixture: Fixture,
    mia: UserId,
}

impl Scene {
    fn new() -> Self {
        let mut fixture = Fixture::new();
        fixture.api.sign_in();
        let data = fixture.daemon.data(&fixture.container);
        std::fs::create_dir_all(&data).unwrap();
        std::fs::File::create(data.join("large")).unwrap().set_len(SIZE).unwrap();
        std::fs::write(data.join("server.key"), "secret").unwrap();
        let mia = bodies::a_user("mia", fixture.api.user_role());
        let mia = fixture.api.done(fixture.api.create_user(&mia)).id;
        let scene = Self { fixture, mia };
        scene.give(&[]);
        scene
    }

    /// The path of a file's content, for what is read as it comes.
    fn content(&self, file: &str) -> String {
        format!("/containers/{}/files/content?path={file}", self.fixture.container)
    }

    fn give(&self, denied: &[&str]) {
        let denied = denied.iter().map(ToString::to_string).collect();
        let access = AccessGrant { denied_files: Some(denied), ..bodies::access("mia", Level::Admin) };
        let api = &self.fixture.api;
        api.done(api.grant_access(&self.fixture.container, &access));
    }

    /// What is in the container's root.
    fn listed(&self) -> Vec<FileInfo> {
        let api = &self.fixture.api;
        api.done(api.list_files(&self.fixture.container, ListFiles::default())).items
    }

    fn as_mia<T>(&mut self, act: impl FnOnce(&Self) -> T) -> T {
        self.fixture.api.sign_in_as("mia", PASSWORD);
        let done = act(self);
        self.fixture.api.sign_in();
        done
    }

    /// A download link for the large file, created by Mia.
    fn link(&mut self) -> String {
        self.as_mia(|scene| {
            let api = &scene.fixture.api;
            api.done(api.link_files(&scene.fixture.container, &NewLink::new(vec![FilePath("large".into())])))
                .url
        })
    }

    /// Revokes something and expects Mia's transfer to end within a second, and her link to be invalid.
    fn cut(&mut self, what: &str, act: impl FnOnce(&Api, &Self)) {
        let link = self.link();
        let mut running = self.fixture.api.open_signed_out(&link);
        assert!(running.status().is_success(), "{what}: {}", running.status());
        running.read_exact(&mut vec![0; 1 << 20]).unwrap();
        act(&self.fixture.api, self);
        let begun = Instant::now();
        let mut rest = 0;
        let mut piece = vec![0; 1 << 16];
        let ended = loop {
            match running.read(&mut piece) {
                Ok(0) => break false,
                Ok(read) => rest += read as u64,
                Err(_) => break true,
            }
            assert!(begun.elapsed() < Duration::from_secs(1), "{what}: it went on for more than a second");
        };
        assert!(ended && rest < SIZE / 2, "{what}: the transfer came to its own end");
        println!("{what}: cut after {:?} and {} MiB", begun.elapsed(), rest >> 20);
        let status = self.fixture.api.open_signed_out(&link).status().as_u16();
        assert!(matches!(status, 401 | 403 | 404 | 409), "{what}: the link still answers {status}");
    }
}

/// Security case 32, and 40 and 41 for HTTP.
#[test]
fn whoever_loses_the_right_is_cut_off_in_the_middle_of_a_download_and_their_links_are_dead() {
    let mut scene = Scene::new();
    scene.cut("access that is taken away", |api, scene| {
        api.done(api.revoke_access(&scene.fixture.container, &scene.mia));
    });
    scene.give(&[]);
    scene.cut("files that are hidden", |_, scene| scene.give(&["large"]));
    scene.give(&[]);
    scene.cut("a container that is suspended", |api, scene| {
        api.done(api.suspend_container(&scene.fixture.container));
    });
    let Fixture { api, container, .. } = &scene.fixture;
    api.done(api.unsuspend_container(container));
    scene.cut("an account that is suspended", |api, scene| {
        assert!(suspend(api, "mia", &scene.mia));
    });
}

#[test]
fn files_that_are_hidden_from_somebody_are_hidden_over_http_too() {
    let mut scene = Scene::new();
    scene.give(&["*.key"]);
    let names = |scene: &Scene| scene.listed().into_iter().map(|file| file.name).collect::<Vec<_>>();
    let (seen, refused) = scene.as_mia(|scene| {
        let api = &scene.fixture.api;
        let content = api.read_file(&scene.fixture.container, "server.key", None, None);
        (names(scene), api.refused(content))
    });
    let (large, key) = ("large".to_owned(), "server.key".to_owned());
    assert!(seen.contains(&large) && !seen.contains(&key), "{seen:?}");
    assert_eq!(refused.status, 409);
    assert!(names(&scene).contains(&key), "the administrator sees it");
}

#[test]
fn a_file_whose_name_is_no_utf8_is_listed_read_renamed_and_deleted() {
    let scene = Scene::new();
    let (api, data) = (&scene.fixture.api, scene.fixture.daemon.data(&scene.fixture.container));
    std::fs::write(data.join(OsStr::from_bytes(b"caf\xe9")), "text").unwrap();
    let container = &scene.fixture.container;
    let found = scene.listed().into_iter().find(|item| item.name == r"caf\xE9").unwrap();
    assert_eq!(found.path.as_str(), r"/caf\xE9");
    assert_eq!(api.bytes(api.read_file(container, &found.path, None, None)), b"text");
    let renamed = FilePath(r"/b\xFFn".into());
    let moves = FileMoves::new(vec![FileMove { from: found.path, to: renamed.clone() }]);
    api.done(api.move_files(container, &moves));
    assert!(data.join(OsStr::from_bytes(b"b\xffn")).exists());
    let trashed = api.done(api.discard_files(container, &PathList { paths: vec![renamed.clone()] }));
    assert_eq!(trashed.items[0].path, renamed, "{trashed:?}");
    assert!(!data.join(OsStr::from_bytes(b"b\xffn")).exists());
}

/// Large files go from the daemon's kernel to the API on a raw connection, without HTTP framing.
#[test]
fn a_large_file_comes_whole_in_parts_and_never_with_an_end_that_is_not_there() {
    let mut scene = Scene::new();
    let data = scene.fixture.daemon.data(&scene.fixture.container);
    let bytes: Vec<u8> =
        (0..3_000_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    std::fs::write(data.join("numbers"), &bytes).unwrap();
    let Fixture { api, container, .. } = &scene.fixture;
    assert_eq!(api.bytes(api.read_file(container, "numbers", None, None)), bytes);
    let numbers = scene.content("numbers");
    let range = |range: &str| {
        let part = scene.fixture.api.open_with(&numbers, "range", range);
        assert_eq!(part.status().as_u16(), 206);
        part.bytes().unwrap().to_vec()
    };
    assert_eq!(range("bytes=1000001-7000000"), &bytes[1_000_001..=7_000_000]);
    assert_eq!(range("bytes=-2000000"), &bytes[10_000_000..]);

    // It becomes shorter while it is read.
    let large = scene.content("large");
    let mut running = scene.fixture.api.open(&large);
    running.read_exact(&mut vec![0; 1 << 20]).unwrap();
    std::fs::File::options().write(true).open(data.join("large")).unwrap().set_len(1 << 26).unwrap();
    assert!(std::io::copy(&mut running, &mut std::io::sink()).is_err(), "what is missing is no end");

    // A stalled reader does not delay the shutdown of the daemon.
    std::fs::File::options().write(true).open(data.join("large")).unwrap().set_len(SIZE).unwrap();
    let mut running = scene.fixture.api.open(&large);
    running.read_exact(&mut vec![0; 1 << 20]).unwrap();
    let begun = Instant::now();
    scene.fixture.daemon.stop();
    assert!(begun.elapsed() < Duration::from_secs(20), "the daemon waited for its reader");
    assert!(std::io::copy(&mut running, &mut std::io::sink()).is_err());
}
