//! Files on their way here end with what allowed them: the session, the access, the container. The host is a real one in this
//! process, which takes 127.0.0.1 for a public address.

use crate::{
    away::{State, by_a_line},
    secrets,
    support::{Answered, bodies},
    world::{Person, World},
};
use futures_util::{StreamExt, stream};
use raptor_client::api::{
    query::{ImportTemplate, ListActivity, ListContainers, ListFiles},
    types::{
        AccessGrant, ContainerId, DaemonDraft, DaemonId, FilePath, FileTask, FileTaskRequest, Level,
        NewContainer, NewLink, NewUpload, OperationState, TemplateId,
    },
};
use raptor_core::{Builder, node::Node, outbound::Outbound, roles::Builtin};
use raptor_node_lib::Host;
use reqwest::{Body, Method, StatusCode};
use serde_json::{Value, json};
use std::{
    net::IpAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::oneshot,
};

const PATIENCE: Duration = Duration::from_secs(60);

struct Scene {
    world: World,
    folder: tempfile::TempDir,
    daemon: DaemonId,
    template: TemplateId,
}

#[tokio::test]
async fn readers_of_large_texts_wait_for_those_that_have_not_been_sent_yet() {
    let scene = Scene::new().await;
    let id = scene.container().await;
    let lines = vec![b'\n'; 16 << 20];
    std::fs::write(scene.folder.path().join(format!("containers/{id}/large.txt")), lines).unwrap();
    let mia = scene.world.sign_in("mia").await;
    let open = || mia.request(Method::GET, &format!("/containers/{id}/files/text?path=/large.txt")).send();
    // Slow readers: nothing is read of the answers.
    let (first, second) = (open().await.unwrap(), open().await.unwrap());
    assert_eq!((first.status(), second.status()), (StatusCode::OK, StatusCode::OK));
    let waiting = tokio::time::timeout(Duration::from_secs(2), open()).await;
    assert!(waiting.is_err(), "a container has two at once");
    drop(first);
    let third = open().await.unwrap();
    assert_eq!(third.status(), StatusCode::OK);
    let text: Value = third.json().await.unwrap();
    assert_eq!(text["text"].as_str().unwrap().len(), 16 << 20);
    drop(second);
}

/// Whether a file somewhere below `folder` has this content.
fn holds(folder: &std::path::Path, content: &[u8]) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => holds(&entry.path(), content),
        _ => std::fs::read(entry.path()).is_ok_and(|there| there == content),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_while_the_database_is_silent_and_is_written_down_when_it_is_back() {
    let Some((line, url)) = by_a_line().await else { return };
    let scene = Scene::with(|builder| builder.database_url(url)).await;
    let id = scene.container().await;
    let mia = scene.world.sign_in("mia").await;
    let (more, pieces) = tokio::sync::mpsc::channel::<&'static str>(4);
    let pieces = stream::unfold(pieces, |mut pieces| async move {
        Some((Ok::<_, std::io::Error>(pieces.recv().await?), pieces))
    });
    let path = format!("/containers/{id}/files/content?path=/world.txt");
    let sending = mia.request(Method::PUT, &path).body(Body::wrap_stream(pieces)).send();
    let told = async {
        more.send("first ").await.unwrap();
        soon("the first piece is on the host", async || holds(scene.folder.path(), b"first ")).await;
        line.state.send_replace(State::Silent);
        soon("the database is known to be silent", async || unanswered(&mia).await).await;
        // Each of them began after the upload and was given up before it.
        for _ in 0..5 {
            assert!(unanswered(&mia).await);
        }
        more.send("second").await.unwrap();
        drop(more);
    };
    let (answer, ()) = tokio::join!(sending, told);
    let answer = answer.unwrap();
    let status = answer.status();
    assert!(status.is_success(), "{status}: {}", answer.text().await.unwrap());
    let written = scene.folder.path().join(format!("containers/{id}/world.txt"));
    assert_eq!(std::fs::read_to_string(written).unwrap(), "first second");
    line.state.send_replace(State::Open);
    let back = async || scene.world.anonymous().sign_in(&bodies::login("admin")).await.is_ok();
    soon("the database is back", back).await;
    let admin = scene.world.sign_in("admin").await;
    soon("it is written down", async || {
        let activity = admin.list_activity(ListActivity::default()).await.done();
        activity.items.iter().any(|row| row.action.contains("file.written"))
    })
    .await;
}

/// Whether the database does not answer.
async fn unanswered(person: &Person<'_>) -> bool {
    let answer = person.list_containers(ListContainers::default()).await;
    answer.is_err_and(|error| error.status() == Some(StatusCode::SERVICE_UNAVAILABLE))
}

#[tokio::test]
async fn a_link_to_a_hidden_file_gives_nothing() {
    let scene = Scene::new().await;
    let id = scene.container().await;
    let data = scene.data(id);
    for name in ["denied.jar", "open.jar"] {
        std::fs::write(data.join(name), "a secret of the template").unwrap();
    }
    let mia = scene.world.sign_in("mia").await;
    for (name, wanted) in [("open.jar", StatusCode::OK), ("denied.jar", StatusCode::CONFLICT)] {
        let link = mia.link_files(&id, &NewLink::new(vec![FilePath(name.into())])).await.done();
        let answer = mia.get(link.url.strip_prefix("/api/v1").unwrap()).await;
        assert_eq!(answer.status(), wanted, "{name}");
        let told = answer.text().await.unwrap().contains("a secret");
        assert_eq!(told, wanted == StatusCode::OK, "{name}");
    }
}

/// What takes a transfer's fixture away.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Loss {
    SignOut,
    Revoked,
    Access,
    Redacted,
    Deleted,
}

const LOSSES: [Loss; 5] = [Loss::SignOut, Loss::Revoked, Loss::Access, Loss::Redacted, Loss::Deleted];

impl Scene {
    async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    /// One whose Raptor is built otherwise.
    async fn with(change: impl FnOnce(Builder) -> Builder) -> Self {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        let own = std::fs::metadata(folder.path()).unwrap();
        let here = |address| address == IpAddr::from([127, 0, 0, 1]);
        let host = Host::builder(&folder.path().join("containers"))
            .docker_socket(folder.path().join("no-docker.sock"))
            .user(own.uid(), own.gid())
            .firewall(false)
            .outbound(Outbound::default().allowed(here))
            .build()
            .await
            .unwrap();
        let world = World::with(|builder| {
            change(builder).connector(Arc::new(move |_, _| Ok(Arc::new(host.clone()) as Arc<dyn Node>)))
        })
        .await;
        let admin = world.person(Builtin::Admin).await;
        world.named("mia", Builtin::User).await;
        let daemon = DaemonDraft { tls: Some(false), ..DaemonDraft::new("one", "192.0.2.1", 8080) };
        let daemon = admin.create_daemon(&daemon).await.done().daemon.id;
        let mut egg = bodies::egg("Game", "example/game:1", "./run");
        egg["file_denylist"] = json!(["denied.jar"]);
        let template =
            admin.import_template(ImportTemplate::default(), egg.to_string()).await.done().template.id;
        Self { world, folder, daemon, template }
    }

    /// A container that Mia has access to.
    async fn container(&self) -> ContainerId {
        let admin = self.world.sign_in("admin").await;
        let body =
            NewContainer { daemon_id: Some(self.daemon), ..bodies::a_container("Game", self.template) };
        let id = admin.create_container(&body).await.done().id;
        self.give(id, &[]).await;
        soon("the host has the container", async || {
            admin.list_files(&id, ListFiles::default()).await.is_ok()
        })
        .await;
        id
    }

    async fn give(&self, container: ContainerId, denied: &[&str]) {
        let denied = denied.iter().map(ToString::to_string).collect();
        let access = AccessGrant { denied_files: Some(denied), ..bodies::access("mia", Level::Admin) };
        self.world.sign_in("admin").await.grant_access(&container, &access).await.done();
    }

    /// It happens; when it has.
    async fn lose(&self, loss: Loss, mia: &Person<'_>, container: ContainerId) -> Instant {
        let admin = self.world.sign_in("admin").await;
        match loss {
            Loss::SignOut => mia.sign_out().await.done(),
            Loss::Revoked => self.world.sign_in("mia").await.end_other_sessions().await.done(),
            Loss::Access => {
                let mia = secrets::user(&admin, "mia").await;
                admin.revoke_access(&container, &mia).await.done();
            }
            Loss::Redacted => self.give(container, &["*.jar"]).await,
            Loss::Deleted => admin.delete_container(&container, None).await.done(),
        }
        Instant::now()
    }

    fn data(&self, container: ContainerId) -> PathBuf {
        self.folder.path().join("containers").join(container.to_string())
    }

    /// What is on its way to any container.
    fn halves(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut ahead = vec![self.folder.path().join("containers")];
        while let Some(folder) = ahead.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            for entry in entries.map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    ahead.push(entry.path());
                } else if folder.ends_with("uploads") {
                    found.push(entry.path());
                }
            }
        }
        found
    }
}

/// A file that is fetched from an address.
fn pull(url: String, into: &str, name: Option<&str>) -> FileTaskRequest {
    let task = FileTask::Pull { url, into: FilePath(into.into()), name: name.map(str::to_owned) };
    FileTaskRequest { task }
}

async fn soon(what: &str, mut is: impl AsyncFnMut() -> bool) {
    let until = async {
        while !is().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, until).await.unwrap_or_else(|_| panic!("{what}"));
}

/// A server whose files never end. It says when whoever fetches one goes away.
async fn endless() -> (u16, oneshot::Receiver<Instant>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (gone, told) = oneshot::channel();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = [0; 4_096];
        let _ = socket.read(&mut request).await;
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nbeginning").await;
        while !matches!(socket.read(&mut request).await, Ok(0) | Err(_)) {}
        let _ = gone.send(Instant::now());
    });
    (port, told)
}

/// Within a second, as far as the machine is not busy with other tests.
fn at_once(what: Loss, lost: Instant, cut: Instant) {
    let after = cut.saturating_duration_since(lost);
    println!("{what:?}: cut after {after:?}");
    assert!(after < Duration::from_secs(1), "{what:?}: it went on for {after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fetching_ends_at_once_with_what_allowed_it_and_leaves_nothing() {
    let scene = Scene::new().await;
    for loss in LOSSES {
        let id = scene.container().await;
        let mia = scene.world.sign_in("mia").await;
        let (port, gone) = endless().await;
        let task = pull(format!("http://127.0.0.1:{port}/mod.jar"), "/mods", None);
        mia.start_file_operation(&id, &task).await.done();
        soon("a part of it is here", async || {
            let shown = mia.list_file_operations(&id).await.done();
            shown.items[0].done_bytes == 9
        })
        .await;
        assert_eq!(scene.halves().len(), 1);
        let lost = scene.lose(loss, &mia, id).await;
        let cut = tokio::time::timeout(PATIENCE, gone).await.unwrap().unwrap();
        at_once(loss, lost, cut);
        soon("nothing half done is left", async || scene.halves().is_empty()).await;
        assert!(!scene.data(id).join("mods/mod.jar").exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_ends_at_once_with_what_allowed_it_and_shows_nothing() {
    let scene = Scene::new().await;
    for loss in LOSSES {
        let id = scene.container().await;
        let mia = scene.world.sign_in("mia").await;
        let upload = NewUpload::new(FilePath("/new.jar".into()), 1_000_000);
        let upload = mia.begin_upload(&id, &upload).await.done().id;
        let piece = stream::iter([Ok::<_, std::io::Error>("beginning")]).chain(stream::pending());
        let sender: raptor_client::api::Client = (*mia).clone();
        let sending = tokio::spawn(async move {
            let sent = sender.send_piece(&id, &upload, 0, Body::wrap_stream(piece)).await;
            (sent, Instant::now())
        });
        soon("a part of it is here", async || mia.get_upload(&id, &upload).await.done().received_bytes == 9)
            .await;
        let lost = scene.lose(loss, &mia, id).await;
        let (answer, cut) = tokio::time::timeout(PATIENCE, sending).await.unwrap().unwrap();
        at_once(loss, lost, cut);
        assert!(answer.is_err(), "{loss:?}: {answer:?}");
        assert!(!scene.data(id).join("new.jar").exists());
        let on = mia.finish_upload(&id, &upload).await.refused().status;
        assert!((400..500).contains(&on), "{loss:?}: {on}");
        if matches!(loss, Loss::SignOut | Loss::Revoked) {
            // It is still theirs: signed in again, they go on.
            let mia = scene.world.sign_in("mia").await;
            mia.get_upload(&id, &upload).await.done();
            mia.abort_upload(&id, &upload).await.done();
            assert_eq!(scene.halves(), Vec::<PathBuf>::new());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_fetched_into_a_name_that_is_denied_or_hidden() {
    let scene = Scene::new().await;
    let id = scene.container().await;
    scene.give(id, &["hidden"]).await;
    let mia = scene.world.sign_in("mia").await;
    for (into, name) in
        [("/", "denied.jar"), ("/deep/er", "denied.jar"), ("/hidden", "a.jar"), ("/a", "hidden")]
    {
        let (port, gone) = endless().await;
        let url = format!("http://127.0.0.1:{port}/file");
        mia.start_file_operation(&id, &pull(url, into, Some(name))).await.done();
        // It has an end, though the other side sends for ever: it is refused before.
        tokio::time::timeout(PATIENCE, gone).await.unwrap().unwrap();
        let shown = scene.world.sign_in("admin").await.list_file_operations(&id).await.done();
        assert_eq!(shown.items[0].state, OperationState::Failed, "{shown:?}");
    }
    assert_eq!(scene.halves(), Vec::<PathBuf>::new());
    assert_eq!(std::fs::read_dir(scene.data(id)).unwrap().count(), 0);
}

/// The size of a file that no connection takes at once: it holds nothing and needs no room.
const HUGE: u64 = 64 << 30;

#[tokio::test(flavor = "multi_thread")]
async fn a_download_ends_at_once_with_what_allowed_it() {
    let scene = Scene::new().await;
    for loss in LOSSES {
        let id = scene.container().await;
        let mia = scene.world.sign_in("mia").await;
        std::fs::File::create(scene.data(id).join("world.jar")).unwrap().set_len(HUGE).unwrap();
        let path = format!("/containers/{id}/files/content?path=/world.jar");
        let mut answer = mia.request(Method::GET, &path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(answer.chunk().await.unwrap().is_some(), "it has begun");
        let lost = scene.lose(loss, &mia, id).await;
        // What was on its way comes, and then no more.
        let cut = loop {
            match answer.chunk().await {
                Ok(Some(_)) => assert!(lost.elapsed() < PATIENCE, "{loss:?}: it goes on"),
                Ok(None) => panic!("{loss:?}: a part is taken for the whole"),
                Err(_) => break Instant::now(),
            }
        };
        at_once(loss, lost, cut);
    }
}
