//! A host with one container, a control side that answers its questions, and client programs.

use futures_util::StreamExt;
use raptor_model::{
    authz::ContainerSet,
    containers::Limits,
    id::{ContainerId, UserId},
    node::{
        Answer, ContainerSpec, HostActivity, HostMessage, Node, NodeEvent, Question, SftpAnswer, SftpGrant,
        SftpProof, SftpQuestion,
    },
    templates::StopRule,
};
use raptor_node_lib::{Builder, Host};
use std::{
    path::{Path, PathBuf},
    process::Output,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{process::Command, task::JoinHandle};

pub const PASSWORD: &str = "correct horse";

/// The control side's answers.
#[derive(Clone)]
pub struct Rules {
    pub granted: bool,
    pub grant: SftpGrant,
    pub fingerprints: Vec<String>,
    pub reports: Vec<HostActivity>,
    pub questions: usize,
}

pub struct World {
    pub host: Host,
    pub port: u16,
    pub container: ContainerId,
    pub rules: Arc<Mutex<Rules>>,
    pub folder: tempfile::TempDir,
    pub control: Option<JoinHandle<()>>,
}

impl World {
    pub async fn new() -> Self {
        Self::limited(0).await
    }

    /// A world with a disk limit in MiB.
    pub async fn limited(disk_mib: u64) -> Self {
        Self::made(disk_mib, |builder| builder).await
    }

    /// A world whose host is built with `change`.
    pub async fn made(disk_mib: u64, change: impl FnOnce(Builder) -> Builder) -> Self {
        // On tmpfs if there is one, so that the disk does not affect measurements.
        let place = if Path::new("/dev/shm").exists() { "/dev/shm" } else { "/tmp" };
        let folder = tempfile::Builder::new().prefix("raptor-sftp-").tempdir_in(place).unwrap();
        let container = ContainerId::generate();
        let grant = SftpGrant {
            user_id: UserId::generate(),
            username: "steve".into(),
            container_id: container,
            permissions: ContainerSet::ALL,
            denied: Vec::new(),
            read_only: false,
            epoch: 1,
            keep_seconds: 3_600,
            locked: None,
        };
        let rules =
            Rules { granted: true, grant, fingerprints: Vec::new(), reports: Vec::new(), questions: 0 };
        let rules = Arc::new(Mutex::new(rules));
        let host = Self::start(folder.path(), change).await;
        host.declare(spec(container, disk_mib)).await.unwrap();
        let port = host.system().await.unwrap().sftp.unwrap().port;
        let mut world = Self { host, port, container, rules, folder, control: None };
        world.connect_control().await;
        world
    }

    /// Changes the disk limit, in MiB.
    pub async fn limit(&self, disk_mib: u64) {
        let spec = ContainerSpec { revision: 2, ..spec(self.container, disk_mib) };
        self.host.declare(spec).await.unwrap();
    }

    async fn start(folder: &Path, change: impl FnOnce(Builder) -> Builder) -> Host {
        use std::os::unix::fs::MetadataExt;
        let own = std::fs::metadata(folder).unwrap();
        let builder = Host::builder(&folder.join("containers"))
            .docker_socket(folder.join("no-docker.sock"))
            .user(own.uid(), own.gid())
            .sftp("127.0.0.1:0".parse().unwrap());
        change(builder).build().await.unwrap()
    }

    /// Connects the control side again.
    pub async fn connect_control(&mut self) {
        let (host, rules) = (self.host.clone(), self.rules.clone());
        let mut events = host.events().await.unwrap();
        self.control = Some(tokio::spawn(async move {
            while let Some(event) = events.next().await {
                match event {
                    NodeEvent::Question { id, question: Question::Sftp { question } } => {
                        let answer = decide(&mut rules.lock().unwrap(), question);
                        host.tell(HostMessage::Answer { id, answer: Answer::Sftp { answer } }).await.unwrap();
                    }
                    NodeEvent::Activity { activity } => {
                        let id = activity.id;
                        rules.lock().unwrap().reports.push(activity);
                        host.tell(HostMessage::Noted { id }).await.unwrap();
                    }
                    _ => {}
                }
            }
        }));
    }

    /// Disconnects the control side.
    pub async fn disconnect_control(&mut self) {
        if let Some(control) = self.control.take() {
            control.abort();
            let _ = control.await;
        }
    }

    /// Changes the granted rights and notifies the host.
    pub async fn change(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.rules.lock().unwrap());
        self.host.tell(HostMessage::Recheck { user_id: None, container_id: None }).await.unwrap();
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("containers").join(self.container.to_string())
    }

    /// A new folder for a client.
    pub fn own(&self) -> PathBuf {
        let own = self.folder.path().join("client");
        std::fs::create_dir_all(&own).unwrap();
        own
    }

    pub fn login(&self) -> String {
        format!("steve.{}", self.container.short())
    }

    /// A key pair whose public key the control side knows.
    pub async fn key(&self) -> PathBuf {
        let path = self.own().join("id_ed25519");
        if path.exists() {
            return path;
        }
        run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&path)).await;
        let shown = run(Command::new("ssh-keygen").args(["-l", "-f"]).arg(&path)).await;
        let shown = String::from_utf8(shown.stdout).unwrap();
        let fingerprint = shown.split_whitespace().nth(1).unwrap().to_owned();
        self.rules.lock().unwrap().fingerprints.push(fingerprint);
        path
    }

    /// OpenSSH's options for signing in with that key, without the port.
    pub async fn options(&self) -> Vec<String> {
        let key = self.key().await;
        let mut options = Vec::new();
        for option in [
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "IdentitiesOnly=yes",
            "PasswordAuthentication=no",
            "KbdInteractiveAuthentication=no",
            "LogLevel=ERROR",
        ] {
            options.extend(["-o".to_owned(), option.to_owned()]);
        }
        options.extend(["-i".to_owned(), key.display().to_string()]);
        options
    }

    /// OpenSSH's `sftp` with these flags.
    pub async fn command(&self, flags: &[&str]) -> Command {
        let mut command = Command::new("sftp");
        command.args(self.options().await).args(["-P", &self.port.to_string()]).args(flags);
        command.arg(format!("{}@127.0.0.1", self.login())).current_dir(self.own());
        command
    }

    /// Runs `sftp` with a batch of commands, all of which must succeed.
    pub async fn sftp(&self, flags: &[&str], batch: impl AsRef<[u8]>) -> String {
        let output = self.try_sftp(flags, batch).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub async fn try_sftp(&self, flags: &[&str], batch: impl AsRef<[u8]>) -> Output {
        let file = tempfile::NamedTempFile::new_in(self.own()).unwrap();
        std::fs::write(file.path(), batch).unwrap();
        let path = file.path().display().to_string();
        let mut flags = flags.to_vec();
        flags.extend(["-b", &path]);
        bounded(&mut self.command(&flags).await).await
    }
}

fn decide(rules: &mut Rules, question: SftpQuestion) -> SftpAnswer {
    rules.questions += 1;
    let good = match &question {
        SftpQuestion::SignIn { login, proof, .. } => {
            *login == format!("steve.{}", rules.grant.container_id.short())
                && match proof {
                    SftpProof::Password { password } => password.expose() == PASSWORD,
                    SftpProof::Key { fingerprint, .. } => rules.fingerprints.contains(fingerprint),
                }
        }
        SftpQuestion::Renew { epoch, key, .. } => {
            *epoch == rules.grant.epoch && key.as_ref().is_none_or(|key| rules.fingerprints.contains(key))
        }
    };
    match rules.granted && good {
        true => SftpAnswer::Granted { grant: rules.grant.clone() },
        false => SftpAnswer::Refused,
    }
}

fn spec(id: ContainerId, disk_mib: u64) -> ContainerSpec {
    ContainerSpec {
        id,
        revision: 1,
        name: "World".into(),
        image: "~raptor-test/busybox:1".into(),
        image_refused: None,
        startup: "true".into(),
        environment: Default::default(),
        limits: Limits { disk_mib, ..Limits::default() },
        ports: Vec::new(),
        done: Vec::new(),
        strip_ansi: false,
        stop: StopRule::Signal { signal: "SIGTERM".into() },
        stop_timeout_ms: 1_000,
        config_files: Vec::new(),
        denied_files: Vec::new(),
        suspended: false,
        policy: Default::default(),
        install: None,
        timezone: None,
        owner: None,
        network: Default::default(),
        mounts: Vec::new(),
        outgoing_ip: None,
        labels: Default::default(),
        console_encoding: None,
        existed: false,
    }
}

/// Runs a program that must succeed.
pub async fn run(command: &mut Command) -> Output {
    let output = bounded(command).await;
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{out}\n{errors}");
    output
}

/// Runs a program, which must end within a time limit.
pub async fn bounded(command: &mut Command) -> Output {
    let running = command.kill_on_drop(true).stdin(std::process::Stdio::null()).output();
    let ended = tokio::time::timeout(Duration::from_secs(120), running).await;
    ended.unwrap_or_else(|_| panic!("it stalls: {command:?}")).unwrap()
}

/// Whether a program is installed; if not, prints a message, and fails in CI.
pub fn has(program: &str) -> bool {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|folder| folder.join(program).exists());
    if !found {
        assert!(!std::env::var("CI").is_ok_and(|ci| ci == "true"), "{program} is needed in CI");
        println!("SKIP: {program} is not installed");
    }
    found
}

/// Incompressible bytes.
pub fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut data = Vec::with_capacity(bytes + 8);
    while data.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        data.extend(state.to_le_bytes());
    }
    data.truncate(bytes);
    data
}

/// Waits until `is` is true, for a few seconds.
pub async fn soon(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while !is() {
        assert!(std::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
