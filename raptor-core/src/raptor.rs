//! The handle to all services.

use crate::{
    Result,
    activity::{
        deferred::{self, DeferredActions},
        service::ActivityService,
    },
    allocations::service::AllocationService,
    auth::{Passwords, SessionCache, Throttles, Tokens, seal::Sealer, service::AuthService, session_cache},
    authz::Authz,
    catalogue::{ParsedCatalogue, service::CatalogueService},
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
        MailTransport,
        outbox::{self, MailSettings},
        service::MailService,
    },
    node::Node,
    outbound::Outbound,
    registries::service::RegistryService,
    roles::service::RoleService,
    sftp::SftpService,
    sshkeys::service::SshKeyService,
    store::{self, Change, FeedEvent, Store, Subject},
    templates::{origin::RAW_FILES, service::TemplateService, source},
    users::service::UserService,
    warnings::{Warnings, warn_of},
};
use chrono::TimeDelta;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How often expired rows are deleted.
const SWEEP_EVERY: Duration = Duration::from_secs(600);
/// How long the database may take to answer a health check.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);

/// All of Raptor's services. Cheap to clone; [`Raptor::shutdown`] ends the background work.
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
    pub(crate) mail: Option<MailSettings>,
    pub(crate) deferred: DeferredActions,
    pub(crate) warnings: Warnings,
    pub(crate) outbound: Outbound,
    pub(crate) catalogue_mirror: Option<String>,
    pub(crate) parsed_catalogue: ParsedCatalogue,
}

/// Builds a [`Raptor`]. Everything but the key has a default.
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
    mail: Option<MailSettings>,
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

    /// An open store, instead of opening the database URL. A program that also builds a host opens the store first, so that the
    /// lock on the database stops a second process before it does anything.
    #[must_use]
    pub fn store(mut self, store: Store) -> Self {
        self.store = Some(store);
        self
    }

    /// Most connections to PostgreSQL; by default 20, or half of what the server admits if that is less.
    #[must_use]
    pub fn database_pool(mut self, connections: u32) -> Self {
        self.connections = Some(connections);
        self
    }

    /// The secret that session tokens are signed with; by default the application key.
    #[must_use]
    pub fn jwt_secret(mut self, secret: impl Into<String>) -> Self {
        self.jwt_secret = Some(secret.into());
        self
    }

    /// How long a session lasts; by default 7 days.
    #[must_use]
    pub fn session_lifetime(mut self, lifetime: TimeDelta) -> Self {
        self.jwt_expiry = lifetime;
        self
    }

    /// The cost of bcrypt, 4 to 31; by default 12. Each step doubles the time.
    #[must_use]
    pub fn bcrypt_cost(mut self, cost: u32) -> Self {
        self.bcrypt_cost = cost;
        self
    }

    /// Sign-in attempts per account, address and minute; by default 10, 0 = unlimited.
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

    /// Like [`Self::local_node`], for another host in this process, e.g. on another disk or another engine. `name` identifies
    /// its record at the next start: 1 to 40 characters of `a-z`, `0-9` and `-`. All hosts of a machine share its ports, so
    /// give them different ones. A host that is no longer given keeps its record, which can be deleted once no process on the
    /// database runs the host.
    #[must_use]
    pub fn named_local_node(mut self, name: &str, node: Arc<dyn Node>, ports: impl Into<String>) -> Self {
        let local = LocalNode { name: Some(name.to_owned()), node, ports: ports.into() };
        self.local.insert(local::host(name), local);
        self
    }

    /// How mail is sent, and the panel's URL for links in mails. By default no mail is sent.
    #[must_use]
    pub fn mail(mut self, transport: Arc<dyn MailTransport>, panel_url: &str) -> Self {
        self.mail = Some(MailSettings { transport, panel: panel_url.trim_end_matches('/').to_owned() });
        self
    }

    /// How daemons are reached; by default over HTTP and WebSocket.
    #[must_use]
    pub fn connector(mut self, connect: Connector) -> Self {
        self.connect = Some(connect);
        self
    }

    /// How addresses that people enter are fetched; by default from public addresses only.
    #[must_use]
    pub fn outbound(mut self, outbound: Outbound) -> Self {
        self.outbound = outbound;
        self
    }

    /// The base URL for published eggs of the catalogue instead of GitHub's, with the same paths:
    /// `<mirror>/<owner>/<name>/<branch>/<path>`. If it is not public, also open it in [`Self::outbound`].
    #[must_use]
    pub fn catalogue_mirror(mut self, url: impl Into<String>) -> Self {
        self.catalogue_mirror = Some(url.into());
        self
    }

    /// The panel's host name or address. Like daemons, it is off limits for addresses that people enter; by default none.
    #[must_use]
    pub fn panel_host(mut self, host: impl Into<String>) -> Self {
        self.panel_host = Some(host.into());
        self
    }

    /// How often each template's source is checked for a newer file; by default never.
    #[must_use]
    pub fn source_checks(mut self, interval: Option<Duration>) -> Self {
        self.source_checks = interval;
        self
    }

    /// The clock; by default the system's.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Opens and migrates the store, checks that its secrets belong to these keys, and starts the background work.
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
            mail: self.mail,
            deferred: DeferredActions::default(),
            warnings: Warnings::default(),
            fleet: Fleet::new(nodes, self.connect, self.panel_host),
            outbound: self.outbound,
            catalogue_mirror: self.catalogue_mirror,
            parsed_catalogue: ParsedCatalogue::default(),
        });
        let raptor = Raptor { inner };
        let watched = Arc::downgrade(&raptor.inner);
        raptor.inner.store.feed().hook(move |heard| {
            let Some(inner) = watched.upgrade() else { return };
            match heard {
                FeedEvent::Change(change) => inner.fleet.journal.change(change),
                FeedEvent::Gap => {
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
        raptor.inner.tasks.spawn(deferred::work(raptor.clone()));
        if let Some(interval) = self.source_checks {
            raptor.inner.tasks.spawn(source::work(raptor.clone(), interval));
        }
        if let Some(settings) = raptor.inner.mail.clone() {
            raptor.inner.tasks.spawn(outbox::work(raptor.clone(), settings));
        }
        Ok(raptor)
    }
}

impl Raptor {
    /// The base URL of published files: the mirror if set, else GitHub's.
    pub(crate) fn raw_files(&self) -> &str {
        self.inner.catalogue_mirror.as_deref().unwrap_or(RAW_FILES)
    }

    /// Starts building a [`Raptor`]. `app_key` is the secret that all secrets in the store are encrypted with.
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
            mail: None,
            outbound: Outbound::default(),
            catalogue_mirror: None,
            panel_host: None,
            source_checks: None,
        }
    }

    /// Issues the permits that operations require.
    #[must_use]
    pub fn authz(&self) -> Authz {
        Authz::new(self.inner.store.clone())
    }

    /// Sessions and one's own account.
    #[must_use]
    pub fn auth(&self) -> AuthService<'_> {
        AuthService(self)
    }

    /// The actor's public SSH keys.
    #[must_use]
    pub fn ssh_keys(&self) -> SshKeyService<'_> {
        SshKeyService(self)
    }

    /// Answers to hosts' questions about SFTP.
    #[must_use]
    pub fn sftp(&self) -> SftpService<'_> {
        SftpService(self)
    }

    #[must_use]
    pub fn users(&self) -> UserService<'_> {
        UserService(self)
    }

    #[must_use]
    pub fn roles(&self) -> RoleService<'_> {
        RoleService(self)
    }

    #[must_use]
    pub fn daemons(&self) -> DaemonService<'_> {
        DaemonService(self)
    }

    #[must_use]
    pub fn allocations(&self) -> AllocationService<'_> {
        AllocationService(self)
    }

    /// The list of allowed images.
    #[must_use]
    pub fn images(&self) -> ImageService<'_> {
        ImageService(self)
    }

    /// Logins for image registries.
    #[must_use]
    pub fn registries(&self) -> RegistryService<'_> {
        RegistryService(self)
    }

    #[must_use]
    pub fn templates(&self) -> TemplateService<'_> {
        TemplateService(self)
    }

    /// The catalogue of programs that templates exist for.
    #[must_use]
    pub fn catalogue(&self) -> CatalogueService<'_> {
        CatalogueService(self)
    }

    #[must_use]
    pub fn containers(&self) -> ContainerService<'_> {
        ContainerService(self)
    }

    /// Operations on containers' files: listing, reading, writing, archives.
    #[must_use]
    pub fn files(&self) -> FileService<'_> {
        FileService(self)
    }

    /// Links with which files are read without a session.
    #[must_use]
    pub fn links(&self) -> LinkService<'_> {
        LinkService(self)
    }

    #[must_use]
    pub fn mail(&self) -> MailService<'_> {
        MailService(self)
    }

    #[must_use]
    pub fn activity(&self) -> ActivityService<'_> {
        ActivityService(self)
    }

    /// Whether other processes can use the same database at the same time, as PostgreSQL allows.
    #[must_use]
    pub fn shares_database(&self) -> bool {
        self.inner.store.is_postgres()
    }

    /// Whether changes that other processes make to the database arrive here. False for a moment after the start, and while the
    /// database is down.
    #[must_use]
    pub fn receives_changes(&self) -> bool {
        self.inner.store.feed().is_complete()
    }

    /// Runs `doing`, and cancels it if it waits for the database and that does not answer for two seconds. Waiting for a host,
    /// or for a file that is being sent, is not cancelled.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable) `database_unavailable`.
    pub async fn unless_database_silent<T>(&self, doing: impl Future<Output = T>) -> Result<T> {
        self.inner.store.unless_silent(doing).await
    }

    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// Checks that the database answers within two seconds.
    ///
    /// # Errors
    /// [`Error::Unavailable`] `database_unavailable`.
    pub async fn health(&self) -> Result<()> {
        let asked = async {
            let mut reader = self.inner.store.read().await?;
            store::ping(&mut reader.conn()).await
        };
        tokio::time::timeout(HEALTH_TIMEOUT, asked)
            .await
            .unwrap_or_else(|_| Err(crate::error::database_unavailable()))
    }

    /// Checks that requests can be answered: [`Self::health`], and the database's tables are those of this version.
    ///
    /// # Errors
    /// [`Error::Unavailable`] `database_unavailable` or `database_outdated`.
    pub async fn ready(&self) -> Result<()> {
        let asked = async {
            let mut reader = self.inner.store.read().await?;
            store::migration::check(&mut reader.conn()).await
        };
        tokio::time::timeout(HEALTH_TIMEOUT, asked)
            .await
            .unwrap_or_else(|_| Err(crate::error::database_unavailable()))
    }

    /// Ends the background work, waits for it, and closes the store.
    pub async fn shutdown(&self) {
        self.inner.stop.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
        // The last of what was done may have ended just now.
        self.inner.deferred.give_up();
        self.inner.store.close().await;
    }
}

/// Keeps the links in line with the daemons in the store, also when another replica changes them.
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
                raptor.inner.fleet.send_logins_to_all(&raptor).await;
                continue;
            }
            Ok(Change { subject: Subject::Daemon, .. }) | Err(RecvError::Lagged(_)) => {}
            Ok(_) => continue,
            Err(RecvError::Closed) => return,
        }
        if let Err(error) = raptor.inner.fleet.refresh(&raptor).await {
            warn_of!(raptor, error, "updating the links to the daemons failed");
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
            warn_of!(raptor, error, "deleting expired rows failed");
        }
    }
}
