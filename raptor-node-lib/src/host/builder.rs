//! How a host is made.

use super::{Host, Inner, turns::Turn};
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
/// Console lines that are older are news no more.
const CONSOLES_EVERY: Duration = Duration::from_secs(5);
/// Others may change the firewall at any time: a restart of the engine, a reload of the host's own rules.
const RULES_EVERY: Duration = Duration::from_secs(10);
const DISK_EVERY: Duration = Duration::from_secs(60);
const IMAGES_EVERY: Duration = Duration::from_secs(3_600);
const TRASH_EVERY: Duration = Duration::from_secs(3_600);
const TRASH_DAYS: u32 = 30;
/// Containers that start at the same time where nobody waits for them.
const STARTS_AT_ONCE: usize = 4;
/// Consoles that are searched at the same time.
const SEARCHES_AT_ONCE: usize = 4;
/// How long a container has to run for its earlier crashes to be forgiven.
const CALM: Duration = Duration::from_secs(60);

/// Collects what a [`Host`] needs.
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

    /// The Docker Engine's socket; `/var/run/docker.sock` unless given.
    #[must_use]
    pub fn docker_socket(self, socket: impl Into<PathBuf>) -> Self {
        self.engine(Docker::new(&socket.into()))
    }

    /// Another engine than Docker, such as [`crate::runtime::Scripted`].
    #[must_use]
    pub fn engine(mut self, engine: impl Engine) -> Self {
        self.engine = Arc::new(engine);
        self
    }

    /// The user and group of the containers' processes and files; 988:988 unless given. Without root they are those of this
    /// process, which can't give files to other users.
    #[must_use]
    pub fn user(mut self, uid: u32, gid: u32) -> Self {
        (self.uid, self.gid) = (uid, gid);
        self
    }

    /// Addresses that allocations may use; `0.0.0.0` unless given.
    #[must_use]
    pub fn ips(mut self, ips: Vec<IpAddr>) -> Self {
        self.ips = ips;
        self
    }

    /// The containers' time zone, as `TZ` takes it; `UTC` unless given.
    #[must_use]
    pub fn timezone(mut self, timezone: impl Into<String>) -> Self {
        self.timezone = timezone.into();
        self
    }

    /// How files are fetched from other servers: from public addresses only unless said otherwise.
    #[must_use]
    pub fn outbound(mut self, outbound: Outbound) -> Self {
        self.outbound = outbound;
        self
    }

    /// Serves the containers' files by SFTP there; not at all unless given.
    #[must_use]
    pub fn sftp(mut self, addr: SocketAddr) -> Self {
        self.sftp = Some(addr);
        self
    }

    /// Proxies before the SFTP server, whose number of connections has no limit; none unless given.
    #[must_use]
    pub fn exempt(mut self, networks: Vec<IpNet>) -> Self {
        self.exempt = networks;
        self
    }

    /// Whether SFTP also offers algorithms that old clients need: ECDH over NIST's curves, Diffie-Hellman group 14, a host key of RSA,
    /// AES-128-CTR and plain HMAC-SHA-2. Not unless given.
    #[must_use]
    pub fn old_sftp_clients(mut self, on: bool) -> Self {
        self.old_clients = on;
        self
    }

    /// The range of which containers' networks are made.
    #[must_use]
    pub fn subnets(mut self, pool: Pool) -> Self {
        self.pool = pool;
        self
    }

    /// Folders of this host that containers may mount, with all below them; none unless given.
    #[must_use]
    pub fn mounts(mut self, mounts: Vec<PathBuf>) -> Self {
        self.mounts = mounts;
        self
    }

    /// Whether containers are kept from this host's services and its private network; they are unless said otherwise.
    #[must_use]
    pub fn firewall(mut self, on: bool) -> Self {
        self.firewall = on;
        self
    }

    /// Private places that containers may reach all the same; none unless given.
    #[must_use]
    pub fn reach(mut self, reach: Vec<Reach>) -> Self {
        self.reach = reach;
        self
    }

    /// How long a container has to run for its earlier crashes to be forgiven; a minute unless given.
    #[must_use]
    pub fn calm(mut self, calm: Duration) -> Self {
        self.calm = calm;
        self
    }

    /// How often the data folders are measured; once a minute unless given.
    #[must_use]
    pub fn scan_every(mut self, period: Duration) -> Self {
        self.scan_every = period;
        self
    }

    /// Days after which pulled images that nobody uses are removed; never unless given, or 0.
    #[must_use]
    pub fn image_retention_days(mut self, days: u32) -> Self {
        self.image_days = days;
        self
    }

    /// Days after which what is in a container's trash is removed for good; 30 unless given, 0 = never.
    #[must_use]
    pub fn trash_retention_days(mut self, days: u32) -> Self {
        self.trash_days = days;
        self
    }

    /// Where the time comes from; the machine's clock unless given.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Takes over what is on this host. Docker may be away, and a port of SFTP taken.
    ///
    /// # Errors
    /// When the base folder can't be used; [`io::ErrorKind::WouldBlock`] when another daemon uses it.
    pub async fn build(mut self) -> io::Result<Host> {
        let base = self.base.clone();
        let unusable = |error: io::Error| {
            if error.kind() == io::ErrorKind::WouldBlock {
                return error;
            }
            io::Error::new(error.kind(), format!("the folder {} can't be used: {error}", base.display()))
        };
        // Before anything is built: two daemons would run each other's containers.
        let kept = Base::open(&base, &*self.engine).await.map_err(unusable)?;
        let ids = StateFolder::all(&base).map_err(unusable)?;
        if let Err(error) = StateFolder::sweep(&base) {
            tracing::warn!(%error, "what is left of removed containers can't be removed");
        }
        let (base, instance) = (kept.path().to_owned(), kept.instance());
        let state = base.join(".raptor");
        let quota = Quota::detect(&base, instance);
        let meter = Meter::new(&base, self.ips, quota.info(), self.mounts.clone(), self.clock.clone());
        let meter = meter.map_err(io::Error::other)?;
        let root = rustix::process::geteuid().is_root();
        if !root {
            // It could not give files to anybody else, and containers could not write into their folders.
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
            near: Mutex::default(),
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
        host.0.context.tasks.spawn(host.clone().every(SAMPLE_EVERY, Turn::Samples(HashMap::new())));
        host.0.context.tasks.spawn(host.clone().every(RULES_EVERY, Turn::Rules));
        host.0.context.tasks.spawn(host.clone().every(SYSTEM_EVERY, Turn::System));
        host.0.context.tasks.spawn(host.clone().every(HISTORY_EVERY, Turn::History));
        host.0.context.tasks.spawn(host.clone().every(CONSOLES_EVERY, Turn::Consoles));
        host.0.context.tasks.spawn(host.clone().every(self.scan_every, Turn::Disk));
        if self.trash_days > 0 {
            let days = self.trash_days;
            host.0.context.tasks.spawn(host.clone().every(TRASH_EVERY, Turn::Trash { days }));
        }
        if self.image_days > 0 {
            let unused_s = u64::from(self.image_days) * 86_400;
            host.0.context.tasks.spawn(host.clone().every(IMAGES_EVERY, Turn::Images { unused_s }));
        }
        Ok(host)
    }
}
