//! The handle: everything that Raptor can do, in one value.

use crate::{
    Result,
    activity::{
        late::{self, Late},
        service::ActivityService,
    },
    allocations::service::AllocationService,
    auth::{Passwords, SessionCache, Throttles, Tokens, seal::Sealer, service::AuthService, session_cache},
    authz::Authz,
    catalogue::{Shelf, service::CatalogueService},
    clock::Clock,
    containers::{ListCache, list_cache, service::ContainerService},
    daemons::{
        local::{self, LocalNode},
        service::DaemonService,
    },
    files::{links::LinkService, service::FileService},
    images::service::ImageService,
    jobs::worker,
    keys,
    live::{Connector, Fleet},
    mail::{
        Carrier,
        outbox::{self, Post},
        service::MailService,
    },
    node::Node,
    outbound::Outbound,
    registries::service::RegistryService,
    roles::service::RoleService,
    sftp::SftpService,
    sshkeys::service::SshKeyService,
    store::{self, Change, Heard, Store, Subject},
    templates::{origin::RAW_FILES, service::TemplateService, source},
    users::service::UserService,
    warnings::{Warnings, warn_of},
};
use chrono::TimeDelta;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How often what has expired is thrown away.
const SWEEP_EVERY: Duration = Duration::from_secs(600);
/// How long the database may take to say that it is there.
const HEALTH_PATIENCE: Duration = Duration::from_secs(2);

/// Everything that Raptor can do. Cheap to clone; [`Raptor::shutdown`] ends its work in the background.
#[derive(Clone)]
pub struct Raptor {
    pub(crate) inner: Arc<Inner>,
}

/// What the services share.
pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) passwords: Passwords,
    pub(crate) tokens: Tokens,
    pub(crate) sealer: Sealer,
    pub(crate) sessions: Arc<SessionCache>,
    pub(crate) lists: Arc<ListCache>,
    pub(crate) throttles: Throttles,
    pub(crate) session_lifetime: TimeDelta,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    pub(crate) fleet: Fleet,
    pub(crate) post: Option<Post>,
    pub(crate) late: Late,
    pub(crate) warnings: Warnings,
    pub(crate) outbound: Outbound,
    pub(crate) catalogue_mirror: Option<String>,
    pub(crate) shelf: Shelf,
}

/// Collects what a [`Raptor`] needs. All but the key has a default.
pub struct Builder {
    app_key: String,
    database_url: String,
    store: Option<Store>,
    connections: Option<u32>,
    jwt_secret: Option<String>,
    jwt_expiry: TimeDelta,
    bcrypt_cost: u32,
    sign_in_burst: Option<u32>,
    clock: Clock,
    local: BTreeMap<String, LocalNode>,
    connect: Option<Connector>,
    post: Option<Post>,
    outbound: Outbound,
    catalogue_mirror: Option<String>,
    panel_host: Option<String>,
    source_checks: Option<Duration>,
}

impl Builder {
    /// `sqlite://path`, `sqlite::memory:` (the default) or `postgres://…`.
    #[must_use]
    pub fn database_url(mut self, url: impl Into<String>) -> Self {
        self.database_url = url.into();
        self
    }

    /// A store that is open already, in place of the one at the database's URL. A program that also builds a host opens the store
    /// first: the lock on the database then stops a second process before it does anything.
    #[must_use]
    pub fn store(mut self, store: Store) -> Self {
        self.store = Some(store);
        self
    }

    /// Connections to PostgreSQL at most; 20 unless given, and fewer where that is more than half of what the server admits.
    #[must_use]
    pub fn database_pool(mut self, connections: u32) -> Self {
        self.connections = Some(connections);
        self
    }

    /// What session tokens are signed with; the application's key unless given.
    #[must_use]
    pub fn jwt_secret(mut self, secret: impl Into<String>) -> Self {
        self.jwt_secret = Some(secret.into());
        self
    }

    /// How long a session lasts; 7 days unless given.
    #[must_use]
    pub fn session_lifetime(mut self, lifetime: TimeDelta) -> Self {
        self.jwt_expiry = lifetime;
        self
    }

    /// bcrypt's cost, 4 to 31; 12 unless given. Each step doubles the time.
    #[must_use]
    pub fn bcrypt_cost(mut self, cost: u32) -> Self {
        self.bcrypt_cost = cost;
        self
    }

    /// Attempts to sign in to one account from one address per minute; 10 unless given, 0 = no limit.
    #[must_use]
    pub fn sign_in_attempts(mut self, attempts: u32) -> Self {
        self.sign_in_burst = Some(attempts);
        self
    }

    /// Runs containers on this very machine, through `node`. When it is new, its record is named "This host" and gets the
    /// allocations `ports` (`25565, 25570-25580`) on all addresses. Given again, it replaces the one given before.
    #[must_use]
    pub fn local_node(mut self, node: Arc<dyn Node>, ports: impl Into<String>) -> Self {
        self.local.insert(local::HOST.to_owned(), LocalNode { name: None, node, ports: ports.into() });
        self
    }

    /// As [`Self::local_node`], for one more host in this process, such as another disk or another engine. `name` finds its record
    /// at the next start: 1 to 40 of `a-z`, `0-9` and `-`. All hosts of a machine share its ports, so give each of them others.
    #[must_use]
    pub fn named_local_node(mut self, name: &str, node: Arc<dyn Node>, ports: impl Into<String>) -> Self {
        let local = LocalNode { name: Some(name.to_owned()), node, ports: ports.into() };
        self.local.insert(local::host(name), local);
        self
    }

    /// How mail is sent, and where people open the panel, which links in mails lead to. Without it none is sent.
    #[must_use]
    pub fn mail(mut self, carrier: Arc<dyn Carrier>, panel_url: &str) -> Self {
        self.post = Some(Post { carrier, panel: panel_url.trim_end_matches('/').to_owned() });
        self
    }

    /// How daemons are reached; over HTTP and WebSocket unless given.
    #[must_use]
    pub fn connector(mut self, connect: Connector) -> Self {
        self.connect = Some(connect);
        self
    }

    /// How the addresses are fetched that people give; from public ones only unless given.
    #[must_use]
    pub fn outbound(mut self, outbound: Outbound) -> Self {
        self.outbound = outbound;
        self
    }

    /// The address that published eggs of the catalogue are fetched from in place of GitHub's, with the same paths below it:
    /// `<mirror>/<owner>/<name>/<branch>/<path>`. One that is not public also has to be opened in [`Self::outbound`].
    #[must_use]
    pub fn catalogue_mirror(mut self, url: impl Into<String>) -> Self {
        self.catalogue_mirror = Some(url.into());
        self
    }

    /// The host name or address at which people open the panel. Requests whose address a person gives are refused there, as they
    /// are on daemons; none unless given.
    #[must_use]
    pub fn panel_host(mut self, host: impl Into<String>) -> Self {
        self.panel_host = Some(host.into());
        self
    }

    /// How often each template's source is looked at for a newer file; never by itself unless given.
    #[must_use]
    pub fn source_checks(mut self, interval: Option<Duration>) -> Self {
        self.source_checks = interval;
        self
    }

    /// Where the time comes from; the machine's clock unless given.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Opens the store, migrates it, makes sure that its secrets are those of these keys, and starts the work in the background.
    ///
    /// # Errors
    /// As [`Store::open`], as [`keys`] says where the store belongs to other keys, and [`Error::Invalid`] at `local_node` for a name
    /// of a local node that is malformed.
    pub async fn build(self) -> Result<Raptor> {
        let store = match self.store {
            Some(store) => store,
            None => Store::open_with(&self.database_url, self.connections).await?,
        };
        let signing_key = self.jwt_secret.as_deref().unwrap_or(&self.app_key);
        let sealer = Sealer::new(&self.app_key)?;
        keys::check(&store, &sealer, &Sealer::new(signing_key)?).await?;
        self.local.values().try_for_each(LocalNode::check)?;
        let nodes = self.local.iter().map(|(host, local)| (host.clone(), local.node.clone())).collect();
        let inner = Arc::new(Inner {
            sessions: session_cache(store.feed()),
            lists: list_cache(store.feed()),
            store,
            clock: self.clock,
            passwords: Passwords::new(self.bcrypt_cost).await?,
            tokens: Tokens::new(signing_key)?,
            sealer,
            throttles: Throttles::new(self.sign_in_burst),
            session_lifetime: self.jwt_expiry,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            post: self.post,
            late: Late::default(),
            warnings: Warnings::default(),
            fleet: Fleet::new(nodes, self.connect, self.panel_host),
            outbound: self.outbound,
            catalogue_mirror: self.catalogue_mirror,
            shelf: Shelf::default(),
        });
        let raptor = Raptor { inner };
        let watched = Arc::downgrade(&raptor.inner);
        raptor.inner.store.feed().hook(move |heard| {
            let Some(inner) = watched.upgrade() else { return };
            match heard {
                Heard::Change(change) => inner.fleet.journal.change(change),
                Heard::Gap => {
                    inner.fleet.gap();
                    inner.fleet.journal.gap();
                }
            }
        });
        raptor.roles().ensure_builtin().await?;
        for (host, local) in &self.local {
            raptor.daemons().ensure_local(host, local).await?;
        }
        raptor.inner.fleet.refresh(&raptor).await?;
        raptor.inner.tasks.spawn(follow_daemons(raptor.clone()));
        raptor.inner.tasks.spawn(worker::work(raptor.clone()));
        raptor.inner.tasks.spawn(sweep(raptor.clone()));
        raptor.inner.tasks.spawn(late::work(raptor.clone()));
        if let Some(interval) = self.source_checks {
            raptor.inner.tasks.spawn(source::work(raptor.clone(), interval));
        }
        if let Some(post) = raptor.inner.post.clone() {
            raptor.inner.tasks.spawn(outbox::work(raptor.clone(), post));
        }
        Ok(raptor)
    }
}

impl Raptor {
    /// Where published files are fetched from: the mirror, where one is set.
    pub(crate) fn raw_files(&self) -> &str {
        self.inner.catalogue_mirror.as_deref().unwrap_or(RAW_FILES)
    }

    /// Begins to build one. `app_key` is the secret that everything secret in the store is encrypted under.
    pub fn builder(app_key: impl Into<String>) -> Builder {
        Builder {
            app_key: app_key.into(),
            database_url: "sqlite::memory:".into(),
            store: None,
            connections: None,
            jwt_secret: None,
            jwt_expiry: TimeDelta::days(7),
            bcrypt_cost: 12,
            sign_in_burst: None,
            clock: Clock::System,
            local: BTreeMap::new(),
            connect: None,
            post: None,
            outbound: Outbound::default(),
            catalogue_mirror: None,
            panel_host: None,
            source_checks: None,
        }
    }

    /// Mints permits.
    #[must_use]
    pub fn authz(&self) -> Authz {
        Authz::new(self.inner.store.clone())
    }

    /// Signing in and the own account.
    #[must_use]
    pub fn auth(&self) -> AuthService<'_> {
        AuthService(self)
    }

    /// The actor's public keys.
    #[must_use]
    pub fn ssh_keys(&self) -> SshKeyService<'_> {
        SshKeyService(self)
    }

    /// What hosts ask about SFTP.
    #[must_use]
    pub fn sftp(&self) -> SftpService<'_> {
        SftpService(self)
    }

    /// Users.
    #[must_use]
    pub fn users(&self) -> UserService<'_> {
        UserService(self)
    }

    /// Roles.
    #[must_use]
    pub fn roles(&self) -> RoleService<'_> {
        RoleService(self)
    }

    /// Daemons.
    #[must_use]
    pub fn daemons(&self) -> DaemonService<'_> {
        DaemonService(self)
    }

    /// Allocations.
    #[must_use]
    pub fn allocations(&self) -> AllocationService<'_> {
        AllocationService(self)
    }

    /// Which images containers may use.
    #[must_use]
    pub fn images(&self) -> ImageService<'_> {
        ImageService(self)
    }

    /// Logins for registries.
    #[must_use]
    pub fn registries(&self) -> RegistryService<'_> {
        RegistryService(self)
    }

    /// Templates.
    #[must_use]
    pub fn templates(&self) -> TemplateService<'_> {
        TemplateService(self)
    }

    /// The catalogue of programs that templates exist for.
    #[must_use]
    pub fn catalogue(&self) -> CatalogueService<'_> {
        CatalogueService(self)
    }

    /// Containers.
    #[must_use]
    pub fn containers(&self) -> ContainerService<'_> {
        ContainerService(self)
    }

    /// Files.
    #[must_use]
    pub fn files(&self) -> FileService<'_> {
        FileService(self)
    }

    /// Links to files.
    #[must_use]
    pub fn links(&self) -> LinkService<'_> {
        LinkService(self)
    }

    /// Mail.
    #[must_use]
    pub fn mail(&self) -> MailService<'_> {
        MailService(self)
    }

    /// The audit trail.
    #[must_use]
    pub fn activity(&self) -> ActivityService<'_> {
        ActivityService(self)
    }

    /// Whether other processes can use the same database at the same time, which PostgreSQL allows.
    #[must_use]
    pub fn shares_database(&self) -> bool {
        self.inner.store.is_postgres()
    }

    /// Whether the changes that other processes make to the database arrive here. False for a moment after the start, and while the
    /// database is away.
    #[must_use]
    pub fn hears_others(&self) -> bool {
        self.inner.store.feed().is_complete()
    }

    /// Does `doing`, unless it waits for the database and that does not answer for two seconds. What waits for a host or for a
    /// file that is being sent is not given up.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable) `database_unavailable`.
    pub async fn unless_database_silent<T>(&self, doing: impl Future<Output = T>) -> Result<T> {
        self.inner.store.unless_silent(doing).await
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// Whether the database answers, within two seconds.
    ///
    /// # Errors
    /// [`Error::Unavailable`] `database_unavailable`.
    pub async fn health(&self) -> Result<()> {
        let asked = async {
            let mut reader = self.inner.store.read().await?;
            store::ping(&mut reader.conn()).await
        };
        tokio::time::timeout(HEALTH_PATIENCE, asked)
            .await
            .unwrap_or_else(|_| Err(crate::error::database_unavailable()))
    }

    /// Whether requests can be answered: as [`Self::health`], and the database's tables are those of this version.
    ///
    /// # Errors
    /// [`Error::Unavailable`] `database_unavailable` or `database_outdated`.
    pub async fn ready(&self) -> Result<()> {
        let asked = async {
            let mut reader = self.inner.store.read().await?;
            store::migration::check(&mut reader.conn()).await
        };
        tokio::time::timeout(HEALTH_PATIENCE, asked)
            .await
            .unwrap_or_else(|_| Err(crate::error::database_unavailable()))
    }

    /// Ends the work in the background, waits for it, and closes the store.
    pub async fn shutdown(&self) {
        self.inner.stop.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
        // The last of what was done may have ended just now.
        self.inner.late.give_up();
        self.inner.store.close().await;
    }
}

/// Keeps the links as the store has the daemons, also when another replica changes them.
async fn follow_daemons(raptor: Raptor) {
    let mut changes = raptor.inner.store.feed().subscribe();
    loop {
        let change = tokio::select! {
            () = raptor.inner.stop.cancelled() => return,
            change = changes.recv() => change,
        };
        use tokio::sync::broadcast::error::RecvError;
        match change {
            Ok(Change { subject: Subject::Registry, .. }) => {
                raptor.inner.fleet.tell_logins(&raptor).await;
                continue;
            }
            Ok(Change { subject: Subject::Daemon, .. }) | Err(RecvError::Lagged(_)) => {}
            Ok(_) => continue,
            Err(RecvError::Closed) => return,
        }
        if let Err(error) = raptor.inner.fleet.refresh(&raptor).await {
            warn_of!(raptor, error, "the links to the daemons were not brought up to date");
        }
    }
}

async fn sweep(raptor: Raptor) {
    let mut turn = tokio::time::interval(SWEEP_EVERY);
    loop {
        tokio::select! {
            () = raptor.inner.stop.cancelled() => return,
            _ = turn.tick() => {}
        }
        raptor.inner.throttles.sweep();
        let swept = async {
            let mut tx = raptor.inner.store.begin().await?;
            store::sessions::delete_expired(&mut tx.conn(), raptor.inner.clock.now()).await?;
            store::attempts::forget_free(&mut tx.conn(), raptor.inner.clock.now()).await?;
            outbox::sweep(&raptor, &mut tx).await?;
            tx.commit().await
        };
        if let Err(error) = swept.await {
            warn_of!(raptor, error, "what has expired was not removed");
        }
    }
}
