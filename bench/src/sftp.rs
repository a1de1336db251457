//! Files over SFTP, compared with OpenSSH's sshd with internal-sftp: same client, same cipher, data on tmpfs if available.

mod server;

use crate::{
    Setting,
    report::{Report, Row, Target},
    wrk::median,
};
use anyhow::{Context, ensure};
use server::Server;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

const BIG: u64 = 1 << 30;
/// Clients that download at the same time, and what each of them fetches.
const AT_ONCE: usize = 8;
const SHARE: u64 = BIG / 4;
const SMALL_FILES: u32 = 2_000;
const SMALL: usize = 4_096;
const LISTED: u32 = 10_000;
const GCM: &str = "aes256-gcm@openssh.com";
const CHACHA: &str = "chacha20-poly1305@openssh.com";
const REFERENCE: &str = "sshd, internal-sftp";

/// The client's key and files.
pub struct Client {
    folder: tempfile::TempDir,
    key: PathBuf,
}

/// Runs the suite.
pub async fn run(setting: &Setting, report: &mut Report) -> anyhow::Result<()> {
    let client = Client::new()?;
    let ours = Server::raptor(setting, &client).await?;
    let theirs = Server::openssh(&client)?;
    for server in [&ours, &theirs] {
        let listed = server.data.join("listed");
        fs::create_dir_all(&listed)?;
        for number in 0..LISTED {
            fs::write(listed.join(format!("entry-{number:05}")), "")?;
        }
    }
    let mut bench = Bench { setting, report, client, ours, theirs };
    for (name, cipher) in [("AES-256-GCM", GCM), ("ChaCha20-Poly1305", CHACHA)] {
        let put = move |client: &Client, server: &Server| client.sftp(server, cipher, "put big\n");
        bench.big(&format!("sftp, 1 GiB up, {name}"), Direction::Up, &put)?;
        let get = move |client: &Client, server: &Server| client.sftp(server, cipher, "get big back\n");
        bench.big(&format!("sftp, 1 GiB down, {name}"), Direction::Down, &get)?;
    }
    for server in [&bench.ours, &bench.theirs] {
        fs::write(server.data.join("share"), vec![0; usize::try_from(SHARE)?])?;
    }
    let [ours, theirs] = bench.both(&|client, server| client.at_once(server))?;
    let sum = (SHARE >> 20) as f64 * AT_ONCE as f64;
    let rates = (sum / ours.0, sum / theirs.0);
    let what = format!("sftp, {AT_ONCE} clients at once, {} MiB down each, AES-256-GCM", SHARE >> 20);
    bench.add(what, "MiB/s in sum", rates, Target::AtLeast(1.2));
    // More pipelined requests than russh's queues hold, where a server could stall.
    for server in [&bench.ours, &bench.theirs] {
        fs::File::create(server.data.join("huge"))?.set_len(4 * BIG)?;
    }
    let ahead =
        |client: &Client, server: &Server| client.sftp_with(server, GCM, &["-R", "2000"], "get huge back\n");
    let [ours, theirs] = bench.both(&ahead)?;
    let rates = (4_096.0 / ours.0, 4_096.0 / theirs.0);
    bench.add("sftp -R 2000, 4 GiB down, AES-256-GCM".into(), "MiB/s", rates, Target::Known);
    let small = f64::from(SMALL_FILES);
    bench.many("sftp, 2,000 files of 4 KiB up", small, 1.1, &|client, server| {
        client.sftp(server, GCM, "put -r small\n")
    })?;
    bench.many("sftp, 2,000 files of 4 KiB down", small, 1.1, &|client, server| {
        client.sftp(server, GCM, "get -r small small-back\n")
    })?;
    bench.many("sftp, listing 10,000 entries", f64::from(LISTED), 1.1, &|client, server| {
        client.sftp(server, GCM, "ls -ln listed\n")
    })?;
    bench.big("rclone, 1 GiB up", Direction::Up, &|client, server| {
        client.rclone(server, &["copyto", "big", ":big"])
    })?;
    bench.big("rclone, 1 GiB down", Direction::Down, &|client, server| {
        client.rclone(server, &["copyto", ":big", "back"])
    })?;
    bench.many("rclone, 2,000 files of 4 KiB up", small, 1.1, &|client, server| {
        client.rclone(server, &["copy", "small", ":small"])
    })?;
    bench.many("rclone, 2,000 files of 4 KiB down", small, 1.1, &|client, server| {
        client.rclone(server, &["copy", ":small", "small-back"])
    })?;
    bench.many("rclone, listing 10,000 entries", f64::from(LISTED), 1.1, &|client, server| {
        client.rclone(server, &["lsl", ":listed"])
    })?;
    let memory = bench.ours.peak_mib()?;
    bench.report.add(Row {
        what: "raptor-daemon's memory at most in all of it".into(),
        unit: "MiB",
        ours: memory,
        reference: None,
        target: Target::Limit(64.0),
    });
    Ok(())
}

struct Bench<'b> {
    setting: &'b Setting,
    report: &'b mut Report,
    client: Client,
    ours: Server,
    theirs: Server,
}

/// Where the data of a transfer goes, as the client says it.
#[derive(Clone, Copy)]
enum Direction {
    Up,
    Down,
}

type Work<'w> = &'w dyn Fn(&Client, &Server) -> anyhow::Result<()>;

impl Bench<'_> {
    /// Seconds and the server's CPU seconds of some work on both servers, in alternating rounds.
    fn both(&self, work: Work<'_>) -> anyhow::Result<[(f64, f64); 2]> {
        let mut taken = [(Vec::new(), Vec::new()), (Vec::new(), Vec::new())];
        for _ in 0..self.setting.rounds {
            for (server, (seconds, cpu)) in [&self.ours, &self.theirs].into_iter().zip(&mut taken) {
                let before = server.cpu_seconds()?;
                let begun = Instant::now();
                work(&self.client, server)?;
                seconds.push(begun.elapsed().as_secs_f64());
                cpu.push(server.cpu_seconds()? - before);
                self.client.forget_downloads();
            }
        }
        Ok(taken.map(|(seconds, cpu)| (median(seconds), median(cpu))))
    }

    fn big(&mut self, what: &str, direction: Direction, work: Work<'_>) -> anyhow::Result<()> {
        let [ours, theirs] = self.both(work)?;
        let rate = |seconds: f64| 1_024.0 / seconds;
        let (speed, cpu) = match direction {
            Direction::Up => (Target::AtLeast(1.3), Target::Known),
            // The client, which shares the two cores, is what a download waits for.
            Direction::Down => (Target::AtLeast(1.0), Target::AtMost(0.7)),
        };
        self.add(what.into(), "MiB/s", (rate(ours.0), rate(theirs.0)), speed);
        self.add(format!("{what}: the server's CPU"), "s/GiB", (ours.1, theirs.1), cpu);
        Ok(())
    }

    fn many(&mut self, what: &str, count: f64, least: f64, work: Work<'_>) -> anyhow::Result<()> {
        let [ours, theirs] = self.both(work)?;
        self.add(what.into(), "entries/s", (count / ours.0, count / theirs.0), Target::AtLeast(least));
        Ok(())
    }

    fn add(&mut self, what: String, unit: &'static str, (ours, theirs): (f64, f64), target: Target) {
        self.report.add(Row { what, unit, ours, reference: Some((theirs, REFERENCE)), target });
    }
}

/// A folder on tmpfs if available.
fn quick_folder() -> anyhow::Result<tempfile::TempDir> {
    let place = if Path::new("/dev/shm").exists() { "/dev/shm".into() } else { std::env::temp_dir() };
    let folder = tempfile::Builder::new().prefix("raptor-bench-").tempdir_in(place)?;
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    Ok(folder)
}

impl Client {
    fn new() -> anyhow::Result<Self> {
        let folder = quick_folder()?;
        let key = folder.path().join("id_ed25519");
        let made =
            Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status()?;
        ensure!(made.success(), "ssh-keygen failed");
        let mut random = fs::File::open("/dev/urandom")?;
        let mut big = fs::File::create(folder.path().join("big"))?;
        std::io::copy(&mut std::io::Read::take(&mut random, BIG), &mut big)?;
        let small = folder.path().join("small");
        fs::create_dir(&small)?;
        for number in 0..SMALL_FILES {
            fs::write(small.join(format!("file-{number:04}")), vec![b'x'; SMALL])?;
        }
        Ok(Self { folder, key })
    }

    /// The public key.
    pub fn public_key(&self) -> anyhow::Result<String> {
        Ok(fs::read_to_string(self.key.with_extension("pub"))?)
    }

    fn forget_downloads(&self) {
        let _ = fs::remove_file(self.folder.path().join("back"));
        for number in 0..AT_ONCE {
            let _ = fs::remove_file(self.folder.path().join(format!("back-{number}")));
        }
        let _ = fs::remove_dir_all(self.folder.path().join("small-back"));
    }

    fn sftp(&self, server: &Server, cipher: &str, batch: &str) -> anyhow::Result<()> {
        self.sftp_with(server, cipher, &[], batch)
    }

    /// Several clients, each with a file of its own.
    fn at_once(&self, server: &Server) -> anyhow::Result<()> {
        let clients = (0..AT_ONCE).map(|number| {
            self.batch(server, GCM, &[], &format!("batch-{number}"), &format!("get share back-{number}\n"))
        });
        let clients: Vec<Command> = clients.collect::<anyhow::Result<_>>()?;
        std::thread::scope(|scope| {
            let running: Vec<_> =
                clients.into_iter().map(|client| scope.spawn(|| self.finish(client))).collect();
            running.into_iter().try_for_each(|client| {
                client.join().map_err(|_| anyhow::anyhow!("a client could not be waited for"))?
            })
        })
    }

    fn sftp_with(&self, server: &Server, cipher: &str, flags: &[&str], batch: &str) -> anyhow::Result<()> {
        self.finish(self.batch(server, cipher, flags, "batch", batch)?)
    }

    /// The command that does what `batch` says, written to a file of that name.
    fn batch(
        &self,
        server: &Server,
        cipher: &str,
        flags: &[&str],
        name: &str,
        batch: &str,
    ) -> anyhow::Result<Command> {
        let commands = self.folder.path().join(name);
        fs::write(&commands, format!("cd {}\n{batch}", server.path))?;
        let mut command = Command::new("sftp");
        for option in [
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "IdentitiesOnly=yes",
            "LogLevel=ERROR",
        ] {
            command.args(["-o", option]);
        }
        command.args(flags).args(["-c", cipher, "-P", &server.port.to_string(), "-i"]).arg(&self.key);
        command.arg("-b").arg(&commands).arg(format!("{}@127.0.0.1", server.user));
        Ok(command)
    }

    /// `:` stands for the server.
    fn rclone(&self, server: &Server, args: &[&str]) -> anyhow::Result<()> {
        let remote = format!(
            ":sftp,host=127.0.0.1,port={},user={},key_file={},shell_type=none,disable_hashcheck,set_modtime=false:{}/",
            server.port,
            server.user,
            self.key.display(),
            server.path.trim_end_matches('/')
        );
        let mut command = Command::new("rclone");
        command.args(args.iter().map(|arg| match arg.strip_prefix(':') {
            Some(path) => format!("{remote}{path}"),
            None => (*arg).to_owned(),
        }));
        command.args(["--ignore-times", "--config", ""]);
        self.finish(command)
    }

    fn finish(&self, mut command: Command) -> anyhow::Result<()> {
        command.current_dir(self.folder.path()).env("HOME", self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let output = command.output().with_context(|| format!("{command:?} can't be started"))?;
        ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }
}
