//! Containers: what a user owns. Types and rules; operations are in [`service`].

pub mod lifecycle;

use crate::authz::{ContainerPermission, ContainerSet};
use serde::{Deserialize, Serialize};

/// Resource limits of a container. 0 means no limit, except where noted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Limits {
    /// Memory in MiB. The engine gets an overhead on top so that runtimes which use exactly their limit survive:
    /// 15 % up to 2,048 MiB, 10 % up to 4,096 MiB, 5 % above (the field's rule, from Wings).
    pub memory_mib: u64,
    /// Swap in MiB on top of memory; -1 = unlimited, 0 = none.
    pub swap_mib: i64,
    /// CPU in percent of one CPU: 150 = one and a half.
    pub cpu_percent: u64,
    /// Disk in MiB.
    pub disk_mib: u64,
    /// Processes and threads; at least 1. Never without limit.
    pub pids: u64,
    /// Weight of its disk access against others', 10 to 1000.
    pub io_weight: u16,
    /// CPUs it may run on, in the kernel's list format (`0-1,3`); none = all.
    pub cpuset: Option<String>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_mib: 1024,
            swap_mib: 0,
            cpu_percent: 100,
            disk_mib: 10_240,
            pids: 512,
            io_weight: 500,
            cpuset: None,
        }
    }
}

/// Somebody's standing in one container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Whose it is: everything.
    Owner,
    /// Everything but deleting it.
    Admin,
    /// Console, power and looking.
    User,
    /// A set of its own.
    Custom,
}

impl Level {
    /// What the level holds; nothing for [`Level::Custom`], whose set is kept with the access.
    #[must_use]
    pub fn permissions(self) -> ContainerSet {
        use ContainerPermission as P;
        match self {
            Self::Owner => ContainerSet::ALL,
            Self::Admin => ContainerSet::ALL.without(P::Delete),
            Self::User => [
                P::ConsoleRead,
                P::ConsoleCommand,
                P::StatsRead,
                P::PowerStart,
                P::PowerStop,
                P::PowerRestart,
                P::PowerKill,
                P::StartupRead,
                P::NetworkRead,
            ]
            .into_iter()
            .collect(),
            Self::Custom => ContainerSet::NONE,
        }
    }

    /// Its stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::User => "user",
            Self::Custom => "custom",
        }
    }
}
