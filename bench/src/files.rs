//! Files over HTTP: downloads compared with nginx, uploads with `dd`, archives with `tar` and `zstd`.

use crate::{
    Setting,
    programs::{Api, Daemon, Program, free_port, roomy, template, until},
    report::{Report, Row, Target},
    wrk::median,
};
use anyhow::{Context, ensure};
use serde_json::json;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const MIB: usize = 1 << 20;
const BIG: u64 = 1 << 30;

/// The set-up: a container's files behind the API, and the same files without Raptor.
struct Stand {
    api: Api,
    daemon: Daemon,
    id: String,
    data: PathBuf,
    folder: tempfile::TempDir,
}

/// Runs the suite.
pub async fn run(setting: &Setting, report: &mut Report) -> anyhow::Result<()> {
    let stand = Stand::new(setting).await?;
    download(setting, &stand, report)?;
    upload(setting, &stand, report)?;
    archive(setting, &stand, report).await?;
    for (what, program) in [("raptor-daemon", &stand.daemon.program), ("raptor-api", &stand.api.program)] {
        let target = if what == "raptor-daemon" { Target::Limit(64.0) } else { Target::Known };
        let what = format!("{what}'s memory at most in all of it");
        report.add(Row { what, unit: "MiB", ours: program.peak_mib()?, reference: None, target });
    }
    Ok(())
}

impl Stand {
    async fn new(setting: &Setting) -> anyhow::Result<Self> {
        let api = Api::start(setting, None, 4).await?;
        let folder = crate::programs::folder()?;
        let daemon = Daemon::start_in(setting, &api, folder.path()).await?;
        let template = template(&api, "true").await?;
        let id = roomy(&api, &template, &daemon.id).await?;
        let data = folder.path().join("containers").join(&id);
        fs::create_dir_all(&data)?;
        let mut random = fs::File::open("/dev/urandom")?;
        std::io::copy(&mut std::io::Read::take(&mut random, BIG), &mut fs::File::create(data.join("big"))?)?;
        tree(&data.join("tree"))?;
        done(Command::new("chown").args(["-R", "988:988"]).arg(&data))?;
        Ok(Self { api, daemon, id, data, folder })
    }

    fn content(&self, path: &str) -> String {
        format!("{}/api/v1/containers/{}/files/content?path={path}", self.api.base, self.id)
    }

    fn curl(&self, url: &str) -> Command {
        let mut curl = Command::new("curl");
        curl.args(["-sf", "-o", "/dev/null", "-H"]).arg(format!("Authorization: Bearer {}", self.api.token));
        curl.arg(url);
        curl
    }
}

/// 1 GiB as on typical servers: half of it already compressed, a quarter text, a quarter small files.
fn tree(folder: &Path) -> anyhow::Result<()> {
    let mut dice = 88_172_645_463_325_252_u64;
    let mut roll = || {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice
    };
    let mut packed =
        |length: usize| -> Vec<u8> { (0..length / 8).flat_map(|_| roll().to_le_bytes()).collect() };
    for number in 0..64 {
        let place = folder.join(format!("region/{}", number % 8));
        fs::create_dir_all(&place)?;
        fs::write(place.join(format!("r.{number}.mca")), packed(8 * MIB))?;
    }
    let words = packed(4_096);
    let text = |length: usize, seed: usize| -> Vec<u8> {
        let mut text = Vec::with_capacity(length + 64);
        let mut at = seed;
        while text.len() < length {
            let word = words.get(at % words.len()).copied().unwrap_or_default();
            let _ = writeln!(
                text,
                "[{:02}:{:02}:{word:02}] [Server thread/INFO]: player{word} moved {at}",
                at % 24,
                at % 60
            );
            at = at.wrapping_mul(31).wrapping_add(7);
        }
        text.truncate(length);
        text
    };
    fs::create_dir_all(folder.join("logs"))?;
    for number in 0..64 {
        fs::write(folder.join(format!("logs/{number}.log")), text(4 * MIB, number))?;
    }
    for number in 0..8_192 {
        let place = folder.join(format!("plugins/{}", number % 128));
        fs::create_dir_all(&place)?;
        fs::write(place.join(format!("{number}.yml")), text(MIB / 32, number))?;
    }
    Ok(())
}

fn download(setting: &Setting, stand: &Stand, report: &mut Report) -> anyhow::Result<()> {
    let port = free_port()?;
    let config = stand.folder.path().join("nginx.conf");
    let (data, own) = (stand.data.display(), stand.folder.path().display());
    let text = format!(
        "daemon off; master_process off; pid {own}/nginx.pid; error_log {own}/nginx.log; events {{}}\n\
         http {{ access_log off; sendfile on; client_body_temp_path {own}/b; proxy_temp_path {own}/p;\n\
         fastcgi_temp_path {own}/f; uwsgi_temp_path {own}/u; scgi_temp_path {own}/s;\n\
         server {{ listen 127.0.0.1:{port}; root {data}; }} }}\n"
    );
    fs::write(&config, text)?;
    let config = config.display().to_string();
    let _nginx = Program::start(Path::new("/usr/sbin/nginx"), &["-c", &config], &[], stand.folder.path())?;
    let theirs = format!("http://127.0.0.1:{port}/big");
    let deadline = Instant::now() + Duration::from_secs(10);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        ensure!(Instant::now() < deadline, "nginx does not answer");
        std::thread::sleep(Duration::from_millis(20));
    }
    let [ours, reference] = both(setting, &mut || done(&mut stand.curl(&stand.content("big"))), &mut || {
        done(Command::new("curl").args(["-sf", "-o", "/dev/null", &theirs]))
    })?;
    let rate = |seconds: f64| 1_024.0 / seconds;
    report.add(Row {
        what: "1 GiB down through the API".into(),
        unit: "MiB/s",
        ours: rate(ours),
        reference: Some((rate(reference), "nginx")),
        target: Target::AtLeast(0.8),
    });
    Ok(())
}

fn upload(setting: &Setting, stand: &Stand, report: &mut Report) -> anyhow::Result<()> {
    let big = stand.data.join("big").display().to_string();
    let copy = stand.folder.path().join("copy");
    let [ours, reference] = both(
        setting,
        &mut || {
            done(stand.curl(&stand.content("sent")).args(["-T", &big]))?;
            Ok(fs::remove_file(stand.data.join("sent"))?)
        },
        &mut || {
            let (from, to) = (format!("if={big}"), format!("of={}", copy.display()));
            done(Command::new("dd").args([&from, &to, "bs=1M", "conv=fsync", "status=none"]))?;
            Ok(fs::remove_file(&copy)?)
        },
    )?;
    let rate = |seconds: f64| 1_024.0 / seconds;
    report.add(Row {
        what: "1 GiB up through the API".into(),
        unit: "MiB/s",
        ours: rate(ours),
        reference: Some((rate(reference), "dd conv=fsync")),
        target: Target::AtLeast(0.6),
    });
    Ok(())
}

async fn archive(setting: &Setting, stand: &Stand, report: &mut Report) -> anyhow::Result<()> {
    let operations = format!("/containers/{}/files/operations", stand.id);
    let (mut ours, mut reference) = (Vec::new(), Vec::new());
    for _ in 0..setting.rounds {
        let begun = Instant::now();
        let task = json!({ "type": "archive", "paths": ["tree"], "to": "tree.tar.zst", "format": "tar.zst" });
        stand.api.post(&operations, json!({ "task": task })).await?;
        until("the archive is made", || async {
            let items = stand.api.get(&operations).await?;
            let state = &items["items"][0]["state"];
            ensure!(*state == "running" || *state == "done", "the archive failed: {items}");
            Ok((*state == "done").then_some(()))
        })
        .await?;
        ours.push(begun.elapsed().as_secs_f64());
        fs::remove_file(stand.data.join("tree.tar.zst"))?;
        let begun = Instant::now();
        let archive = stand.folder.path().join("tree.tar.zst").display().to_string();
        let line = format!("tar -C {} -cf - tree | zstd -q -3 -T2 -o {archive}", stand.data.display());
        done(Command::new("sh").args(["-c", &line]))?;
        reference.push(begun.elapsed().as_secs_f64());
        fs::remove_file(archive)?;
    }
    report.add(Row {
        what: "archive of 1 GiB in 8,320 files, tar.zst".into(),
        unit: "s",
        ours: median(ours),
        reference: Some((median(reference), "tar, zstd -3 -T2")),
        target: Target::AtMost(1.1),
    });
    Ok(())
}

type Work<'w> = &'w mut dyn FnMut() -> anyhow::Result<()>;

/// The seconds that each takes, in alternating rounds.
fn both<'w>(setting: &Setting, ours: Work<'w>, reference: Work<'w>) -> anyhow::Result<[f64; 2]> {
    let mut taken = [Vec::new(), Vec::new()];
    for _ in 0..setting.rounds {
        for (work, taken) in [&mut *ours, &mut *reference].into_iter().zip(&mut taken) {
            let begun = Instant::now();
            work()?;
            taken.push(begun.elapsed().as_secs_f64());
        }
    }
    Ok(taken.map(median))
}

fn done(command: &mut Command) -> anyhow::Result<()> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("{command:?} can't be started"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
