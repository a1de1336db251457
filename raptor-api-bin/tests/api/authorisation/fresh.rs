//! What calls use up, made anew for each.

use super::{
    scene::{KEYS, STRAYS, Scene, egg, id, ok, soon},
    table::Ids,
    who::Who,
};
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

/// What a call uses up.
#[derive(Clone, Copy, Debug)]
pub enum Fresh {
    /// The session that calls.
    Session,
    /// Another session of the caller's.
    OtherSession,
    /// A key of the caller's.
    SshKey,
    User,
    Role,
    Daemon,
    Registry,
    Stray,
    Allocation,
    Template,
    /// A catalogue entry's template that was changed since.
    EditedEntry,
    Container,
    /// A guest with this permission.
    Member(&'static str),
    /// A guest without access.
    NoMember,
    File,
    Trash,
    /// A file operation that has ended.
    Operation,
    Upload,
    /// An upload of which nothing is missing.
    WholeUpload,
}

impl Scene {
    /// Makes what the next call of `who` uses up.
    pub async fn prepare(&self, fresh: Fresh, who: &Who) -> Ids {
        let n = self.next();
        let caller = self.world.holding(who.token.clone());
        let (key, value) = match fresh {
            Fresh::Session => ("token", self.world.sign_in(&who.name).await.token.unwrap()),
            Fresh::OtherSession => {
                let other = self.world.sign_in(&who.name).await;
                let sessions = ok(other.get("/account/sessions").await).await;
                let own = sessions["items"].as_array().unwrap().iter().find(|one| one["current"] == true);
                ("session", id(own.unwrap()))
            }
            Fresh::SshKey => {
                let key = caller.post("/account/ssh-keys", json!({ "public_key": KEYS[1] })).await;
                ("ssh_key", id(&ok(key).await))
            }
            Fresh::User => ("user", self.user(&format!("u{n}"), self.id("no_rights")).await),
            Fresh::Role => {
                let role = json!({ "name": format!("role {n}"), "permissions": [] });
                ("role", id(&ok(self.admin().post("/roles", role).await).await))
            }
            Fresh::Daemon => ("daemon", self.daemon(&format!("spare{n}")).await),
            Fresh::Registry => {
                let login = json!({ "host": format!("r{n}.example.com"), "username": "a", "password": "b" });
                let login = self.admin().request(Method::PUT, "/registries").json(&login).send().await;
                ("registry", id(&ok(login.unwrap()).await))
            }
            Fresh::Stray => {
                let next = self.strays_used.fetch_add(1, Ordering::Relaxed);
                assert!(next < STRAYS, "there are more calls than strays");
                ("container_id", self.strays().await.pop().unwrap())
            }
            Fresh::Allocation => ("allocation", self.allocation(n).await),
            Fresh::Template => {
                let import = self.import("", egg(&format!("Spare {n}"), "./run")).await;
                ("template", id(&import["template"]))
            }
            Fresh::EditedEntry => {
                let path = format!("/templates/{}/revisions", self.id("entry_template"));
                let request = self.admin().request(Method::POST, &path).body(egg("Edited", "./run"));
                ("edited", id(&ok(request.send().await.unwrap()).await["template"]))
            }
            Fresh::Container => {
                let container = self.container("one", 0).await;
                self.grant(&container, who).await;
                ("container", container)
            }
            Fresh::Member(permission) => {
                let access = json!({ "user": "guest", "level": "custom", "permissions": [permission] });
                let path = format!("/containers/{}/access", self.id("main"));
                ok(self.admin().post(&path, access).await).await;
                ("member", "guest".into())
            }
            Fresh::NoMember => {
                let path = format!("/containers/{}/access/{}", self.id("main"), self.id("user_id"));
                self.admin().request(Method::DELETE, &path).send().await.unwrap();
                ("member", "guest".into())
            }
            Fresh::File | Fresh::Trash | Fresh::Operation | Fresh::Upload | Fresh::WholeUpload => {
                self.prepare_file(fresh, n).await
            }
        };
        Ids::from([(key.to_owned(), value)])
    }

    async fn allocation(&self, n: usize) -> String {
        let path = format!("/daemons/{}/allocations", self.id("idle"));
        let port = 20_000 + n;
        let new = json!({ "ip": "192.0.2.9", "ports": port.to_string() });
        ok(self.admin().post(&path, new).await).await;
        let found = ok(self.admin().get(&format!("{path}?search={port}")).await).await;
        id(&found["items"][0])
    }

    async fn prepare_file(&self, fresh: Fresh, n: usize) -> (&'static str, String) {
        let files = format!("/containers/{}/files", self.id("data"));
        let name = format!("/file-{n}");
        let here = self.folder.path().join("containers").join(self.id("data")).join(format!("file-{n}"));
        let begin = async || {
            let upload = json!({ "path": name, "size_bytes": 4 });
            id(&ok(self.admin().post(&format!("{files}/uploads"), upload).await).await)
        };
        match fresh {
            Fresh::Upload => ("upload_id", begin().await),
            Fresh::WholeUpload => {
                let upload = begin().await;
                let path = format!("{files}/uploads/{upload}/content?offset=0");
                let piece = self.admin().request(Method::PUT, &path).body("text").send().await.unwrap();
                ok(piece).await;
                ("upload_id", upload)
            }
            Fresh::Operation => {
                let task =
                    json!({ "task": { "type": "copy", "copies": [{ "from": "/a.txt", "to": name }] } });
                let mut begun = Value::Null;
                let begins = async || {
                    let answer = self.admin().post(&format!("{files}/operations"), task.clone()).await;
                    let free = answer.status() != 409;
                    if free {
                        begun = ok(answer).await;
                    }
                    free
                };
                soon("others have ended", begins).await;
                ("operation_id", id(&begun))
            }
            Fresh::Trash => {
                std::fs::write(here, "text").unwrap();
                let paths = json!({ "paths": [name] });
                let trash = ok(self.admin().post(&format!("{files}/trash"), paths).await).await;
                ("trash", id(&trash["items"][0]))
            }
            _ => {
                std::fs::write(here, "text").unwrap();
                ("file", name)
            }
        }
    }
}
