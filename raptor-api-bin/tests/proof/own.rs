//! A private Docker Engine and PostgreSQL for a test, which it can kill at will.

use crate::{
    programs::{folder, free_port},
    until,
};
use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Whether a private engine can be started here; prints a message if not, and fails in CI.
pub fn possible() -> bool {
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let dockerd = Path::new("/usr/sbin/dockerd").exists() || Path::new("/usr/bin/dockerd").exists();
    if !(root && dockerd) {
        assert!(std::env::var("CI").map_or(true, |ci| ci != "true"), "root and dockerd are needed in CI");
        println!("SKIP: only root can start a Docker Engine, and dockerd has to be installed");
    }
    root && dockerd
}

fn kill(process: &mut Option<Child>) {
    if let Some(mut process) = process.take() {
        let _ = process.kill();
        let _ = process.wait();
    }
}

fn log(folder: &Path, name: &str) -> Stdio {
    fs::File::options().create(true).append(true).open(folder.join(name)).unwrap().into()
}

/// An engine in its own network namespace, so that neither its bridges nor its rules affect those of the host's engine.
pub struct Engine {
    folder: tempfile::TempDir,
    /// The process that holds the network namespace.
    space: Child,
    dockerd: Option<Child>,
}

impl Engine {
    pub fn new() -> Self {
        let space = Command::new("unshare").args(["--net", "sleep", "3600"]).spawn().unwrap();
        let network = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/net"));
        let (ours, theirs) = (network("self").unwrap(), space.id().to_string());
        until("the network is there", || network(&theirs).is_ok_and(|network| network != ours).then_some(()));
        let up = ["-t", &theirs, "-n", "ip", "link", "set", "lo", "up"];
        assert!(Command::new("nsenter").args(up).status().unwrap().success());
        Self { folder: folder(), space, dockerd: None }
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    /// Starts it if it does not run. With `live_restore`, containers keep running while it is away; without, they are stopped
    /// when it comes back.
    pub fn revive(&mut self, live_restore: bool) {
        if self.dockerd.is_some() {
            return;
        }
        let deadline = Instant::now() + Duration::from_secs(120);
        while self.answers(&["version"]).is_none() {
            // An engine that is started too soon after another one reports the conflict and exits.
            if !self.dockerd.as_mut().is_some_and(|process| matches!(process.try_wait(), Ok(None))) {
                self.dockerd = Some(self.spawn(live_restore));
            }
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "the engine does not answer:\n{}", log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn spawn(&self, live_restore: bool) -> Child {
        let own = |name: &str| self.folder.path().join(name).display().to_string();
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.space.id().to_string(), "-n", "dockerd"]);
        command.args(["--data-root", &own("data"), "--exec-root", &own("exec"), "--pidfile", &own("pid")]);
        command.args(["-H", &format!("unix://{}", own("docker.sock"))]);
        if live_restore {
            command.arg("--live-restore");
        }
        let path = self.folder.path();
        command.stdout(log(path, "log")).stderr(log(path, "log")).spawn().unwrap()
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        kill(&mut self.dockerd);
    }

    pub fn runs(&self) -> bool {
        self.dockerd.is_some()
    }

    /// Copies an image from the host's engine to it.
    pub fn copy(&self, image: &str) {
        let mut save = Command::new("docker").args(["save", image]).stdout(Stdio::piped()).spawn().unwrap();
        let mut load = self.command(&["load"]);
        load.stdin(save.stdout.take().unwrap()).stdout(Stdio::null());
        assert!(load.status().unwrap().success());
        assert!(save.wait().unwrap().success());
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.arg("-H").arg(format!("unix://{}", self.socket().display())).args(args);
        command
    }

    /// The output of its command line client, or `None` if that fails.
    pub fn answers(&self, args: &[&str]) -> Option<String> {
        let output = self.command(args).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if !std::thread::panicking() || self.dockerd.is_some() {
            self.revive(false);
            let all = self.answers(&["ps", "-aq"]).unwrap_or_default();
            if !all.is_empty() {
                let mut args = vec!["rm", "-f"];
                args.extend(all.lines());
                self.answers(&args);
            }
        }
        if let Some(mut dockerd) = self.dockerd.take() {
            // nsenter has become dockerd.
            let _ = Command::new("kill").args(["-TERM", &dockerd.id().to_string()]).status();
            let _ = dockerd.wait();
        }
        let containerd = self.folder.path().join("exec/containerd/containerd.pid");
        if let Ok(pid) = fs::read_to_string(containerd) {
            let _ = Command::new("kill").args(["-KILL", pid.trim()]).stderr(Stdio::null()).status();
        }
        let _ = self.space.kill();
        let _ = self.space.wait();
        let own = self.folder.path().display().to_string();
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let below = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        let mut below: Vec<_> = below.filter(|mount| mount.starts_with(&own)).collect();
        below.sort_by_key(|mount| std::cmp::Reverse(mount.len()));
        for mount in below {
            let _ = Command::new("umount").args(["-l", mount]).status();
        }
    }
}

/// A PostgreSQL server with an empty database.
pub struct Database {
    folder: tempfile::TempDir,
    port: u16,
    postmaster: Option<Child>,
}

impl Database {
    pub fn new() -> Self {
        let own = Self { folder: folder(), port: free_port(), postmaster: None };
        assert!(Command::new("chown").arg("postgres").arg(own.folder.path()).status().unwrap().success());
        let mut initdb = own.command("initdb");
        initdb.args(["-A", "trust", "-U", "raptor", "-E", "UTF8"]).stdout(Stdio::null());
        assert!(initdb.status().unwrap().success());
        own
    }

    pub fn url(&self) -> String {
        format!("postgres://raptor@127.0.0.1:{}/postgres", self.port)
    }

    /// Creates a database whose tables are in `folder`; the server's other files, including its log, stay where they are.
    pub fn on(&self, folder: &Path) -> String {
        let space = folder.join("tables");
        fs::create_dir(&space).unwrap();
        assert!(Command::new("chown").arg("postgres").arg(&space).status().unwrap().success());
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let server = sqlx::PgPool::connect(&self.url()).await.unwrap();
            for make in [
                format!("CREATE TABLESPACE small LOCATION '{}'", space.display()),
                "CREATE DATABASE raptor TABLESPACE small".to_owned(),
            ] {
                sqlx::query(sqlx::AssertSqlSafe(make)).execute(&server).await.unwrap();
            }
            server.close().await;
        });
        format!("postgres://raptor@127.0.0.1:{}/raptor", self.port)
    }

    fn command(&self, program: &str) -> Command {
        let versions = fs::read_dir("/usr/lib/postgresql").unwrap();
        let newest = versions.map(|version| version.unwrap().path()).max().unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "postgres", "--regid", "postgres", "--init-groups", "--"]);
        command.arg(newest.join("bin").join(program)).arg("-D").arg(self.folder.path().join("data"));
        command.current_dir("/");
        command
    }

    /// Starts it if it does not run.
    pub fn revive(&mut self) {
        if self.postmaster.is_some() {
            return;
        }
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let url = self.url();
        until("PostgreSQL answers", || {
            // It refuses to start while the last processes of an earlier one are still running.
            if !self.postmaster.as_mut().is_some_and(|process| matches!(process.try_wait(), Ok(None))) {
                let mut command = self.command("postgres");
                let path = self.folder.path();
                command.args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1", "-k"]);
                command.arg(path).stdout(log(path, "log")).stderr(log(path, "log"));
                self.postmaster = Some(command.spawn().unwrap());
            }
            std::thread::sleep(Duration::from_millis(200));
            let connected = runtime.block_on(async {
                use sqlx::Connection;
                sqlx::PgConnection::connect(&url).await?.close().await
            });
            connected.is_ok().then_some(())
        });
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        kill(&mut self.postmaster);
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(process) = &mut self.postmaster {
            // Like pg_ctl's fast stop.
            let _ = Command::new("kill").args(["-INT", &process.id().to_string()]).status();
            let _ = process.wait();
        }
    }
}
