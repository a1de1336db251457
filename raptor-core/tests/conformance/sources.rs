//! Newer files at the sources of templates.

use crate::world::{World, on_both};
use raptor_core::{
    authz::{
        Actor,
        actions::{ImportTemplate, UpdateTemplate},
    },
    id::TemplateId,
    templates::{
        Origin,
        imports::OnExisting,
        service::{Outcome, StoredTemplate},
    },
};
use serde_json::json;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const DAY: Duration = Duration::from_secs(86_400);

fn egg(startup: &str, exported_at: &str) -> String {
    json!({
        "meta": { "version": "PTDL_v2" }, "exported_at": exported_at, "name": "Trains", "author": "a@b",
        "docker_images": { "a": "img:1" }, "startup": startup,
    })
    .to_string()
}

/// A web server that publishes one file, and the requests it received.
#[derive(Clone)]
struct Site {
    url: String,
    /// The file with its `ETag`; none once it is deleted.
    file: Arc<Mutex<Option<(String, String)>>>,
    /// The status of each answer.
    answers: Arc<Mutex<Vec<u16>>>,
}

impl Site {
    async fn open(file: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/trains.json", listener.local_addr().unwrap());
        let site = Self { url, file: Arc::default(), answers: Arc::default() };
        site.publish(file, "\"1\"");
        let serving = site.clone();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = vec![0; 4_096];
                let read = socket.read(&mut request).await.unwrap_or_default();
                let (status, answer) = serving.answer(&String::from_utf8_lossy(&request[..read]));
                serving.answers.lock().unwrap().push(status);
                let _ = socket.write_all(answer.as_bytes()).await;
            }
        });
        site
    }

    fn publish(&self, file: &str, etag: &str) {
        *self.file.lock().unwrap() = Some((file.to_owned(), etag.to_owned()));
    }

    fn answer(&self, request: &str) -> (u16, String) {
        let end = "Connection: close\r\n";
        match &*self.file.lock().unwrap() {
            None => (404, format!("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n{end}\r\n")),
            Some((_, etag)) if request.to_lowercase().contains(&format!("if-none-match: {etag}\r\n")) => {
                (304, format!("HTTP/1.1 304 Not Modified\r\nETag: {etag}\r\n{end}\r\n"))
            }
            Some((file, etag)) => (
                200,
                format!(
                    "HTTP/1.1 200 OK\r\nETag: {etag}\r\nContent-Length: {}\r\n{end}\r\n{file}",
                    file.len()
                ),
            ),
        }
    }

    fn answered(&self) -> Vec<u16> {
        std::mem::take(&mut self.answers.lock().unwrap())
    }
}

async fn imported(world: &World, site: &Site) -> TemplateId {
    let permit = world.raptor.authz().allow::<ImportTemplate>(&Actor::System).unwrap();
    let made = world.raptor.templates().import_from(permit, &site.url, OnExisting::Ask, None).await.unwrap();
    assert_eq!(made.outcome, Outcome::Created);
    site.answered();
    made.template.id
}

async fn check(world: &World, id: TemplateId) -> StoredTemplate {
    let permit = world.raptor.authz().permit::<UpdateTemplate>(&Actor::System, id).await.unwrap();
    world.raptor.templates().check_source(permit).await.unwrap()
}

fn available(template: &StoredTemplate) -> bool {
    template.source_check.as_ref().unwrap().available
}

#[tokio::test]
async fn a_newer_file_at_the_source_is_noticed_and_applied_as_a_new_revision() {
    on_both(|world| async move {
        let site = Site::open(&egg("./1", "monday")).await;
        let id = imported(&world, &site).await;
        assert!(!available(&check(&world, id).await));
        assert!(!available(&check(&world, id).await));
        assert_eq!(site.answered(), [200, 304], "what is known is not sent again");

        site.publish(&egg("./1", "tuesday"), "\"2\"");
        assert!(!available(&check(&world, id).await), "it says the same on another day");
        site.publish(&egg("./2", "wednesday"), "\"3\"");
        let found = check(&world, id).await;
        assert!(available(&found));
        assert!(available(&check(&world, id).await), "it still is when it has not changed again");
        assert_eq!(site.answered(), [200, 200, 304]);
        let world = world.restarted().await;

        let authz = world.raptor.authz();
        let permit = authz.permit::<UpdateTemplate>(&Actor::System, id).await.unwrap();
        let preview = world.raptor.templates().compare_with(permit, None).await.unwrap();
        let fields: Vec<&str> =
            preview.existing[0].changes.iter().map(|change| change.field.as_str()).collect();
        assert_eq!(fields, ["startup"]);
        let permit = authz.permit::<UpdateTemplate>(&Actor::System, id).await.unwrap();
        let (base, sha256) = (Some(1), Some(preview.sha256.as_str()));
        let updated = world.raptor.templates().revise_from(permit, None, base, sha256).await.unwrap();
        assert_eq!((updated.outcome, updated.template.revision), (Outcome::Revised, 2));
        assert_eq!(updated.template.source_check, None);
        assert!(!available(&check(&world, id).await));
    })
    .await;
}

#[tokio::test]
async fn a_source_that_is_away_is_told_as_such_and_what_was_known_stays() {
    on_both(|world| async move {
        let site = Site::open(&egg("./1", "monday")).await;
        let id = imported(&world, &site).await;
        site.publish(&egg("./2", "tuesday"), "\"2\"");
        assert!(available(&check(&world, id).await));
        *site.file.lock().unwrap() = None;
        let away = check(&world, id).await.source_check.unwrap();
        assert!(away.available);
        assert_eq!(away.problem.as_deref(), Some("The other server answered 404 Not Found."));
        site.publish("<!DOCTYPE html><html></html>", "\"3\"");
        let page = check(&world, id).await.source_check.unwrap();
        assert!(page.available && page.problem.unwrap().contains("web page"));
        site.publish(&egg("./1", "monday"), "\"4\"");
        let back = check(&world, id).await.source_check.unwrap();
        assert_eq!((back.available, back.problem), (false, None));
    })
    .await;
}

#[tokio::test]
async fn sources_are_looked_at_one_after_the_other_and_each_once_in_the_interval() {
    on_both(|world| async move {
        let (one, other) = (Site::open(&egg("./1", "x")).await, Site::open(&egg("./1", "x")).await);
        let first = imported(&world, &one).await;
        let permit = world.raptor.authz().allow::<ImportTemplate>(&Actor::System).unwrap();
        let both = OnExisting::KeepBoth;
        world.raptor.templates().import_from(permit, &other.url, both, None).await.unwrap();
        other.answered();
        world.template().await;

        let look = || world.raptor.check_next_source(DAY);
        assert!(look().await.unwrap());
        assert_eq!((one.answered().len(), other.answered().len()), (1, 0));
        assert!(look().await.unwrap());
        assert_eq!((one.answered().len(), other.answered().len()), (0, 1));
        assert!(!look().await.unwrap(), "both were looked at, and the third has no source");
        world.clock.advance(chrono::TimeDelta::hours(25));
        let turns = tokio::join!(look(), look(), look());
        let looked = [turns.0, turns.1, turns.2].into_iter().filter(|turn| *turn.as_ref().unwrap()).count();
        assert_eq!(looked, 2);
        assert_eq!((one.answered().len(), other.answered().len()), (1, 1), "each once");
        assert!(!available(&check(&world, first).await));
    })
    .await;
}

#[tokio::test]
async fn a_template_from_a_file_is_looked_for_where_its_file_says_over_https_only() {
    on_both(|world| async move {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let import = async |name: &str, update_url: &str| {
            let mut file: serde_json::Value = serde_json::from_str(&egg("./1", "monday")).unwrap();
            file["name"] = json!(name);
            file["meta"]["update_url"] = json!(update_url);
            let permit = world.raptor.authz().allow::<ImportTemplate>(&Actor::System).unwrap();
            let (file, origin) = (file.to_string(), Origin::file(Some("trains.json")));
            let templates = world.raptor.templates();
            templates.import_as(permit, file.as_bytes(), origin, OnExisting::Ask).await.unwrap().template.id
        };
        let plain = format!("http://127.0.0.1:{port}/egg.json");
        for (name, url) in [("Plain", plain.as_str()), ("Script", "javascript:alert(1)"), ("None", "")] {
            let id = import(name, url).await;
            let permit = world.raptor.authz().permit::<UpdateTemplate>(&Actor::System, id).await.unwrap();
            let refused = world.raptor.templates().check_source(permit).await.unwrap_err();
            assert_eq!(refused.code(), "no_source", "{name}");
        }

        // The usual restriction applies: only 127.0.0.1 counts as a public address here.
        let inside = import("Inside", "https://10.0.0.1/egg.json").await;
        let problem = check(&world, inside).await.source_check.unwrap().problem.unwrap();
        assert!(problem.contains("public addresses only"), "{problem}");

        let id = import("Published", &format!("https://127.0.0.1:{port}/egg.json")).await;
        let asked = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.read_u8().await.unwrap()
        });
        let problem = check(&world, id).await.source_check.unwrap().problem;
        assert_eq!(asked.await.unwrap(), 0x16, "a TLS handshake (RFC 8446, 5.1)");
        assert!(problem.is_some(), "that one does not answer in TLS");
        let (hour, mut looked) = (Duration::from_secs(3_600), 0);
        world.clock.advance(chrono::TimeDelta::hours(2));
        while world.raptor.check_next_source(hour).await.unwrap() {
            looked += 1;
        }
        assert_eq!(looked, 2, "those that have a source are looked at without being asked");
    })
    .await;
}
