//! Daemons without hosts: each reports the state of its containers every second, in the format of a real one.

use async_trait::async_trait;
use axum::serve::Listener;
use chrono::{DateTime, Utc};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use raptor_core::{
    clock::Clock,
    containers::lifecycle::Phase,
    daemons::simulated::SimulatedHost,
    id::ContainerId,
    node::{
        ConsoleExport, ContainerStats, ContainerStatus, Download, Handler, HostMessage, LiveFrame, LiveParts,
        Node, NodeError, NodeEvent, Request, Since, Stats, SystemInfo,
        files::{Body, FileAnswer, FileContent, FileRead, FileWrite, Scoped},
    },
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::watch, task::JoinSet};

const MIB: u64 = 1024 * 1024;
/// As in real daemons.
const STATS_EVERY: Duration = Duration::from_secs(1);
/// The host's own load is reported with every n-th measurement.
const SYSTEM_EVERY: u64 = 5;

/// Counts of what all daemons have reported.
#[derive(Default)]
pub struct EventCounts {
    /// Links that daemons opened since the start.
    pub opened: AtomicU64,
    /// Links that have ended since the start.
    pub ended: AtomicU64,
    /// Measurements of containers.
    pub stats: AtomicU64,
}

struct Daemon {
    containers: Vec<ContainerId>,
    since: DateTime<Utc>,
    system: SystemInfo,
    /// The number of the newest measurement, and its time.
    measured: watch::Sender<(u64, DateTime<Utc>)>,
    counts: Arc<EventCounts>,
    /// Answers everything but measurements.
    rest: SimulatedHost,
}

/// A daemon as the state of its routes.
struct Handle(Arc<Daemon>);

/// Serves a daemon with these containers, all running since `since`, with measurements from `first` on. `tasks` ends it.
pub async fn serve(
    tasks: &mut JoinSet<()>,
    listener: impl Listener<Addr: std::fmt::Debug>,
    key: String,
    containers: Vec<ContainerId>,
    (since, first): (DateTime<Utc>, Duration),
    counts: Arc<EventCounts>,
    rest: SimulatedHost,
) -> anyhow::Result<()> {
    let system = rest.system().await?;
    let measured = watch::Sender::new((0, since));
    let daemon = Arc::new(Daemon { containers, since, system, measured, counts, rest });
    let router = raptor_daemon::router(Arc::new(Handle(daemon.clone())), key);
    tasks.spawn(async move {
        let _ = axum::serve(listener, router).await;
    });
    tasks.spawn(async move {
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + first, STATS_EVERY);
        loop {
            ticks.tick().await;
            daemon.measured.send_modify(|(turn, at)| (*turn, *at) = (*turn + 1, Clock::System.now()));
        }
    });
    Ok(())
}

impl Daemon {
    fn statuses(&self) -> Vec<ContainerStatus> {
        self.containers.iter().map(|id| self.status(*id)).collect()
    }

    fn status(&self, id: ContainerId) -> ContainerStatus {
        ContainerStatus {
            id,
            revision: 1,
            phase: Phase::Running,
            since: self.since,
            started_at: Some(self.since),
            last_exit: None,
            problem: None,
            config_problems: Vec::new(),
            progress: None,
            hold: None,
            installed: 0,
            crashes: None,
            pending: None,
            process_revision: None,
            fault: None,
        }
    }

    fn system(&self) -> SystemInfo {
        SystemInfo { time: Clock::System.now(), ..self.system.clone() }
    }

    /// Measurement number `turn`. Its time is transported in the field for received bytes.
    fn stats(&self, (turn, at): (u64, DateTime<Utc>)) -> Stats {
        Stats {
            cpu_percent: 20.0 + 15.0 * (turn as f64 / 8.0).sin(),
            memory_bytes: 256 * MIB + turn % 64 * MIB / 4,
            memory_cache_bytes: 64 * MIB,
            memory_limit_bytes: 1_024 * MIB,
            network_rx_bytes: at.timestamp_micros().cast_unsigned(),
            network_tx_bytes: turn * 8_000,
            disk_bytes: 64 * MIB,
            pids: 12,
            uptime_ms: (at - self.since).num_milliseconds().cast_unsigned(),
        }
    }

    fn events(&self, measured: (u64, DateTime<Utc>)) -> Vec<NodeEvent> {
        let stats = self.stats(measured);
        let stats: Vec<_> = self.containers.iter().map(|id| ContainerStats { id: *id, stats }).collect();
        self.counts.stats.fetch_add(stats.len() as u64, Ordering::Relaxed);
        let mut events = vec![NodeEvent::Stats { stats }];
        if measured.0.is_multiple_of(SYSTEM_EVERY) {
            events.push(NodeEvent::System { system: self.system() });
        }
        events
    }
}

struct Link {
    daemon: Arc<Daemon>,
    measured: watch::Receiver<(u64, DateTime<Utc>)>,
}

impl Link {
    fn open(daemon: Arc<Daemon>) -> Self {
        daemon.counts.opened.fetch_add(1, Ordering::Relaxed);
        Self { measured: daemon.measured.subscribe(), daemon }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.daemon.counts.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// What is asked by itself is answered by a simulated host: the API asks for events, and learns of the containers from those.
#[async_trait]
impl<R: Request> Handler<R> for Handle
where
    SimulatedHost: Handler<R>,
{
    async fn handle(&self, target: R::Target, request: R) -> Result<R::Answer, NodeError> {
        self.0.rest.handle(target, request).await
    }
}

#[async_trait]
impl Node for Handle {
    async fn live(
        &self,
        id: ContainerId,
        _: Since,
        parts: LiveParts,
    ) -> Result<BoxStream<'static, LiveFrame>, NodeError> {
        let daemon = self.0.clone();
        let first = stream::iter([LiveFrame::Status { status: daemon.status(id) }, LiveFrame::CaughtUp]);
        if !parts.stats {
            return Ok(first.chain(stream::pending()).boxed());
        }
        let measured = daemon.measured.subscribe();
        let stats = stream::unfold((daemon, measured), |(daemon, mut measured)| async move {
            measured.changed().await.ok()?;
            let stats = daemon.stats(*measured.borrow_and_update());
            Some((LiveFrame::Stats { stats }, (daemon, measured)))
        });
        Ok(first.chain(stats).boxed())
    }

    async fn events(&self) -> Result<BoxStream<'static, NodeEvent>, NodeError> {
        let daemon = &self.0;
        let first =
            NodeEvent::Snapshot { system: daemon.system(), containers: daemon.statuses(), held: Vec::new() };
        let follow = stream::unfold(Link::open(daemon.clone()), |mut link| async move {
            link.measured.changed().await.ok()?;
            let measured = *link.measured.borrow_and_update();
            Some((stream::iter(link.daemon.events(measured)), link))
        });
        Ok(stream::once(std::future::ready(first)).chain(follow.flatten()).boxed())
    }

    async fn tell(&self, word: HostMessage) -> Result<(), NodeError> {
        self.0.rest.tell(word).await
    }

    async fn export_console(&self, id: ContainerId, export: ConsoleExport) -> Result<Download, NodeError> {
        self.0.rest.export_console(id, export).await
    }

    async fn read_file(&self, id: ContainerId, request: Scoped<FileRead>) -> Result<FileContent, NodeError> {
        self.0.rest.read_file(id, request).await
    }

    async fn write_file(
        &self,
        id: ContainerId,
        request: Scoped<FileWrite>,
        body: Body,
    ) -> Result<FileAnswer, NodeError> {
        self.0.rest.write_file(id, request, body).await
    }
}
