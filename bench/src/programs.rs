//! The programs under test as processes, and requests to them.

use crate::Setting;
use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

pub const PASSWORD: &str = "correct horse battery";

/// A process that is killed when dropped.
pub struct Program {
    child: Child,
}

impl Program {
    /// Starts `program` with only `env` as its environment.
    pub fn start(
        program: &Path,
        args: &[&str],
        env: &[(&str, String)],
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let child = Command::new(program)
            .args(args)
            .env_clear()
            .envs(env.iter().map(|(name, value)| (name, value)))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .with_context(|| format!("{} can't be started", program.display()))?;
        Ok(Self { child })
    }

    /// Resident memory in MiB.
    pub fn resident_mib(&self) -> anyhow::Result<f64> {
        self.memory_mib("VmRSS")
    }

    /// Peak resident memory in MiB.
    pub fn peak_mib(&self) -> anyhow::Result<f64> {
        self.memory_mib("VmHWM")
    }

    fn memory_mib(&self, name: &str) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with(name)).context("it has no memory")?;
        let kib: f64 = line.split_whitespace().nth(1).context("it has no memory")?.parse()?;
        Ok(kib / 1024.0)
    }

    /// CPU seconds used by the process and by those of its children that have ended.
    pub fn cpu_seconds(&self) -> anyhow::Result<f64> {
        /// Linux counts in hundredths of a second for every program.
        const TICKS: f64 = 100.0;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name may contain spaces; the fields after it don't. utime is field 14 (proc(5)).
        let (_, fields) = stat.rsplit_once(')').context("it has no statistics")?;
        let ticks = fields.split_whitespace().skip(11).take(4).map(str::parse::<f64>);
        Ok(ticks.sum::<Result<f64, _>>()? / TICKS)
    }

    /// Waits until it has ended.
    pub fn wait(&mut self) -> anyhow::Result<()> {
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A currently free port.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The path of this program.
pub fn own() -> anyhow::Result<PathBuf> {
    Ok(std::env::current_exe()?)
}

/// Polls until `met` returns something, for up to two minutes.
pub async fn until<T, F: Future<Output = anyhow::Result<Option<T>>>>(
    what: &str,
    mut met: impl FnMut() -> F,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(met) = met().await? {
            return Ok(met);
        }
        if Instant::now() > deadline {
            bail!("two minutes have passed and not: {what}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A folder that the containers' user can access.
pub fn folder() -> anyhow::Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    Ok(folder)
}

/// A new database on the given server.
pub async fn fresh_postgres(setting: &Setting) -> anyhow::Result<String> {
    let name = format!("raptor_bench_{}", uuid::Uuid::now_v7().simple());
    let admin = sqlx::PgPool::connect(&setting.postgres).await?;
    sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&admin).await?;
    let (base, _) = setting.postgres.rsplit_once('/').context("--postgres names no database")?;
    Ok(format!("{base}/{name}"))
}

/// A running `raptor-api` and its administrator.
pub struct Api {
    pub program: Program,
    pub base: String,
    pub token: String,
    /// Its working directory.
    pub folder: tempfile::TempDir,
    http: reqwest::Client,
    start: (PathBuf, Vec<(&'static str, String)>),
}

impl Api {
    /// Starts it on `database`, or on SQLite in its own folder.
    pub async fn start(setting: &Setting, database: Option<&str>, bcrypt_cost: u32) -> anyhow::Result<Self> {
        let folder = folder()?;
        let port = free_port()?;
        let own = format!("sqlite://{}/raptor.db", folder.path().display());
        let env = vec![
            ("API_ADDR", format!("127.0.0.1:{port}")),
            ("APP_KEY", "benchmarks need a key of 32 characters".into()),
            ("ADMIN_PASSWORD", PASSWORD.into()),
            ("BCRYPT_COST", bcrypt_cost.to_string()),
            ("DATABASE_URL", database.map_or(own, str::to_owned)),
            ("SIGN_IN_ATTEMPTS", "0".into()),
            ("RUST_LOG", "warn".into()),
        ];
        let path = setting.programs.join("raptor-api");
        let program = Program::start(&path, &[], &env, folder.path())?;
        let http = raptor_client_http()?;
        let base = format!("http://127.0.0.1:{port}");
        let mut api = Self { program, base, token: String::new(), folder, http, start: (path, env) };
        api.answers().await?;
        api.token = api.sign_in("admin").await?;
        Ok(api)
    }

    /// The URL of its database.
    pub fn database(&self) -> &str {
        self.start.1.iter().find(|(name, _)| *name == "DATABASE_URL").map_or("", |(_, url)| url)
    }

    /// Stops it, and measures how long a new one takes to its first response.
    pub async fn restart(&mut self) -> anyhow::Result<Duration> {
        let (path, env) = &self.start;
        let _ = self.program.child.kill();
        self.program.wait()?;
        let begun = Instant::now();
        self.program = Program::start(path, &[], env, self.folder.path())?;
        self.answers().await?;
        Ok(begun.elapsed())
    }

    async fn answers(&self) -> anyhow::Result<()> {
        let url = format!("{}/api/v1/settings", self.base);
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
            if Instant::now() > deadline {
                bail!("raptor-api does not answer");
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    /// Signs in, and returns the session's token.
    pub async fn sign_in(&self, login: &str) -> anyhow::Result<String> {
        let session = self.post("/auth/sign-in", json!({ "login": login, "password": PASSWORD })).await?;
        Ok(text(&session["token"]))
    }

    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.send(self.http.get(self.url(path))).await
    }

    pub async fn post(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        self.send(self.http.post(self.url(path)).json(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        self.send(self.http.put(self.url(path)).json(&body)).await
    }

    pub async fn upload(&self, path: &str, body: Vec<u8>) -> anyhow::Result<Value> {
        let request = self.http.post(self.url(path)).header("content-type", "application/octet-stream");
        self.send(request.body(body)).await
    }

    pub async fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.send(self.http.delete(self.url(path))).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1{path}", self.base)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        let request = if self.token.is_empty() { request } else { request.bearer_auth(&self.token) };
        let answer = request.send().await?;
        let status = answer.status();
        let body = answer.text().await?;
        if !status.is_success() {
            bail!("raptor-api answered {status}: {body}");
        }
        Ok(if body.is_empty() { Value::Null } else { serde_json::from_str(&body)? })
    }
}

/// A client for plain HTTP.
pub fn raptor_client_http() -> anyhow::Result<reqwest::Client> {
    // Prepares the process for the client library.
    raptor_client::api_client("http://127.0.0.1", "")?;
    Ok(reqwest::Client::new())
}

/// The text of a JSON string.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A real daemon on this host's Docker, added to the API.
pub struct Daemon {
    pub program: Program,
    pub id: String,
    pub sftp_port: u16,
    // Removed when this ends.
    _folder: Option<tempfile::TempDir>,
}

impl Daemon {
    /// Starts one, and waits until the API is connected to it.
    pub async fn start(setting: &Setting, api: &Api) -> anyhow::Result<Self> {
        let folder = folder()?;
        let daemon = Self::start_in(setting, api, folder.path()).await?;
        Ok(Self { _folder: Some(folder), ..daemon })
    }

    /// Like [`Daemon::start`], with the engine behind `socket`. Its containers have no networks, so there is no firewall.
    pub async fn start_on(setting: &Setting, api: &Api, socket: &Path) -> anyhow::Result<Self> {
        let folder = folder()?;
        let engine =
            [("DOCKER_SOCKET", socket.display().to_string()), ("CONTAINER_FIREWALL", "off".to_owned())];
        let daemon = Self::start_with(setting, api, folder.path(), &engine).await?;
        Ok(Self { _folder: Some(folder), ..daemon })
    }

    /// Like [`Daemon::start`], with its files below `folder`.
    pub async fn start_in(setting: &Setting, api: &Api, folder: &Path) -> anyhow::Result<Self> {
        Self::start_with(setting, api, folder, &[]).await
    }

    async fn start_with(
        setting: &Setting,
        api: &Api,
        folder: &Path,
        more: &[(&'static str, String)],
    ) -> anyhow::Result<Self> {
        let (port, sftp_port) = (free_port()?, free_port()?);
        let draft = json!({ "name": "Host", "host": "127.0.0.1", "port": port });
        let created = api.post("/daemons", draft).await?;
        let id = text(&created["daemon"]["id"]);
        let mut env = vec![
            ("DAEMON_ADDR", format!("127.0.0.1:{port}")),
            ("DAEMON_API_KEY", text(&created["api_key"])),
            ("SFTP_BASE_PATH", folder.join("containers").display().to_string()),
            ("SFTP_PORT", sftp_port.to_string()),
            ("RUST_LOG", "warn".to_owned()),
        ];
        env.extend_from_slice(more);
        let program = Program::start(&setting.programs.join("raptor-daemon"), &[], &env, folder)?;
        online(api, &id).await?;
        Ok(Self { program, id, sftp_port, _folder: None })
    }
}

/// Waits until the API is connected to the daemon.
pub async fn online(api: &Api, id: &str) -> anyhow::Result<()> {
    until("the daemon is online", || async move {
        let daemon = api.get(&format!("/daemons/{id}")).await?;
        Ok((daemon["connection"]["state"] == "online").then_some(()))
    })
    .await
}

/// Creates a template whose containers run `startup` in the tests' image.
pub async fn template(api: &Api, startup: &str) -> anyhow::Result<String> {
    let egg = json!({
        "meta": { "version": "PTDL_v2" }, "name": "Bench", "author": "bench@example.com", "description": "",
        "features": null, "docker_images": { "busybox": "~raptor-test/busybox:1" }, "file_denylist": [],
        "startup": startup,
        "config": { "files": "{}", "startup": "{}", "logs": "{}", "stop": "^C" },
        "scripts": { "installation": { "script": "", "container": "", "entrypoint": "" } },
        "variables": [],
    });
    let imported = api.upload("/templates/import", egg.to_string().into_bytes()).await?;
    Ok(text(&imported["template"]["id"]))
}

/// Creates a container on `daemon`, and waits until its phase is known.
pub async fn container(api: &Api, name: &str, template: &str, daemon: &str) -> anyhow::Result<String> {
    let made = api
        .post(
            "/containers",
            json!({
                "name": name, "template_id": template, "daemon_id": daemon, "image": "~raptor-test/busybox:1",
                "allocation_count": 0, "skip_install": true,
                "limits": { "memory_mib": 64, "swap_mib": 0, "cpu_percent": 0, "disk_mib": 64, "pids": 64, "io_weight": 500 },
            }),
        )
        .await?;
    let id = text(&made["id"]);
    until("the host has the container", || async {
        let found = api.get(&format!("/containers/{id}")).await?;
        Ok((found["synced"] == true && found["live"]["known"] == true).then_some(()))
    })
    .await?;
    Ok(id)
}

/// Creates a container without a disk limit on `daemon`.
pub async fn roomy(api: &Api, template: &str, daemon: &str) -> anyhow::Result<String> {
    let id = container(api, "Files", template, daemon).await?;
    let limits = json!({ "memory_mib": 64, "swap_mib": 0, "cpu_percent": 0, "disk_mib": 0, "pids": 64, "io_weight": 500 });
    let body = json!({ "limits": limits, "stop_timeout_ms": 10_000 });
    api.put(&format!("/containers/{id}/limits"), body).await?;
    until("the host knows the limits", || async {
        Ok((api.get(&format!("/containers/{id}")).await?["synced"] == true).then_some(()))
    })
    .await?;
    Ok(id)
}

/// Waits until the container is in this phase.
pub async fn phase(api: &Api, id: &str, phase: &str) -> anyhow::Result<()> {
    until(phase, || async {
        Ok((api.get(&format!("/containers/{id}")).await?["live"]["phase"] == phase).then_some(()))
    })
    .await
}
