//! The host: every container on it, behind the seam that the control side knows.

use crate::{
    desired::{StateFolder, boot_id, instance},
    files::{Accounts, Denied, Root},
    firewall::{Firewall, Reach},
    images::Ledger,
    lifecycle::{Ask, Ground, Handle, Supervisor},
    quota::Quota,
    removal,
    runtime::{Docker, Pool, Sample},
    sftp,
    spool::Spool,
    stats::History,
    system::Meter,
    workspace::{AllOperations, Workspace},
};
use async_trait::async_trait;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use raptor_core::{
    clock::Clock,
    id::ContainerId,
    node::{
        CleanedImages, ConsoleLine, ContainerSpec, ContainerStats, ContainerStatus, LiveFrame, LiveParts,
        Node, NodeError, NodeEvent, NodeHistory, PowerAction, RegistryLogin, Since, Stats, SystemInfo, Word,
        files::NodeFiles,
    },
};
use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError, RwLock},
    time::Duration,
};
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot, watch};
use tokio_stream::wrappers::WatchStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

const SAMPLE_EVERY: Duration = Duration::from_secs(1);
const SYSTEM_EVERY: Duration = Duration::from_secs(5);
const HISTORY_EVERY: Duration = Duration::from_secs(10);
/// Others may change the firewall at any time: a restart of the engine, a reload of the host's own rules.
const RULES_EVERY: Duration = Duration::from_secs(10);
const DISK_EVERY: Duration = Duration::from_secs(60);
const IMAGES_EVERY: Duration = Duration::from_secs(3_600);
/// Containers measured at the same time.
const SAMPLES_AT_ONCE: usize = 8;
/// Containers that start at the same time where nobody waits for them.
const STARTS_AT_ONCE: usize = 4;
/// Consoles that are searched at the same time.
const SEARCHES_AT_ONCE: usize = 4;
/// How long a container has to run for its earlier crashes to be forgiven.
const CALM: Duration = Duration::from_secs(60);

/// Collects what a [`Host`] needs.
pub struct Builder {
    base: PathBuf,
    socket: PathBuf,
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
    clock: Clock,
    sftp: Option<SocketAddr>,
}

impl Builder {
    /// The Docker Engine's socket; `/var/run/docker.sock` unless given.
    #[must_use]
    pub fn docker_socket(mut self, socket: impl Into<PathBuf>) -> Self {
        self.socket = socket.into();
        self
    }

    /// Whom the containers' processes and files belong to; 988:988 unless given.
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

    /// Serves the containers' files by SFTP there; not at all unless given.
    #[must_use]
    pub fn sftp(mut self, addr: SocketAddr) -> Self {
        self.sftp = Some(addr);
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

    /// Takes over what is on this host. Docker may be away, and a port of SFTP taken.
    ///
    /// # Errors
    /// When the base folder can't be used.
    pub async fn build(self) -> io::Result<Host> {
        let base = self.base.clone();
        let ids = StateFolder::all(&base).map_err(|error| {
            io::Error::new(error.kind(), format!("the folder {} can't be used: {error}", base.display()))
        })?;
        let base = base.canonicalize()?;
        let (state, instance) = (base.join(".raptor"), instance(&base)?);
        let quota = Quota::detect(&base, instance);
        let meter = Meter::new(&base, self.ips, quota.info(), self.mounts.clone(), self.clock.clone());
        let meter = meter.map_err(io::Error::other)?;
        let ground = Arc::new(Ground {
            docker: Docker::new(&self.socket, instance),
            spool: Spool::open(&state, instance)?,
            images: Ledger::open(&state),
            history: History::new(&base),
            base,
            uid: self.uid,
            gid: self.gid,
            timezone: self.timezone,
            pool: self.pool,
            quota,
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
            link: Arc::default(),
            operations: AllOperations::default(),
        });
        let host = Host(Arc::new(Inner {
            ground,
            containers: RwLock::default(),
            meter: Arc::new(meter),
            system: Mutex::default(),
            declaring: tokio::sync::Mutex::default(),
            sftp: OnceLock::new(),
        }));
        let (condemned, ids): (Vec<_>, Vec<_>) =
            ids.into_iter().partition(|id| host.0.ground.place(*id).state.is_condemned());
        for id in ids {
            if let Some(spec) = host.0.ground.place(id).state.spec() {
                host.supervise(spec).map_err(|error| io::Error::other(error.to_string()))?;
            }
        }
        if let Some(addr) = self.sftp {
            host.serve_sftp(addr).await?;
        }
        host.0.ground.keep_apart(None).await;
        host.measure().await;
        host.0.ground.tasks.spawn(removal::sweep(host.0.ground.clone(), condemned));
        host.0.ground.tasks.spawn(host.clone().every(SAMPLE_EVERY, Turn::Samples(HashMap::new())));
        host.0.ground.tasks.spawn(host.clone().every(RULES_EVERY, Turn::Rules));
        host.0.ground.tasks.spawn(host.clone().every(SYSTEM_EVERY, Turn::System));
        host.0.ground.tasks.spawn(host.clone().every(HISTORY_EVERY, Turn::History));
        host.0.ground.tasks.spawn(host.clone().every(self.scan_every, Turn::Disk));
        if self.image_days > 0 {
            let unused_s = u64::from(self.image_days) * 86_400;
            host.0.ground.tasks.spawn(host.clone().every(IMAGES_EVERY, Turn::Images { unused_s }));
        }
        Ok(host)
    }
}

/// This host's containers. Cheap to clone.
#[derive(Clone)]
pub struct Host(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) ground: Arc<Ground>,
    containers: RwLock<HashMap<ContainerId, Handle>>,
    meter: Arc<Meter>,
    system: Mutex<Option<SystemInfo>>,
    declaring: tokio::sync::Mutex<()>,
    sftp: OnceLock<Arc<sftp::Server>>,
}

/// What is done again and again.
enum Turn {
    Samples(HashMap<ContainerId, Sample>),
    System,
    History,
    Rules,
    Disk,
    Images { unused_s: u64 },
}

impl Host {
    /// Begins to build a host that keeps its containers' files and state below `base`.
    pub fn builder(base: &Path) -> Builder {
        Builder {
            base: base.to_owned(),
            socket: "/var/run/docker.sock".into(),
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
            clock: Clock::System,
            sftp: None,
        }
    }

    async fn serve_sftp(&self, addr: SocketAddr) -> io::Result<()> {
        let ground = &self.0.ground;
        let host = Arc::downgrade(&self.0);
        let server = sftp::Server::start(sftp::Settings {
            addr,
            folder: ground.base.join(".raptor/sftp"),
            roots: Box::new(move |id| Host(host.upgrade()?).root(id).ok()),
            link: ground.link.clone(),
            clock: ground.clock.clone(),
            tasks: ground.tasks.clone(),
            stop: ground.stop.clone(),
        });
        let _ = self.0.sftp.set(server.await?);
        Ok(())
    }

    /// Ends the daemon's own work. Containers run on.
    pub async fn shutdown(&self) {
        self.0.ground.stop.cancel();
        self.0.ground.tasks.close();
        // Whoever waits for a process would wait for its end.
        let _ = tokio::time::timeout(Duration::from_millis(200), self.0.ground.tasks.wait()).await;
        self.keep_history().await;
    }

    /// A container's files, counted against its disk limit and without what its template protects. Blocking.
    ///
    /// # Errors
    /// [`NodeError::NotFound`], or [`NodeError::Internal`] when the folder can't be used.
    pub fn root(&self, id: ContainerId) -> Result<Root, NodeError> {
        self.handle(id)?;
        let (ground, place) = (&self.0.ground, self.0.ground.place(id));
        let spec = place.state.spec().ok_or(NodeError::NotFound)?;
        let usage = ground.accounts.of(id, spec.limits.disk_mib);
        let root = Root::measured(&place.data, &place.state.files(), ground.uid, ground.gid, usage)
            .map_err(|error| NodeError::Internal(format!("The container's folder can't be used: {error}")))?;
        Ok(root.denying(&Denied::new(&spec.denied_files)))
    }

    /// A container's files with its trash, versions and uploads, for somebody from whom `denied` is kept. Blocking.
    pub(crate) fn workspace(&self, id: ContainerId, denied: &[String]) -> Result<Workspace, NodeError> {
        let root = self.root(id)?.denying(&Denied::new(denied));
        let beside = self.0.ground.place(id).state.files();
        Workspace::open(root, &beside, self.0.ground.clock.clone(), self.0.ground.operations.of(id))
            .map_err(NodeError::from)
    }

    fn supervise(&self, spec: ContainerSpec) -> Result<Handle, NodeError> {
        let id = spec.id;
        let mut containers = self.0.containers.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = containers.get(&id) {
            return Ok(handle.clone());
        }
        let handle = Supervisor::start(self.0.ground.clone(), spec)
            .map_err(|error| NodeError::Internal(error.to_string()))?;
        containers.insert(id, handle.clone());
        Ok(handle)
    }

    pub(crate) fn handle(&self, id: ContainerId) -> Result<Handle, NodeError> {
        let containers = self.0.containers.read().unwrap_or_else(PoisonError::into_inner);
        containers.get(&id).cloned().ok_or(NodeError::NotFound)
    }

    fn handles(&self) -> Vec<(ContainerId, Handle)> {
        let containers = self.0.containers.read().unwrap_or_else(PoisonError::into_inner);
        containers.iter().map(|(id, handle)| (*id, handle.clone())).collect()
    }

    async fn ask<T>(
        &self,
        id: ContainerId,
        ask: impl FnOnce(oneshot::Sender<Result<T, NodeError>>) -> Ask,
    ) -> Result<T, NodeError> {
        let (reply, answer) = oneshot::channel();
        self.handle(id)?.asks.send(ask(reply)).await.map_err(|_| NodeError::NotFound)?;
        answer.await.map_err(|_| NodeError::NotFound)?
    }

    async fn every(self, period: Duration, mut turn: Turn) {
        let mut ticks = tokio::time::interval(period);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.0.ground.stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            match &mut turn {
                Turn::Samples(before) => self.sample_all(before).await,
                Turn::System => {
                    let system = self.measure().await;
                    self.0.ground.history.note_host(&system, self.0.meter.network());
                    let _ = self.0.ground.events.send(Arc::new(NodeEvent::System { system }));
                }
                Turn::History => self.keep_history().await,
                Turn::Rules => self.0.ground.keep_apart(None).await,
                Turn::Disk => self.scan().await,
                Turn::Images { unused_s } => match crate::images::clean(&self.0.ground, *unused_s).await {
                    Ok(cleaned) if cleaned.images.is_empty() => {}
                    Ok(cleaned) => tracing::info!(images = ?cleaned.images, "unused images were removed"),
                    Err(error) => tracing::debug!(%error, "unused images stay"),
                },
            }
        }
    }

    /// Measures the host and asks Docker how it is.
    async fn measure(&self) -> SystemInfo {
        let meter = self.0.meter.clone();
        let measured = tokio::task::spawn_blocking(move || meter.measure()).await;
        let mut system = measured.unwrap_or_else(|_| self.0.meter.measure());
        match self.0.ground.docker.version().await {
            Ok(version) => system.docker_version = Some(version),
            Err(error) => system.docker_problem = Some(error.to_string()),
        }
        system.isolation = Some(self.0.ground.firewall.isolation());
        system.sftp = self.0.sftp.get().map(|server| server.about());
        *self.0.system.lock().unwrap_or_else(PoisonError::into_inner) = Some(system.clone());
        system
    }

    async fn sample_all(&self, before: &mut HashMap<ContainerId, Sample>) {
        let running: Vec<_> = self
            .handles()
            .into_iter()
            .filter(|(_, handle)| handle.status.borrow().started_at.is_some())
            .collect();
        self.0.ground.history.pause(|id| running.iter().any(|(running, _)| *running == id));
        before.retain(|id, _| running.iter().any(|(running, _)| running == id));
        let earlier = std::mem::take(before);
        let now = self.0.ground.clock.now();
        let samples: Vec<_> = stream::iter(running)
            .map(|(id, handle)| {
                let (ground, earlier) = (&self.0.ground, earlier.get(&id));
                async move { (id, handle, ground.docker.sample(&crate::runtime::name(id), earlier).await) }
            })
            .buffer_unordered(SAMPLES_AT_ONCE)
            .collect()
            .await;
        let mut stats = Vec::new();
        for (id, handle, sample) in samples {
            let Ok(mut sample) = sample else { continue };
            let started_at = handle.status.borrow().started_at;
            sample.stats.uptime_ms =
                started_at.map_or(0, |at| (now - at).num_milliseconds().max(0).cast_unsigned());
            sample.stats.disk_bytes = *handle.disk.lock().unwrap_or_else(PoisonError::into_inner);
            sample.stats.memory_limit_bytes = self.memory_limit(id);
            handle.stats.send_replace(Some(sample.stats));
            if earlier.contains_key(&id) {
                // CPU use is a difference: the first measurement of a process has none.
                self.0.ground.history.note(id, now, &sample.stats);
            }
            stats.push(ContainerStats { id, stats: sample.stats });
            before.insert(id, sample);
        }
        if !stats.is_empty() {
            let _ = self.0.ground.events.send(Arc::new(NodeEvent::Stats { stats }));
        }
    }

    async fn keep_history(&self) {
        let ground = self.0.ground.clone();
        if let Err(error) = tokio::task::spawn_blocking(move || ground.history.flush()).await {
            tracing::error!(%error, "measurements were not kept");
        }
    }

    fn memory_limit(&self, id: ContainerId) -> u64 {
        self.0.ground.place(id).state.spec().map_or(0, |spec| spec.limits.memory_mib * 1024 * 1024)
    }

    /// Measures the data folders, one after another. Where the kernel does not keep the limits, whoever is over its own is
    /// stopped.
    async fn scan(&self) {
        for (id, handle) in self.handles() {
            let host = self.clone();
            let size = tokio::task::spawn_blocking(move || {
                let place = host.0.ground.place(id);
                if !place.data.exists() {
                    return 0;
                }
                host.root(id).map_or(0, |root| root.measure(&place.state.files()))
            });
            let Ok(used_bytes) = size.await else { continue };
            *handle.disk.lock().unwrap_or_else(PoisonError::into_inner) = used_bytes;
            let limit_mib = self.0.ground.place(id).state.spec().map_or(0, |spec| spec.limits.disk_mib);
            let limit_bytes = limit_mib * 1024 * 1024;
            if limit_bytes > 0 && used_bytes > limit_bytes && !self.0.ground.quota.by_kernel() {
                let _ = handle.asks.send(Ask::DiskFull { used_bytes, limit_bytes }).await;
            }
        }
    }

    async fn snapshot(&self) -> NodeEvent {
        let system = self.0.system.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let system = match system {
            // The time has to be that of the answer: it is how clocks that are apart are found.
            Some(system) => SystemInfo { time: self.0.ground.clock.now(), ..system },
            None => self.measure().await,
        };
        NodeEvent::Snapshot { system, containers: self.statuses() }
    }

    fn statuses(&self) -> Vec<ContainerStatus> {
        self.handles().into_iter().map(|(_, handle)| handle.status.borrow().clone()).collect()
    }
}

#[async_trait]
impl Node for Host {
    async fn system(&self) -> Result<SystemInfo, NodeError> {
        Ok(self.measure().await)
    }

    async fn containers(&self) -> Result<Vec<ContainerStatus>, NodeError> {
        Ok(self.statuses())
    }

    async fn declare(&self, spec: ContainerSpec) -> Result<ContainerStatus, NodeError> {
        // Two declarations of a container that is new must not both make it.
        let _turn = self.0.declaring.lock().await;
        if self.handle(spec.id).is_ok() {
            return self.ask(spec.id, |reply| Ask::Declare(Box::new(spec), reply)).await;
        }
        let state = self.0.ground.place(spec.id).state;
        state
            .keep_spec(&spec)
            .map_err(|error| NodeError::Internal(format!("The declaration can't be kept: {error}")))?;
        let handle = self.supervise(spec)?;
        let status = handle.status.borrow().clone();
        let _ = self.0.ground.events.send(Arc::new(NodeEvent::Status { status: status.clone() }));
        Ok(status)
    }

    async fn remove(&self, id: ContainerId) -> Result<(), NodeError> {
        match self.ask(id, Ask::Remove).await {
            Err(NodeError::NotFound) => {
                // One whose removal an earlier daemon began has nobody to ask.
                let place = self.0.ground.place(id);
                if place.state.is_condemned() {
                    removal::remove(&self.0.ground, &place).await?;
                }
            }
            other => other?,
        }
        self.0.containers.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
        self.0.ground.operations.forget(id);
        self.0.ground.accounts.forget(id);
        self.0.ground.history.forget(id);
        let _ = self.0.ground.events.send(Arc::new(NodeEvent::Removed { id }));
        Ok(())
    }

    async fn power(&self, id: ContainerId, action: PowerAction) -> Result<(), NodeError> {
        self.ask(id, |reply| Ask::Power(action, reply)).await
    }

    async fn cancel_install(&self, id: ContainerId) -> Result<(), NodeError> {
        self.ask(id, Ask::CancelInstall).await
    }

    async fn acknowledge(&self, spool: Uuid, number: u64) -> Result<(), NodeError> {
        let ground = self.0.ground.clone();
        let done = tokio::task::spawn_blocking(move || ground.spool.acknowledge(spool, number)).await;
        let done = done.map_err(|error| NodeError::Internal(error.to_string()))?;
        done.map_err(|error| NodeError::Internal(error.to_string()))
    }

    async fn set_registries(&self, logins: Vec<RegistryLogin>) -> Result<(), NodeError> {
        self.0.ground.docker.set_logins(logins);
        Ok(())
    }

    async fn clean_images(&self, unused_s: u64) -> Result<CleanedImages, NodeError> {
        crate::images::clean(&self.0.ground, unused_s).await
    }

    async fn command(&self, id: ContainerId, line: &str, by: &str) -> Result<(), NodeError> {
        self.ask(id, |reply| Ask::Command { line: line.to_owned(), by: by.to_owned(), reply }).await
    }

    async fn console(
        &self,
        id: ContainerId,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<ConsoleLine>, NodeError> {
        let console = self.handle(id)?.console;
        let read = tokio::task::spawn_blocking(move || console.page(after, limit as usize));
        read.await.map_err(|error| NodeError::Internal(error.to_string()))
    }

    async fn live(
        &self,
        id: ContainerId,
        since: Since,
        parts: LiveParts,
    ) -> Result<BoxStream<'static, LiveFrame>, NodeError> {
        let handle = self.handle(id)?;
        let status = WatchStream::new(handle.status.clone()).map(|status| LiveFrame::Status { status });
        let stats = WatchStream::new(handle.stats.subscribe()).filter_map(|stats: Option<Stats>| {
            std::future::ready(stats.map(|stats| LiveFrame::Stats { stats }))
        });
        let console = handle.console.follow(since);
        let console = stream::unfold((console, false), |(mut console, mut caught_up)| async move {
            if !caught_up {
                return Some(match console.ready().await {
                    Some(frame) => (frame, (console, false)),
                    None => {
                        caught_up = true;
                        (LiveFrame::CaughtUp, (console, caught_up))
                    }
                });
            }
            let frame = console.next().await?;
            Some((frame, (console, caught_up)))
        });
        let mut live = status.boxed();
        if parts.stats {
            live = stream::select(live, stats).boxed();
        }
        if parts.console {
            live = stream::select(live, console).boxed();
        }
        Ok(live)
    }

    async fn events(&self) -> Result<BoxStream<'static, NodeEvent>, NodeError> {
        // Listening begins before the snapshot is taken: what happens between the two is told twice rather than not at all.
        let events = self.0.ground.events.subscribe();
        let spool = self.0.ground.spool.watch();
        let first = self.snapshot().await;
        let own = self.0.ground.link.join();
        let told = Told { events, own, spool, after: 0, host: self.clone() };
        let follow = stream::unfold(told, |mut told| async move { Some((told.next().await?, told)) });
        Ok(stream::once(std::future::ready(first)).chain(follow).boxed())
    }

    async fn tell(&self, word: Word) -> Result<(), NodeError> {
        self.0.ground.link.hear(word);
        Ok(())
    }

    fn history(&self) -> &dyn NodeHistory {
        self
    }

    fn files(&self) -> &dyn NodeFiles {
        self
    }
}

/// What one listener has been told.
struct Told {
    events: broadcast::Receiver<Arc<NodeEvent>>,
    /// Questions and reports of its own.
    own: mpsc::Receiver<NodeEvent>,
    spool: watch::Receiver<u64>,
    /// The newest event of the spool that it was told.
    after: u64,
    host: Host,
}

impl Told {
    async fn next(&mut self) -> Option<NodeEvent> {
        loop {
            self.spool.borrow_and_update();
            if let Some(event) = self.host.0.ground.spool.after(self.after) {
                self.after = event.number;
                return Some(NodeEvent::Happened(event));
            }
            tokio::select! {
                event = self.events.recv() => return match event {
                    Ok(event) => Some((*event).clone()),
                    Err(broadcast::error::RecvError::Lagged(_)) => Some(self.host.snapshot().await),
                    Err(broadcast::error::RecvError::Closed) => None,
                },
                Some(event) = self.own.recv() => return Some(event),
                changed = self.spool.changed() => changed.ok()?,
            }
        }
    }
}
