//! What has to happen on hosts: rows that are committed with the change that needs them.

use crate::id::{ContainerId, DaemonId, JobId};

/// A piece of work for a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// What is to be done.
    pub kind: Kind,
    /// Where.
    pub daemon_id: DaemonId,
    /// With what.
    pub container_id: ContainerId,
    /// How often it was tried, this time included.
    pub attempts: i64,
}

/// What is to be done. Each may be done twice without harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Tell the host what the container should be.
    Declare,
    /// Tell it, and start the container.
    Start,
    /// Remove the container and its files.
    Remove,
}

impl Kind {
    /// Its stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Declare => "declare",
            Self::Start => "start",
            Self::Remove => "remove",
        }
    }

    /// The one with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Declare, Self::Start, Self::Remove].into_iter().find(|kind| kind.name() == name)
    }
}
