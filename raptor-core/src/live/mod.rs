//! The live state of hosts: one link to each daemon, and the state of its containers.

#[cfg(debug_assertions)]
mod checked;
mod follower;
mod journal;
mod link;
mod messages;
mod shared;
mod watched;

pub use follower::{Follower, FollowerEvent};
pub use journal::Position;
pub use shared::SharedFrame;
pub use watched::{ContainerMeasurement, ContainerUsage, MAX_WATCHED, Measurements};

use crate::{
    Error, Raptor, Result,
    auth::seal::Sealer,
    containers::{LiveState, lifecycle::Phase},
    daemons::{Daemon, Transport, local, strays::Stray},
    id::{ContainerId, DaemonId},
    node::{
        ContainerStatus, Done, HostMessage, HostedContainer, Node, NodeError, Stats, SystemInfo,
        requests::RegistryLogins,
    },
    store,
    warnings::warn_of,
};
use chrono::{DateTime, Utc};
use journal::Journal;
use serde::Serialize;
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

/// How the link to a daemon is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LinkState {
    /// Being tried for the first time.
    #[default]
    Connecting,
    /// The link is up, and what the host reports arrives.
    Online,
    /// The daemon can't be reached.
    Unreachable,
    /// The daemon refuses the key.
    WrongKey,
    /// The two sides speak different versions.
    ProtocolMismatch,
    /// It is this process's own host, and this process does not run one.
    NotRunning,
}

impl LinkState {
    /// The name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Online => "online",
            Self::Unreachable => "unreachable",
            Self::WrongKey => "wrong_key",
            Self::ProtocolMismatch => "protocol_mismatch",
            Self::NotRunning => "not_running",
        }
    }
}

/// The API's connection to a daemon.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = DaemonConnection))]
#[non_exhaustive]
pub struct Connection {
    /// Whether the daemon is connected, or why it is not.
    pub state: LinkState,
    /// What is wrong, with what to do; null while nothing is.
    pub message: Option<String>,
    /// When `state` last changed; null before the first attempt to connect.
    pub since: Option<DateTime<Utc>>,
    /// How many seconds the host's clock is ahead of the API's, negative where it is behind; null before the first contact.
    pub clock_skew_seconds: Option<i64>,
    /// Whether the daemon is one version of the protocol behind. Its containers' files can't be reached before it is upgraded;
    /// everything else works.
    pub outdated: bool,
    /// What the host last said of itself. Not on the wire here: a daemon has it beside its connection.
    #[serde(skip)]
    pub system: Option<SystemInfo>,
}

/// The known state of a container, and the daemon that reported it.
#[derive(Clone, Debug)]
struct KnownState {
    daemon_id: DaemonId,
    live: LiveState,
}

/// Whether two states differ in something that is stored.
fn differ(one: &LiveState, other: &LiveState) -> bool {
    let told = |live: &LiveState| (live.phase, live.since, live.hold, live.last_exit);
    told(one) != told(other)
        || one.problem != other.problem
        || one.config_problems != other.config_problems
        || one.fault != other.fault
        || one.crashes != other.crashes
        || one.pending != other.pending
}

/// An event that is not about the store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LiveEvent {
    /// The states of these containers changed.
    Containers(Arc<[ContainerId]>),
    /// These containers have new measurements.
    Measured(Arc<[ContainerId]>),
    /// This daemon's link or load changed.
    Daemon(DaemonId),
}

/// The links to all daemons.
pub(crate) struct Fleet {
    links: RwLock<HashMap<DaemonId, Link>>,
    containers: RwLock<HashMap<ContainerId, KnownState>>,
    /// The panel's host. Requests to addresses that people enter never go there.
    panel_host: Option<String>,
    /// The hosts of all daemons and of the panel, sorted.
    hosts: RwLock<Vec<String>>,
    /// The containers that hosts have and the store doesn't know.
    strays: RwLock<HashMap<DaemonId, Vec<HostedContainer>>>,
    /// The hosts within this process, by the address in their records.
    local: HashMap<String, Arc<dyn Node>>,
    /// The live streams that are being watched.
    pub(crate) streams: shared::Streams,
    connect: Connector,
    events: broadcast::Sender<LiveEvent>,
    pub(crate) journal: Journal,
    /// Changes when changes of the store may have been missed.
    gaps: watch::Sender<u64>,
}

/// Creates the client for a daemon from its record and its key. Called again when its address or key changes.
pub type Connector = Arc<dyn Fn(&Daemon, String) -> Result<Arc<dyn Node>, NodeError> + Send + Sync>;

struct Link {
    /// What the link was created from: a new address or key requires a new link.
    recipe: (String, u16, Transport, Vec<u8>),
    node: Option<Arc<dyn Node>>,
    connection: Arc<watch::Sender<Connection>>,
    stop: CancellationToken,
}

impl Fleet {
    pub(crate) fn new(
        local: HashMap<String, Arc<dyn Node>>,
        connect: Option<Connector>,
        panel_host: Option<String>,
    ) -> Self {
        Self {
            panel_host,
            links: RwLock::default(),
            containers: RwLock::default(),
            hosts: RwLock::default(),
            strays: RwLock::default(),
            local,
            streams: shared::Streams::default(),
            connect: connect.unwrap_or_else(|| Arc::new(remote)),
            events: broadcast::channel(1_024).0,
            journal: Journal::new(),
            gaps: watch::Sender::new(0),
        }
    }

    /// Records that the feed may have missed something, so that granted rights are checked again.
    pub(crate) fn gap(&self) {
        self.gaps.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// A receiver that is notified whenever the feed may have missed something.
    pub(crate) fn gaps(&self) -> watch::Receiver<u64> {
        self.gaps.subscribe()
    }

    /// Creates and drops links to match the daemons in the store.
    pub(crate) async fn refresh(&self, raptor: &Raptor) -> Result<()> {
        let mut reader = raptor.inner.store.read().await?;
        let daemons = store::daemons::list(&mut reader.conn()).await?;
        let mut keys = store::daemons::keys(&mut reader.conn()).await?;
        drop(reader);
        let wanted: HashMap<_, _> = daemons
            .into_iter()
            .map(|daemon| {
                let sealed = keys.remove(&daemon.id).unwrap_or_default();
                (daemon.id, (daemon, sealed))
            })
            .collect();
        let hosts: Vec<String> =
            wanted.values().map(|(daemon, _)| daemon.host.clone()).chain(self.panel_host.clone()).collect();
        let changed = self.set_hosts(raptor, hosts);
        {
            let mut links = self.links.write().unwrap_or_else(PoisonError::into_inner);
            links.retain(|id, link| {
                let stays =
                    wanted.get(id).is_some_and(|(daemon, sealed)| recipe(daemon, sealed) == link.recipe);
                if !stays {
                    link.stop.cancel();
                }
                stays
            });
            for (id, (daemon, sealed)) in wanted {
                links.entry(id).or_insert_with(|| self.link(raptor, &daemon, &sealed));
            }
        }
        if changed {
            self.send_hosts_to_all().await;
        }
        Ok(())
    }

    /// Stores the sorted hosts of the daemons. Returns whether they changed.
    fn set_hosts(&self, raptor: &Raptor, mut hosts: Vec<String>) -> bool {
        hosts.sort_unstable();
        hosts.dedup();
        let mut kept = self.hosts.write().unwrap_or_else(PoisonError::into_inner);
        if *kept == hosts {
            return false;
        }
        kept.clone_from(&hosts);
        raptor.inner.outbound.close(hosts);
        true
    }

    /// Sends the list of hosts to all connected hosts.
    async fn send_hosts_to_all(&self) {
        for node in self.online() {
            self.send_hosts(&*node).await;
        }
    }

    /// Sends the list of hosts to one host. One that can't be reached gets it when it reconnects.
    async fn send_hosts(&self, node: &dyn Node) {
        let hosts = self.hosts.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Err(error) = node.tell(HostMessage::Hosts { hosts }).await {
            tracing::warn!(%error, "sending the list of hosts to a host failed");
        }
    }

    fn online(&self) -> Vec<Arc<dyn Node>> {
        let links = self.links.read().unwrap_or_else(PoisonError::into_inner);
        let online = links.values().filter(|link| link.connection.borrow().state == LinkState::Online);
        online.filter_map(|link| link.node.clone()).collect()
    }

    fn link(&self, raptor: &Raptor, daemon: &Daemon, sealed: &[u8]) -> Link {
        let connection = Connection {
            state: LinkState::Connecting,
            message: None,
            since: Some(raptor.inner.clock.now()),
            clock_skew_seconds: None,
            outdated: false,
            system: None,
        };
        let connection = Arc::new(watch::Sender::new(connection));
        let stop = raptor.inner.stop.child_token();
        let node = match self.node_of(&raptor.inner.sealer, daemon, sealed) {
            #[cfg(debug_assertions)]
            Ok(node) => Some(Arc::new(checked::CheckedNode(node)) as Arc<dyn Node>),
            #[cfg(not(debug_assertions))]
            Ok(node) => Some(node),
            Err((state, message)) => {
                if state != LinkState::NotRunning {
                    tracing::warn!(daemon = %daemon.id, name = daemon.name, ?state, "{message}");
                }
                connection.send_modify(|connection| {
                    (connection.state, connection.message) = (state, Some(message))
                });
                None
            }
        };
        if let Some(node) = &node {
            let link = link::Task {
                raptor: raptor.clone(),
                daemon: daemon.id,
                node: node.clone(),
                connection: connection.clone(),
                stop: stop.clone(),
            };
            raptor.inner.tasks.spawn(link.run());
        }
        Link { recipe: recipe(daemon, sealed), node, connection, stop }
    }

    /// Whether the daemon runs within this process.
    pub(crate) fn runs(&self, daemon: &Daemon) -> bool {
        daemon.local && self.local.contains_key(&daemon.host)
    }

    fn node_of(
        &self,
        sealer: &Sealer,
        daemon: &Daemon,
        sealed: &[u8],
    ) -> Result<Arc<dyn Node>, (LinkState, String)> {
        if daemon.local {
            return self.local.get(&daemon.host).cloned().ok_or_else(|| {
                (
                    LinkState::NotRunning,
                    match daemon.host.as_str() {
                        local::HOST => {
                            "This host's daemon only runs with `raptor-api up` (cargo xtask up).".into()
                        }
                        _ => "The program that Raptor is embedded in does not run this daemon now.".into(),
                    },
                )
            });
        }
        let key = sealer
            .open(daemon.id.as_uuid().as_bytes(), sealed)
            .map_err(|error| (LinkState::WrongKey, error.to_string()))?;
        (self.connect)(daemon, key).map_err(|error| (LinkState::Unreachable, error.to_string()))
    }

    /// The daemon, unless its link can't work (no such daemon, wrong key and the like).
    pub(crate) fn node(&self, id: DaemonId) -> Result<Arc<dyn Node>> {
        let links = self.links.read().unwrap_or_else(PoisonError::into_inner);
        let link = links.get(&id);
        link.and_then(|link| link.node.clone()).ok_or_else(|| Error::Unavailable {
            code: "daemon_unreachable",
            message: link
                .and_then(|link| link.connection.borrow().message.clone())
                .unwrap_or_else(|| "The daemon is not connected.".into())
                .into(),
        })
    }

    /// The daemon, unless it is known to be disconnected, so that nobody waits for it.
    pub(crate) fn connected(&self, id: DaemonId) -> Result<Arc<dyn Node>> {
        let node = self.node(id)?;
        match self.connection(id) {
            Some(Connection { state: LinkState::Online | LinkState::Connecting, .. }) | None => Ok(node),
            Some(Connection { message, .. }) => Err(Error::Unavailable {
                code: "daemon_unreachable",
                message: message.unwrap_or_else(|| "The daemon is not connected.".into()).into(),
            }),
        }
    }

    /// Sends the logins for image registries to all connected hosts.
    pub(crate) async fn send_logins_to_all(&self, raptor: &Raptor) {
        for node in self.online() {
            send_logins(raptor, &*node).await;
        }
    }

    /// The state of the connection to a daemon.
    pub(crate) fn connection(&self, id: DaemonId) -> Option<Connection> {
        let links = self.links.read().unwrap_or_else(PoisonError::into_inner);
        links.get(&id).map(|link| link.connection.borrow().clone())
    }

    pub(crate) fn is_online(&self, id: DaemonId) -> bool {
        self.connection(id).is_some_and(|connection| connection.state == LinkState::Online)
    }

    /// The known states of these containers.
    pub(crate) fn containers<'i>(
        &self,
        ids: impl Iterator<Item = &'i ContainerId>,
    ) -> HashMap<ContainerId, LiveState> {
        let containers = self.containers.read().unwrap_or_else(PoisonError::into_inner);
        ids.filter_map(|id| Some((*id, containers.get(id)?.live.clone()))).collect()
    }

    /// The daemon that last reported the container.
    fn daemon_of(&self, id: ContainerId) -> Option<DaemonId> {
        let containers = self.containers.read().unwrap_or_else(PoisonError::into_inner);
        containers.get(&id).map(|known| known.daemon_id)
    }

    /// The containers that the host has and the store doesn't know, ordered by name.
    pub(crate) fn strays(&self, daemon: DaemonId) -> Vec<Stray> {
        let all = {
            let strays = self.strays.read().unwrap_or_else(PoisonError::into_inner);
            strays.get(&daemon).cloned().unwrap_or_default()
        };
        if all.is_empty() {
            return Vec::new();
        }
        let containers = self.containers.read().unwrap_or_else(PoisonError::into_inner);
        let phase = |held: &HostedContainer| match containers.get(&held.id) {
            Some(known) => known.live.phase,
            None if held.running => Phase::Running,
            None => Phase::Offline,
        };
        all.into_iter().map(|held| Stray { phase: phase(&held), held }).collect()
    }

    fn set_strays(&self, daemon: DaemonId, mut all: Vec<HostedContainer>) {
        all.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        self.strays.write().unwrap_or_else(PoisonError::into_inner).insert(daemon, all);
    }

    /// Removes a stray that was adopted or deleted. Returns whether it was listed.
    pub(crate) fn forget_stray(&self, daemon: DaemonId, id: ContainerId) -> bool {
        let mut strays = self.strays.write().unwrap_or_else(PoisonError::into_inner);
        let Some(all) = strays.get_mut(&daemon) else { return false };
        let before = all.len();
        all.retain(|held| held.id != id);
        all.len() < before
    }

    fn is_stray(&self, daemon: DaemonId, id: ContainerId) -> bool {
        let strays = self.strays.read().unwrap_or_else(PoisonError::into_inner);
        strays.get(&daemon).is_some_and(|all| all.iter().any(|held| held.id == id))
    }

    pub(crate) fn forget(&self, id: ContainerId) {
        self.containers.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    /// Stores a status. Returns whether it differs from the previous one, ignoring progress.
    fn set_status(&self, daemon_id: DaemonId, status: ContainerStatus) -> bool {
        let mut containers = self.containers.write().unwrap_or_else(PoisonError::into_inner);
        let before = containers.get(&status.id);
        let stats = before.and_then(|before| before.live.stats).filter(|_| status.started_at.is_some());
        let id = status.id;
        let live = LiveState { stats, ..LiveState::new(status, true) };
        let moved = before.is_none_or(|before| differ(&before.live, &live));
        containers.insert(id, KnownState { daemon_id, live });
        moved
    }

    fn set_stats(&self, id: ContainerId, stats: Stats) {
        let mut containers = self.containers.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = containers.get_mut(&id).filter(|known| known.live.phase != Phase::Offline) {
            known.live.stats = Some(stats);
        }
    }

    /// The link to the daemon is down: marks its containers' states as possibly outdated.
    fn set_unknown(&self, daemon_id: DaemonId) -> Vec<ContainerId> {
        let mut containers = self.containers.write().unwrap_or_else(PoisonError::into_inner);
        let mut affected = Vec::new();
        let its_own = |known: &KnownState| known.daemon_id == daemon_id && known.live.known;
        for (id, known) in containers.iter_mut().filter(|(_, known)| its_own(known)) {
            known.live.known = false;
            known.live.stats = None;
            affected.push(*id);
        }
        affected
    }

    /// Subscribes to events that are not about the store.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<LiveEvent> {
        self.events.subscribe()
    }

    fn publish(&self, event: LiveEvent) {
        self.journal.live(&event);
        // Fails only if there are no subscribers.
        let _ = self.events.send(event);
    }
}

/// Sends the logins for image registries to one host. One that can't be reached gets them when it reconnects.
async fn send_logins(raptor: &Raptor, node: &dyn Node) {
    let given = async {
        Ok::<Done, Error>(
            node.handle((), RegistryLogins { items: raptor.registries().logins().await? }).await?,
        )
    };
    if let Err(error) = given.await {
        warn_of!(raptor, error, "sending registry logins to a host failed");
    }
}

fn recipe(daemon: &Daemon, sealed: &[u8]) -> (String, u16, Transport, Vec<u8>) {
    (daemon.host.clone(), daemon.port, daemon.transport, sealed.to_vec())
}

#[cfg(feature = "remote")]
fn remote(daemon: &Daemon, key: String) -> Result<Arc<dyn Node>, NodeError> {
    let node = crate::daemons::remote::RemoteNode::new(&daemon.host, daemon.port, daemon.transport, key)?;
    Ok(Arc::new(node))
}

#[cfg(not(feature = "remote"))]
fn remote(_: &Daemon, _: String) -> Result<Arc<dyn Node>, NodeError> {
    Err(NodeError::Unreachable("This program was built without support for remote daemons.".into()))
}
