//! After a restore: the database or the host's folder is older than the other one.

use crate::{
    programs::{Api, Daemon, docker, free_port, wait},
    support::{
        Answer,
        bodies::{self, PASSWORD},
    },
    until,
};
use raptor_client::api::{
    query::{ListActivity, ListContainers, ListFiles},
    types::{
        Adoption, AllocationChoice, Container, ContainerId, DaemonId, Fault, InstallRequest, InstallState,
        LinkState, NewContainer, NewLimits, Phase, PowerAction, TemplateId, UnknownContainer,
    },
};
use serde_json::json;
use std::{num::NonZeroU32, process::Command};

/// Writes its variable into its folder, and answers its input.
const STARTUP: &str = "sh -c 'echo {{GREETING}} >> world.dat; echo {{GREETING}} ready; while read line; do [ \"$line\" = stop ] && exit 0; [ \"$line\" = crash ] && exit 3; echo \"got $line\"; done'";

fn egg() -> String {
    let script = "#!/bin/sh\necho installed >> /mnt/server/installed.txt";
    let mut egg = bodies::egg("Keeper", "~raptor-test/busybox:1", STARTUP);
    egg["variables"] = json!([bodies::egg_variable("GREETING", "hello", "required|string", true)]);
    egg["config"] =
        json!({ "files": "{}", "startup": "{\"done\": \"ready\"}", "logs": "{}", "stop": "stop" });
    egg["scripts"] = bodies::egg_installation(script, "~raptor-test/busybox:1");
    egg.to_string()
}

/// An API on SQLite with a separate daemon.
struct Scene {
    api: Api,
    daemon: Daemon,
    host: DaemonId,
    key: String,
    template: TemplateId,
    ports: [u16; 3],
}

impl Scene {
    fn new() -> Self {
        let mut api = Api::serve_embedded();
        api.sign_in();
        let mut daemon = Daemon::new();
        let created = api.add_daemon(daemon.port);
        let (host, key) = (created.daemon.id, created.api_key);
        daemon.start(&key);
        let template = api.template(&egg());
        let mut ports = [free_port(), free_port(), free_port()];
        ports.sort_unstable();
        api.online(&host);
        for port in ports {
            api.done(api.create_allocations(&host, &bodies::allocations("127.0.0.1", port)));
        }
        Self { api, daemon, host, key, template, ports }
    }

    fn online(&self) {
        self.api.online(&self.host);
    }

    fn draft(&self, name: &str, port: Option<u16>) -> NewContainer {
        NewContainer {
            daemon_id: Some(self.host),
            skip_install: Some(true),
            start: Some(true),
            variables: bodies::variables(&[("GREETING", &format!("hello-{name}"))]),
            allocation_ids: port.iter().map(|port| self.api.allocation(&self.host, *port).id).collect(),
            limits: Some(NewLimits { memory_mib: Some(48), cpu_percent: Some(0), ..bodies::small() }),
            ..bodies::a_container(name, self.template)
        }
    }

    /// Makes a container that runs.
    fn make(&mut self, name: &str, port: Option<u16>) -> ContainerId {
        let draft = self.draft(name, port);
        let id = self.api.make(&draft);
        self.api.phase(&id, Phase::Running);
        id
    }

    fn get(&self, id: &ContainerId) -> Container {
        self.api.done(self.api.get_container(id))
    }

    fn phase(&self, id: &ContainerId, phase: Phase) {
        self.api.phase(id, phase);
    }

    fn power(&self, id: &ContainerId, action: PowerAction) {
        self.api.done(self.api.power_container(id, &bodies::power(action)));
    }

    fn install(&self, id: &ContainerId, start: bool) {
        let request = InstallRequest { wipe: Some(false), start: Some(start) };
        self.api.done(self.api.install_container(id, &request));
    }

    fn says(&self, id: &ContainerId, wanted: &str) {
        until(&format!("its console says {wanted}"), || {
            let page = self.api.done(self.api.get_console(id, None, Some(200)));
            page.lines.iter().any(|line| line.text.contains(wanted)).then_some(())
        });
    }

    fn type_in(&self, id: &ContainerId, command: &str) {
        self.api.done(self.api.send_command(id, &bodies::command(command)));
    }

    /// What the container has written.
    fn world(&self, id: &ContainerId) -> String {
        String::from_utf8(self.api.bytes(self.api.read_file(id, "world.dat", None, None))).unwrap()
    }

    fn unknown(&self) -> Vec<UnknownContainer> {
        self.api.done(self.api.list_unknown_containers(&self.host)).items
    }

    /// How often this was written down of a container.
    fn told(&self, action: &str, id: &ContainerId) -> usize {
        let query = ListActivity { action: Some(action), limit: NonZeroU32::new(100), ..Default::default() };
        let page = self.api.done(self.api.list_activity(query));
        page.items.iter().filter(|item| json!(item).to_string().contains(&id.to_string())).count()
    }

    /// Two callers at the same time: exactly one of them does it, the other is told that there is no such thing.
    fn twice<T>(&self, call: impl AsyncFn() -> Answer<T>) {
        let (one, other) = wait(async { tokio::join!(call(), call()) });
        let mut statuses = [&one, &other].map(|answer| match answer {
            Ok(_) => None,
            Err(error) => error.status().map(|status| status.as_u16()),
        });
        statuses.sort_unstable();
        assert_eq!(statuses, [None, Some(404)]);
    }

    /// Copies the daemon's folder to `name` beside it while the daemon is stopped.
    fn copy_folder(&mut self, from: &str, to: &str) {
        let base = self.daemon.containers();
        let of = |name: &str| base.with_file_name(name).display().to_string();
        let _ = std::fs::remove_dir_all(of(to));
        let copied = Command::new("cp").args(["-a", &of(from), &of(to)]).status().unwrap();
        assert!(copied.success());
    }

    fn without_daemon(&mut self, act: impl FnOnce(&mut Self)) {
        self.daemon.stop();
        act(self);
        self.daemon.start(&self.key);
        self.online();
    }
}

fn inspect(id: &ContainerId, format: &str) -> Option<String> {
    let name = format!("raptor-{id}");
    let output = Command::new("docker").args(["inspect", "--format", format, &name]).output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

const PROCESS: &str = "{{.Id}} {{.State.StartedAt}} {{.State.Running}}";

#[test]
fn containers_that_a_restored_database_does_not_know_are_listed_adopted_stopped_and_deleted() {
    if !docker() {
        return;
    }
    let mut scene = Scene::new();
    let copy = scene.api.copy_database();
    scene.api.sign_in();
    scene.online();
    let ports = scene.ports;
    let kept = scene.make("Kept", Some(ports[0]));
    let gone = scene.make("Gone", Some(ports[1]));
    let processes = [inspect(&kept, PROCESS).unwrap(), inspect(&gone, PROCESS).unwrap()];
    scene.api.restore_database(&copy);

    let listed = until("both are listed", || Some(scene.unknown()).filter(|all| all.len() == 2));
    for (item, (id, name, port)) in listed.iter().zip([(gone, "Gone", ports[1]), (kept, "Kept", ports[0])]) {
        assert_eq!((item.id, item.name.as_str()), (id, name), "{item:?}");
        assert_eq!((item.phase, item.declared), (Phase::Running, true), "{item:?}");
        assert_eq!(item.addresses, [format!("127.0.0.1:{port}")]);
    }
    assert_eq!(scene.api.done(scene.api.list_containers(ListContainers::default())).items, []);
    its_ports_are_taken(&mut scene);
    strangers_are_refused(&mut scene, &kept);
    assert_eq!(
        [inspect(&kept, PROCESS).unwrap(), inspect(&gone, PROCESS).unwrap()],
        processes,
        "both ran on all the while"
    );
    adopted(&scene, &kept, &processes[0]);
    stopped_and_deleted(&scene, &gone);
}

fn its_ports_are_taken(scene: &mut Scene) {
    let ports = scene.ports;
    let thief = scene.draft("Thief", Some(ports[0]));
    let refused = scene.api.refused(scene.api.create_container(&thief));
    assert_eq!((refused.status, refused.code.as_str()), (409, "port_held"), "{refused:?}");
    let wanted = format!("127.0.0.1:{} is used on the host by the container Kept", ports[0]);
    assert!(refused.detail.contains(&wanted), "{refused:?}");
    let draft = NewContainer { allocation_count: Some(1), start: Some(false), ..scene.draft("Next", None) };
    let next = scene.api.make(&draft);
    assert_eq!(scene.get(&next).allocations[0].port, ports[2], "the only one that is free");
    let more = scene.api.refused(scene.api.add_container_allocation(&next, &AllocationChoice::default()));
    assert_eq!((more.status, more.code.as_str()), (409, "none_free"), "{more:?}");
    scene.api.delete(&next);
}

fn strangers_are_refused(scene: &mut Scene, id: &ContainerId) {
    let mia = bodies::a_user("mia", scene.api.user_role());
    scene.api.done(scene.api.create_user(&mia));
    scene.api.sign_in_as("mia", PASSWORD);
    let (api, host) = (&scene.api, &scene.host);
    let adoption = Adoption::new(scene.template);
    for (what, refused) in [
        ("list", api.refused(api.list_unknown_containers(host))),
        ("adopt", api.refused(api.adopt_unknown_container(host, id, &adoption))),
        ("stop", api.refused(api.stop_unknown_container(host, id))),
        ("delete", api.refused(api.delete_unknown_container(host, id))),
    ] {
        assert!([403, 404].contains(&refused.status), "{what}: {refused:?}");
    }
    scene.api.sign_in();
}

/// It is as it was, and works.
fn adopted(scene: &Scene, id: &ContainerId, process: &str) {
    let (api, adoption) = (&scene.api, Adoption::new(scene.template));
    let nobody = Adoption { owner_id: Some(uuid::Uuid::now_v7().into()), ..adoption.clone() };
    let refused = api.refused(api.adopt_unknown_container(&scene.host, id, &nobody));
    assert_eq!(refused.status, 422, "an owner who does not exist");
    scene.twice(async || api.adopt_unknown_container(&scene.host, id, &adoption).await);
    scene.phase(id, Phase::Running);
    until("its host has the declaration", || scene.get(id).synced.then_some(()));
    let container = scene.get(id);
    assert_eq!(container.name, "Kept");
    let first = &container.allocations[0];
    assert_eq!((first.port, first.primary), (scene.ports[0], true), "{container:?}");
    assert_eq!((container.limits.memory_mib, container.limits.disk_mib), (48, 64));
    assert_eq!(inspect(id, PROCESS).unwrap(), process, "it runs on");
    assert_eq!(scene.world(id), "hello-Kept\n");
    scene.type_in(id, "anybody there");
    scene.says(id, "got anybody there");
    scene.power(id, PowerAction::Stop);
    scene.phase(id, Phase::Offline);
    scene.power(id, PowerAction::Start);
    scene.phase(id, Phase::Running);
    assert_eq!(scene.world(id), "hello-Kept\nhello-Kept\n", "with the same files and variables");
    std::net::TcpStream::connect(("127.0.0.1", scene.ports[0])).unwrap();
    assert_eq!(scene.told("container.adopted", id), 1);
    // What is changed from now on reaches the host, and an installation that is asked for runs.
    scene.install(id, false);
    until("it is installed", || (scene.get(id).installation.state == InstallState::Installed).then_some(()));
    assert_eq!(scene.unknown().len(), 1);
}

fn stopped_and_deleted(scene: &Scene, id: &ContainerId) {
    let (api, host) = (&scene.api, &scene.host);
    api.done(api.stop_unknown_container(host, id));
    until("it has stopped", || (scene.unknown()[0].phase == Phase::Offline).then_some(()));
    assert_eq!(inspect(id, "{{.State.Running}}").as_deref(), Some("false"));
    let again = api.refused(api.stop_unknown_container(host, id));
    assert!(again.status == 409 && again.detail.len() > 10, "{again:?}");
    assert!(scene.daemon.data(id).exists(), "its files are still there");
    scene.twice(async || api.delete_unknown_container(host, id).await);
    until("Docker has it no more", || inspect(id, PROCESS).is_none().then_some(()));
    let network =
        || Command::new("docker").args(["network", "inspect", &format!("raptor-{id}")]).output().unwrap();
    until("its network is gone", || (!network().status.success()).then_some(()));
    let state = scene.daemon.containers().join(".raptor").join(id.to_string());
    until("its files are gone", || (!scene.daemon.data(id).exists() && !state.exists()).then_some(()));
    assert!(scene.unknown().is_empty());
    assert_eq!(scene.told("daemon.unknown_container_stopped", id), 1);
    assert_eq!(scene.told("daemon.unknown_container_deleted", id), 1);
    let freed = api.allocation(host, scene.ports[1]);
    assert_eq!(freed.container, None, "{freed:?}");
}

#[test]
fn a_daemon_whose_disk_is_mounted_late_goes_on_with_it_by_itself() {
    if !docker() {
        return;
    }
    let mut scene = Scene::new();
    let id = scene.make("Steady", None);
    let process = inspect(&id, PROCESS).unwrap();
    let base = scene.daemon.containers();
    let disk = base.with_file_name("disk");
    scene.daemon.stop();
    std::fs::rename(&base, &disk).unwrap();
    scene.daemon.start(&scene.key);
    let host = |scene: &Scene| scene.api.done(scene.api.get_daemon(&scene.host));
    let said = until("its page says so", || host(&scene).system?.folder_problem);
    assert!(said.contains("Is its disk mounted?") && said.contains("continues automatically"), "{said}");
    assert_eq!(inspect(&id, PROCESS).unwrap(), process);
    let daemon = scene.daemon.id();
    // Like a mount, which hides the folder's contents.
    std::fs::rename(&base, base.with_file_name("hidden")).unwrap();
    std::fs::rename(&disk, &base).unwrap();
    until("the problem is over", || {
        let host = host(&scene);
        let online = host.connection.state == LinkState::Online;
        (online && host.system?.folder_problem.is_none()).then_some(())
    });
    assert_eq!(scene.daemon.id(), daemon, "nobody restarted it");
    scene.phase(&id, Phase::Running);
    assert_eq!(inspect(&id, PROCESS).unwrap(), process, "and the container ran on");
    scene.type_in(&id, "anybody there");
    scene.says(&id, "got anybody there");
    scene.power(&id, PowerAction::Restart);
    until("it was started again with its files", || {
        (scene.world(&id) == "hello-Steady\nhello-Steady\n").then_some(())
    });
}

#[test]
fn a_container_that_was_deleted_since_the_copy_says_that_its_files_are_gone_and_does_not_start_without() {
    if !docker() {
        return;
    }
    let mut scene = Scene::new();
    let id = scene.make("Back", None);
    scene.power(&id, PowerAction::Stop);
    scene.phase(&id, Phase::Offline);
    let copy = scene.api.copy_database();
    scene.api.sign_in();
    scene.online();
    scene.api.delete(&id);
    until("it is gone", || (!scene.daemon.data(&id).exists()).then_some(()));
    scene.api.restore_database(&copy);
    scene.online();

    let missing = |scene: &Scene| {
        let live = scene.get(&id).live;
        if live.fault == Some(Fault::FilesMissing) { live.problem } else { None }
    };
    let said = until("its page says so before anybody starts it", || missing(&scene));
    assert!(said.contains("no longer has the container's files"), "{said}");
    // Looking for its files makes the folder and no difference.
    let root = ListFiles { path: Some("/"), ..Default::default() };
    assert_eq!(scene.api.done(scene.api.list_files(&id, root)).total, 0);
    scene.power(&id, PowerAction::Start);
    scene.says(&id, "It does not start on an empty folder.");
    scene.phase(&id, Phase::Offline);
    until("the start was refused for that", || missing(&scene));
    assert!(inspect(&id, PROCESS).is_none(), "nothing ran");
    // A restarted daemon still knows it.
    scene.without_daemon(|_| {});
    until("it is still said", || missing(&scene));
    // Fixed by restoring the files from a backup.
    std::fs::write(scene.daemon.data(&id).join("world.dat"), "from a backup\n").unwrap();
    scene.power(&id, PowerAction::Start);
    scene.phase(&id, Phase::Running);
    assert_eq!(scene.get(&id).live.problem, None);
    assert_eq!(scene.get(&id).live.fault, None);
}

#[test]
fn an_older_folder_of_the_host_loses_no_event_leaves_no_installation_pending_and_brings_nothing_back_unsaid()
{
    if !docker() {
        return;
    }
    let mut scene = Scene::new();
    let steady = scene.make("Steady", None);
    let deleted = scene.make("Deleted", Some(scene.ports[0]));
    let install = |scene: &Scene, number: usize| {
        scene.install(&steady, true);
        until("it is installed", || {
            let done = scene.get(&steady).installation.state == InstallState::Installed;
            (done && scene.told("container.installed", &steady) == number).then_some(())
        });
        scene.phase(&steady, Phase::Running);
    };
    install(&scene, 1);
    scene.without_daemon(|scene| scene.copy_folder("containers", "copy"));
    // After the copy: events of all kinds, a new container and a deleted one.
    install(&scene, 2);
    for count in 1..=2 {
        scene.phase(&steady, Phase::Running);
        scene.type_in(&steady, "crash");
        until("the crash is written down", || {
            (scene.told("container.crashed", &steady) == count).then_some(())
        });
    }
    scene.phase(&steady, Phase::Running);
    let younger = scene.make("Younger", None);
    scene.power(&younger, PowerAction::Stop);
    scene.phase(&younger, Phase::Offline);
    scene.api.delete(&deleted);
    until("it is deleted", || (!scene.daemon.data(&deleted).exists()).then_some(()));
    let process = inspect(&steady, PROCESS).unwrap();
    scene.without_daemon(|scene| {
        std::fs::remove_dir_all(scene.daemon.containers()).unwrap();
        scene.copy_folder("copy", "containers");
    });

    scene.phase(&steady, Phase::Running);
    assert_eq!(inspect(&steady, PROCESS).unwrap(), process, "it was not touched");
    scene.type_in(&steady, "crash");
    until("the next crash is written down", || (scene.told("container.crashed", &steady) == 3).then_some(()));
    scene.phase(&steady, Phase::Running);
    install(&scene, 3);
    until("the younger one says that its files are gone", || {
        (scene.get(&younger).live.fault == Some(Fault::FilesMissing)).then_some(())
    });
    let unknown = until("the deleted one is listed", || Some(scene.unknown()).filter(|all| all.len() == 1));
    assert_eq!(unknown[0].id, deleted, "{unknown:?}");
    assert_eq!(unknown[0].phase, Phase::Offline, "nobody started it");
    // The way out of the one: an installation. Of the other: deleting it again.
    scene.install(&younger, true);
    scene.phase(&younger, Phase::Running);
    assert_eq!(scene.get(&younger).live.fault, None);
    scene.api.done(scene.api.delete_unknown_container(&scene.host, &deleted));
    until("it is gone for good", || (!scene.daemon.data(&deleted).exists()).then_some(()));
    assert!(scene.unknown().is_empty());
}
