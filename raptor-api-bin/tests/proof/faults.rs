//! Faults: daemon and API are killed at random points under load, and the guarantees are checked from outside.

use crate::{
    EGG,
    programs::{Api, Daemon, docker},
    text, until,
};
use serde_json::{Value, json};
use std::{
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

const ROUNDS: u32 = 6;
pub const READY: &str = "[net] Map generated, starting game";

/// Pauses that differ from run to run; the seed is printed so that a failure can be repeated.
pub struct Chance(u64);

impl Chance {
    pub fn new() -> Self {
        let given = std::env::var("RAPTOR_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
        let seed = given.unwrap_or(now) | 1;
        println!("RAPTOR_TEST_SEED={seed}");
        Self(seed)
    }

    /// A generator for another thread.
    pub fn another(&mut self) -> Self {
        Self(self.below(u64::MAX) | 1)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    pub fn pause(&mut self) {
        std::thread::sleep(Duration::from_millis(self.below(1_500)));
    }
}

#[test]
fn no_line_is_lost_or_doubled_and_every_crash_counts_once_whatever_is_killed_when() {
    if !docker() {
        return;
    }
    let mut chance = Chance::new();
    let mut api = Api::serve_embedded();
    api.sign_in();
    let mut daemon = Daemon::new();
    let created =
        api.post("/daemons", json!({ "name": "Host", "host": "127.0.0.1", "port": daemon.port }), 201);
    let (host, key) = (text(&created["daemon"]["id"]).to_owned(), text(&created["api_key"]).to_owned());
    daemon.start(&key);
    let online = |api: &Api| {
        until("the daemon is online", || {
            (api.get(&format!("/daemons/{host}"))["connection"]["state"] == "online").then_some(())
        });
    };
    online(&api);
    let template = api.post_bytes("/templates/import", EGG, 201)["template"]["id"].clone();
    let counting = format!(
        "sh -c 'echo \"{READY}\"; i=0; while true; do i=$((i+1)); echo tick $i; [ -e crash ] && rm crash && exit 3; sleep 0.02; done'"
    );
    let steady = make(&mut api, &template, &host, &counting);
    let crashing = make(&mut api, &template, &host, &counting);
    for path in [&steady, &crashing] {
        running(&api, path);
    }
    let begun = started(&steady);
    let mut crashes = 0;
    for round in 0..ROUNDS {
        chance.pause();
        if chance.below(2) == 0 {
            daemon.kill();
        }
        if chance.below(2) == 0 {
            api.kill();
        }
        if round % 2 == 0 {
            // A crash while daemon and API may be away.
            crash(&crashing);
            crashes += 1;
        }
        chance.pause();
        api.revive();
        daemon.revive(&key);
        api.sign_in();
        online(&api);
        for path in [&steady, &crashing] {
            running(&api, path);
        }
    }
    assert_eq!(started(&steady), begun, "the same process has run all the time");
    let ticks: Vec<u64> =
        lines(&api, &steady).iter().filter_map(|text| text.strip_prefix("tick ")?.parse().ok()).collect();
    let first = ticks[0];
    assert_eq!(ticks, (first..first + ticks.len() as u64).collect::<Vec<_>>(), "a line was lost or doubled");
    until("every crash is in the audit trail", || (crash_count(&api, &crashing) >= crashes).then_some(()));
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(crash_count(&api, &crashing), crashes, "each crash is written down once");
    for path in [&steady, &crashing] {
        api.delete(path);
    }
    until("both are gone", || (api.get("/containers")["items"] == json!([])).then_some(()));
    for path in [&steady, &crashing] {
        let name = format!("name={}", engine_name(path));
        for kind in [["ps", "-aq"], ["network", "ls"]] {
            let format = if kind[0] == "ps" { "{{.Names}}" } else { "{{.Name}}" };
            let left = run(&[kind[0], kind[1], "--format", format, "--filter", &name]);
            assert_eq!(left, "", "nothing of it is left");
        }
    }
}

/// Creates a container that runs `startup`, and returns its path.
pub fn make(api: &mut Api, template: &Value, daemon: &str, startup: &str) -> String {
    let container = api.post(
        "/containers",
        json!({
            "name": "Counter", "template_id": template, "daemon_id": daemon, "image": "~raptor-test/busybox:1",
            "startup_command": startup, "skip_install": true, "allocation_count": 0, "start": true,
            "limits": { "memory_mib": 64, "swap_mib": 0, "cpu_percent": 0, "disk_mib": 0, "pids": 64, "io_weight": 500 },
            "behaviour": { "policy": { "max_crashes": 0 } },
        }),
        201,
    );
    api.containers.push(text(&container["id"]).to_owned());
    format!("/containers/{}", text(&container["id"]))
}

pub fn running(api: &Api, path: &str) {
    until("it is running", || {
        let live = api.get(path)["live"].clone();
        (live["phase"] == "running" && live["known"] == true).then_some(())
    });
}

fn engine_name(path: &str) -> String {
    format!("raptor-{}", path.rsplit('/').next().unwrap())
}

fn run(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn started(path: &str) -> String {
    run(&["inspect", "--format", "{{.Id}} {{.State.StartedAt}}", &engine_name(path)])
}

fn crash(path: &str) {
    run(&["exec", &engine_name(path), "touch", "/home/container/crash"]);
}

/// All stored console lines, whose numbers must be consecutive.
pub fn lines(api: &Api, path: &str) -> Vec<String> {
    let (mut after, mut texts) = (0, Vec::new());
    loop {
        let page = api.get(&format!("{path}/console?after={after}&limit=1000"));
        let lines = page["lines"].as_array().unwrap().clone();
        if lines.is_empty() {
            return texts;
        }
        for line in lines {
            let seq = line["seq"].as_u64().unwrap();
            assert!(after == 0 || seq == after + 1, "line {seq} follows {after}");
            after = seq;
            texts.push(text(&line["text"]).to_owned());
        }
    }
}

pub fn crash_count(api: &Api, path: &str) -> usize {
    let page = api.get(&format!("{path}/activity?limit=100"));
    let items = page["items"].as_array().unwrap().clone();
    items.iter().filter(|item| item["action"] == "container.crashed").count()
}
