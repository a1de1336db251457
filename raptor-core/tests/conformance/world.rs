//! A fresh Raptor on a fresh database.

use raptor_core::{
    Builder, Error, Raptor,
    allocations::service::AllocationDraft,
    auth::Origin,
    authz::{
        Actor, ContainerSet,
        actions::{self, CreateUser},
    },
    clock::Clock,
    containers::{Level, access::AccessChange, service::NewContainer, view::ContainerView},
    daemons::{Daemon, DaemonDraft, simulated::SimulatedHost},
    id::{ContainerId, DaemonId, RoleId},
    live::{Connection, LinkState},
    node::{Node, NodeError, Protocol, SftpAnswer, SftpQuestion},
    outbound::Outbound,
    roles::Builtin,
    templates::{imports::OnExisting, service::StoredTemplate},
    users::{NewUser, User},
};
use std::{
    collections::HashMap,
    future::Future,
    net::IpAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

const EGG: &[u8] = include_bytes!("../fixtures/eggs/openttd.json");

/// Access without hidden files.
pub fn wanted(level: Level, permissions: ContainerSet) -> AccessChange {
    AccessChange { level, permissions, denied_files: None }
}

/// The password of every user in this suite.
pub const PASSWORD: &str = "correct horse";

/// A fresh Raptor, and what is needed to open another replica on the same database.
#[derive(Clone)]
pub struct World {
    pub raptor: Raptor,
    pub url: String,
    pub clock: Clock,
    pub hosts: Hosts,
    // Shared with `on_both`: an async block that names only some fields of a world captures only those.
    folder: Option<Arc<tempfile::TempDir>>,
}

/// The simulated hosts behind the daemons, by the daemons' names. A daemon named `away` has none.
#[derive(Clone, Default)]
pub struct Hosts(Arc<Mutex<HashMap<String, SimulatedHost>>>);

impl Hosts {
    pub fn of(&self, daemon: &str) -> SimulatedHost {
        self.0.lock().unwrap().entry(daemon.to_owned()).or_default().clone()
    }

    /// Uses this host for the daemon of this name.
    pub fn put(&self, daemon: &str, host: SimulatedHost) {
        self.0.lock().unwrap().insert(daemon.to_owned(), host);
    }

    pub fn connect(&self, daemon: &Daemon) -> Result<Arc<dyn Node>, NodeError> {
        match daemon.name.as_str() {
            "away" => Err(NodeError::Unreachable("It is away.".into())),
            name => Ok(Arc::new(self.of(name))),
        }
    }
}

/// Runs `promise` on SQLite, and on PostgreSQL if there is one. SQLite's folder is kept until `promise` has ended.
pub async fn on_both<F: Future<Output = ()>>(promise: impl Fn(World) -> F) {
    let world = World::sqlite().await;
    let folder = world.folder.clone();
    promise(world).await;
    drop(folder);
    match std::env::var("RAPTOR_TEST_PG") {
        Ok(server) => promise(World::postgres(&server).await).await,
        Err(_) if std::env::var("CI").is_ok_and(|ci| ci == "true") => {
            panic!("RAPTOR_TEST_PG is needed in CI")
        }
        Err(_) => println!("SKIP: PostgreSQL, RAPTOR_TEST_PG is not set"),
    }
}

impl World {
    async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("raptor.db").display());
        Self::open(url, Some(Arc::new(folder))).await
    }

    async fn postgres(server: &str) -> Self {
        Self::open(fresh_postgres(server).await, None).await
    }

    /// On this database.
    pub async fn on(url: String) -> Self {
        Self::open(url, None).await
    }

    async fn open(url: String, folder: Option<Arc<tempfile::TempDir>>) -> Self {
        let clock = Clock::manual(chrono::DateTime::from_timestamp(1_800_000_000, 123_456_000).unwrap());
        let hosts = Hosts::default();
        let raptor = Self::replica(&url, &clock, &hosts).await;
        Self { raptor, url, clock, hosts, folder }
    }

    /// Another Raptor on the same database (PostgreSQL only: one process at a time can use SQLite).
    pub async fn replica(url: &str, clock: &Clock, hosts: &Hosts) -> Raptor {
        Self::built(url, clock, hosts, |builder| builder).await
    }

    /// The same world by another process, where the database allows that.
    pub async fn beside(&self) -> Self {
        if self.url.starts_with("sqlite") {
            return self.clone();
        }
        Self { raptor: Self::replica(&self.url, &self.clock, &self.hosts).await, ..self.clone() }
    }

    async fn built(
        url: &str,
        clock: &Clock,
        hosts: &Hosts,
        change: impl FnOnce(Builder) -> Builder,
    ) -> Raptor {
        let hosts = hosts.clone();
        let builder = Raptor::builder("app key")
            .database_url(url)
            .bcrypt_cost(4)
            // The tests' web servers count as public ones.
            .outbound(Outbound::default().allowed(|address| address == IpAddr::from([127, 0, 0, 1])))
            .clock(clock.clone())
            .connector(Arc::new(move |daemon, _| hosts.connect(daemon)));
        let raptor = change(builder).build().await.unwrap();
        // The caches work once the change feed listens.
        while !raptor.receives_changes() {
            tokio::task::yield_now().await;
        }
        raptor
    }

    /// The same world after Raptor was stopped and started again on the same database.
    pub async fn restarted(self) -> Self {
        self.rebuilt(|builder| builder).await
    }

    /// The same world after Raptor was stopped and built differently on the same database.
    pub async fn rebuilt(self, change: impl FnOnce(Builder) -> Builder) -> Self {
        let Self { raptor, url, clock, hosts, folder } = self;
        raptor.shutdown().await;
        // The database file is closed when its last handle is dropped.
        drop(raptor);
        let deadline = Instant::now() + Duration::from_secs(10);
        while url.starts_with("sqlite") && raptor_core::store::Store::open(&url).await.is_err() {
            assert!(Instant::now() < deadline, "the database is not let go");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let raptor = Self::built(&url, &clock, &hosts, change).await;
        Self { raptor, url, clock, hosts, folder }
    }

    /// Creates a daemon with allocations on these ports, and waits until its link is up.
    pub async fn daemon(&self, name: &str, ports: &str) -> Daemon {
        let authz = self.raptor.authz();
        let permit = authz.allow::<actions::CreateDaemon>(&Actor::System).unwrap();
        let daemon = self.raptor.daemons().create(permit, daemon_draft(name)).await.unwrap().linked.daemon;
        let permit = authz.permit::<actions::CreateAllocations>(&Actor::System, daemon.id).await.unwrap();
        let (alias, note, protocol) = (None, None, Protocol::Both);
        let draft = AllocationDraft { ip: "192.0.2.1".into(), ports: ports.into(), alias, note, protocol };
        self.raptor.allocations().create(permit, draft).await.unwrap();
        let up = async || link_to(&self.raptor, daemon.id).await.unwrap().state == LinkState::Online;
        until("the daemon is online", || async { name == "away" || up().await }).await;
        daemon
    }

    pub async fn template(&self) -> StoredTemplate {
        let permit = self.raptor.authz().allow::<actions::ImportTemplate>(&Actor::System).unwrap();
        let (origin, beside) = (raptor_core::templates::Origin::file(None), OnExisting::KeepBoth);
        self.raptor.templates().import_as(permit, EGG, origin, beside).await.unwrap().template
    }

    /// Creates a container as the system.
    pub async fn container(&self, new: NewContainer) -> Result<ContainerId, Error> {
        let permit = self.raptor.authz().allow::<actions::CreateContainer>(&Actor::System).unwrap();
        self.raptor.containers().create(permit, new).await
    }

    pub async fn role(&self, role: Builtin) -> RoleId {
        self.raptor.roles().builtin(role).await.unwrap().id
    }

    pub async fn user(&self, username: &str, role: Builtin) -> User {
        let role_id = self.role(role).await;
        let permit = self.raptor.authz().allow::<CreateUser>(&Actor::System).unwrap();
        self.raptor.users().create(permit, new_user(username, role_id)).await.unwrap()
    }

    pub async fn signed_in(&self, username: &str) -> (String, Actor) {
        let signed_in =
            self.raptor.auth().sign_in(username, PASSWORD.into(), Origin::default()).await.unwrap();
        (signed_in.token, signed_in.actor)
    }
}

/// A container as `actor` sees it.
pub async fn see(raptor: &Raptor, actor: &Actor, id: ContainerId) -> Result<ContainerView, Error> {
    let permit = raptor.authz().permit::<actions::SeeContainer>(actor, id).await?;
    raptor.containers().get(permit).await
}

/// The link to a daemon.
pub async fn link_to(raptor: &Raptor, id: DaemonId) -> Option<Connection> {
    let permit = raptor.authz().permit::<actions::ReadDaemon>(&Actor::System, id).await.unwrap();
    raptor.daemons().get(permit).connection
}

/// The answer to a daemon's question about SFTP.
pub async fn ask(raptor: &Raptor, daemon: DaemonId, question: SftpQuestion) -> SftpAnswer {
    let permit = raptor.authz().permit::<actions::AskAsDaemon>(&Actor::System, daemon).await.unwrap();
    raptor.sftp().answer(permit, question).await.unwrap()
}

/// The URL of a new database on this server.
pub async fn fresh_postgres(server: &str) -> String {
    let name = format!("raptor_test_{}", raptor_core::id::JobId::generate().as_uuid().simple());
    let admin = sqlx::PgPool::connect(server).await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&admin).await.unwrap();
    admin.close().await;
    format!("{}/{name}", server.rsplit_once('/').unwrap().0)
}

/// A daemon that is reached at a host of the documentation.
pub fn daemon_draft(name: &str) -> DaemonDraft {
    DaemonDraft {
        name: name.into(),
        host: "192.0.2.1".into(),
        port: 8080,
        transport: None,
        memory_limit_mib: None,
        disk_limit_mib: None,
        sftp_read_only: false,
        sftp_offline_hours: Some(24),
        self_service_ports: None,
    }
}

pub fn new_user(username: &str, role_id: RoleId) -> NewUser {
    NewUser {
        username: username.into(),
        email: format!("{username}@example.com"),
        name: None,
        password: PASSWORD.into(),
        password_change_required: false,
        role_id,
    }
}

/// Polls `met` until it is true, for at most ten seconds.
pub async fn until<F: Future<Output = bool>>(what: &str, mut met: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !met().await {
        assert!(Instant::now() < deadline, "ten seconds have passed and not: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Runs a statement on the database, without Raptor.
pub async fn run(world: &World, statement: &'static str) {
    if world.url.starts_with("sqlite") {
        let pool = sqlx::SqlitePool::connect(&world.url).await.unwrap();
        sqlx::query(statement).execute(&pool).await.unwrap();
        pool.close().await;
    } else {
        let pool = sqlx::PgPool::connect(&world.url).await.unwrap();
        sqlx::query(statement).execute(&pool).await.unwrap();
        pool.close().await;
    }
}

/// The number that a statement returns.
pub async fn count(world: &World, statement: &'static str) -> i64 {
    if world.url.starts_with("sqlite") {
        let pool = sqlx::SqlitePool::connect(&world.url).await.unwrap();
        sqlx::query_scalar(statement).fetch_one(&pool).await.unwrap()
    } else {
        let pool = sqlx::PgPool::connect(&world.url).await.unwrap();
        sqlx::query_scalar(statement).fetch_one(&pool).await.unwrap()
    }
}
