//! One of everything that there is, and what is made anew for calls that use something up.

use super::{fresh::Fresh, table::Ids, who::Who};
use crate::{
    imports::{page, server},
    world::{PASSWORD, Person, World},
};
use raptor_core::{
    daemons::{Daemon, simulated::SimulatedHost},
    id::ContainerId,
    node::{Node, NodeError},
    outbound::Outbound,
    roles::Builtin,
};
use raptor_node_lib::Host;
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    net::IpAddr,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(60);
pub const LIMITS: &str =
    r#"{"memory_mib":64,"swap_mib":0,"cpu_percent":100,"disk_mib":64,"pids":16,"io_weight":500}"#;
/// Two public keys for SFTP.
pub const KEYS: [&str; 2] = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIMaU4ZV1iqYQOTh3+FVagakLT2ed8vG0U3OCjtj/5iN",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIM1jitt6Yx+srUo5xZPxPIOxnIG400CaSHxGeBNd+dmV",
];
/// The containers that everybody with any access has it to: two on the simulated host, and one with real files.
pub const CONTAINERS: [&str; 3] = ["main", "spare", "data"];
/// The containers that a host has and nobody knows of.
pub const STRAYS: usize = 40;

/// An egg with a secret, a hidden and a plain variable.
pub fn egg(name: &str, startup: &str) -> String {
    let variable = |env: &str, viewable: bool, rules: &str, default: &str| {
        json!({ "name": env, "env_variable": env, "default_value": default, "user_viewable": viewable,
                "user_editable": viewable, "rules": rules, "description": "" })
    };
    json!({
        "meta": { "version": "PLCN_v3" }, "name": name, "author": "a@b.c",
        "docker_images": { "One": "example/game:1" },
        "startup_commands": { "Default": startup, "Other": "./other" },
        "config": { "stop": "stop" },
        "scripts": { "installation": { "script": "echo", "container": "example/installer:1", "entrypoint": "sh" } },
        "variables": [variable("RCON_PASSWORD", true, "nullable|string|max:30", "a secret"),
                      variable("INNER", false, "nullable|string", "hidden"), variable("MAP", true, "string|max:10", "desert")],
    })
    .to_string()
}

pub struct Scene {
    pub world: World,
    pub host: SimulatedHost,
    pub ids: Ids,
    pub folder: tempfile::TempDir,
    admin: Option<String>,
    count: AtomicUsize,
    pub strays_used: AtomicUsize,
}

/// A real host without Docker, for files.
async fn files(folder: &Path) -> Host {
    let own = std::fs::metadata(folder).unwrap();
    let here = |address| address == IpAddr::from([127, 0, 0, 1]);
    Host::builder(&folder.join("containers"))
        .docker_socket(folder.join("no-docker.sock"))
        .user(own.uid(), own.gid())
        .firewall(false)
        .outbound(Outbound::default().allowed(here))
        .build()
        .await
        .unwrap()
}

impl Scene {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = SimulatedHost::builder().stats_every(Duration::from_millis(50)).build();
        let (lost, files) = (SimulatedHost::default(), files(folder.path()).await);
        let hosts = (host.clone(), lost.clone());
        let connect = move |daemon: &Daemon, _| -> Result<Arc<dyn Node>, NodeError> {
            Ok(match daemon.name.as_str() {
                "one" => Arc::new(hosts.0.clone()),
                "lost" => Arc::new(hosts.1.clone()),
                "files" => Arc::new(files.clone()),
                _ => Arc::new(SimulatedHost::default()),
            })
        };
        let here = |address| address == IpAddr::from([127, 0, 0, 1]);
        let world = World::with(|builder| {
            builder.connector(Arc::new(connect)).outbound(Outbound::default().allowed(here))
        })
        .await;
        let admin = world.person(Builtin::Admin).await.token;
        world.named("alice", Builtin::User).await;
        let (count, strays_used) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let mut scene = Self { world, host, ids: Ids::new(), folder, admin, count, strays_used };
        scene.people().await;
        scene.hosts().await;
        scene.templates().await;
        scene.containers().await;
        scene.lost(&lost).await;
        scene.files().await;
        scene
    }

    pub fn admin(&self) -> Person<'_> {
        self.world.holding(self.admin.clone())
    }

    /// A number that was not there yet.
    pub fn next(&self) -> usize {
        self.count.fetch_add(1, Ordering::Relaxed)
    }

    fn set(&mut self, key: &str, value: impl Into<String>) {
        self.ids.insert(key.to_owned(), value.into());
    }

    pub fn id(&self, key: &str) -> &str {
        &self.ids[key]
    }

    async fn people(&mut self) {
        let account = ok(self.world.sign_in("alice").await.get("/account").await).await;
        self.set("alice", id(&account));
        let no_rights = self.world.raptor.roles().builtin(Builtin::User).await.unwrap().id;
        self.set("no_rights", no_rights.to_string());
        for (key, name) in [("user", "target"), ("user_id", "guest")] {
            let user = self.user(name, self.id("no_rights")).await;
            self.set(key, user);
        }
        let guest = Who::named("guest", self.world.sign_in("guest").await.token);
        for (key, fresh) in [("session", Fresh::OtherSession), ("ssh_key", Fresh::SshKey)] {
            let fresh = self.prepare(fresh, &guest).await;
            self.set(key, &fresh[key]);
        }
        let role = json!({ "name": "Target", "permissions": [] });
        let role = ok(self.admin().post("/roles", role).await).await;
        self.set("role", id(&role));
    }

    /// Makes a user, and tells their id.
    pub async fn user(&self, name: &str, role: &str) -> String {
        let body = json!({ "username": name, "email": format!("{name}@example.com"), "password": PASSWORD, "role_id": role });
        id(&ok(self.admin().post("/users", body).await).await)
    }

    pub async fn daemon(&self, name: &str) -> String {
        let body = json!({ "name": name, "host": format!("{name}.example.com"), "port": 8080, "tls": false });
        id(&ok(self.admin().post("/daemons", body).await).await["daemon"])
    }

    async fn hosts(&mut self) {
        for name in ["one", "idle", "files"] {
            let daemon = self.daemon(name).await;
            self.set(name, daemon);
        }
        let two = json!({ "ip": "192.0.2.1", "ports": "30000-30001" });
        ok(self.admin().post(&format!("/daemons/{}/allocations", self.id("one")), two).await).await;
        for (key, fresh) in [("allocation", Fresh::Allocation), ("registry", Fresh::Registry)] {
            let fresh = self.prepare(fresh, &Who::anonymous()).await;
            self.set(key, &fresh[key]);
        }
    }

    pub async fn import(&self, query: &str, egg: String) -> Value {
        let request = self.admin().request(Method::POST, &format!("/templates/import?{query}")).body(egg);
        ok(request.send().await.unwrap()).await
    }

    async fn templates(&mut self) {
        for (key, name) in [("game", "Game"), ("other_template", "Other"), ("imported", "Imported over")] {
            let import = self.import("", egg(name, "./run {{MAP}}")).await;
            self.set(key, id(&import["template"]));
        }
        let port = server("127.0.0.1", page(&egg("Web", "./run"))).await;
        self.set("url", format!("http://127.0.0.1:{port}/egg.json"));
        let import = json!({ "url": self.id("url") });
        let import = ok(self.admin().post("/templates/import-url", import).await).await;
        self.set("template", id(&import["template"]));
        let import = ok(self.admin().post("/catalogue/docker-image/import", json!({})).await).await;
        self.set("entry_template", id(&import["template"]));
        let fetch = ok(self.admin().post("/catalogue/docker-image/fetch", json!({})).await).await;
        self.set("entry_sha256", fetch["sha256"].as_str().unwrap());
        self.set("entry", "docker-image");
        self.set("revision", "1");
        self.prepare(Fresh::EditedEntry, &Who::anonymous()).await;
    }

    pub async fn container(&self, daemon: &str, allocations: u32) -> String {
        let limits: Value = serde_json::from_str(LIMITS).unwrap();
        let body = json!({ "name": "Game", "template_id": self.id("game"), "owner_id": self.id("alice"), "daemon_id": self.id(daemon),
            "allocation_count": allocations, "allocation_limit": 5, "limits": limits, "skip_install": true,
            "variables": { "RCON_PASSWORD": "a secret", "INNER": "hidden" } });
        id(&ok(self.admin().post("/containers", body).await).await)
    }

    async fn containers(&mut self) {
        for (name, daemon, allocations) in [("main", "one", 1), ("spare", "one", 1), ("data", "files", 0)] {
            let container = self.container(daemon, allocations).await;
            self.set(name, container);
        }
        let main = ok(self.admin().get(&format!("/containers/{}", self.id("main"))).await).await;
        self.set("allocation_id", id(&main["allocations"][0]));
        self.set("env", "RCON_PASSWORD");
        for name in CONTAINERS {
            let synced = async || {
                let path = format!("/containers/{}", self.id(name));
                let container = ok(self.admin().get(&path).await).await;
                container["synced"] == true && container["live"]["known"] == true
            };
            soon("its host has the container", synced).await;
        }
    }

    /// Containers that a host has and the database does not know.
    async fn lost(&mut self, host: &SimulatedHost) {
        let main = self.id("main").parse().unwrap();
        let spec = self.host.declared(main).await.unwrap();
        for n in 0..STRAYS {
            let mut spec = spec.clone();
            spec.id = ContainerId::generate();
            spec.name = format!("Lost {n}");
            spec.ports.clear();
            host.declare(spec).await.unwrap();
        }
        let daemon = self.daemon("lost").await;
        self.set("lost", daemon);
        soon("the lost containers are found", async || !self.strays().await.is_empty()).await;
        let standing = self.prepare(Fresh::Stray, &Who::anonymous()).await;
        self.set("container_id", &standing["container_id"]);
    }

    pub async fn strays(&self) -> Vec<String> {
        let path = format!("/daemons/{}/unknown-containers", self.id("lost"));
        let list = ok(self.admin().get(&path).await).await;
        list["items"].as_array().unwrap().iter().map(id).collect()
    }

    async fn files(&mut self) {
        let data = format!("/containers/{}", self.id("data"));
        let listed = async || self.admin().get(&format!("{data}/files")).await.status() == 200;
        soon("the host has the files", listed).await;
        let folder = self.folder.path().join("containers").join(self.id("data"));
        std::fs::write(folder.join("a.txt"), "text").unwrap();
        std::fs::write(folder.join("over"), "text").unwrap();
        let task =
            json!({ "task": { "type": "archive", "paths": ["/a.txt"], "to": "/old.zip", "format": "zip" } });
        ok(self.admin().post(&format!("{data}/files/operations"), task).await).await;
        let there =
            async || self.admin().get(&format!("{data}/files/info?path=/old.zip")).await.status() == 200;
        soon("there is an archive", there).await;
        for (key, fresh) in [
            ("file", Fresh::File),
            ("trash", Fresh::Trash),
            ("operation_id", Fresh::Operation),
            ("upload_id", Fresh::Upload),
        ] {
            let fresh = self.prepare(fresh, &Who::anonymous()).await;
            self.set(key, &fresh[key]);
        }
        let link = self.admin().post(&format!("{data}/files/links"), json!({ "paths": ["/a.txt"] })).await;
        let link = ok(link).await["url"].as_str().unwrap().to_owned();
        self.set("link", link.split_once("token=").unwrap().1);
        self.set("me", "nobody");
    }

    /// Gives `who` the access to `container` that they are there to have.
    pub async fn grant(&self, container: &str, who: &Who) {
        if let Some(access) = &who.grant {
            let mut access = access.clone();
            access["user"] = who.name.clone().into();
            let answer = self.admin().post(&format!("/containers/{container}/access"), access).await;
            assert_eq!(answer.status(), 204, "{}", answer.text().await.unwrap());
        }
    }
}

/// What a call that has to succeed answered.
pub async fn ok(answer: reqwest::Response) -> Value {
    let (status, path) = (answer.status(), answer.url().path().to_owned());
    let text = answer.text().await.unwrap();
    assert!(status.is_success(), "{path}: {status} {text}");
    serde_json::from_str(&text).unwrap_or_default()
}

pub fn id(of: &Value) -> String {
    of["id"].as_str().unwrap_or_else(|| panic!("no id in {of}")).to_owned()
}

pub async fn soon(what: &str, mut is: impl AsyncFnMut() -> bool) {
    let until = async {
        while !is().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, until).await.unwrap_or_else(|_| panic!("{what}"));
}
