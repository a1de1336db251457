//! The proof: the real programs run a real game server from its published egg, on a real Docker Engine.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod disk;
mod faults;
mod files;
mod isolation;
mod keys;
mod mail;
#[path = "../../../e2e/mail/server.rs"]
mod mailserver;
mod member;
mod outages;
mod own;
mod previous;
mod programs;
mod restored;
mod settings;
mod sftp;
mod storage;
mod transport;

use programs::{Api, Daemon, docker, free_port, postgres};
use serde_json::{Value, json};
use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

const EGG: &str = include_str!("../../../raptor-core/tests/fixtures/eggs/openttd.json");

#[test]
fn openttd_runs_in_the_form_of_one_process_on_sqlite() {
    if !docker() {
        return;
    }
    let mut api = Api::up();
    api.sign_in();
    let daemon = api.get("/daemons")["items"][0]["id"].clone();
    let port = free_port();
    api.post(
        &format!("/daemons/{}/allocations", text(&daemon)),
        json!({ "ip": "127.0.0.1", "ports": port.to_string() }),
        201,
    );
    play(&mut api, &daemon, port, |_| {});
}

#[test]
fn a_second_up_on_the_same_folder_is_refused_before_it_touches_anything() {
    let first = Api::up();
    let (folder, sftp) = (first.data_dir(), free_port().to_string());
    let settings = [("API_ADDR", "127.0.0.1:0"), ("SFTP_PORT", &sftp), ("DATA_DIR", &folder)];
    let said = programs::refusal(&settings);
    assert!(said.contains("Another Raptor uses") && !said.contains("serving SFTP"), "{said}");
    // With a database of its own it would still run the first one's containers.
    let said = programs::refusal(&[&settings[..], &[("DATABASE_URL", "sqlite://other.db")]].concat());
    assert!(said.contains("Another Raptor daemon") && !said.contains("serving SFTP"), "{said}");
}

#[test]
fn openttd_runs_on_a_daemon_of_its_own_with_postgresql() {
    let Some(database) = postgres().filter(|_| docker()) else { return };
    let mut api = Api::serve(&database);
    api.sign_in();
    let mut daemon = Daemon::new();
    let draft = json!({ "name": "Host 1", "host": "127.0.0.1", "port": daemon.port });
    let created = api.post("/daemons", draft.clone(), 201);
    let id = created["daemon"]["id"].clone();
    let link = |api: &Api| api.get(&format!("/daemons/{}", text(&id)))["connection"].clone();

    let seen = until("the daemon is said to be unreachable", || {
        Some(link(&api)).filter(|link| link["state"] == "unreachable")
    });
    assert!(text(&seen["message"]).contains("can't be reached"), "{seen}");

    daemon.start("rd_9fK2mQ7xV4bN8sL1wE6tY3uI5oP0aZcDgHjRkXvBn2m");
    let seen =
        until("the key is said to be wrong", || Some(link(&api)).filter(|link| link["state"] == "wrong_key"));
    assert!(text(&seen["message"]).contains("DAEMON_API_KEY"), "{seen}");

    daemon.stop();
    daemon.start(text(&created["api_key"]));
    until("the daemon is online", || (link(&api)["state"] == "online").then_some(()));
    let system = api.get(&format!("/daemons/{}", text(&id)))["system"].clone();
    assert!(
        system["docker_version"].is_string() && system["memory_total_bytes"].as_u64() > Some(0),
        "{system}"
    );

    let port = free_port();
    api.post(
        &format!("/daemons/{}/allocations", text(&id)),
        json!({ "ip": "127.0.0.1", "ports": port.to_string() }),
        201,
    );
    play(&mut api, &id, port, |api| {
        // The game goes on while both programs are replaced.
        daemon.stop();
        until("the daemon is said to be away", || (link(api)["state"] != "online").then_some(()));
        api.restart();
        api.sign_in();
        daemon.start(text(&created["api_key"]));
        until("the daemon is back", || (link(api)["state"] == "online").then_some(()));
    });
}

/// Import, create, start, connect, talk, stop.
fn play(api: &mut Api, daemon: &Value, port: u16, meanwhile: impl FnOnce(&mut Api)) {
    let imported = api.post_bytes("/templates/import", EGG, 201);
    assert_eq!(imported["warnings"], json!([]));
    let allocations = api.get(&format!("/daemons/{}/allocations?search={port}", text(daemon)));
    let container = api.post(
        "/containers",
        json!({
            "name": "Trains", "template_id": imported["template"]["id"], "daemon_id": daemon,
            "image": "~raptor-test/openttd:1", "skip_install": true, "variables": { "srv_name": "Raptor's trains" },
            "allocation_ids": [allocations["items"][0]["id"]],
            "limits": { "memory_mib": 512, "swap_mib": 0, "cpu_percent": 0, "disk_mib": 1024, "pids": 128, "io_weight": 500 },
        }),
        201,
    );
    let path = format!("/containers/{}", text(&container["id"]));
    api.containers.push(text(&container["id"]).to_owned());
    api.post(&format!("{path}/power"), json!({ "action": "start" }), 202);
    let phase = |api: &Api, phase: &str| (api.get(&path)["live"]["phase"] == phase).then_some(());
    until("the egg's done line is seen", || phase(api, "running"));
    assert_eq!(
        api.post(&format!("{path}/power"), json!({ "action": "start" }), 409)["code"],
        "already_running"
    );
    TcpStream::connect(("127.0.0.1", port)).unwrap();
    meanwhile(api);
    until("it is still running", || phase(api, "running"));
    TcpStream::connect(("127.0.0.1", port)).unwrap();

    let line = |api: &Api, wanted: &str| {
        let page = api.get(&format!("{path}/console?limit=200"));
        let lines = page["lines"].as_array().unwrap().clone();
        lines.iter().any(|line| text(&line["text"]).contains(wanted)).then_some(())
    };
    until("it answers what is typed", || {
        api.post(&format!("{path}/commands"), json!({ "command": "server_info" }), 204);
        line(api, "Current/maximum clients")
    });
    let page = api.get(&format!("{path}/console?after=0&limit=1000"));
    let numbers: Vec<u64> =
        page["lines"].as_array().unwrap().iter().filter_map(|line| line["seq"].as_u64()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "no console line is lost or doubled");

    measured(api, &path);
    api.post(&format!("{path}/power"), json!({ "action": "stop" }), 202);
    until("it is offline", || phase(api, "offline"));
    let exit = api.get(&path)["live"]["last_exit"].clone();
    assert_eq!((exit["code"].as_i64(), exit["crash"].as_bool()), (Some(0), Some(false)), "{exit}");
    remembers(api, &path, daemon);
    api.delete(&path);
    until("it is gone", || (api.get("/containers")["items"] == json!([])).then_some(()));
}

/// What was printed, sent and used is still known while it is offline.
fn remembers(api: &Api, path: &str, daemon: &Value) {
    let found = api.get(&format!("{path}/console/search?text=CURRENT%2FMAXIMUM&limit=1"));
    let hit = &found["hits"][0];
    assert!(text(&hit["text"]).contains("Current/maximum"), "{found}");
    assert_eq!(
        hit["parts"][0]["end"].as_u64().zip(hit["parts"][0]["start"].as_u64()).map(|(a, b)| a - b),
        Some(15)
    );
    let none = api.get(&format!("{path}/console/search?to=2020-01-01T00:00:00Z&order=oldest"));
    assert_eq!((&none["hits"], &none["next"]), (&json!([]), &Value::Null), "{none}");

    let plain = api.bytes(&format!("{path}/console/download?timestamps=true"));
    let plain = String::from_utf8(plain).unwrap();
    assert!(plain.contains("Current/maximum clients") && !plain.contains('\u{1b}'), "{plain}");
    assert_eq!(plain.lines().count() as u64, found["newest"].as_u64().unwrap());
    let packed = api.bytes(&format!("{path}/console/download?gzip=true"));
    assert_eq!(packed.get(..2), Some(&[0x1f, 0x8b][..]));

    for mine in [false, true] {
        let sent = api.get(&format!("{path}/commands?mine={mine}&limit=1"));
        assert_eq!(
            (text(&sent["items"][0]["sent_by"]), text(&sent["items"][0]["command"])),
            ("admin", "server_info")
        );
    }
    for of in [path, &format!("/daemons/{}", text(daemon))] {
        measured(api, of);
    }
}

/// Measurements are differences and written every ten seconds.
fn measured(api: &Api, of: &str) {
    until("it was measured", || {
        let history = api.get(&format!("{of}/stats/history?range=hour"));
        let steps = history["memory_bytes"]["avg"].as_array().unwrap().clone();
        assert_eq!(steps.len(), 360);
        steps.iter().any(|step| step.as_f64() > Some(0.0)).then_some(())
    });
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

fn until<T>(what: &str, mut met: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(met) = met() {
            return met;
        }
        assert!(Instant::now() < deadline, "a minute has passed and not: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn what_is_wrong_at_the_start_is_said_in_a_sentence() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (name, value, said) in [
        ("API_ADDR", taken.as_str(), "is taken by another program"),
        ("BCRYPT_COST", "99", "BCRYPT_COST"),
        ("DATA_DIR", "/proc/raptor", "DATA_DIR"),
        ("APP_KEY", "short", "32 characters"),
    ] {
        let said_so = programs::refusal(&[("API_ADDR", "127.0.0.1:0"), (name, value)]);
        assert!(said_so.contains(said), "{name}={value}: {said_so}");
    }
}
