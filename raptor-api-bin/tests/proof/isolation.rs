//! The messages for the administrator if the rules between containers and their host can't be set.

use crate::{
    faults::{READY, printing},
    programs::{Api, Daemon, docker},
    until,
};
use raptor_client::api::types::Phase;

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
    let created = api.add_daemon(daemon.port);
    let host = created.daemon.id;
    daemon.start(&created.api_key);
    api.online(&host);
    let startup = format!("sh -c 'echo \"{READY}\"; read line'");
    let container = printing(api.template(crate::EGG), host, &startup);
    let container = api.make(&container);
    api.phase(&container, Phase::Running);
    let note = until("it is said", || {
        let isolation = api.done(api.get_daemon(&host)).system?.isolation?;
        (!isolation.kept).then_some(isolation.note)
    });
    // The test's containers are removed after it, and must not be started again in the meantime.
    daemon.stop();
    assert!(note.starts_with("Containers can reach the services of this host"), "{note}");
    assert!(note.contains(advice), "{note}");
}
