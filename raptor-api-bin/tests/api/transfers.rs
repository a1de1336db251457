//! Files on their way here end with what allowed them: the session, the access, the container. The host is a real one in this
//! process, which takes 127.0.0.1 for a public address.

use crate::{
    away::{State, by_a_line},
    world::{Person, World},
};
use futures_util::{StreamExt, stream};
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
    daemon: String,
    template: String,
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
        soon("the database is known to be silent", async || mia.get("/containers").await.status() == 503)
            .await;
        // Each of them began after the upload and was given up before it.
        for _ in 0..5 {
            assert_eq!(mia.get("/containers").await.status(), 503);
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
    let admin = async || {
        let answer = scene
            .world
            .anonymous()
            .post("/auth/sign-in", json!({ "login": "admin", "password": crate::world::PASSWORD }))
            .await;
        answer.status() == 200
    };
    soon("the database is back", admin).await;
    let admin = scene.world.sign_in("admin").await;
    soon("it is written down", async || {
        admin.get("/activity").await.text().await.unwrap().contains("file.written")
    })
    .await;
}

#[tokio::test]
async fn a_link_to_a_hidden_file_gives_nothing() {
    let scene = Scene::new().await;
    let id = scene.container().await;
    let data = scene.folder.path().join("containers").join(&id);
    for name in ["denied.jar", "open.jar"] {
        std::fs::write(data.join(name), "a secret of the template").unwrap();
    }
    let mia = scene.world.sign_in("mia").await;
    for (name, wanted) in [("open.jar", StatusCode::OK), ("denied.jar", StatusCode::CONFLICT)] {
        let link = made(&mia, &format!("/containers/{id}/files/links"), json!({ "paths": [name] })).await;
        let path = link["url"].as_str().unwrap().strip_prefix("/api/v1").unwrap().to_owned();
        let answer = mia.get(&path).await;
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
        let daemon = json!({ "name": "one", "host": "192.0.2.1", "port": 8080, "tls": false });
        let daemon = made(&admin, "/daemons", daemon).await["daemon"]["id"].as_str().unwrap().to_owned();
        let egg = json!({
            "meta": { "version": "PTDL_v2" }, "name": "Game", "author": "a@b.c", "startup": "./run",
            "docker_images": { "One": "example/game:1" }, "config": { "stop": "stop" }, "variables": [],
            "file_denylist": ["denied.jar"],
        });
        let request = admin.request(Method::POST, "/templates/import").body(egg.to_string());
        let template: Value = request.send().await.unwrap().json().await.unwrap();
        let template = template["template"]["id"].as_str().unwrap().to_owned();
        Self { world, folder, daemon, template }
    }

    /// A container that Mia has access to.
    async fn container(&self) -> String {
        let admin = self.world.sign_in("admin").await;
        let body = json!({
            "name": "Game", "template_id": self.template, "daemon_id": self.daemon, "allocation_count": 0,
            "limits": { "memory_mib": 64, "swap_mib": 0, "cpu_percent": 100, "disk_mib": 64, "pids": 16, "io_weight": 500 },
        });
        let id = made(&admin, "/containers", body).await["id"].as_str().unwrap().to_owned();
        self.give(&id, &[]).await;
        soon("the host has the container", async || {
            admin.get(&format!("/containers/{id}/files")).await.status() == 200
        })
        .await;
        id
    }

    async fn give(&self, container: &str, denied: &[&str]) {
        let access = json!({ "user": "mia", "level": "admin", "denied_files": denied });
        made(&self.world.sign_in("admin").await, &format!("/containers/{container}/access"), access).await;
    }

    /// It happens; when it has.
    async fn lose(&self, loss: Loss, mia: &Person<'_>, container: &str) -> Instant {
        let admin = self.world.sign_in("admin").await;
        let done = async |person: &Person<'_>, method: Method, path: &str| {
            let answer = person.request(method, path).send().await.unwrap();
            assert!(answer.status().is_success(), "{path}: {}", answer.status());
        };
        match loss {
            Loss::SignOut => done(mia, Method::POST, "/auth/sign-out").await,
            Loss::Revoked => {
                let other = self.world.sign_in("mia").await;
                done(&other, Method::DELETE, "/account/sessions").await;
            }
            Loss::Access => {
                let users: Value = admin.get("/users?search=mia").await.json().await.unwrap();
                let mia = users["items"][0]["id"].as_str().unwrap();
                done(&admin, Method::DELETE, &format!("/containers/{container}/access/{mia}")).await;
            }
            Loss::Redacted => self.give(container, &["*.jar"]).await,
            Loss::Deleted => done(&admin, Method::DELETE, &format!("/containers/{container}")).await,
        }
        Instant::now()
    }

    fn data(&self, container: &str) -> PathBuf {
        self.folder.path().join("containers").join(container)
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

async fn made(person: &Person<'_>, path: &str, body: Value) -> Value {
    let answer = person.post(path, body).await;
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{path}: {status} {text}");
    serde_json::from_str(&text).unwrap_or_default()
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
        let operations = format!("/containers/{id}/files/operations");
        let task = json!({ "task": { "type": "pull", "url": format!("http://127.0.0.1:{port}/mod.jar"), "into": "/mods" } });
        made(&mia, &operations, task).await;
        soon("a part of it is here", async || {
            let shown: Value = mia.get(&operations).await.json().await.unwrap();
            shown["items"][0]["done_bytes"].as_u64() == Some(9)
        })
        .await;
        assert_eq!(scene.halves().len(), 1);
        let lost = scene.lose(loss, &mia, &id).await;
        let cut = tokio::time::timeout(PATIENCE, gone).await.unwrap().unwrap();
        at_once(loss, lost, cut);
        soon("nothing half done is left", async || scene.halves().is_empty()).await;
        assert!(!scene.data(&id).join("mods/mod.jar").exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_ends_at_once_with_what_allowed_it_and_shows_nothing() {
    let scene = Scene::new().await;
    for loss in LOSSES {
        let id = scene.container().await;
        let mia = scene.world.sign_in("mia").await;
        let uploads = format!("/containers/{id}/files/uploads");
        let upload = made(&mia, &uploads, json!({ "path": "/new.jar", "size_bytes": 1_000_000 })).await;
        let upload = format!("{uploads}/{}", upload["id"].as_str().unwrap());
        let piece = stream::iter([Ok::<_, std::io::Error>("beginning")]).chain(stream::pending());
        let sending = mia
            .request(Method::PUT, &format!("{upload}/content?offset=0"))
            .body(Body::wrap_stream(piece))
            .send();
        let sending = tokio::spawn(async move { (sending.await, Instant::now()) });
        soon("a part of it is here", async || {
            let shown: Value = mia.get(&upload).await.json().await.unwrap();
            shown["received_bytes"].as_u64() == Some(9)
        })
        .await;
        let lost = scene.lose(loss, &mia, &id).await;
        let (answer, cut) = tokio::time::timeout(PATIENCE, sending).await.unwrap().unwrap();
        at_once(loss, lost, cut);
        assert!(answer.is_err() || !answer.unwrap().status().is_success());
        assert!(!scene.data(&id).join("new.jar").exists());
        let on = mia.request(Method::POST, &format!("{upload}/finish")).send().await.unwrap().status();
        assert!(on.is_client_error(), "{loss:?}: {on}");
        if matches!(loss, Loss::SignOut | Loss::Revoked) {
            // It is still theirs: signed in again, they go on.
            let mia = scene.world.sign_in("mia").await;
            assert_eq!(mia.get(&upload).await.status(), 200);
            let dropped = mia.request(Method::DELETE, &upload).send().await.unwrap().status();
            assert_eq!(dropped, StatusCode::NO_CONTENT);
            assert_eq!(scene.halves(), Vec::<PathBuf>::new());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_fetched_into_a_name_that_is_denied_or_hidden() {
    let scene = Scene::new().await;
    let id = scene.container().await;
    scene.give(&id, &["hidden"]).await;
    let mia = scene.world.sign_in("mia").await;
    let operations = format!("/containers/{id}/files/operations");
    for (into, name) in
        [("/", "denied.jar"), ("/deep/er", "denied.jar"), ("/hidden", "a.jar"), ("/a", "hidden")]
    {
        let (port, gone) = endless().await;
        let url = format!("http://127.0.0.1:{port}/file");
        let task = json!({ "task": { "type": "pull", "url": url, "into": into, "name": name } });
        let answer = mia.post(&operations, task).await;
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        // It has an end, though the other side sends for ever: it is refused before.
        tokio::time::timeout(PATIENCE, gone).await.unwrap().unwrap();
        let shown: Value = scene.world.sign_in("admin").await.get(&operations).await.json().await.unwrap();
        assert_eq!(shown["items"][0]["state"], "failed", "{shown}");
    }
    assert_eq!(scene.halves(), Vec::<PathBuf>::new());
    assert_eq!(std::fs::read_dir(scene.data(&id)).unwrap().count(), 0);
}
