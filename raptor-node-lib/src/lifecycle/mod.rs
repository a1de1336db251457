//! Supervision: one task per container owns its state machine and carries out the effects.

mod adoption;
mod boot;
mod edits;
mod effects;
mod ending;
mod engine;
mod failure;
mod image;
mod install;
mod install_disk;
mod monitor;
mod ownership;
mod ports;
mod reading;
mod registry;
mod requests;
mod starting;
mod stop_delivery;
mod supervisor;
mod zone;

pub(crate) use supervisor::{Supervisor, SupervisorRequest, TracedRequest};

use crate::{
    base::Base,
    console::Console,
    desired::StateFolder,
    files::{Accounts, Root},
    firewall::{self, DesiredRules, Firewall, LoopbackForward, Outgoing},
    link::Link,
    quota::Quota,
    runtime::{self, Engine, Part, Pool},
    spool::Spool,
    stats::History,
    workspace::{self, AllOperations},
};
use raptor_model::{
    clock::Clock,
    id::ContainerId,
    node::{ContainerSpec, ContainerStatus, Fault, LineKind, NodeEvent, Stats},
};
use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::{Semaphore, broadcast, mpsc, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What all supervisors share.
pub(crate) struct HostContext {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) base: PathBuf,
    /// The locked base folder.
    pub(crate) kept: Base,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Whether this process is root, and can change the owner of files.
    pub(crate) root: bool,
    pub(crate) timezone: String,
    pub(crate) pool: Pool,
    pub(crate) quota: Quota,
    pub(crate) firewall: Firewall,
    /// Loopback ports that containers of one owner can reach, as last determined.
    pub(crate) loopback: Mutex<Vec<LoopbackForward>>,
    /// Folders that containers may mount.
    pub(crate) mounts: Vec<PathBuf>,
    pub(crate) clock: Clock,
    pub(crate) boot_id: String,
    /// How long a container has to run for its earlier crashes to be forgotten.
    pub(crate) calm: Duration,
    pub(crate) events: broadcast::Sender<Arc<NodeEvent>>,
    pub(crate) spool: Spool,
    /// Limits unattended starts, as after a restart of the host.
    pub(crate) turns: Semaphore,
    /// Images that were pulled for containers of this host, and when each was last used.
    pub(crate) images: crate::images::Ledger,
    pub(crate) history: History,
    /// Limits searches, which read whole files.
    pub(crate) searches: Semaphore,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    pub(crate) accounts: Accounts,
    pub(crate) link: Arc<Link>,
    pub(crate) operations: AllOperations,
}

/// The public side of a supervised container.
#[derive(Clone)]
pub(crate) struct Handle {
    pub(crate) requests: mpsc::Sender<TracedRequest>,
    pub(crate) status: watch::Receiver<ContainerStatus>,
    pub(crate) stats: watch::Sender<Option<Stats>>,
    pub(crate) console: Arc<Console>,
    /// Bytes in the data folder at the last scan.
    pub(crate) disk: Arc<Mutex<u64>>,
    /// The engine's id or name of the container.
    pub(crate) engine: Arc<Mutex<String>>,
}

impl Handle {
    /// The engine's id or name of the container.
    pub(crate) fn engine_name(&self) -> String {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The paths and names of one container.
#[derive(Clone)]
pub(crate) struct ContainerPaths {
    pub(crate) id: ContainerId,
    pub(crate) data: PathBuf,
    pub(crate) state: StateFolder,
    /// The engine's name of the container.
    pub(crate) name: String,
    /// The engine's name of its installer.
    pub(crate) installer: String,
}

impl HostContext {
    pub(crate) fn place(&self, id: ContainerId) -> ContainerPaths {
        ContainerPaths {
            id,
            data: self.base.join(id.to_string()),
            state: StateFolder::new(&self.base, id),
            name: Part::Server.name(id),
            installer: Part::Installer.name(id),
        }
    }

    /// The engine's name of the container's network.
    pub(crate) fn network_name(&self, spec: &ContainerSpec) -> String {
        runtime::network_name(self.kept.instance(), spec)
    }

    /// The name of a network's bridge on this host.
    fn bridge_name(&self, network: &str) -> String {
        runtime::bridge_name(self.kept.instance(), network)
    }

    /// Applies the firewall rules if they are not in effect. `network`: one that the engine created, and whether something runs
    /// in it.
    pub(crate) async fn keep_apart(self: &Arc<Self>, network: Option<(&str, bool)>) {
        if !self.engine.makes_bridges() {
            return;
        }
        let context = self.clone();
        let read = tokio::task::spawn_blocking(move || {
            let ids = StateFolder::all(&context.base).unwrap_or_default().into_iter();
            ids.filter_map(|id| context.place(id).state.spec()).collect::<Vec<_>>()
        });
        let specs = read.await.unwrap_or_default();
        let loopback = self.loopback(&specs).await;
        let outgoing = specs.iter().filter_map(|spec| {
            let bridge = self.bridge_name(&self.network_name(spec));
            Some(Outgoing { bridge, ip: spec.outgoing_ip? })
        });
        let outgoing = outgoing.collect();
        let wanted = DesiredRules {
            outgoing,
            loopback,
            ports: specs.into_iter().flat_map(|spec| spec.ports).collect(),
        };
        let bridge = network.map(|(network, runs)| (self.bridge_name(network), runs));
        let context = self.clone();
        let kept = tokio::task::spawn_blocking(move || {
            let bridge = bridge.as_ref().map(|(bridge, runs)| (bridge.as_str(), *runs));
            context.firewall.keep(&wanted, bridge);
        });
        if let Err(error) = kept.await {
            tracing::error!(%error, "checking the firewall rules failed");
        }
    }

    /// Which loopback ports are forwarded to whom. While the engine does not answer, as last determined.
    async fn loopback(&self, specs: &[ContainerSpec]) -> Vec<LoopbackForward> {
        let loopback = if specs.iter().any(firewall::has_loopback_port) {
            let found = tokio::try_join!(self.engine.our_networks(), self.engine.ours());
            let Ok((networks, containers)) = found else {
                return self.loopback.lock().unwrap_or_else(PoisonError::into_inner).clone();
            };
            let gateways: HashMap<_, _> =
                networks.into_iter().filter_map(|network| Some((network.name, network.gateway?))).collect();
            let servers = containers.into_iter().filter(|found| found.part == Part::Server && found.runs);
            let addresses = servers.filter_map(|found| Some((found.id, found.address?))).collect();
            let nets = specs.iter().filter_map(|spec| {
                let network = self.network_name(spec);
                let net =
                    firewall::Net { gateway: *gateways.get(&network)?, bridge: self.bridge_name(&network) };
                Some((spec.id, net))
            });
            firewall::loopback_forwards(specs, &nets.collect(), &addresses)
        } else {
            Vec::new()
        };
        self.loopback.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&loopback);
        loopback
    }

    /// Applies the rules of the container's network before anything runs in it. The error is a sentence for people.
    pub(crate) async fn guard(self: &Arc<Self>, spec: &ContainerSpec, network: &str) -> Result<(), String> {
        self.keep_apart(Some((network, false))).await;
        let Some(ip) = spec.outgoing_ip else { return Ok(()) };
        let (context, bridge) = (self.clone(), self.bridge_name(network));
        let checked = tokio::task::spawn_blocking(move || context.firewall.check_outgoing(ip, &bridge)).await;
        checked.unwrap_or_else(|error| Err(error.to_string()))
    }

    /// For people: which user containers run as if this process is not root, and what is not available without root.
    pub(crate) fn user_note(&self) -> Option<String> {
        (!self.root).then(|| {
            format!(
                "Raptor does not run as root: containers run as user {}, and features that need root (firewall, disk limits enforced by the kernel) are off.",
                self.uid
            )
        })
    }

    /// Why nothing can be started because of the base folder.
    pub(crate) async fn folder_problem(self: &Arc<Self>) -> Option<String> {
        let context = self.clone();
        tokio::task::spawn_blocking(move || context.kept.problem()).await.unwrap_or_default()
    }

    /// Whether the network's bridge exists on this host.
    pub(crate) fn sees(&self, network: &str) -> bool {
        firewall::is_here(&self.bridge_name(network))
    }

    /// Writes a line from the daemon to the console.
    pub(crate) fn say(&self, console: &Console, text: impl Into<String>) {
        console.say(self.clock.now(), LineKind::Daemon, text);
    }
}

/// Makes the kernel limit the container's data folder. Blocking. The error is a sentence for people.
fn limit_disk(context: &HostContext, place: &ContainerPaths, mib: u64) -> Result<(), String> {
    let project = place.state.project(&context.base).map_err(|error| error.to_string())?;
    let beside = place.state.files();
    let open = |folder| Root::open(folder, context.uid, context.gid).map_err(|error| error.to_string());
    open(&place.data)?;
    // Created first, since the limit could prevent it.
    workspace::create_kept_folders(&open(&beside)?).map_err(|error| error.to_string())?;
    context.quota.limit(&place.data, &beside, project, mib).map_err(|error| unlimited(&error))
}

/// The fault of a container that has reached its disk limit; `used` and `trash` in bytes.
fn disk_full(used: u64, limit_mib: u64, trash: u64) -> Fault {
    Fault::DiskFull {
        used_bytes: used,
        limit_bytes: limit_mib.saturating_mul(1024 * 1024),
        trash_bytes: trash,
    }
}

/// How to fix a reached disk limit; `trash` in bytes.
fn way_out(trash: u64) -> String {
    match trash {
        0 => "Remove files or ask for a higher limit.".into(),
        trash => format!(
            "Empty the trash, which holds {}, remove files or ask for a higher limit.",
            raptor_model::node::amount(trash)
        ),
    }
}

fn unlimited(error: &std::io::Error) -> String {
    format!("The disk limit can't be set: {error}")
}
