//! One of everything that there is, and what is made anew for calls that use something up.

use super::{fresh::Fresh, table::Ids, who::Who};
use crate::{
    imports::{page, server},
    support::{Answered, bodies},
    world::{Person, World},
};
use raptor_client::api::{
    query::{ImportTemplate, ListFiles},
    types::{
        ArchiveFormat, CatalogueConfirmation, ContainerId, DaemonDraft, DaemonId, FilePath, FileTask,
        FileTaskRequest, ImportedTemplate, Limits, NewContainer, NewLink, TemplateImport,
    },
};
use raptor_core::{
    daemons::{Daemon, simulated::SimulatedHost},
    node::{Node, NodeError},
    outbound::Outbound,
    roles::Builtin,
};
use raptor_node_lib::Host;
use serde_json::{Value, json};
use std::{
    fmt::Debug,
    net::IpAddr,
    os::unix::fs::MetadataExt,
    path::Path,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(60);
/// Limits of a container, as a change of them names them all.
pub const LIMITS: Limits = Limits {
    memory_mib: 64,
    swap_mib: 0,
    cpu_percent: 100,
    disk_mib: 64,
    pids: 16,
    io_weight: 500,
    cpuset: None,
};
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
    let mut egg = bodies::egg(name, "example/game:1", startup);
    egg["meta"]["version"] = "PLCN_v3".into();
    egg.as_object_mut().unwrap().remove("startup");
    egg["startup_commands"] = json!({ "Default": startup, "Other": "./other" });
    egg["scripts"] = bodies::egg_installation("echo", "example/installer:1");
    egg["variables"] = json!([
        bodies::egg_variable("RCON_PASSWORD", "a secret", "nullable|string|max:30", true),
        bodies::egg_variable("INNER", "hidden", "nullable|string", false),
        bodies::egg_variable("MAP", "desert", "string|max:10", true),
    ]);
    egg.to_string()
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
    /// One of everything in the database at `url`.
    pub async fn on(url: &str) -> Self {
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
            let builder = builder.database_url(url).connector(Arc::new(connect));
            builder.outbound(Outbound::default().allowed(here))
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

    fn set(&mut self, key: &str, value: impl ToString) {
        self.ids.insert(key.to_owned(), value.to_string());
    }

    pub fn id(&self, key: &str) -> &str {
        &self.ids[key]
    }

    /// The same as the client has it.
    pub fn typed<I: FromStr<Err: Debug>>(&self, key: &str) -> I {
        self.id(key).parse().unwrap()
    }

    async fn people(&mut self) {
        let account = self.world.sign_in("alice").await.get_account().await.done();
        self.set("alice", account.id);
        self.set("no_rights", self.world.role(Builtin::User).await);
        for (key, name) in [("user", "target"), ("user_id", "guest")] {
            let user = self.user(name, self.id("no_rights")).await;
            self.set(key, user);
        }
        let guest = Who::named("guest", self.world.sign_in("guest").await.token);
        for (key, fresh) in [("session", Fresh::OtherSession), ("ssh_key", Fresh::SshKey)] {
            let fresh = self.prepare(fresh, &guest).await;
            self.set(key, &fresh[key]);
        }
        let role = self.admin().create_role(&bodies::a_role("Target", &[])).await.done();
        self.set("role", role.id);
    }

    /// Makes a user, and tells their id.
    pub async fn user(&self, name: &str, role: &str) -> String {
        let user = bodies::a_user(name, role.parse().unwrap());
        self.admin().create_user(&user).await.done().id.to_string()
    }

    pub async fn daemon(&self, name: &str) -> DaemonId {
        let host = format!("{name}.example.com");
        let draft = DaemonDraft { tls: Some(false), ..DaemonDraft::new(name, host, 8080) };
        self.admin().create_daemon(&draft).await.done().daemon.id
    }

    async fn hosts(&mut self) {
        for name in ["one", "idle", "files"] {
            let daemon = self.daemon(name).await;
            self.set(name, daemon);
        }
        let two = bodies::allocations("192.0.2.1", "30000-30001");
        self.admin().create_allocations(&self.typed("one"), &two).await.done();
        for (key, fresh) in [("allocation", Fresh::Allocation), ("registry", Fresh::Registry)] {
            let fresh = self.prepare(fresh, &Who::anonymous()).await;
            self.set(key, &fresh[key]);
        }
    }

    pub async fn import(&self, egg: String) -> ImportedTemplate {
        self.admin().import_template(ImportTemplate::default(), egg).await.done()
    }

    async fn templates(&mut self) {
        for (key, name) in [("game", "Game"), ("other_template", "Other"), ("imported", "Imported over")] {
            let import = self.import(egg(name, "./run {{MAP}}")).await;
            self.set(key, import.template.id);
        }
        let port = server("127.0.0.1", page(&egg("Web", "./run"))).await;
        self.set("url", format!("http://127.0.0.1:{port}/egg.json"));
        let import = TemplateImport::new(self.id("url"));
        let import = self.admin().import_template_from_url(&import).await.done();
        self.set("template", import.template.id);
        self.set("entry", "docker-image");
        let import = CatalogueConfirmation::default();
        let import = self.admin().import_catalogue_entry(self.id("entry"), &import).await.done();
        self.set("entry_template", import.template.id);
        let fetch = self.admin().fetch_catalogue_entry(self.id("entry")).await.done();
        self.set("entry_sha256", fetch.sha256);
        self.set("revision", "1");
        self.prepare(Fresh::EditedEntry, &Who::anonymous()).await;
    }

    pub async fn container(&self, daemon: &str, allocations: u32) -> ContainerId {
        let body = NewContainer {
            owner_id: Some(self.typed("alice")),
            daemon_id: Some(self.typed(daemon)),
            allocation_count: Some(allocations),
            allocation_limit: Some(5),
            skip_install: Some(true),
            variables: bodies::variables(&[("RCON_PASSWORD", "a secret"), ("INNER", "hidden")]),
            ..bodies::a_container("Game", self.typed("game"))
        };
        self.admin().create_container(&body).await.done().id
    }

    async fn containers(&mut self) {
        for (name, daemon, allocations) in [("main", "one", 1), ("spare", "one", 1), ("data", "files", 0)] {
            let container = self.container(daemon, allocations).await;
            self.set(name, container);
        }
        let main = self.admin().get_container(&self.typed("main")).await.done();
        self.set("allocation_id", main.allocations[0].id);
        self.set("env", "RCON_PASSWORD");
        for name in CONTAINERS {
            let synced = async || {
                let container = self.admin().get_container(&self.typed(name)).await.done();
                container.synced && container.live.known
            };
            soon("its host has the container", synced).await;
        }
    }

    /// Containers that a host has and the database does not know.
    async fn lost(&mut self, host: &SimulatedHost) {
        let spec = self.host.declared(self.typed("main")).await.unwrap();
        for n in 0..STRAYS {
            let mut spec = spec.clone();
            spec.id = raptor_core::id::ContainerId::generate();
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
        let list = self.admin().list_unknown_containers(&self.typed("lost")).await.done();
        list.items.iter().map(|stray| stray.id.to_string()).collect()
    }

    async fn files(&mut self) {
        let data: ContainerId = self.typed("data");
        let listed = async || self.admin().list_files(&data, ListFiles::default()).await.is_ok();
        soon("the host has the files", listed).await;
        let folder = self.folder.path().join("containers").join(self.id("data"));
        std::fs::write(folder.join("a.txt"), "text").unwrap();
        std::fs::write(folder.join("over"), "text").unwrap();
        let (paths, to) = (vec![FilePath("/a.txt".into())], FilePath("/old.zip".into()));
        let task = FileTask::Archive { paths: paths.clone(), to, format: ArchiveFormat::Zip };
        self.admin().start_file_operation(&data, &FileTaskRequest { task }).await.done();
        let there = async || self.admin().get_file(&data, "/old.zip").await.is_ok();
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
        let link = self.admin().link_files(&data, &NewLink::new(paths)).await.done();
        self.set("link", link.url.split_once("token=").unwrap().1);
        self.set("me", "nobody");
    }

    /// Gives `who` the access to `container` that they are there to have.
    pub async fn grant(&self, container: &ContainerId, who: &Who) {
        if let Some(access) = &who.grant {
            self.admin().grant_access(container, access).await.done();
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

pub async fn soon(what: &str, mut is: impl AsyncFnMut() -> bool) {
    let until = async {
        while !is().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, until).await.unwrap_or_else(|_| panic!("{what}"));
}
