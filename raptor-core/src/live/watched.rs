//! Measurements of the containers that somebody looks at, sent where they are other than what was sent last.

use crate::{
    Raptor,
    authz::{Actor, ContainerPermission},
    containers::service::{ContainerFilter, Listed},
    id::ContainerId,
    paging::{MAX_LIMIT, PageRequest},
};
use std::collections::{HashMap, HashSet};

/// The most containers that one follower watches.
pub const MAX_WATCHED: usize = MAX_LIMIT as usize;

/// What a container used when it was last measured.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Used {
    /// CPU in percent of one CPU, in steps of 0.01.
    pub cpu_percent: f64,
    /// Memory in bytes, without page cache.
    pub memory_bytes: u64,
}

/// New measurements of watched containers.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Measured {
    /// The number that [`Follower::watch`](super::Follower::watch) was called with.
    pub number: u64,
    /// The measurements that are other than what was sent last.
    pub rows: Vec<MeasuredRow>,
}

/// The new measurement of one watched container.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct MeasuredRow {
    /// The place of the container among the watched ones, counted from 0.
    pub row: usize,
    /// What it used.
    pub used: Used,
}

/// What one follower watches.
pub(super) struct Watched {
    number: u64,
    ids: Vec<ContainerId>,
    /// What was sent last of each.
    sent: HashMap<ContainerId, Used>,
    /// Whether nothing was looked up yet since it was chosen.
    new: bool,
}

impl Watched {
    /// `ids` in place of what was watched `before`.
    pub(super) fn new(number: u64, mut ids: Vec<ContainerId>, before: Option<Self>) -> Self {
        ids.truncate(MAX_WATCHED);
        let mut sent = before.map(|before| before.sent).unwrap_or_default();
        sent.retain(|id, _| ids.contains(id));
        Self { number, new: !ids.is_empty(), ids, sent }
    }

    pub(super) fn is_new(&self) -> bool {
        self.new
    }

    /// The states of these are new, which may have taken what was sent from the screen.
    pub(super) fn forget(&mut self, containers: &[ContainerId]) {
        for id in containers {
            self.sent.remove(id);
        }
    }

    /// What has to be sent, where any of `news` is watched. Who may see what is looked up each time, as for a list.
    pub(super) async fn measured(
        &mut self,
        raptor: &Raptor,
        actor: &Actor,
        news: &[ContainerId],
    ) -> Option<Measured> {
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
        // Where the database does not answer now, the next measurements are sent.
        let shown: HashSet<ContainerId> = listed.ok()?.items.iter().filter_map(shown).collect();
        let live = raptor.inner.fleet.containers(shown.iter());
        let mut rows = Vec::new();
        for (row, id) in self.ids.iter().enumerate() {
            let Some(stats) = live.get(id).and_then(|live| live.stats) else {
                self.sent.remove(id);
                continue;
            };
            let cpu_percent = (stats.cpu_percent * 100.0).round() / 100.0;
            let used = Used { cpu_percent, memory_bytes: stats.memory_bytes };
            if self.sent.insert(*id, used) != Some(used) {
                rows.push(MeasuredRow { row, used });
            }
        }
        (!rows.is_empty()).then_some(Measured { number: self.number, rows })
    }
}
