//! The programs of the landing before beside those of this one: each works with the other, so that either may be upgraded first.
//!
//! They are built from the repository's history, which takes long, so `cargo xtask test` leaves this out:
//!
//! ```sh
//! cargo test --workspace --test proof previous -- --ignored
//! ```
//!
//! `RAPTOR_PREVIOUS_PROGRAMS` names a folder with `raptor-api` and `raptor-daemon` that are built already.

use crate::{
    programs::{Api, Daemon, docker},
    until,
};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

/// The last commit of protocol 3.
const PREVIOUS: &str = "f51ca2c";

const STARTUP: &str =
    "sh -c 'echo ready; while read line; do [ \"$line\" = stop ] && exit 0; echo \"got $line\"; done'";

fn egg() -> String {
    let egg = json!({
        "meta": { "version": "PTDL_v2" }, "name": "Echo", "author": "a@b.example", "startup": STARTUP,
        "docker_images": { "x": "~raptor-test/busybox:1" }, "file_denylist": [], "variables": [],
        "config": { "files": "{}", "startup": "{\"done\": \"ready\"}", "logs": "{}", "stop": "stop" },
        "scripts": { "installation": { "script": "true", "container": "~raptor-test/busybox:1", "entrypoint": "sh" } },
    });
    egg.to_string()
}

/// The folder with the programs of the landing before.
static PROGRAMS: LazyLock<PathBuf> = LazyLock::new(|| match std::env::var_os("RAPTOR_PREVIOUS_PROGRAMS") {
    Some(folder) => folder.into(),
    None => build(),
});

fn build() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let place = root.join("target/previous");
    let (source, target) = (place.join("source"), place.join("target"));
    let run = |command: &mut Command| assert!(command.status().unwrap().success(), "{command:?}");
    if !source.exists() {
        run(Command::new("git").arg("-C").arg(root).args(["worktree", "prune"]));
        run(Command::new("git")
            .arg("-C")
            .arg(root)
            .args(["worktree", "add", "--detach"])
            .arg(&source)
            .arg(PREVIOUS));
    }
    let packages = ["build", "--package", "raptor-api-bin", "--package", "raptor-daemon-bin"];
    run(Command::new("cargo").args(packages).arg("--target-dir").arg(&target).current_dir(&source));
    target.join("debug")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// An API, a daemon, and a container that runs there.
struct Scene {
    api: Api,
    daemon: Daemon,
    key: String,
    host: String,
    container: String,
}

impl Scene {
    fn new(mut api: Api, mut daemon: Daemon) -> Self {
        api.sign_in();
        let draft = json!({ "name": "Host", "host": "127.0.0.1", "port": daemon.port });
        let created = api.post("/daemons", draft, 201);
        let (host, key) = (text(&created["daemon"]["id"]).to_owned(), text(&created["api_key"]).to_owned());
        daemon.start(&key);
        let mut scene = Self { api, daemon, key, host, container: String::new() };
        scene.online();
        let imported = scene.api.post("/templates/import", serde_json::from_str(&egg()).unwrap(), 201);
        let template = imported["template"]["id"].clone();
        let draft = json!({
            "name": "Echo", "template_id": template, "daemon_id": scene.host, "skip_install": true, "allocation_count": 0,
            "limits": { "memory_mib": 48, "swap_mib": 0, "cpu_percent": 0, "disk_mib": 64, "pids": 32, "io_weight": 500 },
        });
        scene.container = text(&scene.api.post("/containers", draft, 201)["id"]).to_owned();
        scene.api.containers.push(scene.container.parse().unwrap());
        scene
    }

    fn link(&self) -> Value {
        self.api.get(&format!("/daemons/{}", self.host))["connection"].clone()
    }

    fn online(&self) {
        until("the daemon is online", || (self.link()["state"] == "online").then_some(()));
    }

    fn at(&self, path: &str) -> String {
        format!("/containers/{}{path}", self.container)
    }

    fn phase(&self, phase: &str) {
        until(phase, || {
            let live = self.api.get(&self.at(""))["live"].clone();
            (live["phase"] == phase && live["known"] == true).then_some(())
        });
    }

    /// Starts it, talks with it and stops it.
    fn plays(&self) {
        let power = |action: &str| self.api.post(&self.at("/power"), json!({ "action": action }), 202);
        power("start");
        self.phase("running");
        self.api.call(Method::POST, &self.at("/commands"), Some(json!({ "command": "hello" })), 204);
        until("its answer is in the console", || {
            self.api.get(&self.at("/console?limit=100")).to_string().contains("got hello").then_some(())
        });
        assert_eq!(
            self.api.post(&self.at("/power"), json!({ "action": "start" }), 409)["code"],
            "already_running"
        );
        power("stop");
        self.phase("offline");
    }

    fn files(&self) -> (u16, Value) {
        self.api.json(Method::GET, &self.at("/files?path="), None)
    }
}

#[test]
#[ignore = "builds the previous release"]
fn this_api_works_with_the_daemon_of_the_landing_before_and_says_what_has_to_wait_for_its_upgrade() {
    if !docker() {
        return;
    }
    let mut scene = Scene::new(Api::serve_embedded(), Daemon::of(&PROGRAMS.join("raptor-daemon")));
    assert_eq!(scene.link()["outdated"], true);
    scene.plays();
    let (status, refusal) = scene.files();
    assert_eq!((status, &refusal["code"]), (503, &json!("daemon_protocol")), "{refusal}");
    assert!(text(&refusal["detail"]).contains("Upgrade raptor-daemon on that host"), "{refusal}");
    // The daemon is upgraded while the container runs.
    scene.api.post(&scene.at("/power"), json!({ "action": "start" }), 202);
    scene.phase("running");
    scene.daemon.stop();
    scene.daemon.upgrade();
    scene.daemon.start(&scene.key);
    until("it is no longer outdated", || (scene.link()["outdated"] == false).then_some(()));
    scene.online();
    scene.phase("running");
    assert_eq!(scene.files().0, 200);
    scene.api.post(&scene.at("/power"), json!({ "action": "stop" }), 202);
    scene.phase("offline");
    scene.plays();
}

#[test]
#[ignore = "builds the previous release"]
fn the_api_of_the_landing_before_works_with_this_daemon() {
    if !docker() {
        return;
    }
    let api = Api::of(&PROGRAMS.join("raptor-api"));
    let scene = Scene::new(api, Daemon::new());
    scene.plays();
    assert_eq!(scene.files().0, 200);
}
