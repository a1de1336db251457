//! Measurements of watched containers, sent when they differ from those sent last.

use crate::{
    Raptor,
    authz::{Actor, ContainerPermission},
    containers::service::{ContainerFilter, Listed},
    id::ContainerId,
    paging::{MAX_LIMIT, PageRequest},
};
use std::collections::{HashMap, HashSet};

/// The most containers that a follower can watch.
pub const MAX_WATCHED: usize = MAX_LIMIT as usize;

/// A container's last measured resource usage.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ContainerUsage {
    /// CPU usage in percent of one CPU, in steps of 0.01.
    pub cpu_percent: f64,
    /// Memory in bytes, excluding the page cache.
    pub memory_bytes: u64,
}

/// New measurements of watched containers.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Measurements {
    /// The number passed to [`Follower::watch`](super::Follower::watch).
    pub number: u64,
    /// The measurements that are other than what was sent last.
    pub rows: Vec<ContainerMeasurement>,
}

/// The new measurement of one watched container.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ContainerMeasurement {
    /// The place of the container among the watched ones, counted from 0.
    pub row: usize,
    /// The latest measurement of that container.
    pub used: ContainerUsage,
}

/// The containers that a follower watches.
pub(super) struct Watched {
    number: u64,
    ids: Vec<ContainerId>,
    /// The measurements sent last.
    sent: HashMap<ContainerId, ContainerUsage>,
    /// Whether nothing was sent yet for this choice of containers.
    new: bool,
}

impl Watched {
    /// Watches `ids` instead of `before`.
    pub(super) fn new(number: u64, mut ids: Vec<ContainerId>, before: Option<Self>) -> Self {
        ids.truncate(MAX_WATCHED);
        let mut sent = before.map(|before| before.sent).unwrap_or_default();
        sent.retain(|id, _| ids.contains(id));
        Self { number, new: !ids.is_empty(), ids, sent }
    }

    pub(super) fn is_new(&self) -> bool {
        self.new
    }

    /// Forgets what was sent for these containers: their states changed, which may have removed the numbers from the screen.
    pub(super) fn forget(&mut self, containers: &[ContainerId]) {
        for id in containers {
            self.sent.remove(id);
        }
    }

    /// The measurements to send, if any of `news` is watched. Access is checked each time, as for a list.
    pub(super) async fn measured(
        &mut self,
        raptor: &Raptor,
        actor: &Actor,
        news: &[ContainerId],
    ) -> Option<Measurements> {
        if !self.new && !news.iter().any(|id| self.ids.contains(id)) {
            return None;
        }
        let filter = ContainerFilter { ids: self.ids.clone(), ..ContainerFilter::default() };
        let page = PageRequest { limit: MAX_LIMIT, ..PageRequest::default() };
        let listed = raptor.containers().listed(actor, &filter, &page).await;
        self.new = false;
        let shown = |listed: &Listed| {
            listed.permissions.contains(ContainerPermission::StatsRead).then_some(listed.container.id)
        };
        // If the database does not answer now, the next measurements are sent.
        let shown: HashSet<ContainerId> = listed.ok()?.items.iter().filter_map(shown).collect();
        let live = raptor.inner.fleet.containers(shown.iter());
        let mut rows = Vec::new();
        for (row, id) in self.ids.iter().enumerate() {
            let Some(stats) = live.get(id).and_then(|live| live.stats) else {
                self.sent.remove(id);
                continue;
            };
            let cpu_percent = (stats.cpu_percent * 100.0).round() / 100.0;
            let used = ContainerUsage { cpu_percent, memory_bytes: stats.memory_bytes };
            if self.sent.insert(*id, used) != Some(used) {
                rows.push(ContainerMeasurement { row, used });
            }
        }
        (!rows.is_empty()).then_some(Measurements { number: self.number, rows })
    }
}
