//! A real mail server for tests: `server.py` over Debian's python3-aiosmtpd. Included by the tests that need one.

use serde_json::Value;
use std::{
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../e2e/mail/server.py");
const PYTHON: &str = "/usr/bin/python3";

/// A mail server on a port of its own, which ends with this value.
pub struct MailServer {
    pub port: u16,
    pub folder: tempfile::TempDir,
    process: Option<Child>,
}

impl MailServer {
    /// One that asks for nothing. None where it can't run, which CI does not accept.
    pub fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// One with these arguments of `server.py`.
    pub fn start_with(args: &[&str]) -> Option<Self> {
        if !Path::new("/usr/bin/aiosmtpd").exists() {
            assert!(std::env::var("CI").map_or(true, |ci| ci != "true"), "python3-aiosmtpd is needed in CI");
            println!("SKIP: there is no mail server to test with; it is Debian's python3-aiosmtpd");
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self { port, folder: tempfile::tempdir().unwrap(), process: None };
        server.resume(args);
        Some(server)
    }

    /// Starts it again where it was.
    pub fn resume(&mut self, args: &[&str]) {
        let mut command = Command::new(PYTHON);
        command.arg(PROGRAM).arg(self.port.to_string()).arg(self.mails()).args(args);
        self.process = Some(command.stdin(Stdio::null()).spawn().unwrap());
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "the mail server does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Takes it away.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    fn mails(&self) -> PathBuf {
        self.folder.path().join("mails")
    }

    /// What it took for `to`, in the order in which it did.
    pub fn taken(&self, to: &str) -> Vec<Value> {
        let Ok(files) = std::fs::read_dir(self.mails()) else { return Vec::new() };
        let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
        files.retain(|file| file.extension().is_some_and(|kind| kind == "json"));
        files.sort();
        let read = |file: &PathBuf| serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        files.iter().map(read).filter(|mail: &Value| mail["to"] == to).collect()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The token of the link in a mail, from a line of its own in the plain text.
pub fn token(mail: &Value) -> String {
    let text = mail["text"].as_str().unwrap();
    let link = text.lines().find(|line| line.contains("/reset-password#")).unwrap();
    let token = link.split_once('#').unwrap().1.trim();
    assert!(mail["html"].as_str().unwrap().contains(&format!("#{token}\"")), "{mail}");
    token.to_owned()
}
