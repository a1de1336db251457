//! Full and failing disks with the real programs.

use crate::{
    EGG,
    disk::Disk,
    own::Database,
    programs::{self, Api, PASSWORD, docker},
    text, until,
};
use reqwest::Method;
use serde_json::{Value, json};
use std::{path::Path, time::Instant};

const PRINTING: &str = "sh -c 'echo \"[net] Map generated, starting game\"; i=0; while true; do i=$((i+1)); echo tick $i; sleep 0.1; done'";

/// The codes for a full disk.
const FULL: &[&str] = &["storage_full"];
const FAILING: &[&str] = &["storage_read_only", "storage_failed"];

/// Asserts that it was done, or that the answer names the database's disk as the cause. Returns whether it was done.
fn done_or_said(api: &Api, codes: &[&str], method: Method, path: &str, body: Option<Value>) -> bool {
    let (status, answer) = api.ask(method, path, body);
    if status < 300 {
        return true;
    }
    assert_eq!(status, 503, "{path}: {answer}\n{}", api.log());
    assert!(codes.contains(&text(&answer["code"])), "{path}: {answer}");
    let said = text(&answer["detail"]);
    assert!(said.contains("the database's disk") && said.contains("then try again"), "{path}: {said}");
    false
}

fn sign_in(api: &Api, codes: &[&str]) -> bool {
    let login = json!({ "login": "admin", "password": PASSWORD });
    done_or_said(api, codes, Method::POST, "/auth/sign-in", Some(login))
}

/// Writes until the database is full.
fn exhaust(api: &Api) {
    let egg: Value = serde_json::from_str(EGG).unwrap();
    let mut egg = egg.as_object().unwrap().clone();
    egg.insert("description".into(), "long ".repeat(8_000).into());
    let import = |_| {
        done_or_said(api, FULL, Method::POST, "/templates/import?on_existing=keep_both", Some(json!(egg)))
    };
    assert!((0..2_000).any(|number| !import(number)), "the disk is not full");
}

/// `raptor-api up` with containers and a user.
struct Live {
    api: Api,
    user: String,
    template: Value,
    host: Value,
}

impl Live {
    fn on(folder: &Path) -> Self {
        let mut api = Api::up_in(folder);
        api.sign_in();
        let template = api.post_bytes("/templates/import", EGG, 201)["template"]["id"].clone();
        let host = api.get("/daemons")["items"][0]["id"].clone();
        let user = user(&api);
        Self { api, user, template, host }
    }

    fn container(&mut self, name: &str) -> String {
        let draft = json!({
            "name": name, "template_id": self.template, "daemon_id": self.host,
            "image": "~raptor-test/busybox:1", "startup_command": PRINTING, "skip_install": true,
            "allocation_count": 0, "start": true,
            "limits": { "memory_mib": 64, "swap_mib": 0, "cpu_percent": 0, "disk_mib": 0, "pids": 64, "io_weight": 500 },
        });
        let id = text(&self.api.post("/containers", draft, 201)["id"]).to_owned();
        self.api.containers.push(id.clone());
        let path = format!("/containers/{id}");
        self.until("it runs", &path, |live| live["phase"] == "running");
        path
    }

    fn until(&self, what: &str, path: &str, met: impl Fn(&Value) -> bool) {
        until(what, || met(&self.api.get(path)["live"]).then_some(()));
    }

    fn power(&self, codes: &[&str], path: &str, action: &str) {
        let done = done_or_said(
            &self.api,
            codes,
            Method::POST,
            &format!("{path}/power"),
            Some(json!({ "action": action })),
        );
        assert!(done, "{action} needs no room");
    }
}

/// Number of warnings in the log about the database's disk.
fn blamed(api: &Api) -> usize {
    api.log().lines().filter(|line| line.contains("WARN") && line.contains("the database's disk")).count()
}

fn user(api: &Api) -> String {
    let roles = api.get("/roles")["items"].as_array().unwrap().clone();
    let role = roles.iter().find(|role| role["name"] == "User").unwrap_or(&roles[0]);
    let user = json!({ "username": "steve", "email": "steve@example.com", "password": PASSWORD, "role_id": role["id"] });
    text(&api.post("/users", user, 201)["id"]).to_owned()
}

#[test]
fn while_the_disk_is_full_people_sign_in_read_stop_and_delete_and_then_everything_works_without_a_restart() {
    let Some(disk) = Disk::new(64).filter(|_| docker()) else { return };
    let folder = disk.root().join("data");
    let mut live = Live::on(&folder);
    let (first, second) = (live.container("First"), live.container("Second"));
    disk.fill();

    assert!(sign_in(&live.api, FULL), "the room that the database keeps is for this");
    let all = live.api.get("/containers");
    assert_eq!(all["items"].as_array().unwrap().len(), 2);
    live.api.get(&format!("{first}/console?limit=10"));
    live.api.get(&format!("{first}/files?path="));
    let full = format!("{first}/files/content?path=big");
    let (status, refused) = live.api.ask(Method::PUT, &full, Some(json!("x".repeat(1 << 20))));
    assert_eq!((status, text(&refused["code"])), (409, "disk_full"), "{refused}");

    live.power(FULL, &first, "stop");
    live.until("it is stopped", &first, |live| live["phase"] == "offline");
    assert!(done_or_said(&live.api, FULL, Method::DELETE, &first, None), "deleting needs no room");
    until("it is gone", || (live.api.ask(Method::GET, &first, None).0 == 404).then_some(()));
    assert!(done_or_said(&live.api, FULL, Method::DELETE, &format!("/users/{}", live.user), None));

    exhaust(&live.api);
    disk.fill();
    sign_in(&live.api, FULL);
    done_or_said(&live.api, FULL, Method::PUT, &second, Some(json!({ "name": "Renamed" })));
    let sent = Some(json!({ "command": "save" }));
    assert!(done_or_said(&live.api, FULL, Method::POST, &format!("{second}/commands"), sent), "it was sent");
    live.power(FULL, &second, "stop");
    live.until("it is stopped", &second, |live| live["phase"] == "offline");
    live.power(FULL, &second, "start");
    live.until("it is started", &second, |live| live["phase"] != "offline");

    disk.make_room();
    live.api.sign_in();
    until("what was done is in the activity", || {
        let page = live.api.get(&format!("{second}/activity?limit=100"));
        let done: Vec<&str> =
            page["items"].as_array().unwrap().iter().map(|item| text(&item["action"])).collect();
        let wanted = ["container.power.stop", "container.power.start", "container.command"];
        wanted.iter().all(|wanted| done.contains(wanted)).then_some(())
    });
    let third = live.container("Third");
    live.power(FULL, &third, "kill");
    live.until("it is killed", &third, |live| live["phase"] == "offline");
    live.api.delete(&third);
    assert!(!live.api.log().contains("a request failed"), "{}", live.api.log());

    live.api.restart();
    live.api.sign_in();
    live.until("it still runs", &second, |live| live["phase"] != "offline");
    live.api.stop();
    assert_eq!(integrity(&folder.join("raptor.db")), "ok");
}

fn integrity(database: &Path) -> String {
    let url = format!("sqlite://{}", database.display());
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
        let said = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&pool).await.unwrap();
        pool.close().await;
        said
    })
}

#[test]
fn on_a_disk_that_has_become_read_only_people_read_and_stop_the_log_warns_once_a_minute_and_after_a_repair_everything_works()
 {
    let Some(mut disk) = Disk::new(64).filter(|_| docker()) else { return };
    let folder = disk.root().join("data");
    let mut live = Live::on(&folder);
    let first = live.container("First");
    let begun = Instant::now();
    disk.fail();

    sign_in(&live.api, FAILING);
    assert_eq!(live.api.get("/containers")["items"].as_array().unwrap().len(), 1);
    live.api.get(&format!("{first}/files?path="));
    for _ in 0..20 {
        let sent = Some(json!({ "command": "save" }));
        let sent = done_or_said(&live.api, FAILING, Method::POST, &format!("{first}/commands"), sent);
        assert!(sent, "what reached the container is not told as failed");
    }
    assert!(!done_or_said(&live.api, FAILING, Method::PUT, &first, Some(json!({ "name": "Renamed" }))));
    assert!(!done_or_said(&live.api, FAILING, Method::DELETE, &format!("/users/{}", live.user), None));
    live.power(FAILING, &first, "stop");
    live.until("it is stopped", &first, |live| live["phase"] == "offline");
    assert!(!live.api.log().contains("a request failed"), "{}", live.api.log());
    // One a minute for each code: that the disk fails, and that it is read-only afterwards.
    let most = FAILING.len() * (1 + begun.elapsed().as_secs() as usize / 60);
    let warnings = blamed(&live.api);
    assert!((1..=most).contains(&warnings), "{warnings} warnings: {}", live.api.log());

    live.api.stop();
    disk.mend();
    live.api.start_again();
    live.api.sign_in();
    live.api.get(&format!("/users/{}", live.user));
    live.until("it is offline", &first, |live| live["phase"] == "offline");
    live.power(FAILING, &first, "start");
    live.until("it is started", &first, |live| live["phase"] != "offline");
}

#[test]
fn a_postgresql_whose_disk_is_full_answers_503_and_afterwards_everything_works_without_a_restart() {
    let Some(disk) = Disk::new(48).filter(|_| crate::own::possible()) else { return };
    let mut database = Database::new();
    database.revive();
    let mut api = Api::serve(&database.on(&disk.root()));
    api.sign_in();
    let user = user(&api);
    disk.fill();
    exhaust(&api);
    sign_in(&api, FULL);
    assert_eq!(api.get("/users")["items"].as_array().unwrap().len(), 2);
    // The server writes a new version of the row, but deleting it needs no new block.
    done_or_said(&api, FULL, Method::DELETE, &format!("/users/{user}"), None);
    disk.make_room();
    api.sign_in();
    let role = api.post("/roles", json!({ "name": "Helper", "permissions": [] }), 201);
    api.done(Method::DELETE, &format!("/roles/{}", text(&role["id"])), None);
    assert!(!api.log().contains("a request failed"), "{}", api.log());
}

#[test]
fn a_start_on_a_full_or_read_only_disk_says_so_and_what_mends_it() {
    let Some(disk) = Disk::new(64) else { return };
    let (data, database) = (disk.root().join("data"), disk.root().join("raptor.db"));
    let refusals = |said: &str, mends: &str| {
        let data = data.display().to_string();
        let sqlite = format!("sqlite://{}", database.display());
        let key = "an application key of some length";
        let api = [("API_ADDR", "127.0.0.1:0"), ("APP_KEY", key), ("DATABASE_URL", &sqlite)];
        let daemon = [
            ("DAEMON_ADDR", "127.0.0.1:0"),
            ("DAEMON_API_KEY", "rd_Zk3vX9qLw2TnB7yRc5MfH1pJd8GsA4uEoI6tQxN0bV"),
            ("SFTP_BASE_PATH", &data),
        ];
        for (program, command, env) in [
            ("raptor-api", "up", &[("API_ADDR", "127.0.0.1:0"), ("DATA_DIR", &data)][..]),
            ("raptor-api", "serve", &api[..]),
            ("raptor-daemon", "serve", &daemon[..]),
        ] {
            let words = programs::refusal_of(program, command, env);
            let named = words.contains(&data) || words.contains(&sqlite["sqlite://".len()..]);
            assert!(named && words.contains(said) && words.contains(mends), "{program} {command}: {words}");
            assert!(!words.contains("may write to"), "{program} {command}: {words}");
        }
    };
    disk.fill();
    refusals("disk is full", "Free some space there");
    disk.make_room();
    // With everything in place as well.
    let mut api = Api::up_in(&data);
    api.sign_in();
    drop(api);
    let api = Api::serve_with(vec![("DATABASE_URL", format!("sqlite://{}", database.display()))]);
    drop(api);
    disk.fill();
    refusals("disk is full", "Free some space there");
    disk.make_room();
    disk.forbid_writing();
    refusals("read-only", "mount it for writing");
}
