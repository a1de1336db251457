//! The real programs, as processes.

use reqwest::Method;
use serde_json::{Value, json};
use std::{
    ffi::OsStr,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command},
    time::{Duration, Instant},
};

pub const PASSWORD: &str = "correct horse";

/// Whether Docker is to be used; a skip is said, and is a failure in CI.
pub fn docker() -> bool {
    needed("RAPTOR_TEST_DOCKER").is_some()
}

/// A fresh database where there is a PostgreSQL.
pub fn postgres() -> Option<String> {
    let server = needed("RAPTOR_TEST_PG")?;
    let name = format!("raptor_proof_{}", uuid::Uuid::now_v7().simple());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let admin = sqlx::PgPool::connect(&server).await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&admin).await.unwrap();
    });
    Some(format!("{}/{name}", server.rsplit_once('/').unwrap().0))
}

fn needed(name: &str) -> Option<String> {
    let value = std::env::var(name).ok();
    if value.is_none() {
        assert!(std::env::var("CI").map_or(true, |ci| ci != "true"), "{name} is needed in CI");
        println!("SKIP: {name} is not set, run `cargo xtask test`");
    }
    value
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub fn program(name: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_raptor-api")).with_file_name(name);
    assert!(program.exists(), "{} is not built; run `cargo build --workspace`", program.display());
    program
}

/// A folder into which the containers' user can look.
pub fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    folder
}

/// Starts `raptor-api up`, which is expected to refuse, and gives what it says.
pub fn refusal(env: &[(&str, &str)]) -> String {
    refusal_of("raptor-api", "up", env)
}

/// The same of another program or command.
pub fn refusal_of(name: &str, command: &str, env: &[(&str, &str)]) -> String {
    let (good, words) = outcome_of(name, command, env);
    assert!(!good, "{words}");
    words
}

/// Runs a command that is expected to succeed, and gives what it says.
pub fn said_by(name: &str, command: &str, env: &[(&str, &str)]) -> String {
    let (good, words) = outcome_of(name, command, env);
    assert!(good, "{words}");
    words
}

fn outcome_of(name: &str, command: &str, env: &[(&str, &str)]) -> (bool, String) {
    let folder = folder();
    let mut started = Command::new(program(name));
    started.arg(command).current_dir(folder.path()).env_clear().envs(env.iter().copied());
    let output = started.output().unwrap();
    let words = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.success(), words)
}

/// A running API.
pub struct Api {
    process: Child,
    folder: tempfile::TempDir,
    /// What is started before its name, to run it as somebody else.
    prefix: Vec<String>,
    args: Vec<&'static str>,
    env: Vec<(&'static str, String)>,
    base: String,
    token: String,
    http: reqwest::blocking::Client,
    pub containers: Vec<String>,
}

impl Api {
    /// In the form of one process, on SQLite.
    pub fn up() -> Self {
        Self::start(vec!["up"], Vec::new())
    }

    /// In the form of one process, with a folder that is given.
    pub fn up_in(folder: &Path) -> Self {
        Self::start(vec!["up"], vec![("DATA_DIR", folder.display().to_string())])
    }

    /// In the form of one process, started in a folder that is given, which may have a file `.env`.
    pub fn up_from(folder: &Path) -> Self {
        let prefix = vec!["env".into(), format!("--chdir={}", folder.display())];
        Self::start_as(prefix, None, vec!["up"], Vec::new())
    }

    /// On its own, on SQLite.
    pub fn serve_embedded() -> Self {
        Self::start(vec!["serve"], vec![("APP_KEY", "an application key of some length".into())])
    }

    /// Another program than the one that is tested, on its own, on SQLite.
    pub fn of(program: &Path) -> Self {
        let env = vec![("APP_KEY", "an application key of some length".into())];
        Self::start_as(instead(program), None, vec!["serve"], env)
    }

    /// On its own, on SQLite, with settings of its own.
    pub fn serve_with(mut env: Vec<(&'static str, String)>) -> Self {
        env.push(("APP_KEY", "an application key of some length".into()));
        Self::start(vec!["serve"], env)
    }

    /// On its own, on PostgreSQL.
    pub fn serve(database: &str) -> Self {
        let env = vec![
            ("DATABASE_URL", database.to_owned()),
            ("APP_KEY", "an application key of some length".into()),
        ];
        Self::start(vec!["serve"], env)
    }

    /// In the form of one process, as a user without rights who is in the group of Docker's socket. None where this can't be
    /// tried, which is said.
    pub fn up_in_group_docker(uid: u32) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
        let group = std::fs::metadata("/var/run/docker.sock").map_or(0, |socket| socket.gid());
        if !root || group == 0 {
            assert!(
                std::env::var("CI").map_or(true, |ci| ci != "true"),
                "root and a group docker are needed in CI"
            );
            println!("SKIP: only root can become another user, and Docker's socket has to belong to a group");
            return None;
        }
        let prefix = [
            "setpriv".into(),
            format!("--reuid={uid}"),
            format!("--regid={uid}"),
            format!("--groups={group}"),
            "--".into(),
        ];
        Some(Self::start_as(prefix.to_vec(), Some(uid), vec!["up"], Vec::new()))
    }

    fn start(args: Vec<&'static str>, env: Vec<(&'static str, String)>) -> Self {
        Self::start_as(Vec::new(), None, args, env)
    }

    fn start_as(
        prefix: Vec<String>,
        uid: Option<u32>,
        args: Vec<&'static str>,
        mut env: Vec<(&'static str, String)>,
    ) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let addr = format!("127.0.0.1:{}", free_port());
        env.extend([
            ("API_ADDR", addr.clone()),
            ("ADMIN_PASSWORD", PASSWORD.into()),
            ("BCRYPT_COST", "4".into()),
            ("SFTP_HOST", "127.0.0.1".into()),
            ("SFTP_PORT", free_port().to_string()),
        ]);
        let folder = folder();
        std::os::unix::fs::chown(folder.path(), uid, uid).unwrap();
        let process = Self::spawn(&prefix, &args, &env, folder.path());
        let http = reqwest::blocking::Client::new();
        let base = format!("http://{addr}/api/v1");
        let api = Self {
            process,
            folder,
            prefix,
            args,
            env,
            base,
            token: String::new(),
            http,
            containers: Vec::new(),
        };
        api.wait();
        api
    }

    fn spawn(prefix: &[String], args: &[&str], env: &[(&str, String)], folder: &Path) -> Child {
        let program = program("raptor-api").into_os_string();
        let mut whole = prefix.iter().map(Into::into).chain([program]);
        let mut command = Command::new(whole.next().unwrap());
        command
            .args(whole)
            .args(args)
            .current_dir(folder)
            .envs(env.iter().map(|(name, value)| (name, value)));
        let log = || std::fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
        command.stdout(log()).stderr(log()).spawn().unwrap()
    }

    fn wait(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.http.get(format!("{}/settings", self.base)).send().is_err() {
            assert!(Instant::now() < deadline, "the API does not answer:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A folder of its own, as `DATA_DIR` names it.
    pub fn data_dir(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    /// Ends it; [`Api::start_again`] brings it back.
    pub fn stop(&mut self) {
        end(&mut self.process);
    }

    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    pub fn start_again(&mut self) {
        self.process = Self::spawn(&self.prefix, &self.args, &self.env, self.folder.path());
        self.wait();
    }

    /// A copy of its SQLite database, made while it does not run.
    pub fn copy_database(&mut self) -> Vec<u8> {
        self.stop();
        let copy = std::fs::read(self.folder.path().join("data/raptor.db")).unwrap();
        self.start_again();
        copy
    }

    /// Puts such a copy in the place of its database, and starts it again.
    pub fn restore_database(&mut self, copy: &[u8]) {
        self.stop();
        let data = self.folder.path().join("data");
        for beside in ["raptor.db-wal", "raptor.db-shm"] {
            let _ = std::fs::remove_file(data.join(beside));
        }
        std::fs::write(data.join("raptor.db"), copy).unwrap();
        self.start_again();
        self.sign_in();
    }

    /// Ends it as a fault does.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    pub fn runs(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Starts it where it does not run.
    pub fn revive(&mut self) {
        if !self.runs() {
            self.process = Self::spawn(&self.prefix, &self.args, &self.env, self.folder.path());
        }
        self.wait();
    }

    /// What it has said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub fn sign_in(&mut self) {
        let session = self.post("/auth/sign-in", json!({ "login": "admin", "password": PASSWORD }), 200);
        self.token = session["token"].as_str().unwrap().to_owned();
    }

    fn send(&self, method: Method, path: &str, body: Option<(&str, String)>, expected: u16) -> Value {
        let mut request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token);
        if let Some((kind, body)) = body {
            request = request.header("content-type", kind).body(body);
        }
        let answer = request.send().unwrap();
        let status = answer.status();
        let text = answer.text().unwrap();
        if status != expected {
            panic!("{path} answered {status} instead of {expected}: {text}\n{}", self.log());
        }
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Status and body, whatever they are.
    pub fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let caller = Caller { base: self.base.clone(), token: self.token.clone(), http: self.http.clone() };
        caller.ask(method, path, body).unwrap()
    }

    pub fn get(&self, path: &str) -> Value {
        self.send(Method::GET, path, None, 200)
    }

    /// What can be downloaded there.
    pub fn bytes(&self, path: &str) -> Vec<u8> {
        let answer = self.http.get(format!("{}{path}", self.base)).bearer_auth(&self.token).send().unwrap();
        assert_eq!(answer.status(), 200, "GET {path}");
        assert!(answer.headers()["content-disposition"].to_str().unwrap().starts_with("attachment"));
        answer.bytes().unwrap().to_vec()
    }

    pub fn post(&self, path: &str, body: Value, expected: u16) -> Value {
        self.send(Method::POST, path, Some(("application/json", body.to_string())), expected)
    }

    pub fn post_bytes(&self, path: &str, body: &str, expected: u16) -> Value {
        self.send(Method::POST, path, Some(("application/octet-stream", body.to_owned())), expected)
    }

    pub fn delete(&self, path: &str) {
        self.send(Method::DELETE, path, None, 202);
    }

    pub fn put(&self, path: &str, body: Value) -> Value {
        self.send(Method::PUT, path, Some(("application/json", body.to_string())), 200)
    }

    /// Opens an address below that of the API and gives the answer's head, and its body as it comes.
    pub fn open(&self, path: &str) -> reqwest::blocking::Response {
        self.http.get(format!("{}{path}", self.base)).bearer_auth(&self.token).send().unwrap()
    }

    /// The same with one more header.
    pub fn open_with(&self, path: &str, name: &str, value: &str) -> reqwest::blocking::Response {
        let request = self.http.get(format!("{}{path}", self.base)).bearer_auth(&self.token);
        request.header(name, value).send().unwrap()
    }

    /// The same as nobody who is signed in.
    pub fn open_signed_out(&self, url: &str) -> reqwest::blocking::Response {
        let path = url.strip_prefix("/api/v1").unwrap();
        self.http.get(format!("{}{path}", self.base)).send().unwrap()
    }

    /// Anything else that answers 204.
    pub fn done(&self, method: Method, path: &str, body: Option<Value>) {
        self.send(method, path, body.map(|body| ("application/json", body.to_string())), 204);
    }

    /// For whoever asks while the API may be away.
    pub fn caller(&self) -> Caller {
        let http = reqwest::blocking::Client::builder().timeout(Duration::from_secs(5)).build().unwrap();
        Caller { base: self.base.clone(), token: self.token.clone(), http }
    }

    /// Signs in as somebody else and gives what they see.
    pub fn sign_in_as(&mut self, login: &str, password: &str) {
        let session = self.post("/auth/sign-in", json!({ "login": login, "password": password }), 200);
        self.token = session["token"].as_str().unwrap().to_owned();
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        end(&mut self.process);
        for id in &self.containers {
            let _ = Command::new("docker").args(["rm", "-f", &format!("raptor-{id}")]).output();
            let _ = Command::new("docker").args(["network", "rm", &format!("raptor-{id}")]).output();
        }
    }
}

/// Asks an API that may be away.
#[derive(Clone)]
pub struct Caller {
    base: String,
    token: String,
    http: reqwest::blocking::Client,
}

impl Caller {
    /// Status and body; none where no whole answer came.
    pub fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Option<(u16, Value)> {
        let mut request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().ok()?;
        let status = answer.status().as_u16();
        let text = answer.text().ok()?;
        Some((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }
}

/// A command that is given a program, and becomes another one.
fn instead(program: &Path) -> Vec<String> {
    vec!["sh".into(), "-c".into(), format!("exec '{}' \"$@\"", program.display())]
}

/// A daemon that runs or will run.
pub struct Daemon {
    pub port: u16,
    pub sftp_port: u16,
    folder: tempfile::TempDir,
    env: Vec<(&'static str, String)>,
    /// What starts it, where it does not start by itself.
    launcher: Vec<String>,
    process: Option<Child>,
}

impl Daemon {
    pub fn new() -> Self {
        Self::with(Vec::new())
    }

    /// With settings of its own.
    pub fn with(env: Vec<(&'static str, String)>) -> Self {
        let (port, sftp_port) = (free_port(), free_port());
        Self { port, sftp_port, folder: folder(), env, launcher: Vec::new(), process: None }
    }

    /// Changes a setting for the next start.
    pub fn set(&mut self, name: &'static str, value: &str) {
        self.env.retain(|(present, _)| *present != name);
        self.env.push((name, value.to_owned()));
    }

    /// Started by a program that takes a command and becomes it.
    pub fn behind(launcher: &'static [&'static str]) -> Self {
        let mut daemon = Self::new();
        daemon.launcher = launcher.iter().map(|word| (*word).to_owned()).collect();
        daemon
    }

    /// Another program than the one that is tested.
    pub fn of(program: &Path) -> Self {
        let mut daemon = Self::new();
        daemon.launcher = instead(program);
        daemon
    }

    /// The one that is tested, from the next start on.
    pub fn upgrade(&mut self) {
        self.launcher = Vec::new();
    }

    /// The containers' folders.
    pub fn containers(&self) -> PathBuf {
        self.folder.path().join("containers")
    }

    /// The container's folder.
    pub fn data(&self, container: &str) -> PathBuf {
        self.containers().join(container)
    }

    pub fn start(&mut self, key: &str) {
        let log = self.folder.path().join("log");
        let log = || std::fs::File::options().create(true).append(true).open(&log).unwrap();
        let own = program("raptor-daemon");
        let mut command = self.launcher.iter().map(OsStr::new).chain([own.as_os_str()]);
        let process = Command::new(command.next().unwrap())
            .args(command)
            .current_dir(self.folder.path())
            .env("DAEMON_ADDR", format!("127.0.0.1:{}", self.port))
            .env("DAEMON_API_KEY", key)
            .env("SFTP_HOST", "127.0.0.1")
            .env("SFTP_PORT", self.sftp_port.to_string())
            .env("SFTP_BASE_PATH", self.folder.path().join("containers"))
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdout(log())
            .stderr(log())
            .spawn()
            .unwrap();
        self.process = Some(process);
    }

    /// Ends it as a fault does.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// What it has said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The id of its process.
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    pub fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// Starts it where it does not run.
    pub fn revive(&mut self, key: &str) {
        if !self.runs() {
            self.start(key);
        }
    }

    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            end(&mut process);
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop();
    }
}

/// As a person or systemd ends it.
fn end(process: &mut Child) {
    let _ = Command::new("kill").args(["-TERM", &process.id().to_string()]).status();
    let _ = process.wait();
}
