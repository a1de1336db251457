//! Building a host.

use super::{Host, Inner, periodic::PeriodicTask};
use crate::{
    base::Base,
    desired::{StateFolder, boot_id},
    files::Accounts,
    firewall::{Firewall, Reach},
    images::Ledger,
    lifecycle::HostContext,
    link::Link,
    quota::Quota,
    removal,
    runtime::{Docker, Engine, Pool},
    spool::Spool,
    stats::History,
    system::Meter,
    workspace::AllOperations,
};
use ipnet::IpNet;
use raptor_model::clock::Clock;
use raptor_outbound::Outbound;
use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, RwLock},
    time::Duration,
};
use tokio::sync::{Semaphore, broadcast};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

const SAMPLE_EVERY: Duration = Duration::from_secs(1);
const SYSTEM_EVERY: Duration = Duration::from_secs(5);
const HISTORY_EVERY: Duration = Duration::from_secs(10);
/// Console lines older than this are no longer recent and mostly dropped from memory.
const CONSOLES_EVERY: Duration = Duration::from_secs(5);
/// How often firewall rules are checked: others may change them at any time, e.g. by restarting the engine or reloading the
/// host's own rules.
const RULES_EVERY: Duration = Duration::from_secs(10);
const DISK_EVERY: Duration = Duration::from_secs(60);
const IMAGES_EVERY: Duration = Duration::from_secs(3_600);
const TRASH_EVERY: Duration = Duration::from_secs(3_600);
const TRASH_DAYS: u32 = 30;
/// Unattended starts at the same time.
const STARTS_AT_ONCE: usize = 4;
/// Console searches at the same time.
const SEARCHES_AT_ONCE: usize = 4;
/// How long a container has to run for its earlier crashes to be forgotten.
const CALM: Duration = Duration::from_secs(60);

/// Builds a [`Host`]. Everything but the folder of its containers has a default.
pub struct Builder {
    base: PathBuf,
    engine: Arc<dyn Engine>,
    uid: u32,
    gid: u32,
    ips: Vec<IpAddr>,
    timezone: String,
    pool: Pool,
    mounts: Vec<PathBuf>,
    firewall: bool,
    reach: Vec<Reach>,
    calm: Duration,
    scan_every: Duration,
    image_days: u32,
    trash_days: u32,
    clock: Clock,
    sftp: Option<SocketAddr>,
    exempt: Vec<IpNet>,
    old_clients: bool,
    outbound: Outbound,
}

impl Builder {
    pub(super) fn new(base: &Path) -> Self {
        Self {
            base: base.to_owned(),
            engine: Arc::new(Docker::new(Path::new("/var/run/docker.sock"))),
            uid: 988,
            gid: 988,
            ips: vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)],
            timezone: "UTC".into(),
            pool: Pool::default(),
            mounts: Vec::new(),
            firewall: true,
            reach: Vec::new(),
            calm: CALM,
            scan_every: DISK_EVERY,
            image_days: 0,
            trash_days: TRASH_DAYS,
            clock: Clock::System,
            sftp: None,
            exempt: Vec::new(),
            old_clients: false,
            outbound: Outbound::default(),
        }
    }

    /// The Docker Engine's socket; by default `/var/run/docker.sock`.
    #[must_use]
    pub fn docker_socket(self, socket: impl Into<PathBuf>) -> Self {
        self.engine(Docker::new(&socket.into()))
    }

    /// An engine other than Docker, such as [`crate::runtime::Scripted`].
    #[must_use]
    pub fn engine(mut self, engine: impl Engine) -> Self {
        self.engine = Arc::new(engine);
        self
    }

    /// The user and group of containers' processes and files; by default 988:988. Without root, those of this process are used,
    /// which can't give files to other users.
    #[must_use]
    pub fn user(mut self, uid: u32, gid: u32) -> Self {
        (self.uid, self.gid) = (uid, gid);
        self
    }

    /// Addresses that allocations may use; by default `0.0.0.0`.
    #[must_use]
    pub fn ips(mut self, ips: Vec<IpAddr>) -> Self {
        self.ips = ips;
        self
    }

    /// The containers' time zone, as a value for `TZ`; by default `UTC`.
    #[must_use]
    pub fn timezone(mut self, timezone: impl Into<String>) -> Self {
        self.timezone = timezone.into();
        self
    }

    /// How files are fetched from other servers; by default from public addresses only.
    #[must_use]
    pub fn outbound(mut self, outbound: Outbound) -> Self {
        self.outbound = outbound;
        self
    }

    /// Serves the containers' files by SFTP at this address; by default there is no SFTP server.
    #[must_use]
    pub fn sftp(mut self, addr: SocketAddr) -> Self {
        self.sftp = Some(addr);
        self
    }

    /// Proxies in front of the SFTP server, to whose addresses the connection limit does not apply; by default none.
    #[must_use]
    pub fn exempt(mut self, networks: Vec<IpNet>) -> Self {
        self.exempt = networks;
        self
    }

    /// Whether SFTP also offers algorithms for old clients: ECDH over NIST's curves, Diffie-Hellman group 14, an RSA host key,
    /// AES-128-CTR and plain HMAC-SHA-2. Off by default.
    #[must_use]
    pub fn old_sftp_clients(mut self, on: bool) -> Self {
        self.old_clients = on;
        self
    }

    /// The range from which containers' networks are allocated.
    #[must_use]
    pub fn subnets(mut self, pool: Pool) -> Self {
        self.pool = pool;
        self
    }

    /// Folders of this host that containers may mount, including everything below them; by default none.
    #[must_use]
    pub fn mounts(mut self, mounts: Vec<PathBuf>) -> Self {
        self.mounts = mounts;
        self
    }

    /// Whether containers are isolated from this host's services and private network. On by default.
    #[must_use]
    pub fn firewall(mut self, on: bool) -> Self {
        self.firewall = on;
        self
    }

    /// Private destinations that containers may reach nevertheless; by default none.
    #[must_use]
    pub fn reach(mut self, reach: Vec<Reach>) -> Self {
        self.reach = reach;
        self
    }

    /// How long a container has to run for its earlier crashes to be forgotten; by default a minute.
    #[must_use]
    pub fn calm(mut self, calm: Duration) -> Self {
        self.calm = calm;
        self
    }

    /// How often data folders are measured; by default once a minute.
    #[must_use]
    pub fn scan_every(mut self, period: Duration) -> Self {
        self.scan_every = period;
        self
    }

    /// Days after which unused images that were pulled for containers are removed; by default never, as with 0.
    #[must_use]
    pub fn image_retention_days(mut self, days: u32) -> Self {
        self.image_days = days;
        self
    }

    /// Days after which items in a container's trash are deleted for good; by default 30, 0 = never.
    #[must_use]
    pub fn trash_retention_days(mut self, days: u32) -> Self {
        self.trash_days = days;
        self
    }

    /// The clock; by default the system's.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Takes over the containers on this host. Succeeds even if Docker is unavailable or the SFTP port is in use.
    ///
    /// # Errors
    /// If the base folder is unusable; [`io::ErrorKind::WouldBlock`] if another daemon uses it.
    pub async fn build(mut self) -> io::Result<Host> {
        let base = self.base.clone();
        let unusable = |error: io::Error| {
            if error.kind() == io::ErrorKind::WouldBlock {
                return error;
            }
            io::Error::new(error.kind(), format!("the folder {} can't be used: {error}", base.display()))
        };
        // Before anything else: two daemons would both run each other's containers.
        let kept = Base::open(&base, &*self.engine).await.map_err(unusable)?;
        let ids = StateFolder::all(&base).map_err(unusable)?;
        if let Err(error) = StateFolder::sweep(&base) {
            tracing::warn!(%error, "removing leftovers of removed containers failed");
        }
        let (base, instance) = (kept.path().to_owned(), kept.instance());
        let state = base.join(".raptor");
        let quota = Quota::detect(&base, instance);
        let meter = Meter::new(&base, self.ips, quota.info(), self.mounts.clone(), self.clock.clone());
        let meter = meter.map_err(io::Error::other)?;
        let root = rustix::process::geteuid().is_root();
        if !root {
            // Without root, files can't be given to another user, and containers could not write into their folders.
            (self.uid, self.gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
            tracing::info!(uid = self.uid, gid = self.gid, "not root: containers run as this user");
        }
        let context = Arc::new(HostContext {
            root,
            engine: self.engine.for_daemon(instance),
            spool: Spool::open(&state, Uuid::now_v7())?,
            images: Ledger::open(&state),
            history: History::new(&base),
            base,
            kept,
            uid: self.uid,
            gid: self.gid,
            timezone: self.timezone,
            pool: self.pool,
            quota,
            loopback: Mutex::default(),
            firewall: Firewall::new(instance, self.firewall, self.reach),
            mounts: self.mounts,
            clock: self.clock,
            boot_id: boot_id(),
            calm: self.calm,
            events: broadcast::channel(1_024).0,
            turns: Semaphore::new(STARTS_AT_ONCE),
            searches: Semaphore::new(SEARCHES_AT_ONCE),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            accounts: Accounts::default(),
            link: Arc::new(Link::new(self.outbound.clone())),
            operations: AllOperations::new(self.outbound),
        });
        let host = Host(Arc::new(Inner {
            context,
            containers: RwLock::default(),
            meter: Arc::new(meter),
            system: Mutex::default(),
            declaring: tokio::sync::Mutex::default(),
            sftp: OnceLock::new(),
        }));
        let (condemned, ids): (Vec<_>, Vec<_>) =
            ids.into_iter().partition(|id| host.0.context.place(*id).state.is_condemned());
        for id in ids {
            if let Some(spec) = host.0.context.place(id).state.spec() {
                host.supervise(spec).map_err(|error| io::Error::other(error.to_string()))?;
            }
        }
        if let Some(addr) = self.sftp {
            host.serve_sftp(addr, self.exempt, self.old_clients).await?;
        }
        host.0.context.keep_apart(None).await;
        host.measure().await;
        let (context, stop) = (host.0.context.clone(), host.0.context.stop.clone());
        host.0.context.tasks.spawn(async move {
            stop.run_until_cancelled(removal::sweep(context, condemned)).await;
        });
        host.0.context.tasks.spawn(host.clone().every(SAMPLE_EVERY, PeriodicTask::Samples(HashMap::new())));
        host.0.context.tasks.spawn(host.clone().every(RULES_EVERY, PeriodicTask::Rules));
        host.0.context.tasks.spawn(host.clone().every(SYSTEM_EVERY, PeriodicTask::System));
        host.0.context.tasks.spawn(host.clone().every(HISTORY_EVERY, PeriodicTask::History));
        host.0.context.tasks.spawn(host.clone().every(CONSOLES_EVERY, PeriodicTask::Consoles));
        host.0.context.tasks.spawn(host.clone().every(self.scan_every, PeriodicTask::Disk));
        if self.trash_days > 0 {
            let days = self.trash_days;
            host.0.context.tasks.spawn(host.clone().every(TRASH_EVERY, PeriodicTask::Trash { days }));
        }
        if self.image_days > 0 {
            let unused_s = u64::from(self.image_days) * 86_400;
            host.0.context.tasks.spawn(host.clone().every(IMAGES_EVERY, PeriodicTask::Images { unused_s }));
        }
        Ok(host)
    }
}
