//! One task for each container: it owns the state machine and carries out what follows from it.

mod attend;
mod boot;
mod supervisor;

pub(crate) use supervisor::{Ask, Supervisor};

use crate::{
    console::Console, desired::StateFolder, files::Accounts, link::Link, runtime::Docker,
    workspace::AllOperations,
};
use raptor_core::{
    clock::Clock,
    id::ContainerId,
    node::{ContainerStatus, LineKind, NodeEvent, Stats},
};
use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What all supervisors share.
pub(crate) struct Ground {
    pub(crate) docker: Docker,
    pub(crate) base: PathBuf,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) timezone: String,
    pub(crate) clock: Clock,
    pub(crate) events: broadcast::Sender<Arc<NodeEvent>>,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    pub(crate) accounts: Accounts,
    pub(crate) link: Arc<Link>,
    pub(crate) operations: AllOperations,
}

/// What others see of a supervised container.
#[derive(Clone)]
pub(crate) struct Handle {
    pub(crate) asks: mpsc::Sender<Ask>,
    pub(crate) status: watch::Receiver<ContainerStatus>,
    pub(crate) stats: watch::Sender<Option<Stats>>,
    pub(crate) console: Arc<Console>,
    /// Bytes in the data folder at the last scan.
    pub(crate) disk: Arc<Mutex<u64>>,
}

/// The places of one container.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) id: ContainerId,
    pub(crate) data: PathBuf,
    pub(crate) state: StateFolder,
}

impl Ground {
    pub(crate) fn place(&self, id: ContainerId) -> Place {
        Place { id, data: self.base.join(id.to_string()), state: StateFolder::new(&self.base, id) }
    }

    /// Tells everybody who reads the console what the daemon does.
    pub(crate) fn say(&self, console: &Console, text: impl Into<String>) {
        console.say(self.clock.now(), LineKind::Daemon, text);
    }
}
