//! SFTP with the real programs: the API decides over the daemon's link, and revoked permissions end sessions within a second.

use crate::{
    EGG,
    programs::{Api, Daemon},
    text, until,
};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

pub const PASSWORD: &str = "correct horse";

/// Steve, his container on a separate daemon, and his client programs.
pub struct Fixture {
    pub api: Api,
    pub daemon: Daemon,
    key: String,
    pub container: String,
    pub steve: String,
    own: tempfile::TempDir,
}

impl Fixture {
    pub fn new() -> Self {
        let own = tempfile::tempdir().unwrap();
        let mut api = Api::serve(&format!("sqlite://{}", own.path().join("raptor.db").display()));
        api.sign_in();
        let mut daemon = Daemon::new();
        let draft =
            json!({ "name": "Host 1", "host": "127.0.0.1", "port": daemon.port, "sftp_offline_hours": 24 });
        let created = api.post("/daemons", draft, 201);
        let key = text(&created["api_key"]).to_owned();
        daemon.start(&key);
        let path = format!("/daemons/{}", text(&created["daemon"]["id"]));
        until("the daemon is online", || (api.get(&path)["connection"]["state"] == "online").then_some(()));
        let template = api.post_bytes("/templates/import", EGG, 201)["template"]["id"].clone();
        let roles = api.get("/roles")["items"].as_array().unwrap().clone();
        let role = roles.iter().find(|role| role["name"] == "user").unwrap();
        let user = json!({ "username": "steve", "email": "steve@example.com", "password": PASSWORD, "role_id": role["id"] });
        let steve = text(&api.post("/users", user, 201)["id"]).to_owned();
        let container = json!({
            "name": "Trains", "template_id": template, "daemon_id": created["daemon"]["id"], "owner_id": steve,
            "image": "~raptor-test/openttd:1", "allocation_count": 0,
            "limits": { "memory_mib": 512, "swap_mib": 0, "cpu_percent": 0, "disk_mib": 1024, "pids": 128, "io_weight": 500 },
        });
        let container = text(&api.post("/containers", container, 201)["id"]).to_owned();
        let path = format!("/containers/{container}");
        until("the daemon has the container", || (api.get(&path)["synced"] == true).then_some(()));
        Self { api, daemon, key, container, steve, own }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.own.path().join(name)
    }

    fn login(&self, user: &str) -> String {
        let shown = self.api.get(&format!("/containers/{}", self.container));
        format!("{user}.{}", text(&shown["short_id"]))
    }

    fn command(&self, user: &str, how: &How, flags: &[&str]) -> Command {
        let mut command = match how {
            How::Password(password) => {
                let mut command = Command::new("sshpass");
                command.args(["-p", password, "sftp", "-o", "PubkeyAuthentication=no"]);
                command.args(["-o", "NumberOfPasswordPrompts=1"]);
                command
            }
            How::Key(key) => {
                let mut command = Command::new("sftp");
                command
                    .args(["-o", "PreferredAuthentications=publickey", "-o", "IdentitiesOnly=yes", "-i"])
                    .arg(key);
                command
            }
        };
        for option in ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"] {
            command.args(["-o", option]);
        }
        command.args(["-P", &self.daemon.sftp_port.to_string()]).args(flags);
        command.arg(format!("{}@127.0.0.1", self.login(user))).current_dir(self.own.path());
        command
    }

    fn run(&self, user: &str, how: &How, commands: &str) -> Output {
        let mut child = self
            .command(user, how, &[])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(commands.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// A download that takes minutes.
    fn endless(&self, user: &str, how: &How) -> Child {
        let there = self.file("endless");
        let _ = std::fs::remove_file(&there);
        let mut command = self.command(user, how, &["-l", "40000"]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        // Kept open: sftp must not end by itself.
        let input = child.stdin.as_mut().unwrap();
        input.write_all(b"get endless\n").unwrap();
        until("the download has begun", || {
            std::fs::metadata(&there).is_ok_and(|file| file.len() > 1 << 20).then_some(())
        });
        child
    }

    /// Runs `act` on the account and expects the transfer to end within a second.
    fn cut(&self, what: &str, user: &str, how: &How, act: impl FnOnce(&Api)) {
        let mut child = self.endless(user, how);
        act(&self.api);
        let begun = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if begun.elapsed() > Duration::from_secs(1) {
                child.kill().unwrap();
                panic!("{what}: the transfer went on for more than a second");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        println!("{what}: cut after {:?}", begun.elapsed());
    }
}

enum How {
    Password(&'static str),
    Key(PathBuf),
}

fn has(program: &str) -> bool {
    let found = Path::new("/usr/bin").join(program).exists();
    assert!(found || std::env::var("CI").map_or(true, |ci| ci != "true"), "{program} is needed in CI");
    if !found {
        println!("SKIP: {program} is not installed");
    }
    found
}

/// Security cases 40 and 41.
#[test]
fn whoever_loses_the_right_is_cut_off_in_the_middle_of_a_transfer() {
    if !has("sshpass") || !has("sftp") {
        return;
    }
    let mut fixture = Fixture::new();
    let key = fixture.file("id");
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
    assert!(made.unwrap().success());
    let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    let (by_password, by_key) = (How::Password(PASSWORD), How::Key(key));

    let big = std::fs::File::create(fixture.file("big")).unwrap();
    big.set_len(600 << 20).unwrap();
    let put = fixture.run("steve", &by_password, "put big endless\nmkdir folder\n");
    assert!(put.status.success(), "{}", String::from_utf8_lossy(&put.stderr));
    for (user, how) in [
        ("steve", How::Password("wrong")),
        ("nobody", How::Password(PASSWORD)),
        ("steve", How::Key(fixture.file("id"))),
    ] {
        assert!(!fixture.run(user, &how, "ls\n").status.success(), "{user} was let in");
    }

    fixture.api.sign_in_as("steve", PASSWORD);
    let added = fixture.api.post("/account/ssh-keys", json!({ "public_key": public }), 201);
    let shown = fixture.api.get(&format!("/containers/{}/sftp", fixture.container));
    assert_eq!(shown["port"].as_u64(), Some(fixture.daemon.sftp_port.into()));
    assert!(text(&shown["fingerprint"]).starts_with("SHA256:"));
    assert_eq!(text(&shown["username"]), fixture.login("steve"));
    assert!(fixture.run("steve", &by_key, "ls\n").status.success());
    fixture.cut("a key that is deleted", "steve", &by_key, |api| {
        api.done(Method::DELETE, &format!("/account/ssh-keys/{}", text(&added["id"])), None);
    });
    fixture.cut("a password that is changed", "steve", &by_password, |api| {
        let body = json!({ "current_password": PASSWORD, "new_password": "another horse" });
        api.done(Method::PUT, "/account/password", Some(body));
    });
    let by_password = How::Password("another horse");

    fixture.api.sign_in();
    let path = format!("/containers/{}", fixture.container);
    let roles = fixture.api.get("/roles")["items"].as_array().unwrap().clone();
    let role = roles.iter().find(|role| role["name"] == "user").unwrap().clone();
    let user = json!({ "username": "mia.b", "email": "mia@example.com", "password": PASSWORD, "role_id": role["id"] });
    let mia = text(&fixture.api.post("/users", user, 201)["id"]).to_owned();
    let access = json!({ "user": "mia.b", "level": "admin" });
    fixture.api.done(Method::POST, &format!("{path}/access"), Some(access));
    fixture.cut("access that is taken away", "mia.b", &How::Password(PASSWORD), |api| {
        api.done(Method::DELETE, &format!("{path}/access/{mia}"), None);
    });
    fixture.cut("an account that is suspended", "steve", &by_password, |api| {
        let body = json!({ "username": "steve", "email": "steve@example.com", "role_id": role["id"], "suspended": true });
        let user = api.put(&format!("/users/{}", fixture.steve), body);
        assert_eq!(user["suspended"], true);
    });

    until("what was written is in the audit trail", || {
        let rows: Vec<Value> =
            fixture.api.get(&format!("{path}/activity"))["items"].as_array().unwrap().clone();
        rows.iter()
            .any(|row| row["action"] == "container.sftp.changed" && row["actor"]["name"] == "steve")
            .then_some(())
    });
}

#[test]
fn a_known_key_works_while_the_api_is_away_and_its_session_is_looked_at_again() {
    if !has("sftp") {
        return;
    }
    let mut fixture = Fixture::new();
    let key = fixture.file("id");
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
    assert!(made.unwrap().success());
    let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    let by_key = How::Key(key);
    fixture.api.sign_in_as("steve", PASSWORD);
    fixture.api.post("/account/ssh-keys", json!({ "public_key": public }), 201);
    assert!(fixture.run("steve", &by_key, "mkdir a\n").status.success());
    let login = fixture.login("steve");
    // Another daemon process on the same folder, which no API has spoken to.
    fixture.api.stop();
    fixture.daemon.stop();
    fixture.daemon.start(&fixture.key.clone());
    let port = fixture.daemon.sftp_port;
    until("the daemon serves SFTP", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    let How::Key(key) = &by_key else { return };
    let mut command = Command::new("sftp");
    command.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-i"]).arg(key);
    command.args([
        "-o",
        "IdentitiesOnly=yes",
        "-b",
        "-",
        "-P",
        &port.to_string(),
        &format!("{login}@127.0.0.1"),
    ]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"mkdir offline\n").unwrap();
    assert!(child.wait().unwrap().success());
    fixture.api.start_again();
    fixture.api.sign_in();
    let path = format!("/containers/{}/activity", fixture.container);
    until("what was done meanwhile is in the audit trail", || {
        fixture.api.get(&path)["items"].to_string().contains("/offline").then_some(())
    });
}
