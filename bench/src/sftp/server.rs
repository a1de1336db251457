//! The two servers.

use super::{Client, quick_folder};
use crate::{
    Setting,
    programs::{Api, Daemon, Program, free_port, roomy, template, text},
};
use anyhow::{Context, ensure};
use serde_json::json;
use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// An SFTP server and its files.
pub struct Server {
    pub port: u16,
    pub user: String,
    /// The folder's path for clients.
    pub path: String,
    /// The same folder on this machine.
    pub data: PathBuf,
    process: Process,
}

enum Process {
    Raptor { daemon: Daemon, _api: Box<Api>, _folder: tempfile::TempDir },
    Openssh { program: Program, _folder: tempfile::TempDir },
}

impl Server {
    /// Raptor's daemon with one container, and an API that accepts the client's key.
    pub async fn raptor(setting: &Setting, client: &Client) -> anyhow::Result<Self> {
        let api = Api::start(setting, None, 4).await?;
        let folder = quick_folder()?;
        let daemon = Daemon::start_in(setting, &api, folder.path()).await?;
        let template = template(&api, "true").await?;
        let id = roomy(&api, &template, &daemon.id).await?;
        api.post("/account/ssh-keys", json!({ "public_key": client.public_key()? })).await?;
        let shown = api.get(&format!("/containers/{id}/sftp")).await?;
        let data = folder.path().join("containers").join(&id);
        fs::create_dir_all(&data)?;
        let server = Self {
            port: daemon.sftp_port,
            user: text(&shown["username"]),
            path: "/".into(),
            data,
            process: Process::Raptor { daemon, _api: Box::new(api), _folder: folder },
        };
        server.settle()?;
        // Files written by the tests belong to the containers' user.
        let owned = Command::new("chown").arg("988:988").arg(&server.data).status()?;
        ensure!(owned.success(), "the data folder was not given to the containers' user");
        Ok(server)
    }

    /// OpenSSH with its internal SFTP server.
    pub fn openssh(client: &Client) -> anyhow::Result<Self> {
        let folder = quick_folder()?;
        let path = |name: &str| folder.path().join(name);
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(path("host"))
            .status()?;
        ensure!(made.success(), "ssh-keygen failed");
        fs::write(path("keys"), client.public_key()?)?;
        fs::create_dir(path("data"))?;
        let port = free_port()?;
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\n\
             PidFile none\nPermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\nMaxStartups 100\n",
            path("host").display(),
            path("keys").display()
        );
        fs::write(path("config"), config)?;
        // sshd needs this folder for privilege separation.
        fs::create_dir_all("/run/sshd").context("only root can run sshd")?;
        let config = path("config").display().to_string();
        let program =
            Program::start(Path::new("/usr/sbin/sshd"), &["-D", "-f", &config], &[], folder.path())?;
        let data = path("data");
        let server = Self {
            port,
            user: "root".into(),
            path: data.display().to_string(),
            data,
            process: Process::Openssh { program, _folder: folder },
        };
        server.settle()?;
        Ok(server)
    }

    fn settle(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            ensure!(Instant::now() < deadline, "nothing answers on port {}", self.port);
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn program(&self) -> &Program {
        match &self.process {
            Process::Raptor { daemon, .. } => &daemon.program,
            Process::Openssh { program, .. } => program,
        }
    }

    /// CPU seconds used by it and by those of its children that have ended.
    pub fn cpu_seconds(&self) -> anyhow::Result<f64> {
        // sshd's children count once it has noticed their end.
        std::thread::sleep(Duration::from_millis(100));
        self.program().cpu_seconds()
    }

    /// Peak resident memory in MiB.
    pub fn peak_mib(&self) -> anyhow::Result<f64> {
        self.program().peak_mib()
    }
}
