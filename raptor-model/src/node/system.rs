//! What a host says of itself.

use super::{NodeError, SftpServer};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The newest version of this conversation that this program speaks.
pub const PROTOCOL: u32 = 4;

/// The oldest version that it speaks: one back. An API and a daemon that share no version refuse to work together and say so.
pub const OLDEST_PROTOCOL: u32 = 3;

/// How far the clocks of API and host may be apart before the panel warns, in seconds.
pub const MAX_CLOCK_SKEW_S: i64 = 30;

/// What a host says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SystemInfo {
    /// The oldest version of the protocol that the daemon speaks.
    pub protocol: u32,
    /// The newest version of the protocol that the daemon speaks; absent where it speaks one only, as daemons before version 4 did.
    #[serde(default)]
    pub newest_protocol: Option<u32>,
    /// The version of the daemon, e.g. `1.4.0`.
    pub version: String,
    /// The host's clock when it answered.
    pub time: DateTime<Utc>,
    /// The host's name, as the command `hostname` shows it.
    pub hostname: String,
    /// Operating system and its version, as it names itself.
    pub os: String,
    /// Version of the kernel, such as `6.1.0-25-amd64`.
    pub kernel: String,
    /// CPU architecture, as Rust names it (`x86_64`, `aarch64`).
    pub architecture: String,
    /// How many logical CPUs there are.
    pub cpu_count: u32,
    /// Load of all CPUs together in percent of one CPU (400 = four CPUs busy).
    pub cpu_percent: f64,
    /// Physical memory in bytes.
    pub memory_total_bytes: u64,
    /// Memory in use in bytes, caches not counted.
    pub memory_used_bytes: u64,
    /// Size of the file system that holds the containers' files, in bytes.
    pub disk_total_bytes: u64,
    /// Used space of it in bytes.
    pub disk_used_bytes: u64,
    /// Seconds since the host booted.
    pub uptime_seconds: u64,
    /// The Docker Engine's version, or absent when it does not answer.
    pub docker_version: Option<String>,
    /// Why Docker does not answer, in a sentence with what to do.
    pub docker_problem: Option<String>,
    /// The addresses that allocations may use (`AVAILABLE_IPS`, with `0.0.0.0` left as it is).
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub ips: Vec<IpAddr>,
    /// All addresses of its interfaces; empty where the daemon does not say.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub addresses: Vec<IpAddr>,
    /// Its SFTP server, where it has one.
    #[serde(default)]
    pub sftp: Option<SftpServer>,
    /// How the containers' disk limits are kept.
    pub disk_limits: DiskLimits,
    /// How containers are kept from the host and its private network; absent where the daemon is too old to say.
    #[serde(default)]
    pub isolation: Option<Isolation>,
    /// Folders that containers may mount.
    pub allowed_mounts: Vec<String>,
    /// Why nothing can be started for want of the folder that holds the containers' files, as where its disk is not mounted; a
    /// sentence with what to do.
    #[serde(default)]
    pub folder_problem: Option<String>,
    /// Whom containers run as where the daemon is not root, and what is off for want of root's rights; sentences. Absent where
    /// it is root, or too old to say.
    #[serde(default)]
    pub user_note: Option<String>,
}

impl SystemInfo {
    /// The version of the protocol that this program and the daemon speak with each other: the newest that both know.
    ///
    /// # Errors
    /// [`NodeError::Protocol`] where they share none.
    pub fn spoken(&self) -> Result<u32, NodeError> {
        let newest = self.newest_protocol.unwrap_or(self.protocol);
        if newest < OLDEST_PROTOCOL {
            return Err(NodeError::Protocol { theirs: newest });
        }
        if self.protocol > PROTOCOL {
            return Err(NodeError::Protocol { theirs: self.protocol });
        }
        Ok(newest.min(PROTOCOL))
    }
}

/// How a host keeps its containers' disk limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DiskLimits {
    /// Whether the kernel does it: the container itself finds its disk full.
    pub by_kernel: bool,
    /// The file system that holds the containers' files (`ext4`, `xfs`).
    pub file_system: String,
    /// How it is done now, and how to get the better way where there is one.
    pub note: String,
}

/// How a host keeps its containers from its own services and its private network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Isolation {
    /// Whether the rules are in force.
    pub kept: bool,
    /// What holds now, and how to mend it where it should be better.
    pub note: String,
}
