//! Faults: daemon and API are killed at random points under load, and the guarantees are checked from outside.

use crate::{
    EGG,
    programs::{Api, Daemon, docker},
    support::bodies,
    until,
};
use raptor_client::api::{
    query::ListContainerActivity,
    types::{Behaviour, ContainerId, DaemonId, NewContainer, NewLimits, Phase, Policy, TemplateId},
};
use std::{
    num::NonZeroU32,
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
    let created = api.add_daemon(daemon.port);
    let (host, key) = (created.daemon.id, created.api_key);
    daemon.start(&key);
    api.online(&host);
    let counting = format!(
        "sh -c 'echo \"{READY}\"; i=0; while true; do i=$((i+1)); echo tick $i; [ -e crash ] && rm crash && exit 3; sleep 0.02; done'"
    );
    let counter = printing(api.template(EGG), host, &counting);
    let (steady, crashing) = (api.make(&counter), api.make(&counter));
    for container in [&steady, &crashing] {
        api.phase(container, Phase::Running);
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
        api.online(&host);
        for container in [&steady, &crashing] {
            api.phase(container, Phase::Running);
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
    for container in [&steady, &crashing] {
        api.delete(container);
    }
    api.none_left();
    for container in [&steady, &crashing] {
        let name = format!("name={}", engine_name(container));
        for kind in [["ps", "-aq"], ["network", "ls"]] {
            let format = if kind[0] == "ps" { "{{.Names}}" } else { "{{.Name}}" };
            let left = run(&[kind[0], kind[1], "--format", format, "--filter", &name]);
            assert_eq!(left, "", "nothing of it is left");
        }
    }
}

/// A container that runs `startup` in place of its template's command, and whose crashes are never too many.
pub fn printing(template: TemplateId, daemon: DaemonId, startup: &str) -> NewContainer {
    let policy = Policy { max_crashes: Some(0), ..Policy::default() };
    NewContainer {
        daemon_id: Some(daemon),
        image: Some("~raptor-test/busybox:1".into()),
        startup_command: Some(startup.into()),
        skip_install: Some(true),
        start: Some(true),
        limits: Some(NewLimits { cpu_percent: Some(0), disk_mib: Some(0), ..bodies::small() }),
        behaviour: Some(Behaviour { policy: Some(policy), ..Behaviour::default() }),
        ..bodies::a_container("Counter", template)
    }
}

fn engine_name(container: &ContainerId) -> String {
    format!("raptor-{container}")
}

fn run(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn started(container: &ContainerId) -> String {
    run(&["inspect", "--format", "{{.Id}} {{.State.StartedAt}}", &engine_name(container)])
}

fn crash(container: &ContainerId) {
    run(&["exec", &engine_name(container), "touch", "/home/container/crash"]);
}

/// All console lines that are kept, whose numbers must follow one another.
pub fn lines(api: &Api, container: &ContainerId) -> Vec<String> {
    let (mut after, mut texts) = (0, Vec::new());
    loop {
        let lines = api.done(api.get_console(container, Some(after), Some(1000))).lines;
        if lines.is_empty() {
            return texts;
        }
        for line in lines {
            assert!(after == 0 || line.seq == after + 1, "line {} follows {after}", line.seq);
            after = line.seq;
            texts.push(line.text);
        }
    }
}

pub fn crash_count(api: &Api, container: &ContainerId) -> usize {
    let query = ListContainerActivity { limit: NonZeroU32::new(100), ..Default::default() };
    let page = api.done(api.list_container_activity(container, query));
    page.items.iter().filter(|item| item.action == "container.crashed").count()
}
