//! A simulated host, which answers and sends events like a real one, for tests, demonstrations and load tests.

mod history;
mod requests;
mod streams;

use crate::{
    clock::Clock,
    containers::lifecycle::{Effect, Ending, Input, Life, Phase, Refused},
    id::ContainerId,
    node::{
        ConsoleLine, ContainerSpec, ContainerStats, ContainerStatus, DiskLimits, Exit, Fault, Happened,
        Happening, HostedContainer, LineKind, LiveFrame, NodeError, NodeEvent, OLDEST_PROTOCOL, PROTOCOL,
        Since, Stats, SystemInfo, Transition,
    },
};
use futures_util::stream;
use std::{
    collections::{HashMap, VecDeque},
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::{broadcast, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

/// Number of console lines stored per container.
const STORED_LINES: usize = 1_000;
/// Maximum number of lines in a frame.
const MAX_FRAME_LINES: usize = 512;
const MIB: u64 = 1024 * 1024;
/// The maximum time between two events on a stream.
const MAX_SILENCE: Duration = Duration::from_secs(5);

/// A host without Docker. Its containers follow the same state machine as real ones: they become ready some time after they are
/// started, echo each command, and end some time after they are asked to stop. Cheap to clone.
#[derive(Clone)]
pub struct SimulatedHost(Arc<Inner>);

struct Inner {
    name: String,
    protocol: Option<u32>,
    addresses: Vec<IpAddr>,
    clock: Clock,
    boot_time: Duration,
    stop_time: Duration,
    containers: Mutex<HashMap<ContainerId, Arc<Simulated>>>,
    hosts: Mutex<Vec<String>>,
    events: broadcast::Sender<NodeEvent>,
    // One spool for its lifetime, unless `go_back` is called: unacknowledged events are lost with it.
    happened: Mutex<Spool>,
    // Whether declarations are delayed.
    held_up: watch::Sender<bool>,
    // Whether power actions are delayed.
    orders_held_up: watch::Sender<bool>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

struct Spool {
    id: Uuid,
    newest: u64,
    waiting: VecDeque<Happened>,
}

/// Builds a [`SimulatedHost`] that behaves otherwise than by default.
pub struct Builder {
    name: String,
    clock: Clock,
    boot_time: Duration,
    stop_time: Duration,
    stats_every: Option<Duration>,
    protocol: Option<u32>,
    addresses: Vec<IpAddr>,
}

struct Simulated {
    id: ContainerId,
    state: Mutex<State>,
    status: watch::Sender<ContainerStatus>,
    stats: watch::Sender<Option<Stats>>,
    // The number of the newest line; readers wait for it to change.
    newest: watch::Sender<u64>,
    // The lines to send with the next crash.
    last_words: Mutex<Vec<String>>,
}

struct State {
    spec: ContainerSpec,
    life: Life,
    // The number of starts: events scheduled for an earlier process are ignored.
    run: u64,
    lines: VecDeque<ConsoleLine>,
}

impl Builder {
    /// The host's name; `simulated` by default.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The clock; the machine's clock by default.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The time from the start until it is ready, and from the stop until it ends; 10 ms each by default.
    #[must_use]
    pub fn times(mut self, boot: Duration, stop: Duration) -> Self {
        (self.boot_time, self.stop_time) = (boot, stop);
        self
    }

    /// The interval of measurements of all running containers; no measurements by default.
    #[must_use]
    pub fn stats_every(mut self, period: Duration) -> Self {
        self.stats_every = Some(period);
        self
    }

    /// The only protocol that it says that it speaks; [`OLDEST_PROTOCOL`] to [`PROTOCOL`] unless given.
    #[must_use]
    pub fn protocol(mut self, protocol: u32) -> Self {
        self.protocol = Some(protocol);
        self
    }

    /// The reported addresses of its interfaces; none are reported by default.
    #[must_use]
    pub fn addresses(mut self, addresses: Vec<IpAddr>) -> Self {
        self.addresses = addresses;
        self
    }

    /// Builds the host. Must be called inside a tokio runtime.
    #[must_use]
    pub fn build(self) -> SimulatedHost {
        let host = SimulatedHost(Arc::new(Inner {
            name: self.name,
            protocol: self.protocol,
            addresses: self.addresses,
            clock: self.clock,
            boot_time: self.boot_time,
            stop_time: self.stop_time,
            containers: Mutex::default(),
            events: broadcast::channel(4_096).0,
            hosts: Mutex::default(),
            happened: Mutex::new(Spool { id: Uuid::now_v7(), newest: 0, waiting: VecDeque::new() }),
            held_up: watch::Sender::new(false),
            orders_held_up: watch::Sender::new(false),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }));
        if let Some(period) = self.stats_every {
            host.0.tasks.spawn(host.clone().measure(period));
        }
        host
    }
}

impl Default for SimulatedHost {
    fn default() -> Self {
        Self::builder().build()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SimulatedHost {
    /// A builder for a host that behaves otherwise than by default.
    #[must_use]
    pub fn builder() -> Builder {
        Builder {
            name: "simulated".into(),
            clock: Clock::System,
            boot_time: Duration::from_millis(10),
            stop_time: Duration::from_millis(10),
            stats_every: None,
            protocol: None,
            addresses: Vec::new(),
        }
    }

    /// Numbers its events from 0 again with a new spool id, like a host that starts on a folder restored from a copy.
    pub fn go_back(&self) {
        let mut happened = locked(&self.0.happened);
        (happened.id, happened.newest) = (Uuid::now_v7(), 0);
    }

    /// Ends the container's process with `code`, as if it had crashed or finished.
    ///
    /// # Errors
    /// [`NodeError::NotFound`]; [`NodeError::Refused`] if no process runs.
    pub fn end_process(&self, id: ContainerId, code: i64) -> Result<(), NodeError> {
        let container = self.container(id)?;
        if container.status.borrow().started_at.is_none() {
            return Err(Refused::Offline.into());
        }
        self.exit(&container, code);
        Ok(())
    }

    /// Prints lines and crashes with this exit code; the event contains the lines.
    ///
    /// # Errors
    /// As [`Self::end_process`].
    pub fn crash(
        &self,
        id: ContainerId,
        code: i64,
        lines: impl IntoIterator<Item = String>,
    ) -> Result<(), NodeError> {
        let container = self.container(id)?;
        let lines: Vec<String> = lines.into_iter().collect();
        container.say(&self.0.clock, LineKind::Output, lines.clone());
        *locked(&container.last_words) = lines;
        self.end_process(id, code)
    }

    /// Prints lines in the container's console.
    ///
    /// # Errors
    /// [`NodeError::NotFound`].
    pub fn print(&self, id: ContainerId, lines: impl IntoIterator<Item = String>) -> Result<(), NodeError> {
        self.container(id)?.say(&self.0.clock, LineKind::Output, lines);
        Ok(())
    }

    /// Delays declarations until this is called with `false`, like a slow connection. Everything else is answered.
    pub fn hold_up_declarations(&self, held_up: bool) {
        self.0.held_up.send_replace(held_up);
    }

    /// The number of delayed declarations.
    #[must_use]
    pub fn waiting_declarations(&self) -> usize {
        self.0.held_up.receiver_count()
    }

    /// Delays power actions until this is called with `false`, like a busy host.
    pub fn hold_up_orders(&self, held_up: bool) {
        self.0.orders_held_up.send_replace(held_up);
    }

    /// The number of delayed power actions.
    #[must_use]
    pub fn waiting_orders(&self) -> usize {
        self.0.orders_held_up.receiver_count()
    }

    /// The number of open live streams of the container.
    ///
    /// # Errors
    /// [`NodeError::NotFound`].
    pub fn viewers(&self, id: ContainerId) -> Result<usize, NodeError> {
        Ok(self.container(id)?.status.receiver_count())
    }

    /// The addresses of all hosts that it last received.
    #[must_use]
    pub fn hosts(&self) -> Vec<String> {
        locked(&self.0.hosts).clone()
    }

    /// Stops its background tasks.
    pub async fn shutdown(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    fn container(&self, id: ContainerId) -> Result<Arc<Simulated>, NodeError> {
        locked(&self.0.containers).get(&id).cloned().ok_or(NodeError::NotFound)
    }

    fn all(&self) -> Vec<Arc<Simulated>> {
        locked(&self.0.containers).values().cloned().collect()
    }

    fn tell(&self, event: NodeEvent) {
        // An error only means that nobody listens.
        let _ = self.0.events.send(event);
    }

    /// Passes the input to the state machine and carries out the effects.
    fn input(&self, container: &Arc<Simulated>, input: Input) -> Result<(), Refused> {
        let now = self.0.clock.now();
        let (life, effects, run) = {
            let mut state = locked(&container.state);
            let (life, effects) = state.life.step(state.spec.policy, input)?;
            state.life = life;
            state.run += u64::from(effects.contains(&Effect::Boot));
            let last_lines = locked(&container.last_words).clone();
            let step = Transition { life, effects: &effects, at: now, again_at: None, last_lines };
            container.status.send_modify(|status| status.follow(step));
            (life, effects, state.run)
        };
        if life.phase == Phase::Offline {
            container.stats.send_replace(None);
        }
        let outcome = Effect::outcome(&effects);
        for effect in effects {
            match effect {
                Effect::Boot => {
                    let (revision, refused, image) = {
                        let spec = &locked(&container.state).spec;
                        (spec.revision, spec.image_refused.clone(), spec.image.clone())
                    };
                    let fault = refused.as_ref().map(|_| Box::new(Fault::ImageRefused { image }));
                    container.status.send_modify(|status| {
                        (status.problem, status.fault) = (refused.clone(), fault);
                    });
                    if refused.is_some() {
                        self.spawn_later(container, Duration::ZERO, |host, container| {
                            let _ = host.input(container, Input::BootFailed);
                        });
                        continue;
                    }
                    container.status.send_modify(|status| {
                        (status.started_at, status.process_revision) = (Some(now), Some(revision));
                    });
                    self.later(container, run, self.0.boot_time, |host, container| {
                        container.say(&host.0.clock, LineKind::Output, ["Ready".into()]);
                        let _ = host.input(container, Input::Ready);
                    });
                }
                Effect::AskToStop => {
                    self.later(container, run, self.0.stop_time, |host, container| host.exit(container, 0));
                }
                Effect::Kill => {
                    self.later(container, run, Duration::ZERO, |host, container| host.exit(container, 137));
                }
                Effect::Install => {
                    self.spawn_later(container, self.0.boot_time, |host, container| {
                        host.installed(container);
                    });
                }
                // Much shorter than on a real host.
                Effect::ArmBackoff => {
                    self.spawn_later(container, self.0.boot_time, |host, container| {
                        let _ = host.input(container, Input::BackoffOver);
                    });
                }
                // Its processes always stop when they are asked to.
                _ => {}
            }
        }
        self.tell(NodeEvent::Status { status: container.status.borrow().clone() });
        // Like a real host: the end is not reported while the process still appears to run.
        let news = outcome.and_then(|outcome| container.status.borrow().news_of(outcome));
        if let Some(news) = news {
            self.happens(container.id, news);
        }
        Ok(())
    }

    fn exit(&self, container: &Arc<Simulated>, code: i64) {
        let at = self.0.clock.now();
        // The state machine decides whether it is a crash.
        let exit = Exit { code, out_of_memory: false, crash: false, at };
        container.status.send_modify(|status| {
            (status.last_exit, status.started_at, status.process_revision) = (Some(exit), None, None);
        });
        let ending = if code == 0 { Ending::Clean } else { Ending::Badly };
        let _ = self.input(container, Input::Exited(ending));
    }

    /// Every installation succeeds.
    fn installed(&self, container: &Arc<Simulated>) {
        let number = locked(&container.state).spec.install.as_ref().map_or(0, |install| install.number);
        container.say(&self.0.clock, LineKind::Install, ["Installed".into()]);
        container.status.send_modify(|status| status.installed = number);
        self.happens(
            container.id,
            Happening::Installed { number, problem: None, warning: None, lines: Vec::new() },
        );
        let _ = self.input(container, Input::InstallEnded { ok: true });
    }

    fn happens(&self, id: ContainerId, what: Happening) {
        let event = {
            let mut happened = locked(&self.0.happened);
            happened.newest += 1;
            let (spool, number) = (happened.id, happened.newest);
            let event = Happened { spool, number, at: self.0.clock.now(), id, what };
            happened.waiting.push_back(event.clone());
            event
        };
        self.tell(NodeEvent::Happened(event));
    }

    /// Runs something after a delay, unless its process has ended by then.
    fn later(
        &self,
        container: &Arc<Simulated>,
        run: u64,
        after: Duration,
        then: impl FnOnce(&Self, &Arc<Simulated>) + Send + 'static,
    ) {
        self.spawn_later(container, after, move |host, container| {
            let alive = container.status.borrow().started_at.is_some();
            if alive && locked(&container.state).run == run {
                then(host, container);
            }
        });
    }

    fn spawn_later(
        &self,
        container: &Arc<Simulated>,
        after: Duration,
        then: impl FnOnce(&Self, &Arc<Simulated>) + Send + 'static,
    ) {
        let (host, container) = (self.clone(), container.clone());
        self.0.tasks.spawn(async move {
            tokio::select! {
                () = host.0.stop.cancelled() => {}
                () = tokio::time::sleep(after) => then(&host, &container),
            }
        });
    }

    async fn measure(self, period: Duration) {
        let mut ticks = tokio::time::interval(period);
        let mut turn: u64 = 0;
        loop {
            tokio::select! {
                () = self.0.stop.cancelled() => return,
                _ = ticks.tick() => turn += 1,
            }
            let now = self.0.clock.now();
            let measured = self.all().into_iter().filter_map(|container| {
                let started_at = container.status.borrow().started_at?;
                let memory_limit_bytes = locked(&container.state).spec.limits.memory_mib * MIB;
                let stats = Stats {
                    // A wave, so that graphs have something to show.
                    cpu_percent: 20.0 + 15.0 * (turn as f64 / 8.0).sin(),
                    memory_cache_bytes: memory_limit_bytes / 8,
                    memory_bytes: memory_limit_bytes / 4 + turn % 64 * MIB / 4,
                    memory_limit_bytes,
                    network_rx_bytes: turn * 2_000,
                    network_tx_bytes: turn * 8_000,
                    disk_bytes: 64 * MIB,
                    pids: 12,
                    uptime_ms: (now - started_at).num_milliseconds().max(0).cast_unsigned(),
                };
                container.stats.send_replace(Some(stats));
                Some(ContainerStats { id: container.id, stats })
            });
            let stats: Vec<_> = measured.collect();
            if !stats.is_empty() {
                self.tell(NodeEvent::Stats { stats });
            }
        }
    }

    fn info(&self) -> SystemInfo {
        SystemInfo {
            protocol: self.0.protocol.unwrap_or(OLDEST_PROTOCOL),
            newest_protocol: self.0.protocol.or(Some(PROTOCOL)),
            version: env!("CARGO_PKG_VERSION").into(),
            time: self.0.clock.now(),
            hostname: self.0.name.clone(),
            os: "simulated".into(),
            kernel: "simulated".into(),
            architecture: std::env::consts::ARCH.into(),
            cpu_count: 16,
            cpu_percent: 100.0,
            memory_total_bytes: 64 * 1024 * MIB,
            memory_used_bytes: 16 * 1024 * MIB,
            disk_total_bytes: 1024 * 1024 * MIB,
            disk_used_bytes: 256 * 1024 * MIB,
            uptime_seconds: 86_400,
            docker_version: Some("simulated".into()),
            docker_problem: None,
            sftp: None,
            isolation: None,
            ips: vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)],
            addresses: self.0.addresses.clone(),
            disk_limits: DiskLimits {
                by_kernel: true,
                file_system: "simulated".into(),
                note: "Nothing is written.".into(),
            },
            allowed_mounts: Vec::new(),
            folder_problem: None,
            user_note: None,
        }
    }

    fn snapshot(&self) -> NodeEvent {
        let containers = self.all().iter().map(|container| container.status.borrow().clone()).collect();
        let held = self.all().into_iter().map(|container| {
            let running = container.status.borrow().phase != Phase::Offline;
            let spec = &locked(&container.state).spec;
            HostedContainer {
                id: spec.id,
                name: spec.name.clone(),
                owner: spec.owner,
                ports: spec.ports.clone(),
                running,
                declared: true,
            }
        });
        NodeEvent::Snapshot { system: self.info(), containers, held: held.collect() }
    }
}

impl Simulated {
    fn new(spec: ContainerSpec, clock: &Clock) -> Self {
        let status = ContainerStatus {
            id: spec.id,
            revision: spec.revision,
            phase: Phase::Offline,
            since: clock.now(),
            started_at: None,
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
        };
        let life = Life { suspended: spec.suspended, ..Life::NEW };
        Self {
            id: spec.id,
            state: Mutex::new(State { spec, life, run: 0, lines: VecDeque::new() }),
            status: watch::Sender::new(status),
            stats: watch::Sender::new(None),
            newest: watch::Sender::new(0),
            last_words: Mutex::default(),
        }
    }

    fn say(&self, clock: &Clock, kind: LineKind, texts: impl IntoIterator<Item = String>) {
        let at = clock.now();
        let mut state = locked(&self.state);
        let mut newest = *self.newest.borrow();
        for text in texts {
            newest += 1;
            state.lines.push_back(ConsoleLine { seq: newest, at, kind, text });
        }
        let surplus = state.lines.len().saturating_sub(STORED_LINES);
        state.lines.drain(..surplus);
        self.newest.send_replace(newest);
    }

    /// At most `limit` lines after `after`. Fails with the number of the oldest stored line if the next line is no longer stored.
    fn read(&self, after: u64, limit: usize) -> Result<Vec<ConsoleLine>, u64> {
        let state = locked(&self.state);
        match state.lines.front() {
            Some(oldest) if oldest.seq > after + 1 => Err(oldest.seq),
            _ => Ok(state.lines.iter().filter(|line| line.seq > after).take(limit).cloned().collect()),
        }
    }

    fn frame(&self, after: &mut u64) -> Option<LiveFrame> {
        match self.read(*after, MAX_FRAME_LINES) {
            Err(next) => {
                let from = *after + 1;
                *after = next - 1;
                Some(LiveFrame::Gap { from, next })
            }
            Ok(lines) => {
                *after = lines.last()?.seq;
                Some(LiveFrame::Lines { lines })
            }
        }
    }

    fn follow(self: Arc<Self>, since: Since) -> impl futures_util::Stream<Item = LiveFrame> {
        let after = match since {
            Since::After(seq) => seq,
            Since::Tail(lines) => self.newest.borrow().saturating_sub(u64::from(lines)),
        };
        let newest = self.newest.subscribe();
        stream::unfold(
            (self, newest, after, false),
            |(container, mut newest, mut after, caught_up)| async move {
                loop {
                    newest.borrow_and_update();
                    if let Some(frame) = container.frame(&mut after) {
                        return Some((frame, (container, newest, after, caught_up)));
                    }
                    if !caught_up {
                        return Some((LiveFrame::CaughtUp, (container, newest, after, true)));
                    }
                    newest.changed().await.ok()?;
                }
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Node;
    use futures_util::StreamExt;

    #[tokio::test]
    async fn a_host_on_which_nothing_happens_is_heard_all_the_same() {
        let host = SimulatedHost::default();
        let mut events = host.events().await.unwrap();
        assert!(matches!(events.next().await, Some(NodeEvent::Snapshot { .. })));
        assert!(matches!(events.next().await, Some(NodeEvent::System { .. })));
    }
}
