//! Background jobs for hosts: rows committed together with the change that requires them.

use crate::id::{ContainerId, DaemonId, JobId};

/// A background job for a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    pub id: JobId,
    pub kind: Kind,
    pub daemon_id: DaemonId,
    pub container_id: ContainerId,
    /// Attempts so far, including the current one.
    pub attempts: i64,
}

/// The kind of a job. All are idempotent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Send the container's declaration to the host.
    Declare,
    /// Send the declaration, and start the container.
    Start,
    /// Remove the container and its files from the host.
    Remove,
}

impl Kind {
    /// The name in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Declare => "declare",
            Self::Start => "start",
            Self::Remove => "remove",
        }
    }

    /// The kind with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Declare, Self::Start, Self::Remove].into_iter().find(|kind| kind.name() == name)
    }
}
