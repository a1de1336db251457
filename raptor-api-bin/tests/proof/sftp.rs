//! SFTP with the real programs: the API decides over the daemon's link, and revoked permissions end sessions within a second.

use crate::{
    EGG,
    programs::{Api, Daemon},
    support::bodies::{self, PASSWORD},
    until,
};
use raptor_client::api::{
    query::ListContainerActivity,
    types::{
        Activity, ContainerId, DaemonDraft, Level, NewContainer, NewLimits, PasswordChange, SshKeyDraft,
        UserId, UserUpdate,
    },
};
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

/// Steve, his container on a separate daemon, and his client programs.
pub struct Fixture {
    pub api: Api,
    pub daemon: Daemon,
    key: String,
    pub container: ContainerId,
    pub steve: UserId,
    own: tempfile::TempDir,
}

impl Fixture {
    pub fn new() -> Self {
        let own = tempfile::tempdir().unwrap();
        let mut api = Api::serve(&format!("sqlite://{}", own.path().join("raptor.db").display()));
        api.sign_in();
        let mut daemon = Daemon::new();
        let here = bodies::a_daemon_here("Host 1", daemon.port);
        let created = api.done(api.create_daemon(&DaemonDraft { sftp_offline_hours: Some(24), ..here }));
        let key = created.api_key;
        daemon.start(&key);
        api.online(&created.daemon.id);
        let steve = api.done(api.create_user(&bodies::a_user("steve", api.user_role()))).id;
        let container = api.done(api.create_container(&NewContainer {
            daemon_id: Some(created.daemon.id),
            owner_id: Some(steve),
            image: Some("~raptor-test/openttd:1".into()),
            limits: Some(NewLimits {
                memory_mib: Some(512),
                cpu_percent: Some(0),
                disk_mib: Some(1024),
                pids: Some(128),
                ..NewLimits::default()
            }),
            ..bodies::a_container("Trains", api.template(EGG))
        }));
        let container = container.id;
        until("the daemon has the container", || {
            api.done(api.get_container(&container)).synced.then_some(())
        });
        Self { api, daemon, key, container, steve, own }
    }

    /// What is written down of the container.
    fn activity(&self) -> Vec<Activity> {
        let query = ListContainerActivity::default();
        self.api.done(self.api.list_container_activity(&self.container, query)).items
    }

    fn file(&self, name: &str) -> PathBuf {
        self.own.path().join(name)
    }

    fn login(&self, user: &str) -> String {
        format!("{user}.{}", self.api.done(self.api.get_container(&self.container)).short_id)
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

/// Suspends a user's account, and says whether it is.
pub fn suspend(api: &Api, name: &str, user: &UserId) -> bool {
    let update = UserUpdate { suspended: true, ..bodies::same_user(name, api.user_role()) };
    api.done(api.update_user(user, &update)).suspended
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
    let api = &fixture.api;
    let added = api.done(api.add_ssh_key(&SshKeyDraft::new(public))).id;
    let shown = api.done(api.get_container_sftp(&fixture.container));
    assert_eq!(shown.port, fixture.daemon.sftp_port);
    assert!(shown.fingerprint.starts_with("SHA256:"), "{shown:?}");
    assert_eq!(shown.username, fixture.login("steve"));
    assert!(fixture.run("steve", &by_key, "ls\n").status.success());
    fixture.cut("a key that is deleted", "steve", &by_key, |api| {
        api.done(api.delete_ssh_key(&added));
    });
    fixture.cut("a password that is changed", "steve", &by_password, |api| {
        let change =
            PasswordChange { current_password: PASSWORD.into(), new_password: "another horse".into() };
        api.done(api.change_password(&change));
    });
    let by_password = How::Password("another horse");

    fixture.api.sign_in();
    let (api, container) = (&fixture.api, fixture.container);
    let role = api.user_role();
    let mia = api.done(api.create_user(&bodies::a_user("mia.b", role))).id;
    api.done(api.grant_access(&container, &bodies::access("mia.b", Level::Admin)));
    fixture.cut("access that is taken away", "mia.b", &How::Password(PASSWORD), |api| {
        api.done(api.revoke_access(&container, &mia));
    });
    fixture.cut("an account that is suspended", "steve", &by_password, |api| {
        assert!(suspend(api, "steve", &fixture.steve));
    });

    until("what was written is in the audit trail", || {
        let changed = |row: &Activity| row.action == "container.sftp.changed";
        fixture.activity().iter().any(|row| changed(row) && row.actor.name == "steve").then_some(())
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
    fixture.api.done(fixture.api.add_ssh_key(&SshKeyDraft::new(public)));
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
    until("what was done meanwhile is in the audit trail", || {
        let told = |row: &Activity| format!("{:?}", row.detail).contains("/offline");
        fixture.activity().iter().any(told).then_some(())
    });
}
