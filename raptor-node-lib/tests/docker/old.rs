//! Folders of older daemons (`raptor-core/tests/fixtures/old/README.md`), read by the current one.

use crate::world::{PATIENCE, docker, docker_output};
use futures_util::TryStreamExt;
use raptor_model::{
    clock::Clock,
    containers::lifecycle::Phase,
    id::ContainerId,
    node::{
        ConsoleLine, FilePath, Handler, LineKind, Node, StatsRange,
        files::{FileAnswer, FileRead, FileRequest, FileSort, Scoped},
        requests::ContainerStatsQuery,
    },
};
use raptor_node_lib::Host;
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

const COMMITS: [&str; 1] = ["6dd9d24"];
/// What the container had printed when the old daemon ended.
const PRINTED: &str = r"lobby ready\nfirst\ngot first\nsecond\ngot second\ngrüße\ngot grüße\n";

struct Old {
    base: PathBuf,
    said: Value,
    running: Value,
    _folder: tempfile::TempDir,
}

impl Old {
    fn unpack(commit: &str) -> Self {
        let from =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../raptor-core/tests/fixtures/old").join(commit);
        let folder = tempfile::tempdir().unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).unwrap();
        let packed = std::fs::File::open(from.join("daemon.tar.zst")).unwrap();
        let mut archive = tar::Archive::new(zstd::Decoder::new(packed).unwrap());
        archive.set_preserve_permissions(true);
        archive.set_preserve_ownerships(rustix::process::geteuid().is_root());
        archive.unpack(folder.path()).unwrap();
        let json = |name: &str| serde_json::from_slice(&std::fs::read(from.join(name)).unwrap()).unwrap();
        Self {
            base: folder.path().join("containers"),
            said: json("sqlite.json"),
            running: json("running.json"),
            _folder: folder,
        }
    }

    fn id(&self, name: &str) -> ContainerId {
        self.said["containers"][name].as_str().unwrap().parse().unwrap()
    }

    /// The current host on it, at the time when the old daemon ended.
    async fn host(&self, socket: Option<&Path>) -> Host {
        let made_at = self.said["made_at"].as_str().unwrap().parse().unwrap();
        let builder = Host::builder(&self.base).clock(Clock::manual(made_at));
        let builder = match socket {
            Some(socket) => builder.docker_socket(socket),
            None => builder,
        };
        builder.build().await.unwrap()
    }
}

async fn ask(host: &Host, id: ContainerId, request: FileRequest) -> FileAnswer {
    host.handle(id, Scoped { request, denied: Vec::new() }).await.unwrap()
}

async fn content(host: &Host, id: ContainerId, path: &str, version: Option<uuid::Uuid>) -> String {
    let path = FilePath::parse(path).unwrap();
    let request = match version {
        Some(id) => FileRead::Version { path, id },
        None => FileRead::File { path, start: 0, length: None },
    };
    let content = host.read_file(id, Scoped { request, denied: Vec::new() }).await.unwrap();
    let pieces: Vec<_> = content.body.try_collect().await.unwrap();
    String::from_utf8(pieces.concat()).unwrap()
}

fn output(lines: &[ConsoleLine]) -> Vec<&str> {
    lines.iter().filter(|line| line.kind == LineKind::Output).map(|line| line.text.as_str()).collect()
}

#[tokio::test]
async fn everything_in_an_old_folder_is_there() {
    for commit in COMMITS {
        let old = Old::unpack(commit);
        let host = old.host(Some(&old.base.join("no.sock"))).await;
        let ids: Vec<ContainerId> = host.containers().await.unwrap().iter().map(|status| status.id).collect();
        let lobby = old.id("lobby");
        assert_eq!(ids.len(), 3);
        assert!(["lobby", "archive", "frozen"].iter().all(|name| ids.contains(&old.id(name))));

        let lines = host.console(lobby, None, 1_000).await.unwrap();
        let numbers: Vec<u64> = lines.iter().take(14).map(|line| line.seq).collect();
        assert_eq!(numbers, (1..=14).collect::<Vec<u64>>());
        assert_eq!(output(&lines[..14]).last().unwrap(), &"got grüße");
        let memory =
            host.handle(lobby, ContainerStatsQuery { range: StatsRange::Hour }).await.unwrap().memory_bytes;
        assert!(memory.max.iter().flatten().any(|bytes| *bytes > 0.0), "measurements are there");

        let list = FileRequest::List {
            path: FilePath::ROOT,
            sort: FileSort::Name,
            descending: false,
            offset: 0,
            limit: 100,
            search: None,
        };
        let FileAnswer::Page { page } = ask(&host, lobby, list).await else { unreachable!() };
        let names: Vec<&str> = page.items.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["world", "installed.txt", "server.properties"]);
        assert_eq!(content(&host, lobby, "/world/notes.txt", None).await, "three\n");
        let versions = FileRequest::Versions { path: FilePath::parse("/world/notes.txt").unwrap() };
        let FileAnswer::Versions { items } = ask(&host, lobby, versions).await else { unreachable!() };
        let mut texts = Vec::new();
        for version in &items {
            texts.push(content(&host, lobby, "/world/notes.txt", Some(version.id)).await);
        }
        assert_eq!(texts, ["two\n", "one\n"]);
        let FileAnswer::Trash { items } = ask(&host, lobby, FileRequest::ListTrash).await else {
            unreachable!()
        };
        assert_eq!(items.len(), 1);
        ask(&host, lobby, FileRequest::Restore { ids: vec![items[0].id] }).await;
        assert_eq!(content(&host, lobby, "/gone.txt", None).await, "in the trash\n");
        host.shutdown().await;
    }
}

/// Removes the container however the test ends.
struct Running(String);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rm", "-f", &self.0]).output();
        let _ = Command::new("docker").args(["network", "rm", &self.0]).output();
    }
}

#[tokio::test]
async fn a_container_that_an_old_daemon_started_is_taken_over_as_it_runs() {
    if !docker() {
        return;
    }
    for commit in COMMITS {
        let old = Old::unpack(commit);
        let (id, name) = (old.id("lobby"), old.running["name"].as_str().unwrap().to_owned());
        let running = Running(name.clone());
        start_as_the_old_daemon_did(&old, &name);
        let started = docker_output(&["inspect", "--format", "{{.Id}} {{.State.StartedAt}}", &name]);

        let host = old.host(None).await;
        let status = host.containers().await.unwrap().into_iter().find(|status| status.id == id).unwrap();
        assert_eq!(status.phase, Phase::Running);
        host.command(id, "again", "steve").await.unwrap();
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let lines = loop {
            let lines = host.console(id, None, 1_000).await.unwrap();
            if output(&lines).contains(&"got again") {
                break lines;
            }
            assert!(tokio::time::Instant::now() < deadline, "{lines:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let numbers: Vec<u64> = lines.iter().map(|line| line.seq).collect();
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<u64>>());
        let printed = "lobby ready|first|got first|second|got second|grüße|got grüße|again|got again";
        assert_eq!(output(&lines).join("|"), printed, "no line twice, none missing");
        let now = docker_output(&["inspect", "--format", "{{.Id}} {{.State.StartedAt}}", &name]);
        assert_eq!(now, started, "the same process runs on");
        let phase =
            host.containers().await.unwrap().into_iter().find(|status| status.id == id).unwrap().phase;
        assert_eq!(phase, Phase::Running);
        host.shutdown().await;
        drop(running);
    }
}

/// Runs the container as it was, on this host: its output so far is already in the console of the old folder.
fn start_as_the_old_daemon_did(old: &Old, name: &str) {
    let mut arguments: Vec<String> = ["run", "-dit", "--name", name].map(str::to_owned).to_vec();
    for (label, value) in old.running["labels"].as_object().unwrap() {
        arguments.extend(["--label".into(), format!("{label}={}", value.as_str().unwrap())]);
    }
    let data = old.base.join(old.id("lobby").to_string());
    let script = format!(
        r#"stty -echo; printf '{PRINTED}'; stty echo; while read line; do [ "$line" = stop ] && exit 0; echo "got $line"; done"#
    );
    arguments.extend([
        "--user".into(),
        old.running["user"].as_str().unwrap().into(),
        "--volume".into(),
        format!("{}:/home/container", data.display()),
        "--entrypoint".into(),
        "/bin/sh".into(),
        "raptor-test/busybox:1".into(),
        "-c".into(),
        script,
    ]);
    docker_output(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    // This machine's current uptime instead of that of the machine where the fixture was created.
    let state = old.base.join(".raptor").join(old.id("lobby").to_string()).join("state.json");
    let mut saved: Value = serde_json::from_slice(&std::fs::read(&state).unwrap()).unwrap();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    saved["run"]["boot_id"] = boot.trim().into();
    std::fs::write(&state, saved.to_string()).unwrap();
}
