//! The messages for the administrator if the rules between containers and their host can't be set.

use crate::{
    faults::{READY, make, running},
    programs::{Api, Daemon, docker},
    text, until,
};
use serde_json::json;

#[test]
fn without_iptables_the_daemon_says_which_package_is_missing() {
    // Docker is reached through its socket, so the daemon finds no program at all.
    told(Daemon::with(vec![("PATH", "/nonexistent".to_owned())]), "Install the package iptables");
}

#[test]
fn without_the_right_to_set_rules_the_daemon_says_who_has_it() {
    told(Daemon::behind(&["setpriv", "--bounding-set", "-net_admin", "--"]), "Run the daemon as root");
}

/// The container starts, and the daemon's page says that it is not isolated from the host, and what to do.
fn told(mut daemon: Daemon, advice: &str) {
    if !docker() {
        return;
    }
    let mut api = Api::serve_embedded();
    api.sign_in();
    let draft = json!({ "name": "Host", "host": "127.0.0.1", "port": daemon.port });
    let created = api.post("/daemons", draft, 201);
    let host = text(&created["daemon"]["id"]).to_owned();
    daemon.start(text(&created["api_key"]));
    until("the daemon is online", || {
        (api.get(&format!("/daemons/{host}"))["connection"]["state"] == "online").then_some(())
    });
    let template = api.post_bytes("/templates/import", crate::EGG, 201)["template"]["id"].clone();
    let path = make(&mut api, &template, &host, &format!("sh -c 'echo \"{READY}\"; read line'"));
    running(&api, &path);
    let isolation = until("it is said", || {
        let isolation = api.get(&format!("/daemons/{host}"))["system"]["isolation"].clone();
        (isolation["kept"] == false).then_some(isolation)
    });
    // The test's containers are removed after it, and must not be started again in the meantime.
    daemon.stop();
    let note = text(&isolation["note"]);
    assert!(note.starts_with("Containers can reach the services of this host"), "{note}");
    assert!(note.contains(advice), "{note}");
}
