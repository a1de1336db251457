//! The state of a container as its daemon reports it.

use super::lifecycle::{Hold, Life, Phase, PowerAction};
use crate::{
    authz::{ContainerPermission, ContainerSet},
    node::{ContainerStatus, Crashes, Exit, Fault, Progress, Stats, hide_network},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The state of a container as its daemon last reported it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LiveState {
    /// Phase that the container is in.
    pub phase: Phase,
    /// When it entered that phase.
    pub since: DateTime<Utc>,
    /// Whether its daemon is connected: else this is what was last heard.
    pub known: bool,
    /// The newest measurement while it runs; none for callers without `stats.read`.
    pub stats: Option<Stats>,
    /// Why its last start failed.
    pub problem: Option<String>,
    /// Configuration files that its newest start could not edit, a sentence for each.
    pub config_problems: Vec<String>,
    /// What keeps it from running, as a code with what its way out needs. One about ports is hidden from callers without
    /// `network.read`.
    pub fault: Option<Box<Fault>>,
    /// Progress of the start, such as an image being pulled; null where none is under way.
    pub progress: Option<Progress>,
    /// How its last process ended; null where none has.
    pub last_exit: Option<Exit>,
    /// What keeps it from being started.
    pub hold: Option<Hold>,
    /// Its crashes in a row, until it has run calmly or somebody started it. Their console lines are left out for callers without
    /// `console.read`.
    pub crashes: Option<Crashes>,
    /// Why some of its limits hold only from the next start on.
    pub pending: Option<String>,
}

impl LiveState {
    /// The state from a host's status; `known` while the host is connected.
    #[must_use]
    pub fn new(status: ContainerStatus, known: bool) -> Self {
        Self {
            phase: status.phase,
            since: status.since,
            known,
            stats: None,
            problem: status.problem,
            config_problems: status.config_problems,
            fault: status.fault,
            progress: status.progress.filter(|_| known),
            last_exit: status.last_exit,
            hold: status.hold,
            crashes: status.crashes,
            pending: status.pending,
        }
    }

    /// The power actions that the container's state accepts and that somebody with these permissions may take. None while its
    /// daemon is not connected, since then nobody can be asked.
    #[must_use]
    pub fn actions(&self, suspended: bool, permissions: ContainerSet) -> Vec<PowerAction> {
        let waiting = self.crashes.as_ref().is_some_and(|crashes| crashes.again_at.is_some());
        let life = Life::reported(self.phase, self.hold, waiting, suspended);
        let possible = |action: &PowerAction| {
            self.known && permissions.contains(action.permission()) && life.accepts(*action)
        };
        PowerAction::ALL.into_iter().filter(possible).collect()
    }

    /// Removes what somebody with these permissions may not see.
    pub fn redact(&mut self, permissions: ContainerSet) {
        if !permissions.contains(ContainerPermission::StatsRead) {
            self.stats = None;
        }
        redact(permissions, &mut self.problem, &mut self.fault, &mut self.crashes);
    }
}

/// Removes what somebody with these permissions may not see from a status.
pub fn redact_status(permissions: ContainerSet, status: &mut ContainerStatus) {
    redact(permissions, &mut status.problem, &mut status.fault, &mut status.crashes);
}

fn redact(
    permissions: ContainerSet,
    problem: &mut Option<String>,
    fault: &mut Option<Box<Fault>>,
    crashes: &mut Option<Crashes>,
) {
    if !permissions.contains(ContainerPermission::NetworkRead) {
        hide_network(problem, fault);
    }
    // These contain console output.
    if let Some(crashes) =
        crashes.as_mut().filter(|_| !permissions.contains(ContainerPermission::ConsoleRead))
    {
        crashes.lines.clear();
    }
}
