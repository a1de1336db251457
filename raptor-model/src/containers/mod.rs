//! Containers: types and rules.

mod access;
mod behaviour;
mod commands;
mod filter;
mod installation;
pub mod lifecycle;
mod refs;
mod state;

pub use access::Access;
pub use behaviour::{Behaviour, Mount, Network, is_timezone, timezone_rules};
pub use commands::{Command, KEPT_COMMANDS};
pub use filter::{ContainerFilter, Sort};
pub use installation::{InstallState, Installation};
pub use refs::{ContainerRef, DaemonRef, TemplateRef, UserRef};
pub use state::{LiveState, redact_status};

use crate::{
    Error, Result,
    authz::{ContainerPermission, ContainerSet},
    id::{ContainerId, DaemonId, TemplateId, UserId},
    node::ContainerStatus,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    /// Disk space in MiB for all files of the container, its trash included; 0 = no limit.
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

/// Settings of a container that no query filters or sorts by. They are one JSON column of its record: a new setting is a field
/// here, its default below, and the place that reads it. Records of older versions get the default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Milliseconds between asking it to stop and killing it, 1,000 to 3,600,000.
    pub stop_timeout_ms: i64,
    /// How many allocations beside the primary one people without `containers.update` may add, 0 to 1,000.
    pub allocation_limit: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { stop_timeout_ms: 30_000, allocation_limit: 0 }
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
    /// Console and power, without files, startup and settings.
    User,
    /// A set of its own.
    Custom,
}

impl Level {
    /// The levels that can be given to somebody, the lowest first. The owner is changed separately.
    pub const GIVEN: [Self; 3] = [Self::User, Self::Admin, Self::Custom];

    /// The permissions of the level; empty for [`Level::Custom`], whose permissions are stored with the access.
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
                P::NetworkRead,
            ]
            .into_iter()
            .collect(),
            Self::Custom => ContainerSet::NONE,
        }
    }

    /// The name in the database and on the wire.
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

/// A container's record.
#[derive(Clone, Debug, PartialEq)]
pub struct Container {
    pub id: ContainerId,
    /// A short number that never changes, counted from 1.
    pub number: i64,
    pub name: String,
    pub description: Option<String>,
    pub owner_id: UserId,
    /// The owner's user name.
    pub owner_name: String,
    pub daemon_id: DaemonId,
    pub daemon_name: String,
    /// The daemon's host name or address; `None` for this process's own host.
    pub daemon_host: Option<String>,
    pub template_id: TemplateId,
    /// The template's revision that the container uses.
    pub template_revision: i64,
    pub template_name: String,
    /// Reference of the image, such as `ghcr.io/games/server:1`.
    pub image: String,
    /// The user who chose an image that the template does not offer, if they manage all containers. Empty if it was chosen
    /// before this was recorded.
    pub image_allowed_by: Option<String>,
    /// Startup command, with placeholders.
    pub startup: String,
    /// Values of variables that were set, by environment name.
    pub variables: BTreeMap<String, String>,
    pub limits: Limits,
    pub settings: Settings,
    pub behaviour: Behaviour,
    /// The state of the newest installation.
    pub installation: Installation,
    /// Whether starting is refused.
    pub suspended: bool,
    pub deleting: bool,
    /// Incremented with each change that its host has to know.
    pub revision: i64,
    /// The newest revision that its host has.
    pub synced_revision: i64,
    /// The last known phase.
    pub phase: lifecycle::Phase,
    pub phase_since: DateTime<Utc>,
    /// The last status that its host reported.
    pub status: Option<ContainerStatus>,
    /// The columns of its record that are damaged. They are replaced by defaults, which are neither written back nor sent to
    /// the host.
    pub damaged: Vec<&'static str>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Limits {
    /// Validates the limits.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the field.
    pub fn check(&self) -> Result<()> {
        const MAX_MIB: u64 = 1 << 30;
        let refuse = |field: &str, why: &str, reason| {
            Err(Error::invalid(format!("limits.{field}"), why).because(reason))
        };
        if self.memory_mib > MAX_MIB || (self.memory_mib > 0 && self.memory_mib < 6) {
            return refuse(
                "memory_mib",
                "Use 6 MiB or more (the engine needs that much), or 0 for no limit.",
                "memory_limit",
            );
        }
        if self.swap_mib < -1 || self.swap_mib.unsigned_abs() > MAX_MIB {
            return refuse("swap_mib", "Use 0 for none, -1 for no limit, or a size in MiB.", "swap_limit");
        }
        if self.disk_mib > MAX_MIB {
            return refuse("disk_mib", "Use a size in MiB, or 0 for no limit.", "disk_limit");
        }
        if self.cpu_percent > 100_000 {
            return refuse(
                "cpu_percent",
                "Use percent of one CPU, such as 150, or 0 for no limit.",
                "cpu_limit",
            );
        }
        if !(1..=100_000).contains(&self.pids) {
            return refuse("pids", "Use 1 to 100,000 processes.", "process_limit");
        }
        if !(10..=1_000).contains(&self.io_weight) {
            return refuse("io_weight", "Use a weight of 10 to 1000.", "io_weight");
        }
        let is_list = |list: &String| {
            let number = |text: &str| text.parse::<u16>().is_ok();
            list.split(',')
                .all(|part| part.split_once('-').map_or(number(part), |(a, b)| number(a) && number(b)))
        };
        if self.cpuset.as_ref().is_some_and(|list| !is_list(list)) {
            return refuse("cpuset", "Use CPU numbers and ranges, such as 0-1,3.", "cpu_list");
        }
        Ok(())
    }
}

/// Validates a container's name and trims it.
///
/// # Errors
/// [`Error::Invalid`] at `name`.
pub fn check_name(name: &str) -> Result<String> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(Error::invalid("name", "Give the container a name of 1 to 100 characters.")
            .because("name_length")
            .with("max", 100));
    }
    Ok(name.to_owned())
}
