//! Changing `APP_KEY` with the real program, and its log.

use crate::{
    programs::{Api, Daemon, folder, postgres, program, refusal_of, said_by},
    until,
};
use raptor_client::api::types::LinkState;
use std::{fs, path::Path, process::Command};

const KEY: &str = "an application key of some length";
const NEW: &str = "another application key of some length";

#[test]
fn another_app_key_is_refused_until_rotate_key_has_made_it_the_one() {
    let mut api = Api::serve_embedded();
    api.stop();
    let database = format!("sqlite://{}/raptor.db", api.data_dir());
    let with = |name, value| vec![("DATABASE_URL", database.as_str()), (name, value)];
    let words = refusal_of("raptor-api", "serve", &with("APP_KEY", NEW));
    assert!(words.contains("OLD_APP_KEY") && words.contains("rotate-key"), "{words}");
    assert!(!words.contains(NEW), "{words}");
    // Without the former key it is refused too, with a message that says how to continue.
    let words = refusal_of("raptor-api", "rotate-key", &with("APP_KEY", NEW));
    assert!(words.contains("--lost"), "{words}");
    let words =
        said_by("raptor-api", "rotate-key", &[with("APP_KEY", NEW), vec![("OLD_APP_KEY", KEY)]].concat());
    assert!(words.contains("Start every API on this database with the new key."), "{words}");
    let words = refusal_of("raptor-api", "serve", &with("APP_KEY", KEY));
    assert!(words.contains("APP_KEY is not the key"), "{words}");
    let words =
        refusal_of("raptor-api", "serve", &[with("APP_KEY", NEW), vec![("JWT_SECRET", KEY)]].concat());
    assert!(words.contains("rotate-jwt-secret"), "{words}");
}

#[test]
fn a_log_that_goes_to_a_file_has_no_colours() {
    let api = Api::serve_embedded();
    let log = api.log();
    assert!(log.contains("serving") && !log.contains('\u{1b}'), "{log}");
}

#[test]
fn a_daemon_that_comes_and_goes_and_a_key_that_it_refuses_are_each_in_the_log_once() {
    let mut api = Api::serve_embedded();
    api.sign_in();
    let mut daemon = Daemon::with(vec![("CONTAINER_FIREWALL", "off".to_owned())]);
    let created = api.add_daemon(daemon.port);
    let is = |state: LinkState| {
        until(&state.to_string(), || (api.state(&created.daemon.id) == state).then_some(()));
    };
    is(LinkState::Unreachable);
    daemon.start(&created.api_key);
    is(LinkState::Online);
    daemon.kill();
    is(LinkState::Unreachable);
    daemon.start("rd_Zk3vX9qLw2TnB7yRc5MfH1pJd8GsA4uEoI6tQxN0bV");
    is(LinkState::WrongKey);
    let log = api.log();
    let count = |words: &str| log.lines().filter(|line| line.contains(words)).count();
    assert_eq!(count("the daemon is online"), 1, "{log}");
    assert_eq!(count("state=Unreachable"), 2, "{log}");
    assert_eq!(count("state=WrongKey"), 1, "{log}");
    let log = daemon.log();
    assert_eq!(log.matches("another key than DAEMON_API_KEY").count(), 1, "{log}");
}

/// The lines of the README that move a key's file and change the key.
fn documented() -> Vec<String> {
    let readme = include_str!("../../../README.md");
    let lines: Vec<String> = readme
        .match_indices("[ -e ")
        .filter_map(|(at, _)| {
            let line = &readme[at..];
            let end = line.find("rotate-key")? + "rotate-key".len();
            Some(line[..end].to_owned()).filter(|line| !line.contains('\n'))
        })
        .collect();
    assert_eq!(lines.len(), 2, "one for `up` and one for Compose");
    lines
}

/// Runs a line in a shell, in a folder with the key's file `data/app.key`, and returns whether it succeeded, and its output.
fn shell(folder: &Path, line: &str, database: &str) -> (bool, String) {
    let programs = program("raptor-api").parent().unwrap().display().to_string();
    // Compose's line is run in the key's folder, and gets its name from the environment.
    let inside = if line.contains("data/app.key") { folder.to_owned() } else { folder.join("data") };
    let output = Command::new("sh")
        .args(["-c", line])
        .current_dir(inside)
        .env_clear()
        .env("PATH", format!("{programs}:{}", std::env::var("PATH").unwrap()))
        .env("APP_KEY_FILE", "app.key")
        .env("DATABASE_URL", database)
        .output()
        .unwrap();
    let words = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.success(), words)
}

/// Runs a line twice that is refused with this message, and checks that the right key is still there.
fn refused_twice(folder: &Path, line: &str, database: &str, why: &str) {
    for _ in 0..2 {
        let (good, words) = shell(folder, line, database);
        assert!(!good && (words.contains(why) || words.contains("cannot stat")), "{line}: {words}");
        assert_eq!(fs::read_to_string(folder.join("data/app.key.old")).unwrap(), KEY, "{line}");
        assert!(!folder.join("data/app.key").exists(), "{line}: an unused key stays");
    }
}

/// The documented lines, and the one from earlier documentation.
fn lines() -> Vec<String> {
    let bare = "mv data/app.key data/app.key.old && APP_KEY_FILE=data/app.key OLD_APP_KEY_FILE=data/app.key.old raptor-api rotate-key";
    documented().into_iter().chain([bare.to_owned()]).collect()
}

fn with_the_key() -> tempfile::TempDir {
    let folder = folder();
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::write(folder.path().join("data/app.key"), KEY).unwrap();
    folder
}

/// Asserts that the line has succeeded: the key in `app.key` is the new one.
fn done(folder: &Path, database: &str) {
    let line = &documented()[0];
    let (good, words) = shell(folder, line, database);
    assert!(good && words.contains("app.key.old away"), "{words}");
    let key = fs::read_to_string(folder.join("data/app.key")).unwrap();
    assert_ne!(key.trim(), KEY);
    // Running it again changes nothing.
    let (good, words) = shell(folder, line, database);
    assert!(good, "{words}");
    assert_eq!(fs::read_to_string(folder.join("data/app.key")).unwrap(), key);
    let words = refusal_of("raptor-api", "serve", &[("DATABASE_URL", database), ("APP_KEY", KEY)]);
    assert!(words.contains("APP_KEY is not the key"), "{words}");
}

#[test]
fn the_documented_change_of_the_key_may_fail_again_and_again_beside_an_api_on_sqlite() {
    for line in lines() {
        let mut api = Api::serve_embedded();
        let database = format!("sqlite://{}/raptor.db", api.data_dir());
        let folder = with_the_key();
        refused_twice(folder.path(), &line, &database, "Another Raptor uses");
        api.stop();
        done(folder.path(), &database);
    }
}

#[test]
fn the_documented_change_of_the_key_may_fail_again_and_again_beside_an_api_on_postgresql() {
    let Some(database) = postgres() else { return };
    let mut api = Api::serve(&database);
    let folder = with_the_key();
    for line in lines() {
        refused_twice(folder.path(), &line, &database, "A raptor-api is running");
        fs::rename(folder.path().join("data/app.key.old"), folder.path().join("data/app.key")).unwrap();
        refused_twice(
            folder.path(),
            &line,
            "postgres://raptor@127.0.0.1:1/raptor",
            "Connecting to PostgreSQL at DATABASE_URL failed",
        );
        fs::rename(folder.path().join("data/app.key.old"), folder.path().join("data/app.key")).unwrap();
    }
    api.stop();
    done(folder.path(), &database);
}

#[test]
fn a_new_key_that_the_database_refuses_does_not_stay_in_its_file() {
    let mut api = Api::serve_embedded();
    api.stop();
    let database = format!("sqlite://{}/raptor.db", api.data_dir());
    let folder = folder();
    let file = folder.path().join("app.key").display().to_string();
    let env = [("DATABASE_URL", database.as_str()), ("APP_KEY_FILE", &file)];
    // Without the former key.
    let words = refusal_of("raptor-api", "rotate-key", &env);
    assert!(words.contains("--lost") && !Path::new(&file).exists(), "{words}");
    // A new key can't be the one that signs existing sessions.
    let words = refusal_of("raptor-api", "rotate-jwt-secret", &env);
    assert!(words.contains("APP_KEY_FILE can't be used") && !Path::new(&file).exists(), "{words}");
    // An existing file is kept.
    fs::write(&file, NEW).unwrap();
    refusal_of("raptor-api", "rotate-key", &env);
    assert_eq!(fs::read_to_string(&file).unwrap(), NEW);
}
