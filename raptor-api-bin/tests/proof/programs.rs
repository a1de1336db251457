//! The real programs, as processes.

use crate::support::{
    Answer, Answered,
    bodies::{self, PASSWORD},
};
use futures_util::TryStreamExt;
use raptor_client::{
    Observer,
    api::{
        ByteStream, Client, Error,
        query::{ImportTemplate, ListAllocations, ListContainers},
        types::{
            Allocation, ContainerId, CreatedDaemon, DaemonId, ImportedTemplate, LinkState, NewContainer,
            Phase, Problem, RoleId, SignIn, TemplateId,
        },
    },
    api_client,
};
use reqwest::{Method, header};
use serde_json::Value;
use std::{
    ffi::OsStr,
    net::TcpListener,
    ops::Deref,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::LazyLock,
    time::{Duration, Instant},
};
use tokio::runtime::Runtime;

/// Where the calls of the client run, which the tests wait for.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// Waits for a call of the client.
pub fn wait<T>(call: impl Future<Output = T>) -> T {
    RUNTIME.block_on(call)
}

/// Whether Docker is available; prints a message if not, and fails in CI.
pub fn docker() -> bool {
    needed("RAPTOR_TEST_DOCKER").is_some()
}

/// A fresh database, if there is a PostgreSQL server.
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

/// A folder that the containers' user can read.
pub fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    folder
}

/// Starts `raptor-api up`, which is expected to fail, and returns its output.
pub fn refusal(env: &[(&str, &str)]) -> String {
    refusal_of("raptor-api", "up", env)
}

/// The same for another program or command.
pub fn refusal_of(name: &str, command: &str, env: &[(&str, &str)]) -> String {
    let (good, words) = outcome_of(name, command, env);
    assert!(!good, "{words}");
    words
}

/// Runs a command that is expected to succeed, and returns its output.
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
    /// A command prefix that runs it as another user.
    prefix: Vec<String>,
    args: Vec<&'static str>,
    env: Vec<(&'static str, String)>,
    base: String,
    token: String,
    client: Client,
    http: reqwest::blocking::Client,
    pub containers: Vec<ContainerId>,
}

impl Deref for Api {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Api {
    /// `raptor-api up` on SQLite.
    pub fn up() -> Self {
        Self::start(vec!["up"], Vec::new())
    }

    /// `raptor-api up` with this data folder.
    pub fn up_in(folder: &Path) -> Self {
        Self::start(vec!["up"], vec![("DATA_DIR", folder.display().to_string())])
    }

    /// `raptor-api up` with this working folder, which may have a file `.env`.
    pub fn up_from(folder: &Path) -> Self {
        let prefix = vec!["env".into(), format!("--chdir={}", folder.display())];
        Self::start_as(prefix, None, vec!["up"], Vec::new())
    }

    /// The API alone, on SQLite.
    pub fn serve_embedded() -> Self {
        Self::start(vec!["serve"], vec![("APP_KEY", "an application key of some length".into())])
    }

    /// Another program than the one that is tested, on its own, on SQLite.
    pub fn of(program: &Path) -> Self {
        let env = vec![("APP_KEY", "an application key of some length".into())];
        Self::start_as(instead(program), None, vec!["serve"], env)
    }

    /// The API alone, on SQLite, with these settings.
    pub fn serve_with(mut env: Vec<(&'static str, String)>) -> Self {
        env.push(("APP_KEY", "an application key of some length".into()));
        Self::start(vec!["serve"], env)
    }

    /// The API alone, on PostgreSQL.
    pub fn serve(database: &str) -> Self {
        let env = vec![
            ("DATABASE_URL", database.to_owned()),
            ("APP_KEY", "an application key of some length".into()),
        ];
        Self::start(vec!["serve"], env)
    }

    /// `raptor-api up` as an unprivileged user who is in the group of Docker's socket. `None` if this can't be tested here,
    /// with a message.
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
        let base = format!("http://{addr}");
        let client = api_client(&base, "").unwrap();
        let api = Self {
            process,
            folder,
            prefix,
            args,
            env,
            base,
            token: String::new(),
            client,
            http,
            containers: Vec::new(),
        };
        api.wait_for_it();
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

    fn wait_for_it(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while matches!(wait(self.get_settings()), Err(Error::CommunicationError(_))) {
            assert!(Instant::now() < deadline, "the API does not answer:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Its `DATA_DIR`.
    pub fn data_dir(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    /// Stops it; [`Api::start_again`] starts it again.
    pub fn stop(&mut self) {
        end(&mut self.process);
    }

    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    pub fn start_again(&mut self) {
        self.process = Self::spawn(&self.prefix, &self.args, &self.env, self.folder.path());
        self.wait_for_it();
    }

    /// Stops it, and returns a copy of its SQLite database.
    pub fn copy_database(&mut self) -> Vec<u8> {
        self.stop();
        let copy = std::fs::read(self.folder.path().join("data/raptor.db")).unwrap();
        self.start_again();
        copy
    }

    /// Replaces its database with such a copy, and starts it again.
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

    /// Kills it with SIGKILL.
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
        self.wait_for_it();
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub fn sign_in(&mut self) {
        self.sign_in_as("admin", PASSWORD);
    }

    /// Goes on as somebody else.
    pub fn sign_in_as(&mut self, login: &str, password: &str) {
        let login = SignIn { login: login.into(), password: password.into() };
        self.token = self.done(self.client.sign_in(&login)).token;
        self.client = api_client(&self.base, &self.token).unwrap();
    }

    /// What a call was answered with that has to succeed; where it does not, what the API has said as well.
    pub fn done<T>(&self, call: impl Future<Output = Answer<T>>) -> T {
        let answer = wait(call);
        if answer.is_err() {
            println!("{}", self.log());
        }
        answer.done()
    }

    /// Why a call was refused that has to be.
    pub fn refused<T>(&self, call: impl Future<Output = Answer<T>>) -> Problem {
        wait(call).refused()
    }

    /// What is downloaded by a call, as a file of its own.
    pub fn bytes(&self, call: impl Future<Output = Answer<ByteStream>>) -> Vec<u8> {
        wait(async {
            let answer = call.await.unwrap_or_else(|error| panic!("{error:?}"));
            assert!(
                answer.headers()[header::CONTENT_DISPOSITION].to_str().unwrap().starts_with("attachment")
            );
            let pieces: Vec<_> = answer.into_inner_stream().try_collect().await.unwrap();
            pieces.concat()
        })
    }

    /// Opens an address below that of the API and gives the answer's head, and its body as it comes.
    pub fn open(&self, path: &str) -> reqwest::blocking::Response {
        self.at(path).bearer_auth(&self.token).send().unwrap()
    }

    /// The same with one more header.
    pub fn open_with(&self, path: &str, name: &str, value: &str) -> reqwest::blocking::Response {
        self.at(path).bearer_auth(&self.token).header(name, value).send().unwrap()
    }

    /// The same as nobody who is signed in.
    pub fn open_signed_out(&self, url: &str) -> reqwest::blocking::Response {
        self.at(url.strip_prefix("/api/v1").unwrap()).send().unwrap()
    }

    /// Status and JSON of a call without the client, whose types are those of this version.
    pub fn json(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let request =
            self.http.request(method, format!("{}/api/v1{path}", self.base)).bearer_auth(&self.token);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let answer = request.send().unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().unwrap()).unwrap_or_default())
    }

    /// The JSON that a call is answered with, which has to be answered with this status.
    pub fn call(&self, method: Method, path: &str, body: Option<Value>, status: u16) -> Value {
        let (answered, answer) = self.json(method.clone(), path, body);
        assert_eq!(answered, status, "{method} {path}: {answer}");
        answer
    }

    pub fn post(&self, path: &str, body: Value, status: u16) -> Value {
        self.call(Method::POST, path, Some(body), status)
    }

    pub fn get(&self, path: &str) -> Value {
        self.call(Method::GET, path, None, 200)
    }

    fn at(&self, path: &str) -> reqwest::blocking::RequestBuilder {
        self.http.get(format!("{}/api/v1{path}", self.base))
    }

    /// A client for calls while the API may be away, which waits for five seconds at most.
    pub fn impatient(&self) -> Client {
        let bearer = format!("Bearer {}", self.token).parse().unwrap();
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            .default_headers([(header::AUTHORIZATION, bearer)].into_iter().collect())
            .build()
            .unwrap();
        Client::new_with_client(&self.base, http, Observer::default())
    }

    /// The daemon of a process that has its own.
    pub fn own_daemon(&self) -> DaemonId {
        self.done(self.list_daemons()).items[0].id
    }

    /// Adds a daemon on this host.
    pub fn add_daemon(&self, port: u16) -> CreatedDaemon {
        self.done(self.create_daemon(&bodies::a_daemon_here("Host", port)))
    }

    pub fn state(&self, daemon: &DaemonId) -> LinkState {
        self.done(self.get_daemon(daemon)).connection.state
    }

    /// Waits until the daemon is online.
    pub fn online(&self, daemon: &DaemonId) {
        crate::until("the daemon is online", || (self.state(daemon) == LinkState::Online).then_some(()));
    }

    pub fn import(&self, egg: &str) -> ImportedTemplate {
        self.done(self.import_template(ImportTemplate::default(), egg.to_owned()))
    }

    /// The id of a template that is made from the egg.
    pub fn template(&self, egg: &str) -> TemplateId {
        self.import(egg).template.id
    }

    /// The role for people without rights of their own.
    pub fn user_role(&self) -> RoleId {
        self.done(self.list_roles()).items.iter().find(|role| role.name == "user").unwrap().id
    }

    /// The allocation of this port.
    pub fn allocation(&self, daemon: &DaemonId, port: u16) -> Allocation {
        let search = port.to_string();
        let search = ListAllocations { search: Some(&search), ..Default::default() };
        let found = self.done(self.list_allocations(daemon, search));
        found.items.into_iter().find(|one| one.port == port).unwrap()
    }

    /// Makes a container, which is removed from the engine with the API.
    pub fn make(&mut self, container: &NewContainer) -> ContainerId {
        let id = self.done(self.create_container(container)).id;
        self.containers.push(id);
        id
    }

    /// Waits until the container's host says that it is in this phase.
    pub fn phase(&self, container: &ContainerId, phase: Phase) {
        crate::until(&format!("{container} is {phase}"), || {
            let live = self.done(self.get_container(container)).live;
            (live.phase == phase && live.known).then_some(())
        });
    }

    /// Deletes a container.
    pub fn delete(&self, container: &ContainerId) {
        self.done(self.delete_container(container, None));
    }

    /// Waits until there are no containers any more.
    pub fn none_left(&self) {
        let all = || self.done(self.list_containers(ListContainers::default())).items;
        crate::until("they are gone", || all().is_empty().then_some(()));
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

/// A command that is given a program, and becomes another one.
fn instead(program: &Path) -> Vec<String> {
    vec!["sh".into(), "-c".into(), format!("exec '{}' \"$@\"", program.display())]
}

/// A daemon process, running or not.
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

    /// A daemon with these settings.
    pub fn with(env: Vec<(&'static str, String)>) -> Self {
        let (port, sftp_port) = (free_port(), free_port());
        Self { port, sftp_port, folder: folder(), env, launcher: Vec::new(), process: None }
    }

    /// Changes a setting for the next start.
    pub fn set(&mut self, name: &'static str, value: &str) {
        self.env.retain(|(present, _)| *present != name);
        self.env.push((name, value.to_owned()));
    }

    /// A daemon that is started by a program that executes it.
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
    pub fn data(&self, container: &ContainerId) -> PathBuf {
        self.containers().join(container.to_string())
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

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Its log so far.
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

/// Stops it with SIGTERM, like a person or systemd.
fn end(process: &mut Child) {
    let _ = Command::new("kill").args(["-TERM", &process.id().to_string()]).status();
    let _ = process.wait();
}
