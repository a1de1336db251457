//! After a restore: the database or the host's folder is older than the other one.

use crate::{
    programs::{Api, Daemon, docker, free_port},
    text, until,
};
use reqwest::Method;
use serde_json::{Value, json};
use std::process::Command;

/// Writes its variable into its folder, and answers its input.
const STARTUP: &str = "sh -c 'echo {{GREETING}} >> world.dat; echo {{GREETING}} ready; while read line; do [ \"$line\" = stop ] && exit 0; [ \"$line\" = crash ] && exit 3; echo \"got $line\"; done'";

fn egg() -> String {
    let variable = json!({
        "name": "Greeting", "description": "", "env_variable": "GREETING", "default_value": "hello",
        "user_viewable": true, "user_editable": true, "rules": "required|string", "field_type": "text",
    });
    let egg = json!({
        "meta": { "version": "PTDL_v2" }, "name": "Keeper", "author": "a@b.example", "startup": STARTUP,
        "docker_images": { "x": "~raptor-test/busybox:1" }, "file_denylist": [], "variables": [variable],
        "config": { "files": "{}", "startup": "{\"done\": \"ready\"}", "logs": "{}", "stop": "stop" },
        "scripts": { "installation": {
            "script": "#!/bin/sh\necho installed >> /mnt/server/installed.txt",
            "container": "~raptor-test/busybox:1", "entrypoint": "sh" } },
    });
    egg.to_string()
}

/// An API on SQLite with a separate daemon.
struct Scene {
    api: Api,
    daemon: Daemon,
    host: String,
    key: String,
    template: String,
    ports: [u16; 3],
}

impl Scene {
    fn new() -> Self {
        let mut api = Api::serve_embedded();
        api.sign_in();
        let mut daemon = Daemon::new();
        let draft = json!({ "name": "Host", "host": "127.0.0.1", "port": daemon.port });
        let created = api.post("/daemons", draft, 201);
        let (host, key) = (text(&created["daemon"]["id"]).to_owned(), text(&created["api_key"]).to_owned());
        daemon.start(&key);
        let template = text(&api.post_bytes("/templates/import", &egg(), 201)["template"]["id"]).to_owned();
        let mut ports = [free_port(), free_port(), free_port()];
        ports.sort_unstable();
        let scene = Self { api, daemon, host, key, template, ports };
        scene.online();
        for port in ports {
            let draft = json!({ "ip": "127.0.0.1", "ports": port.to_string() });
            scene.api.post(&scene.at("/allocations"), draft, 201);
        }
        scene
    }

    /// A path below its daemon's in the API.
    fn at(&self, path: &str) -> String {
        format!("/daemons/{}{path}", self.host)
    }

    fn online(&self) {
        until("the daemon is online", || {
            (self.api.get(&self.at(""))["connection"]["state"] == "online").then_some(())
        });
    }

    fn allocation(&self, port: u16) -> Value {
        let found = self.api.get(&self.at(&format!("/allocations?search={port}")));
        let all = found["items"].as_array().unwrap();
        all.iter().find(|one| one["port"] == port).unwrap().clone()
    }

    fn draft(&self, name: &str, port: Option<u16>) -> Value {
        let allocations: Vec<Value> = port.iter().map(|port| self.allocation(*port)["id"].clone()).collect();
        json!({
            "name": name, "template_id": self.template, "daemon_id": self.host, "skip_install": true, "start": true,
            "variables": { "GREETING": format!("hello-{name}") }, "allocation_ids": allocations, "allocation_count": 0,
            "limits": { "memory_mib": 48, "swap_mib": 0, "cpu_percent": 0, "disk_mib": 64, "pids": 32, "io_weight": 500 },
        })
    }

    /// Creates and starts a container.
    fn make(&mut self, name: &str, port: Option<u16>) -> String {
        let draft = self.draft(name, port);
        let id = text(&self.api.post("/containers", draft, 201)["id"]).to_owned();
        self.api.containers.push(id.clone());
        self.phase(&id, "running");
        id
    }

    fn get(&self, id: &str) -> Value {
        self.api.get(&format!("/containers/{id}"))
    }

    fn phase(&self, id: &str, phase: &str) {
        until(&format!("it is {phase}"), || {
            let live = self.get(id)["live"].clone();
            (live["phase"] == phase && live["known"] == true).then_some(())
        });
    }

    fn power(&self, id: &str, action: &str) {
        self.api.post(&format!("/containers/{id}/power"), json!({ "action": action }), 202);
    }

    fn says(&self, id: &str, wanted: &str) {
        until(&format!("its console says {wanted}"), || {
            let page = self.api.get(&format!("/containers/{id}/console?limit=200"));
            let lines = page["lines"].as_array().unwrap().clone();
            lines.iter().any(|line| text(&line["text"]).contains(wanted)).then_some(())
        });
    }

    fn type_in(&self, id: &str, command: &str) {
        self.api.post(&format!("/containers/{id}/commands"), json!({ "command": command }), 204);
    }

    fn unknown(&self) -> Vec<Value> {
        self.api.get(&self.at("/unknown-containers"))["items"].as_array().unwrap().clone()
    }

    /// How often this action was recorded for a container.
    fn told(&self, action: &str, id: &str) -> usize {
        let page = self.api.get(&format!("/activity?action={action}&limit=100"));
        let items = page["items"].as_array().unwrap().clone();
        items.iter().filter(|item| item.to_string().contains(id)).count()
    }

    /// Sends a request twice at the same time: exactly one is answered with `status`, the other with 404.
    fn twice(&self, method: &Method, path: &str, body: Option<&Value>, status: u16) {
        let caller = self.api.caller();
        let ask = || caller.ask(method.clone(), path, body.cloned()).unwrap().0;
        let mut answers = std::thread::scope(|scope| {
            let both = [scope.spawn(ask), scope.spawn(ask)];
            both.map(|one| one.join().unwrap())
        });
        answers.sort_unstable();
        assert_eq!(answers, [status, 404], "{method} {path}");
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
        until("the daemon is away or back", || {
            (self.api.get(&self.at(""))["connection"]["state"] == "online").then_some(())
        });
    }
}

fn inspect(id: &str, format: &str) -> Option<String> {
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
    for (item, (id, name, port)) in listed.iter().zip([(&gone, "Gone", ports[1]), (&kept, "Kept", ports[0])])
    {
        assert_eq!((text(&item["id"]), text(&item["name"])), (id.as_str(), name), "{item}");
        assert_eq!((&item["phase"], &item["declared"]), (&json!("running"), &json!(true)), "{item}");
        assert_eq!(item["addresses"], json!([format!("127.0.0.1:{port}")]));
    }
    assert_eq!(scene.api.get("/containers")["items"], json!([]));
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
    let refused = scene.api.post("/containers", scene.draft("Thief", Some(ports[0])), 409);
    assert_eq!(refused["code"], "port_held", "{refused}");
    let said = text(&refused["detail"]);
    let wanted = format!("127.0.0.1:{} is used on the host by the container Kept", ports[0]);
    assert!(said.contains(&wanted), "{refused}");
    let mut draft = scene.draft("Next", None);
    (draft["allocation_count"], draft["start"]) = (json!(1), json!(false));
    let next = text(&scene.api.post("/containers", draft, 201)["id"]).to_owned();
    scene.api.containers.push(next.clone());
    assert_eq!(scene.get(&next)["allocations"][0]["port"], ports[2], "the only one that is free");
    let more = scene.api.post(&format!("/containers/{next}/allocations"), json!({}), 409);
    assert_eq!(more["code"], "none_free", "{more}");
    scene.api.delete(&format!("/containers/{next}"));
}

fn strangers_are_refused(scene: &mut Scene, id: &str) {
    let roles = scene.api.get("/roles")["items"].as_array().unwrap().clone();
    let role = roles.iter().find(|role| role["name"] == "user").unwrap()["id"].clone();
    let user = json!({ "username": "mia", "email": "mia@example.com", "password": "correct horse", "role_id": role });
    scene.api.post("/users", user, 201);
    scene.api.sign_in_as("mia", "correct horse");
    let caller = scene.api.caller();
    let of = |path: &str| scene.at(&format!("/unknown-containers{path}"));
    let adoption = json!({ "template_id": scene.template });
    for (method, path, body) in [
        (Method::GET, of(""), None),
        (Method::POST, of(&format!("/{id}/adopt")), Some(adoption)),
        (Method::POST, of(&format!("/{id}/stop")), None),
        (Method::DELETE, of(&format!("/{id}")), None),
    ] {
        let (status, said) = caller.ask(method.clone(), &path, body).unwrap();
        assert!([403, 404].contains(&status), "{method} {path}: {status} {said}");
    }
    scene.api.sign_in();
}

/// Asserts that it is unchanged, and works.
fn adopted(scene: &Scene, id: &str, process: &str) {
    let path = scene.at(&format!("/unknown-containers/{id}/adopt"));
    let (status, _) = {
        let nobody = json!({ "template_id": scene.template, "owner_id": uuid::Uuid::now_v7() });
        scene.api.caller().ask(Method::POST, &path, Some(nobody)).unwrap()
    };
    assert_eq!(status, 422, "an owner who does not exist");
    scene.twice(&Method::POST, &path, Some(&json!({ "template_id": scene.template })), 200);
    scene.phase(id, "running");
    until("its host has the declaration", || (scene.get(id)["synced"] == true).then_some(()));
    let container = scene.get(id);
    assert_eq!(text(&container["name"]), "Kept");
    assert_eq!(container["allocations"][0]["port"], scene.ports[0], "{container}");
    assert_eq!(container["allocations"][0]["primary"], true);
    assert_eq!(
        (&container["limits"]["memory_mib"], &container["limits"]["disk_mib"]),
        (&json!(48), &json!(64))
    );
    assert_eq!(inspect(id, PROCESS).unwrap(), process, "it runs on");
    let read = || {
        let path = format!("/containers/{id}/files/content?path=world.dat");
        String::from_utf8(scene.api.bytes(&path)).unwrap()
    };
    assert_eq!(read(), "hello-Kept\n");
    scene.type_in(id, "anybody there");
    scene.says(id, "got anybody there");
    scene.power(id, "stop");
    scene.phase(id, "offline");
    scene.power(id, "start");
    scene.phase(id, "running");
    assert_eq!(read(), "hello-Kept\nhello-Kept\n", "with the same files and variables");
    std::net::TcpStream::connect(("127.0.0.1", scene.ports[0])).unwrap();
    assert_eq!(scene.told("container.adopted", id), 1);
    // New changes reach the host, and a requested installation runs.
    scene.api.post(&format!("/containers/{id}/installation"), json!({ "wipe": false, "start": false }), 202);
    until("it is installed", || (scene.get(id)["installation"]["state"] == "installed").then_some(()));
    assert_eq!(scene.unknown().len(), 1);
}

fn stopped_and_deleted(scene: &Scene, id: &str) {
    let path = scene.at(&format!("/unknown-containers/{id}"));
    scene.api.post(&format!("{path}/stop"), json!({}), 202);
    until("it has stopped", || (scene.unknown()[0]["phase"] == "offline").then_some(()));
    assert_eq!(inspect(id, "{{.State.Running}}").as_deref(), Some("false"));
    let again = scene.api.post(&format!("{path}/stop"), json!({}), 409);
    assert!(text(&again["detail"]).len() > 10, "{again}");
    assert!(scene.daemon.data(id).exists(), "its files are still there");
    scene.twice(&Method::DELETE, &path, None, 202);
    until("Docker has it no more", || inspect(id, PROCESS).is_none().then_some(()));
    let network =
        || Command::new("docker").args(["network", "inspect", &format!("raptor-{id}")]).output().unwrap();
    until("its network is gone", || (!network().status.success()).then_some(()));
    let state = scene.daemon.containers().join(".raptor").join(id);
    until("its files are gone", || (!scene.daemon.data(id).exists() && !state.exists()).then_some(()));
    assert!(scene.unknown().is_empty());
    assert_eq!(scene.told("daemon.unknown_container_stopped", id), 1);
    assert_eq!(scene.told("daemon.unknown_container_deleted", id), 1);
    let freed = scene.allocation(scene.ports[1]);
    assert_eq!(freed["container"], Value::Null, "{freed}");
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
    let problem = |scene: &Scene| scene.api.get(&scene.at(""))["system"]["folder_problem"].clone();
    let said = until("its page says so", || problem(&scene).as_str().map(str::to_owned));
    assert!(said.contains("Is its disk mounted?") && said.contains("continues automatically"), "{said}");
    assert_eq!(inspect(&id, PROCESS).unwrap(), process);
    let daemon = scene.daemon.id();
    // Like a mount, which hides the folder's contents.
    std::fs::rename(&base, base.with_file_name("hidden")).unwrap();
    std::fs::rename(&disk, &base).unwrap();
    until("the problem is over", || {
        let online = scene.api.get(&scene.at(""))["connection"]["state"] == "online";
        (online && problem(&scene).is_null()).then_some(())
    });
    assert_eq!(scene.daemon.id(), daemon, "nobody restarted it");
    scene.phase(&id, "running");
    assert_eq!(inspect(&id, PROCESS).unwrap(), process, "and the container ran on");
    scene.type_in(&id, "anybody there");
    scene.says(&id, "got anybody there");
    scene.power(&id, "restart");
    until("it was started again with its files", || {
        let path = format!("/containers/{id}/files/content?path=world.dat");
        let world = String::from_utf8(scene.api.bytes(&path)).unwrap();
        (world == "hello-Steady\nhello-Steady\n").then_some(())
    });
}

#[test]
fn a_container_that_was_deleted_since_the_copy_says_that_its_files_are_gone_and_does_not_start_without() {
    if !docker() {
        return;
    }
    let mut scene = Scene::new();
    let id = scene.make("Back", None);
    scene.power(&id, "stop");
    scene.phase(&id, "offline");
    let copy = scene.api.copy_database();
    scene.api.sign_in();
    scene.online();
    scene.api.delete(&format!("/containers/{id}"));
    until("it is gone", || (!scene.daemon.data(&id).exists()).then_some(()));
    scene.api.restore_database(&copy);
    scene.online();

    let missing = |scene: &Scene| {
        let live = scene.get(&id)["live"].clone();
        (live["fault"]["type"] == "files_missing").then(|| text(&live["problem"]).to_owned())
    };
    let said = until("its page says so before anybody starts it", || missing(&scene));
    assert!(said.contains("no longer has the container's files"), "{said}");
    // Listing its files creates the folder, which makes no difference.
    assert_eq!(scene.api.get(&format!("/containers/{id}/files?path=/"))["total"], 0);
    scene.power(&id, "start");
    scene.says(&id, "It does not start on an empty folder.");
    scene.phase(&id, "offline");
    until("the start was refused for that", || missing(&scene));
    assert!(inspect(&id, PROCESS).is_none(), "nothing ran");
    // A restarted daemon still knows it.
    scene.without_daemon(|_| {});
    until("it is still said", || missing(&scene));
    // Fixed by restoring the files from a backup.
    std::fs::write(scene.daemon.data(&id).join("world.dat"), "from a backup\n").unwrap();
    scene.power(&id, "start");
    scene.phase(&id, "running");
    assert_eq!(scene.get(&id)["live"]["problem"], Value::Null);
    assert_eq!(scene.get(&id)["live"]["fault"], Value::Null);
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
        let path = format!("/containers/{steady}/installation");
        scene.api.post(&path, json!({ "wipe": false, "start": true }), 202);
        until("it is installed", || {
            let done = scene.get(&steady)["installation"]["state"] == "installed";
            (done && scene.told("container.installed", &steady) == number).then_some(())
        });
        scene.phase(&steady, "running");
    };
    install(&scene, 1);
    scene.without_daemon(|scene| scene.copy_folder("containers", "copy"));
    // After the copy: events of all kinds, a new container and a deleted one.
    install(&scene, 2);
    for count in 1..=2 {
        scene.phase(&steady, "running");
        scene.type_in(&steady, "crash");
        until("the crash is written down", || {
            (scene.told("container.crashed", &steady) == count).then_some(())
        });
    }
    scene.phase(&steady, "running");
    let younger = scene.make("Younger", None);
    scene.power(&younger, "stop");
    scene.phase(&younger, "offline");
    scene.api.delete(&format!("/containers/{deleted}"));
    until("it is deleted", || (!scene.daemon.data(&deleted).exists()).then_some(()));
    let process = inspect(&steady, PROCESS).unwrap();
    scene.without_daemon(|scene| {
        std::fs::remove_dir_all(scene.daemon.containers()).unwrap();
        scene.copy_folder("copy", "containers");
    });

    scene.phase(&steady, "running");
    assert_eq!(inspect(&steady, PROCESS).unwrap(), process, "it was not touched");
    scene.type_in(&steady, "crash");
    until("the next crash is written down", || (scene.told("container.crashed", &steady) == 3).then_some(()));
    scene.phase(&steady, "running");
    install(&scene, 3);
    until("the younger one says that its files are gone", || {
        (scene.get(&younger)["live"]["fault"]["type"] == "files_missing").then_some(())
    });
    let unknown = until("the deleted one is listed", || Some(scene.unknown()).filter(|all| all.len() == 1));
    assert_eq!(text(&unknown[0]["id"]), deleted, "{unknown:?}");
    assert_eq!(unknown[0]["phase"], "offline", "nobody started it");
    // One is fixed by an installation, the other by deleting it again.
    scene.api.post(
        &format!("/containers/{younger}/installation"),
        json!({ "wipe": false, "start": true }),
        202,
    );
    scene.phase(&younger, "running");
    assert_eq!(scene.get(&younger)["live"]["fault"], Value::Null);
    scene.api.delete(&scene.at(&format!("/unknown-containers/{deleted}")));
    until("it is gone for good", || (!scene.daemon.data(&deleted).exists()).then_some(()));
    assert!(scene.unknown().is_empty());
}
