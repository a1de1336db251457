//! Changing `APP_KEY` with the real program, and what its log looks like.

use crate::{
    programs::{Api, Daemon, refusal_of, said_by},
    text, until,
};
use serde_json::json;

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
    // Without the former key it is refused too, and says how to go on.
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
    let draft = json!({ "name": "Host", "host": "127.0.0.1", "port": daemon.port });
    let created = api.post("/daemons", draft, 201);
    let (path, key) = (format!("/daemons/{}", text(&created["daemon"]["id"])), text(&created["api_key"]));
    let is = |state: &str| until(state, || (api.get(&path)["connection"]["state"] == state).then_some(()));
    is("unreachable");
    daemon.start(key);
    is("online");
    daemon.kill();
    is("unreachable");
    daemon.start("rd_Zk3vX9qLw2TnB7yRc5MfH1pJd8GsA4uEoI6tQxN0bV");
    is("wrong_key");
    let log = api.log();
    let count = |words: &str| log.lines().filter(|line| line.contains(words)).count();
    assert_eq!(count("the daemon is online"), 1, "{log}");
    assert_eq!(count("state=Unreachable"), 2, "{log}");
    assert_eq!(count("state=WrongKey"), 1, "{log}");
    let log = daemon.log();
    assert_eq!(log.matches("refused a request with a wrong key").count(), 1, "{log}");
}
