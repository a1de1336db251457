//! End-to-end tests: the real programs run a real game server from its published egg, on a real Docker Engine.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod disk;
mod faults;
mod files;
mod isolation;
mod keys;
mod logs;
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
#[path = "../support/mod.rs"]
mod support;
mod transport;

use programs::{Api, Daemon, docker, free_port, postgres};
use raptor_client::api::{
    query::{DownloadConsole, ListCommands, SearchConsole},
    types::{
        ConsoleOrder, ContainerId, DaemonDraft, DaemonId, LinkState, NewContainer, NewLimits, Phase,
        PowerAction, StatsHistory, StatsRange,
    },
};
use std::{
    net::TcpStream,
    num::NonZeroU32,
    time::{Duration, Instant},
};
use support::bodies;

const EGG: &str = include_str!("../../../raptor-core/tests/fixtures/eggs/openttd.json");

#[test]
fn openttd_runs_in_the_form_of_one_process_on_sqlite() {
    if !docker() {
        return;
    }
    let mut api = Api::up();
    api.sign_in();
    let (daemon, port) = (api.own_daemon(), free_port());
    api.done(api.create_allocations(&daemon, &bodies::allocations("127.0.0.1", port)));
    play(&mut api, &daemon, port, |_| {});
}

#[test]
fn a_second_up_on_the_same_folder_is_refused_before_it_touches_anything() {
    let first = Api::up();
    let (folder, sftp) = (first.data_dir(), free_port().to_string());
    let settings = [("API_ADDR", "127.0.0.1:0"), ("SFTP_PORT", &sftp), ("DATA_DIR", &folder)];
    let said = programs::refusal(&settings);
    assert!(said.contains("Another Raptor uses") && !said.contains("serving SFTP"), "{said}");
    // With another database it would still run the first one's containers.
    let said = programs::refusal(&[&settings[..], &[("DATABASE_URL", "sqlite://other.db")]].concat());
    assert!(said.contains("Another Raptor daemon") && !said.contains("serving SFTP"), "{said}");
}

#[test]
fn openttd_runs_on_a_daemon_of_its_own_with_postgresql() {
    let Some(database) = postgres().filter(|_| docker()) else { return };
    let mut api = Api::serve(&database);
    api.sign_in();
    let mut daemon = Daemon::new();
    let created = api.done(api.create_daemon(&DaemonDraft::new("Host 1", "127.0.0.1", daemon.port)));
    let id = created.daemon.id;
    let link = |api: &Api| api.done(api.get_daemon(&id)).connection;

    let seen = until("the daemon is said to be unreachable", || {
        Some(link(&api)).filter(|link| link.state == LinkState::Unreachable)
    });
    assert!(seen.message.as_ref().unwrap().contains("can't be reached"), "{seen:?}");

    daemon.start("rd_9fK2mQ7xV4bN8sL1wE6tY3uI5oP0aZcDgHjRkXvBn2m");
    let seen = until("the key is said to be wrong", || {
        Some(link(&api)).filter(|link| link.state == LinkState::WrongKey)
    });
    assert!(seen.message.as_ref().unwrap().contains("DAEMON_API_KEY"), "{seen:?}");

    daemon.stop();
    daemon.start(&created.api_key);
    api.online(&id);
    let system = api.done(api.get_daemon(&id)).system.unwrap();
    assert!(system.docker_version.is_some() && system.memory_total_bytes > 0, "{system:?}");

    let port = free_port();
    api.done(api.create_allocations(&id, &bodies::allocations("127.0.0.1", port)));
    play(&mut api, &id, port, |api| {
        // The game keeps running while both programs are replaced.
        daemon.stop();
        until("the daemon is said to be away", || (api.state(&id) != LinkState::Online).then_some(()));
        api.restart();
        api.sign_in();
        daemon.start(&created.api_key);
        api.online(&id);
    });
}

/// Import, create, start, connect, talk, stop.
fn play(api: &mut Api, daemon: &DaemonId, port: u16, meanwhile: impl FnOnce(&mut Api)) {
    let imported = api.import(EGG);
    assert_eq!(imported.warnings, []);
    let id = api.make(&NewContainer {
        daemon_id: Some(*daemon),
        image: Some("~raptor-test/openttd:1".into()),
        skip_install: Some(true),
        variables: bodies::variables(&[("srv_name", "Raptor's trains")]),
        allocation_ids: vec![api.allocation(daemon, port).id],
        limits: Some(NewLimits {
            memory_mib: Some(512),
            cpu_percent: Some(0),
            disk_mib: Some(1024),
            pids: Some(128),
            ..NewLimits::default()
        }),
        ..NewContainer::new("Trains", imported.template.id)
    });
    let start = bodies::power(PowerAction::Start);
    api.done(api.power_container(&id, &start));
    let phase = |api: &Api, phase| (api.done(api.get_container(&id)).live.phase == phase).then_some(());
    until("the egg's done line is seen", || phase(api, Phase::Running));
    let again = api.refused(api.power_container(&id, &start));
    assert_eq!((again.status, again.code.as_str()), (409, "already_running"));
    TcpStream::connect(("127.0.0.1", port)).unwrap();
    meanwhile(api);
    until("it is still running", || phase(api, Phase::Running));
    TcpStream::connect(("127.0.0.1", port)).unwrap();

    until("it answers what is typed", || {
        api.done(api.send_command(&id, &bodies::command("server_info")));
        let page = api.done(api.get_console(&id, None, Some(200)));
        page.lines.iter().any(|line| line.text.contains("Current/maximum clients")).then_some(())
    });
    let page = api.done(api.get_console(&id, Some(0), Some(1000)));
    let numbers: Vec<u64> = page.lines.iter().map(|line| line.seq).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "no console line is lost or doubled");

    measured(api, &id);
    api.done(api.power_container(&id, &bodies::power(PowerAction::Stop)));
    until("it is offline", || phase(api, Phase::Offline));
    let exit = api.done(api.get_container(&id)).live.last_exit.unwrap();
    assert_eq!((exit.code, exit.crash), (0, false), "{exit:?}");
    remembers(api, &id, daemon);
    api.delete(&id);
    api.none_left();
}

/// What was printed, sent and used is still known while it is offline.
fn remembers(api: &Api, id: &ContainerId, daemon: &DaemonId) {
    let one = NonZeroU32::new(1);
    let search = SearchConsole { text: Some("CURRENT/MAXIMUM"), limit: one, ..Default::default() };
    let found = api.done(api.search_console(id, search));
    let hit = &found.hits[0];
    assert!(hit.text.contains("Current/maximum"), "{found:?}");
    assert_eq!(hit.parts[0].end - hit.parts[0].start, 15);
    let before = "2020-01-01T00:00:00Z".parse().unwrap();
    let search = SearchConsole { to: Some(&before), order: Some(ConsoleOrder::Oldest), ..Default::default() };
    let none = api.done(api.search_console(id, search));
    assert_eq!((none.hits.len(), none.next), (0, None), "{none:?}");

    let plain = DownloadConsole { timestamps: Some(true), ..Default::default() };
    let plain = String::from_utf8(api.bytes(api.download_console(id, plain))).unwrap();
    assert!(plain.contains("Current/maximum clients") && !plain.contains('\u{1b}'), "{plain}");
    assert_eq!(plain.lines().count() as u64, found.newest);
    let packed = DownloadConsole { gzip: Some(true), ..Default::default() };
    let packed = api.bytes(api.download_console(id, packed));
    assert_eq!(packed.get(..2), Some(&[0x1f, 0x8b][..]));

    for mine in [false, true] {
        let query = ListCommands { mine: Some(mine), limit: one, ..Default::default() };
        let sent = api.done(api.list_commands(id, query));
        let newest = &sent.items[0];
        assert_eq!((newest.sent_by.as_str(), newest.command.as_str()), ("admin", "server_info"));
    }
    measured(api, id);
    is_measured(|| api.done(api.get_daemon_stats_history(daemon, StatsRange::Hour)));
}

/// Measurements are differences and written every ten seconds.
fn measured(api: &Api, id: &ContainerId) {
    is_measured(|| api.done(api.get_container_stats_history(id, StatsRange::Hour)));
}

fn is_measured(history: impl Fn() -> StatsHistory) {
    until("it was measured", || {
        let steps = history().memory_bytes.avg;
        assert_eq!(steps.len(), 360);
        steps.iter().any(|step| *step > Some(0.0)).then_some(())
    });
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
