//! Services that the tests need: Debian packages, Docker, PostgreSQL.

use crate::run::{Outcome, command, is_root, output, root, run, succeeds};
use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Debian packages, each with a program or file that shows that it is installed.
const PACKAGES: &[(&str, &str)] = &[
    ("docker.io", "/usr/sbin/dockerd"),
    ("iptables", "/usr/sbin/iptables"),
    ("iproute2", "/usr/sbin/ip"),
    ("postgresql", "/usr/lib/postgresql"),
    ("chromium", "/usr/bin/chromium"),
    ("busybox-static", "/bin/busybox"),
    ("openssh-client", "/usr/bin/sftp"),
    ("openssh-server", "/usr/sbin/sshd"),
    ("sshpass", "/usr/bin/sshpass"),
    ("rclone", "/usr/bin/rclone"),
    ("lftp", "/usr/bin/lftp"),
    ("sshfs", "/usr/bin/sshfs"),
    ("fuse3", "/usr/bin/fusermount3"),
    ("python3-paramiko", "/usr/lib/python3/dist-packages/paramiko"),
    ("ssh-audit", "/usr/bin/ssh-audit"),
    ("python3-aiosmtpd", "/usr/bin/aiosmtpd"),
    ("openssl", "/usr/bin/openssl"),
    ("docker-registry", "/usr/bin/docker-registry"),
    ("docker-compose", "/usr/bin/docker-compose"),
    ("debootstrap", "/usr/sbin/debootstrap"),
    ("podman", "/usr/bin/podman"),
    ("netavark", "/usr/lib/podman/netavark"),
    ("runc", "/usr/sbin/runc"),
    ("wrk", "/usr/bin/wrk"),
    ("nginx-light", "/usr/sbin/nginx"),
    ("apache2-bin", "/usr/sbin/apache2"),
    ("caddy", "/usr/bin/caddy"),
    ("zstd", "/usr/bin/zstd"),
    ("p7zip-full", "/usr/bin/7z"),
    ("curl", "/usr/bin/curl"),
    ("btrfs-progs", "/usr/bin/btrfs"),
    ("xfsprogs", "/usr/sbin/xfs_quota"),
    ("quota", "/usr/sbin/setquota"),
];

/// Installs missing packages, if this user is allowed to.
pub fn packages() -> Outcome {
    let missing: Vec<&str> = PACKAGES
        .iter()
        .filter(|(_, file)| !PathBuf::from(file).exists())
        .map(|(package, _)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !is_root() {
        return Err(format!(
            "these packages are missing and only root can install them: {}",
            missing.join(" ")
        ));
    }
    println!("installing {}", missing.join(" "));
    let apt = |args: &[&str]| {
        let mut command = command("apt-get", args);
        command.env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
        run(&mut command)
    };
    apt(&["-qq", "update"])?;
    let mut args = vec!["-qq", "install", "-y", "--no-install-recommends"];
    args.extend(missing);
    apt(&args)
}

/// Whether Docker answers.
pub fn docker_answers() -> bool {
    succeeds(&mut command("docker", &["version"]))
}

/// Starts Docker if it does not answer and this user is allowed to. It keeps running after the tests.
pub fn docker() -> Outcome {
    if docker_answers() {
        return Ok(());
    }
    if !is_root() {
        return Err("Docker does not answer and only root can start it".into());
    }
    println!("starting dockerd");
    let log = fs::File::create(root().join("target/dockerd.log")).map_err(|error| error.to_string())?;
    let errors = log.try_clone().map_err(|error| error.to_string())?;
    Command::new("setsid")
        .args(["--fork", "dockerd"])
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn()
        .and_then(|mut child| child.wait())
        .map_err(|error| format!("dockerd can't be started: {error}"))?;
    wait("Docker", docker_answers).map_err(|error| format!("{error}; target/dockerd.log says why"))
}

/// Polls until `ready`, for up to a minute.
pub fn wait(what: &str, ready: impl Fn() -> bool) -> Outcome {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !ready() {
        if Instant::now() > deadline {
            return Err(format!("{what} did not answer within a minute"));
        }
        thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// A PostgreSQL server for the tests, stopped when dropped.
pub struct Postgres {
    server: Child,
    folder: PathBuf,
    /// The URL for a user who may create databases.
    pub url: String,
}

impl Postgres {
    /// Creates a cluster in a folder of its own and starts it on a free port.
    pub fn start() -> Outcome<Self> {
        let programs = fs::read_dir("/usr/lib/postgresql")
            .map_err(|_| "PostgreSQL is not installed".to_owned())?
            .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
            .filter(|folder| folder.join("postgres").exists())
            .max()
            .ok_or("PostgreSQL's server is not installed")?;
        let folder = std::env::temp_dir().join(format!("raptor-test-postgres-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)
            .map_err(|error| format!("{} can't be made: {error}", folder.display()))?;
        // PostgreSQL refuses to run as root.
        let as_postgres = is_root();
        if as_postgres {
            run(&mut command("chown", &["postgres", &folder.to_string_lossy()]))?;
        }
        let program = |name: &str| {
            let path = programs.join(name);
            if as_postgres {
                let mut command = Command::new("setpriv");
                command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(path);
                command
            } else {
                Command::new(path)
            }
        };
        let data = folder.join("data");
        run(program("initdb")
            .args(["--auth=trust", "--username=raptor", "--encoding=UTF8", "--no-sync", "-D"])
            .arg(&data)
            .current_dir(&folder)
            .stdout(Stdio::null()))?;
        let port = free_port()?;
        let server = program("postgres")
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-k"])
            .arg(&folder)
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=300", "-c", "fsync=off"])
            .current_dir(&folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("PostgreSQL can't be started: {error}"))?;
        let postgres = Self { server, folder, url: format!("postgres://raptor@127.0.0.1:{port}/postgres") };
        wait("PostgreSQL", || {
            succeeds(Command::new(programs.join("pg_isready")).args([
                "-h",
                "127.0.0.1",
                "-p",
                &port.to_string(),
            ]))
        })?;
        Ok(postgres)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let pid = self.server.id().to_string();
        // SIGINT is PostgreSQL's fast shutdown.
        succeeds(&mut command("kill", &["-INT", &pid]));
        let _ = self.server.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Free disk space for this user on the repository's disk, in MiB.
pub fn free_mib() -> Outcome<u64> {
    let table = output(&mut command("df", &["-Pm", "."]))?;
    let free = table.lines().nth(1).and_then(|row| row.split_whitespace().nth(3));
    free.and_then(|free| free.parse().ok()).ok_or_else(|| format!("`df` answered {table:?}"))
}

fn free_port() -> Outcome<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    Ok(listener.local_addr().map_err(|error| error.to_string())?.port())
}
