//! Starting, running, stopping.

use crate::world::{ECHO, PATIENCE, World, docker, docker_output, spec};
use futures_util::StreamExt;
use raptor_model::{
    containers::lifecycle::{Phase, RestartPolicy},
    node::{Happening, LineKind, LiveFrame, LiveParts, Node, PortBinding, PowerAction, Protocol, Since},
    templates::{ConfigEdit, ConfigFile, ConfigParser, StopRule},
    text::Encoding,
};
use raptor_node_lib::Host;
use std::time::Duration;

#[tokio::test]
async fn a_container_starts_answers_and_stops() {
    if !docker() {
        return;
    }
    let world = World::new(ECHO, |_| {}).await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.phase(Phase::Running).await;
    world.line("hello ready").await;
    world.host.command(world.id, "ping", "steve").await.unwrap();
    world.line("got ping").await;
    world.line("steve> ping").await;
    assert_eq!(
        world.host.power(world.id, PowerAction::Start, "").await.unwrap_err().to_string(),
        "The container is already running."
    );
    world.host.power(world.id, PowerAction::Stop, "").await.unwrap();
    let status = world.phase(Phase::Offline).await;
    let exit = status.last_exit.unwrap();
    assert_eq!((exit.code, exit.crash), (0, false));
}

#[tokio::test]
async fn an_image_that_is_not_allowed_is_not_started_by_the_host_itself_and_what_runs_goes_on() {
    if !docker() {
        return;
    }
    let why = "The image is not allowed.";
    let world = World::new(ECHO, |_| {}).await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.phase(Phase::Running).await;
    world.change(|spec| spec.image_refused = Some(why.into())).await;
    world.host.command(world.id, "ping", "steve").await.unwrap();
    world.line("got ping").await;
    // The start after a crash was requested by nobody.
    world.crash();
    let status = world.until("refused", |status| status.problem.as_deref() == Some(why)).await;
    assert_eq!((status.phase, status.started_at), (Phase::Offline, None));
    world.change(|spec| spec.image_refused = None).await;
    world.until("started again", |status| status.phase == Phase::Running && status.problem.is_none()).await;
}

#[tokio::test]
async fn a_console_in_gbk_is_read_and_written_as_gbk() {
    if !docker() {
        return;
    }
    let bytes_and_text = "sh -c 'while read line; do [ \"$line\" = stop ] && exit 0; echo \"$line\" | od -An -tx1; echo \"got $line\"; done'";
    let mut world = World::new(bytes_and_text, |spec| {
        spec.console_encoding = Some(Encoding::GBK);
        spec.done.clear();
    })
    .await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.phase(Phase::Running).await;
    world.host.command(world.id, "say 你好", "steve").await.unwrap();
    world.line("73 61 79 20 c4 e3 ba c3 0a").await;
    world.line("got say 你好").await;
    let refused = world.host.command(world.id, "say 😀", "steve").await.unwrap_err().to_string();
    assert!(refused.contains("GBK can't represent “😀”"), "{refused}");
    // A restarted daemon reads it the same way.
    world.restart_daemon().await;
    world.host.command(world.id, "say 再见", "steve").await.unwrap();
    world.line("got say 再见").await;
    // A change applies at once.
    world.change(|spec| spec.console_encoding = None).await;
    world.host.command(world.id, "say 😀", "steve").await.unwrap();
    world.line("got say 😀").await;
    let texts = world.transcript().await;
    assert!(!texts.contains('\u{fffd}') && texts.matches("got say").count() == 3, "{texts}");
}

#[tokio::test]
async fn a_container_is_as_locked_up_as_it_can_be() {
    if !docker() {
        return;
    }
    let port =
        PortBinding { ip: [127, 0, 0, 1].into(), port: 38_417, protocol: Protocol::Both, primary: true };
    let world = World::new(ECHO, |spec| spec.ports = vec![port]).await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.phase(Phase::Running).await;
    let config = world.inspect("{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.SecurityOpt}} {{.HostConfig.Privileged}}");
    assert_eq!(config, "988:988 true [no-new-privileges] false");
    assert!(world.inspect("{{.HostConfig.CapDrop}}").contains("NET_RAW"));
    assert_eq!(
        world.inspect("{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}"),
        format!("{} 64", 64 * 1024 * 1024 / 100 * 115)
    );
    let ports = world.inspect("{{json .HostConfig.PortBindings}}");
    assert!(
        ports.contains("38417/tcp") && ports.contains("38417/udp") && ports.contains("127.0.0.1"),
        "{ports}"
    );
    assert!(!world.inspect("{{json .HostConfig.Binds}}").contains("docker.sock"));
}

#[tokio::test]
async fn what_ignores_its_stop_is_killed_when_its_time_is_over() {
    if !docker() {
        return;
    }
    let stubborn = "sh -c 'trap \"\" TERM INT; echo ready; while true; do sleep 1; done'";
    let world = World::new(stubborn, |spec| {
        spec.stop = StopRule::Signal { signal: "SIGTERM".into() };
        spec.stop_timeout_ms = 1_000;
    })
    .await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.phase(Phase::Running).await;
    world.host.power(world.id, PowerAction::Stop, "").await.unwrap();
    world.phase(Phase::Stopping).await;
    let status = world.phase(Phase::Offline).await;
    assert_eq!(status.last_exit.unwrap().code, 137);
    world.line("It did not stop within 1 s. Killing it.").await;
}

#[tokio::test]
async fn the_console_says_why_and_for_whom_a_container_is_stopped_or_killed() {
    if !docker() {
        return;
    }
    let world = World::new(ECHO, |_| {}).await;
    let up = async || {
        world.host.power(world.id, PowerAction::Start, "steve").await.unwrap();
        world.phase(Phase::Running).await;
    };
    for (action, said) in [
        (PowerAction::Stop, "Stopping it: steve asked for it."),
        (PowerAction::Kill, "Killing it: steve asked for it."),
    ] {
        up().await;
        world.host.power(world.id, action, "steve").await.unwrap();
        world.phase(Phase::Offline).await;
        world.line(said).await;
    }
    up().await;
    world.change(|spec| spec.suspended = true).await;
    world.phase(Phase::Offline).await;
    world.line("Stopping it: it was suspended.").await;
    let said = world.texts(LineKind::Daemon).await;
    assert_eq!(said.iter().filter(|line| line.contains("asked for it")).count(), 2, "{said:?}");
}

#[tokio::test]
async fn a_crash_is_answered_by_a_start_after_a_pause_and_repeated_ones_by_quarantine() {
    if !docker() {
        return;
    }
    let world = World::new(ECHO, |spec| spec.policy.max_crashes = 2).await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.phase(Phase::Running).await;
    world.crash();
    let waiting = world.until("waiting", |status| status.crashes.is_some()).await;
    assert_eq!(waiting.phase, Phase::Offline);
    assert!(waiting.last_exit.unwrap().crash);
    assert!(waiting.crashes.unwrap().again_at.is_some());
    world.phase(Phase::Running).await;
    world.crash();
    let status = world
        .until("quarantined", |status| status.crashes.as_ref().is_some_and(|crashes| crashes.quarantined))
        .await;
    let crashes = status.crashes.unwrap();
    assert_eq!((status.phase, crashes.count), (Phase::Offline, 2));
    assert_eq!(crashes.lines, ["hello ready"]);
    let counts: Vec<_> = world
        .happened()
        .await
        .into_iter()
        .filter_map(|event| match event.what {
            Happening::Crashed { count, quarantined, .. } => Some((event.number, count, quarantined)),
            _ => None,
        })
        .collect();
    assert_eq!(counts, [(1, 1, false), (2, 2, true)]);
    let refused = world.host.command(world.id, "ping", "").await.unwrap_err();
    assert_eq!(refused.to_string(), "The container is offline.");
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    assert_eq!(world.phase(Phase::Running).await.crashes, None, "one click tries again");
}

#[tokio::test]
async fn what_was_ended_from_outside_while_the_daemon_was_away_comes_back_by_its_policy() {
    if !docker() {
        return;
    }
    for (restart, phase) in
        [(RestartPolicy::UnlessStopped, Phase::Running), (RestartPolicy::Never, Phase::Offline)]
    {
        let mut world = World::new(ECHO, |spec| spec.policy.restart = restart).await;
        world.host.power(world.id, PowerAction::Start, "").await.unwrap();
        world.phase(Phase::Running).await;
        world.host.shutdown().await;
        world.crash();
        // A daemon that still finds it running would see it crash.
        world.ended().await;
        world.restart_daemon().await;
        let status =
            world.until("settled", |status| status.phase == phase && status.last_exit.is_some()).await;
        assert!(!status.last_exit.unwrap().crash, "{status:?}\n{}", world.transcript().await);
    }
}

#[tokio::test]
async fn whoever_was_stopped_stays_stopped_when_the_daemon_returns_unless_it_is_always_to_run() {
    if !docker() {
        return;
    }
    let mut world = World::new(ECHO, |spec| spec.policy.restart = RestartPolicy::UnlessStopped).await;
    let mut always = spec(ECHO);
    always.policy.restart = RestartPolicy::Always;
    let always_id = always.id;
    world.host.declare(always).await.unwrap();
    let other = async |host: &Host, phase: Phase| {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let statuses = host.containers().await.unwrap();
            if statuses.iter().any(|status| status.id == always_id && status.phase == phase) {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "not {phase:?}: {statuses:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    for id in [world.id, always_id] {
        world.host.power(id, PowerAction::Start, "").await.unwrap();
    }
    world.phase(Phase::Running).await;
    other(&world.host, Phase::Running).await;
    for id in [world.id, always_id] {
        world.host.power(id, PowerAction::Stop, "").await.unwrap();
    }
    world.phase(Phase::Offline).await;
    other(&world.host, Phase::Offline).await;
    world.restart_daemon().await;
    // By the time the first one runs again, the other would have started too.
    other(&world.host, Phase::Running).await;
    assert_eq!(world.until("there", |_| true).await.phase, Phase::Offline);
    world.host.remove(always_id).await.unwrap();
}

#[tokio::test]
async fn a_new_daemon_goes_on_where_the_old_one_was_without_losing_a_line() {
    if !docker() {
        return;
    }
    let counting = "sh -c 'echo ready; i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo tick $i; sleep 0.1; done; read line'";
    let mut world = World::new(counting, |_| {}).await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.line("tick 10").await;
    for tick in [15, 20, 25] {
        world.restart_daemon().await;
        assert_eq!(world.until("there", |_| true).await.phase, Phase::Running);
        world.line(&format!("tick {tick}")).await;
    }
    world.line("tick 60").await;
    let ticks: Vec<String> = world
        .host
        .console(world.id, None, 1_000)
        .await
        .unwrap()
        .into_iter()
        .map(|line| line.text)
        .filter(|text| text.starts_with("tick"))
        .collect();
    assert_eq!(ticks, (1..=60).map(|n| format!("tick {n}")).collect::<Vec<_>>());

    world.host.command(world.id, "end", "").await.unwrap();
    assert_eq!(world.phase(Phase::Offline).await.last_exit.unwrap().code, 0);
}

#[tokio::test]
async fn what_ended_while_the_daemon_was_away_is_noticed_when_it_is_back() {
    if !docker() {
        return;
    }
    let mut world = World::new("sh -c 'echo ready; read line; echo last words; exit 3'", |_| {}).await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.phase(Phase::Running).await;
    world.host.power(world.id, PowerAction::Stop, "").await.unwrap();
    world.host.shutdown().await;
    world.restart_daemon().await;
    let status = world.phase(Phase::Offline).await;
    assert_eq!(status.last_exit.unwrap().code, 3);
    world.line("last words").await;
}

#[tokio::test]
async fn a_flood_reaches_a_slow_reader_complete_and_in_order() {
    if !docker() {
        return;
    }
    const LINES: usize = 100_000;
    let flood = format!("sh -c 'echo ready; read line; seq 1 {LINES}; read line'");
    let world = World::new(&flood, |_| {}).await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.phase(Phase::Running).await;
    let parts = LiveParts { console: true, stats: false };
    let mut live = world.host.live(world.id, Since::Tail(0), parts).await.unwrap();
    world.host.command(world.id, "go", "").await.unwrap();
    let mut numbers = Vec::new();
    let mut last_seq = None;
    while numbers.len() < LINES {
        let frame = tokio::time::timeout(PATIENCE, live.next()).await.expect("the stream stalled").unwrap();
        let LiveFrame::Lines { lines } = frame else {
            assert!(!matches!(frame, LiveFrame::Gap { .. }));
            continue;
        };
        for line in lines {
            assert!(
                last_seq.is_none_or(|last| line.seq == last + 1),
                "line {} follows {last_seq:?}",
                line.seq
            );
            last_seq = Some(line.seq);
            numbers.extend(line.text.parse::<usize>());
        }
    }
    assert_eq!(numbers, (1..=LINES).collect::<Vec<_>>());
}

#[tokio::test]
async fn configuration_files_are_edited_before_the_start_and_a_prompt_is_shown() {
    if !docker() {
        return;
    }
    let edit = ConfigEdit { key: "network.port".into(), if_value: None, value: serde_json::json!("4711") };
    let file = ConfigFile { path: "conf/game.ini".into(), parser: ConfigParser::Ini, edits: vec![edit] };
    let world = World::new("sh -c 'cat conf/game.ini; echo ready; printf \"> \"; read line'", |spec| {
        spec.config_files = vec![file]
    })
    .await;
    let parts = LiveParts { console: true, stats: true };
    let mut live = world.host.live(world.id, Since::After(0), parts).await.unwrap();
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.line("port = 4711").await;
    let (mut prompt, mut measured) = (false, false);
    while !(prompt && measured) {
        match tokio::time::timeout(PATIENCE, live.next()).await.expect("no prompt or no measurement").unwrap()
        {
            LiveFrame::Partial { text } => prompt |= text == "> ",
            LiveFrame::Stats { stats } => measured |= stats.memory_bytes > 0 && stats.pids > 0,
            _ => {}
        }
    }
}

#[tokio::test]
async fn an_image_that_is_not_there_is_said_and_a_kill_ends_a_start_under_way() {
    if !docker() {
        return;
    }
    let world = World::new(ECHO, |spec| spec.image = "~raptor-test/nothing:1".into()).await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    let status = world.until("failed", |status| status.problem.is_some()).await;
    assert_eq!(status.phase, Phase::Offline);
    assert!(status.problem.unwrap().contains("raptor-test/nothing:1"));
}

#[tokio::test]
async fn removing_leaves_nothing_behind() {
    if !docker() {
        return;
    }
    let world = World::new(ECHO, |_| {}).await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.phase(Phase::Running).await;
    assert!(world.base.join(world.id.to_string()).exists());
    world.host.remove(world.id).await.unwrap();
    assert!(!world.base.join(world.id.to_string()).exists());
    assert!(!world.base.join(".raptor").join(world.id.to_string()).exists());
    assert_eq!(
        docker_output(&["ps", "-aq", "--filter", &format!("label=raptor.container={}", world.id)]),
        ""
    );
    world.host.remove(world.id).await.unwrap();
}

#[tokio::test]
async fn removing_what_is_being_made_leaves_nothing_behind_at_any_moment() {
    if !docker() {
        return;
    }
    let world = World::new(ECHO, |_| {}).await;
    let mut ids = Vec::new();
    for wait in 0..25 {
        let spec = spec(ECHO);
        ids.push(spec.id);
        let id = spec.id;
        world.host.declare(spec).await.unwrap();
        world.host.power(id, PowerAction::Start, "").await.unwrap();
        tokio::time::sleep(Duration::from_millis(wait * 6)).await;
        world.host.remove(id).await.unwrap();
    }
    // The engine may take a moment to end what nothing waits for any more.
    tokio::time::sleep(Duration::from_secs(2)).await;
    for id in ids {
        let name = format!("name=raptor-{id}");
        for kind in [["ps", "-aq"], ["network", "ls"]] {
            assert_eq!(docker_output(&[kind[0], kind[1], "-q", "--filter", &name]), "", "after {id}");
        }
    }
}

#[tokio::test]
async fn without_docker_the_host_works_and_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let host =
        Host::builder(folder.path()).docker_socket(folder.path().join("none.sock")).build().await.unwrap();
    let system = host.system().await.unwrap();
    assert!(system.docker_problem.unwrap().contains("Start it"));
    let spec = spec(ECHO);
    let id = spec.id;
    host.declare(spec).await.unwrap();
    host.power(id, PowerAction::Start, "").await.unwrap();
    let mut live = host.live(id, Since::Tail(0), LiveParts { console: false, stats: false }).await.unwrap();
    loop {
        let frame = tokio::time::timeout(PATIENCE, live.next()).await.expect("nothing happened").unwrap();
        if let LiveFrame::Status { status } = frame
            && status.problem.is_some()
        {
            break;
        }
    }
}

#[tokio::test]
async fn a_configuration_file_that_could_not_be_edited_is_told_until_a_start_edits_it() {
    if !docker() {
        return;
    }
    let file = |value: &str| ConfigFile {
        path: "server.cfg".into(),
        parser: ConfigParser::File,
        edits: vec![ConfigEdit { key: "rcon".into(), if_value: None, value: value.into() }],
    };
    let mut world = World::new(ECHO, |spec| spec.config_files = vec![file("rcon \u{65e5}")]).await;
    let path = world.base.join(world.id.to_string()).join("server.cfg");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let bytes = b"// Serveur de J\xe9r\xf4me\nrcon old\n";
    std::fs::write(&path, bytes).unwrap();
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    let status = world.phase(Phase::Running).await;
    let said = "The file server.cfg was not edited: it is windows-1252 text, which can't hold \"\u{65e5}\". Save it as UTF-8 or choose another value.";
    assert_eq!(status.config_problems, [said]);
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    world.host.power(world.id, PowerAction::Kill, "").await.unwrap();
    world.phase(Phase::Offline).await;

    // A restarted daemon still knows it.
    world.restart_daemon().await;
    let status = world.phase(Phase::Offline).await;
    assert_eq!(status.config_problems, [said]);

    world.change(|spec| spec.config_files = vec![file("rcon new")]).await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    let status = world.phase(Phase::Running).await;
    assert_eq!(status.config_problems, Vec::<String>::new());
    assert_eq!(std::fs::read(&path).unwrap(), b"// Serveur de J\xe9r\xf4me\nrcon new\n");
}
