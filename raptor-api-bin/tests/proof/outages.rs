//! Outages: the engine, the database, the daemon and the API are killed at random points under load, and the guarantees are
//! checked from outside. `RAPTOR_TEST_ROUNDS` is the number of rounds; `RAPTOR_TEST_SEED` repeats a run's random choices.

use crate::{
    EGG,
    faults::{Chance, READY, crash_count, lines, printing},
    own::{Database, Engine, possible},
    programs::{Api, Daemon, docker, postgres, wait},
    support::{Answer, bodies},
    until,
};
use raptor_client::api::{
    Client, Error,
    query::ListContainers,
    types::{
        Behaviour, ContainerId, ContainerUpdate, DaemonId, LinkState, NewContainer, Phase, Policy,
        PowerAction, Problem, RestartPolicy, TemplateId,
    },
};
use reqwest::StatusCode;
use std::{
    collections::BTreeSet,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

const ROUNDS: u32 = 4;

/// Everything that can fail.
struct World {
    chance: Chance,
    engine: Engine,
    database: Database,
    api: Api,
    daemon: Daemon,
    host: DaemonId,
    key: String,
    template: TemplateId,
}

impl World {
    fn new() -> Self {
        let chance = Chance::new();
        let mut engine = Engine::new();
        engine.revive(true);
        engine.copy("raptor-test/busybox:1");
        let mut database = Database::new();
        database.revive();
        let mut api = Api::serve(&database.url());
        api.sign_in();
        let socket = engine.socket().display().to_string();
        let mut daemon =
            Daemon::with(vec![("DOCKER_SOCKET", socket), ("CONTAINER_FIREWALL", "off".to_owned())]);
        let created = api.add_daemon(daemon.port);
        let (host, key) = (created.daemon.id, created.api_key);
        daemon.start(&key);
        let template = api.template(EGG);
        let world = Self { chance, engine, database, api, daemon, host, key, template };
        world.online();
        world
    }

    fn online(&self) {
        until("the daemon is online and has its engine", || {
            // For a moment, the API still refuses what needs the database that has come back.
            let daemon = wait(self.api.get_daemon(&self.host)).ok()?.into_inner();
            let has_engine = daemon.system.is_some_and(|system| system.docker_version.is_some());
            (daemon.connection.state == LinkState::Online && has_engine).then_some(())
        });
    }

    fn make(&self, name: &str, startup: &str, restart: RestartPolicy) -> ContainerId {
        let id = self.api.done(self.api.create_container(&self.draft(name, startup, restart))).id;
        self.api.phase(&id, Phase::Running);
        id
    }

    fn draft(&self, name: &str, startup: &str, restart: RestartPolicy) -> NewContainer {
        let policy = Policy { restart: Some(restart), max_crashes: Some(0), ..Policy::default() };
        NewContainer {
            name: name.into(),
            behaviour: Some(Behaviour { policy: Some(policy), ..Behaviour::default() }),
            ..printing(self.template, self.host, startup)
        }
    }

    fn power(&self, container: &ContainerId, action: PowerAction) {
        self.api.done(self.api.power_container(container, &bodies::power(action)));
    }

    /// The engine's word on it: its process, where one runs.
    fn process(&self, container: &ContainerId) -> Option<String> {
        let format = "{{.State.Running}} {{.Id}} {{.State.StartedAt}}";
        let name = format!("raptor-{container}");
        let word = self.engine.answers(&["inspect", "--format", format, &name])?;
        word.strip_prefix("true ").map(str::to_owned)
    }

    /// What the engine itself has kept of what the container printed.
    fn log(&self, container: &ContainerId) -> Option<String> {
        self.engine.answers(&["logs", &format!("raptor-{container}")])
    }

    /// Kills some of them, in random order and at random times. Returns whether the engine was among them.
    fn strike(&mut self) -> bool {
        let mut engine = false;
        let mut victims = vec!["engine", "database", "daemon", "api"];
        while !victims.is_empty() {
            let victim = victims.swap_remove(self.chance.below(victims.len() as u64) as usize);
            if self.chance.below(2) == 0 {
                println!("  {victim} is killed");
                match victim {
                    "engine" => {
                        engine = true;
                        self.engine.kill();
                    }
                    "database" => self.database.kill(),
                    "daemon" => self.daemon.kill(),
                    _ => self.api.kill(),
                }
            }
            self.chance.pause();
        }
        engine
    }

    /// Restarts all of them, in a random order that can work. Returns whether the engine was restarted, and so stopped its
    /// containers.
    fn mend(&mut self) -> bool {
        let (live_restore, engine_first) = (self.chance.below(2) == 0, self.chance.below(2) == 0);
        let ends = !self.engine.runs() && !live_restore;
        if engine_first {
            self.engine.revive(live_restore);
        }
        self.daemon.revive(&self.key);
        self.chance.pause();
        // An API without a database reports that and exits.
        self.database.revive();
        self.api.revive();
        self.engine.revive(live_restore);
        println!("  all are back{}", if ends { ", the engine without its containers" } else { "" });
        self.online();
        ends
    }

    /// Checks that API, engine and disk agree on which containers exist.
    fn tidy(&self) -> Result<(), String> {
        let of_api: BTreeSet<String> = {
            let query = ListContainers { limit: NonZeroU32::new(100), ..Default::default() };
            let page = self.api.done(self.api.list_containers(query));
            page.items.iter().map(|item| item.id.to_string()).collect()
        };
        let words = |args: &[&str]| self.engine.answers(args).unwrap_or_default();
        let ours = |words: String| -> BTreeSet<String> {
            words.lines().filter_map(|name| name.strip_prefix("raptor-").map(str::to_owned)).collect()
        };
        let of_engine = ours(words(&["ps", "-a", "--format", "{{.Names}}"]));
        let networks = ours(words(&["network", "ls", "--format", "{{.Name}}"]));
        let folders = |path: &std::path::Path| -> BTreeSet<String> {
            let Ok(entries) = std::fs::read_dir(path) else { return BTreeSet::new() };
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            names.filter(|name| uuid::Uuid::parse_str(name).is_ok()).collect()
        };
        let data = folders(&self.daemon.containers());
        let state = folders(&self.daemon.containers().join(".raptor"));
        for (what, found) in
            [("in the engine", of_engine), ("a network", networks), ("a folder", data), ("a state", state)]
        {
            let left: Vec<_> = found.difference(&of_api).collect();
            if !left.is_empty() {
                let state = |id: &&String| self.daemon.containers().join(".raptor").join(id);
                let files: Vec<_> = left.iter().map(|id| walk(&state(id))).collect();
                return Err(format!("{what} is left of {left:?}; its state: {files:?}"));
            }
        }
        Ok(())
    }
}

/// The files in the folder, with their sizes.
fn walk(folder: &std::path::Path) -> Vec<(String, u64)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let files = entries.flatten().map(|entry| {
        let size = entry.metadata().map_or(0, |metadata| metadata.len());
        (entry.file_name().to_string_lossy().into_owned(), size)
    });
    files.collect()
}

/// Requests made in the meantime. Every acknowledged change must be there afterwards.
struct Load {
    stop: Arc<AtomicBool>,
    work: JoinHandle<Done>,
}

/// The newest acknowledged numbers, and the newest attempted ones.
#[derive(Default, Debug)]
struct Done {
    name: [u32; 2],
    file: [u32; 2],
    /// Answers that blame the API for an outage of something else.
    blamed: Vec<String>,
    answers: u32,
}

/// Of an answer: none where none came, else why it was refused, if it was.
fn came<T>(answer: Answer<T>) -> Option<Option<Problem>> {
    match answer {
        Ok(_) => Some(None),
        Err(Error::ErrorResponse(problem)) => Some(Some(problem.into_inner())),
        Err(Error::CommunicationError(_) | Error::ResponseBodyError(_)) => None,
        Err(error) => panic!("{error:?}"),
    }
}

impl Load {
    fn begin(
        caller: Client,
        steady: ContainerId,
        restless: ContainerId,
        draft: NewContainer,
        mut chance: Chance,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let halt = stop.clone();
        let work = std::thread::spawn(move || {
            let mut done = Done::default();
            let mut made: Vec<ContainerId> = Vec::new();
            let mut number = 0;
            while !halt.load(Ordering::Relaxed) {
                number += 1;
                let (what, refused) = match chance.below(6) {
                    0 => {
                        done.name[1] = number;
                        let name = ContainerUpdate::new(format!("Steady {number}"));
                        let answer = wait(caller.update_container(&steady, &name));
                        if answer.is_ok() {
                            done.name[0] = number;
                        }
                        ("rename", came(answer))
                    }
                    1 => {
                        done.file[1] = number;
                        let answer = wait(caller.write_file(&steady, None, "number", number.to_string()));
                        if answer.is_ok() {
                            done.file[0] = number;
                        }
                        ("write", came(answer))
                    }
                    2 | 3 => {
                        use PowerAction::{Kill, Restart, Start, Stop};
                        let action = [Start, Stop, Restart, Kill][chance.below(4) as usize];
                        let answer = wait(caller.power_container(&restless, &bodies::power(action)));
                        ("power", came(answer))
                    }
                    4 if made.len() < 3 => {
                        let answer = wait(caller.create_container(&draft));
                        made.extend(answer.as_ref().ok().map(|created| created.id));
                        ("create", came(answer))
                    }
                    _ => match made.pop() {
                        Some(id) => ("delete", came(wait(caller.delete_container(&id, None)))),
                        None => continue,
                    },
                };
                match refused {
                    Some(Some(problem)) if problem.status == 500 => {
                        done.blamed.push(format!("{what}: {problem:?}"));
                    }
                    Some(_) => done.answers += 1,
                    None => {}
                }
                std::thread::sleep(Duration::from_millis(chance.below(50)));
            }
            done
        });
        Self { stop, work }
    }

    fn end(self) -> Done {
        self.stop.store(true, Ordering::Relaxed);
        self.work.join().unwrap()
    }
}

#[test]
fn whatever_is_killed_when_containers_live_on_or_come_back_and_nothing_is_lost_doubled_or_left() {
    if !docker() || postgres().is_none() || !possible() {
        return;
    }
    let rounds = std::env::var("RAPTOR_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    let mut world = World::new();
    let ticking = format!(
        "sh -c 'echo \"{READY}\"; i=0; while true; do i=$((i+1)); echo tick $i; [ -e crash ] && rm -f crash && exit 3; sleep 0.02; done'"
    );
    let steady = world.make("Steady", &ticking, RestartPolicy::Always);
    let never = world.make("Never", &ticking, RestartPolicy::Never);
    let crashing = world.make("Crashing", &ticking, RestartPolicy::UnlessStopped);
    let stopped = world.make("Stopped", &ticking, RestartPolicy::UnlessStopped);
    let restless = world.make("Restless", &ticking, RestartPolicy::UnlessStopped);
    world.power(&stopped, PowerAction::Kill);
    world.api.phase(&stopped, Phase::Offline);

    let (mut crashes, mut engine_kills, mut engine_logs) = (0, 0, Vec::new());
    for round in 0..rounds.unwrap_or(ROUNDS) {
        println!("round {round}");
        let before = [&steady, &never, &crashing].map(|container| world.process(container).unwrap());
        let draft = world.draft("Passing", &ticking, RestartPolicy::Always);
        let chance = world.chance.another();
        let load = Load::begin(world.api.impatient(), steady, restless, draft, chance);
        world.chance.pause();
        if world.chance.below(2) == 0 {
            world.daemon.kill();
        }
        // The engine is there when it ends, whoever else is.
        std::fs::write(world.daemon.data(&crashing).join("crash"), "").unwrap();
        crashes += 1;
        until("it has crashed", || (world.process(&crashing).as_ref() != Some(&before[2])).then_some(()));
        std::thread::sleep(Duration::from_millis(500));
        let engine = world.strike();
        engine_kills += u32::from(engine);
        let ended = world.mend();
        engine_logs
            .extend([&steady, &never, &crashing].into_iter().filter_map(|container| world.log(container)));
        let done = load.end();
        println!("  {} answers, {done:?}", done.answers);
        assert!(done.blamed.is_empty(), "{:?}\n{}", done.blamed, world.api.log());

        world.api.phase(&steady, Phase::Running);
        world.api.phase(&stopped, Phase::Offline);
        world.api.phase(&never, if ended { Phase::Offline } else { Phase::Running });
        if ended {
            world.power(&never, PowerAction::Start);
            world.api.phase(&never, Phase::Running);
        } else {
            let now = [&steady, &never].map(|container| world.process(container).unwrap());
            assert_eq!(now, before[..2], "the same processes have run all the time");
        }
        // The pause after a crash grows; nobody wants to wait for it.
        if world.api.done(world.api.get_container(&crashing)).live.phase == Phase::Offline {
            // It may have been started meanwhile, which is a refusal.
            let _ = wait(world.api.power_container(&crashing, &bodies::power(PowerAction::Start)));
        }
        world.api.phase(&crashing, Phase::Running);

        let name = world.api.done(world.api.get_container(&steady)).name;
        let number = |text: &str| text.trim_start_matches("Steady").trim().parse().unwrap_or(0_u32);
        let kept = |[acknowledged, tried]: [u32; 2], there: u32, what: &str| {
            let kept = acknowledged == 0 || (acknowledged..=tried).contains(&there);
            assert!(kept, "{what} {acknowledged} was acknowledged and {there} is there");
        };
        kept(done.name, number(&name), "the name");
        let file = std::fs::read_to_string(world.daemon.data(&steady).join("number"));
        kept(done.file, number(&file.unwrap_or_default()), "the file");
        // What was made meanwhile goes again, so that the next round begins like this one.
        let passing =
            ListContainers { limit: NonZeroU32::new(100), search: Some("Passing"), ..Default::default() };
        for item in world.api.done(world.api.list_containers(passing)).items {
            if let Err(error) = wait(world.api.delete_container(&item.id, None)) {
                // One that the load has deleted may be gone since it was listed.
                assert_eq!(error.status(), Some(StatusCode::NOT_FOUND), "{error:?}");
            }
        }
        until("nothing is left of what was deleted", || match world.tidy() {
            Ok(()) => Some(()),
            Err(left) => {
                println!("  {left}");
                None
            }
        });
    }
    for container in [&steady, &never, &crashing] {
        engine_logs.extend(world.log(container));
        whole(&lines(&world.api, container), &engine_logs, engine_kills);
    }
    until("every crash is in the audit trail", || {
        (crash_count(&world.api, &crashing) >= crashes).then_some(())
    });
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(crash_count(&world.api, &crashing), crashes, "each crash is written down once");
    for container in [&steady, &never, &crashing, &stopped, &restless] {
        world.api.delete(container);
    }
    world.api.none_left();
    until("nothing is left", || world.tidy().ok());
}

/// Checks that the numbers are consecutive in each run. A killed engine loses a line that it has read and not yet written to
/// its own log: nobody else received that line, and the engine's log has the same gap. If the container is created again before
/// the test can read the log, the log is gone; one such line is accepted for each time the engine was killed.
fn whole(lines: &[String], engine_logs: &[String], engine_kills: u32) {
    let in_a_log = |last: u64, tick: u64| {
        let gap = format!("tick {last}\ntick {tick}\n");
        engine_logs.iter().any(|log| log.contains(&gap))
    };
    let mut without_log = 0;
    let mut lost_by_engine = |last: u64, tick: u64| {
        if tick <= last + 1 || in_a_log(last, tick) {
            return tick > last + 1;
        }
        without_log += 1;
        tick == last + 2 && without_log <= engine_kills
    };
    let mut last = None;
    for line in lines {
        if line == READY {
            last = Some(0_u64);
        } else if let Some(tick) = line.strip_prefix("tick ").and_then(|tick| tick.parse().ok()) {
            if let Some(last) = last
                && !lost_by_engine(last, tick)
            {
                assert_eq!(tick, last + 1, "a line was lost or doubled");
            }
            last = Some(tick);
        }
    }
    assert!(last.is_some());
}
