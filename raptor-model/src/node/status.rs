//! The state of a container, as its host reports it, and what it uses.

use super::{fault::Fault, tolerant};
use crate::{
    containers::lifecycle::{Hold, Phase},
    id::ContainerId,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What the host knows of a container now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContainerStatus {
    /// Id of the container.
    pub id: ContainerId,
    /// Revision of the declaration that the host has.
    pub revision: u64,
    /// Where it is in its life.
    pub phase: Phase,
    /// When it came into that phase.
    pub since: DateTime<Utc>,
    /// When the process started, while there is one.
    pub started_at: Option<DateTime<Utc>>,
    /// How the last process ended, if one has.
    pub last_exit: Option<Exit>,
    /// Why the last start failed, or what a start is waiting for, in a sentence, until the next start.
    pub problem: Option<String>,
    /// Configuration files that the newest start could not edit, a sentence for each.
    #[serde(default)]
    pub config_problems: Vec<String>,
    /// What a start or an installation is busy with.
    #[serde(default, deserialize_with = "tolerant::known")]
    pub progress: Option<Progress>,
    /// What keeps it from being started.
    #[serde(default, deserialize_with = "tolerant::known")]
    pub hold: Option<Hold>,
    /// The number of the newest installation that has ended, well or not; 0 = none.
    pub installed: u64,
    /// Its crashes, until it has run calmly or somebody started it.
    pub crashes: Option<Crashes>,
    /// Why some of its limits hold only from the next start on.
    pub pending: Option<String>,
    /// The revision of the declaration that its process was made from; none while there is no process.
    #[serde(default)]
    pub process_revision: Option<u64>,
    /// What keeps it from running, as a code with what its way out needs: of `problem`, or of how its process ended.
    #[serde(default, deserialize_with = "tolerant::known")]
    pub fault: Option<Box<Fault>>,
}

/// Crashes in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Crashes {
    /// How many crashes there were in a row.
    pub count: u32,
    /// Whether it is no longer started by itself.
    pub quarantined: bool,
    /// When it will be started again.
    pub again_at: Option<DateTime<Utc>>,
    /// Its last lines before the newest crash.
    pub lines: Vec<String>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Exit {
    /// The exit code; 128 + n for signal n.
    pub code: i64,
    /// Whether the kernel killed it for want of memory.
    pub out_of_memory: bool,
    /// Whether nobody had asked it to stop.
    pub crash: bool,
    /// When the process ended, in UTC.
    pub at: DateTime<Utc>,
}

/// What a start is busy with, where it can take long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "step", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Progress {
    /// The image is being pulled.
    Pulling {
        /// Bytes there so far, over the layers whose size is known.
        current_bytes: u64,
        /// Bytes in all, over the layers whose size is known.
        total_bytes: u64,
        /// Layers that are there.
        #[serde(default)]
        layers_done: u32,
        /// Layers in all, as far as known.
        #[serde(default)]
        layers_total: u32,
    },
    /// Configuration files are edited and the container is created.
    Preparing,
}

/// One measurement of a running container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Stats {
    /// CPU in percent of one CPU (150 = one and a half).
    pub cpu_percent: f64,
    /// Memory in bytes, without the page cache: what the container can't give back.
    pub memory_bytes: u64,
    /// Page cache in bytes, not in `memory_bytes`: files that the container has read or written, kept in memory as long as nobody
    /// needs the room. It counts against the limit, and the kernel takes it back before anything is killed.
    #[serde(default)]
    pub memory_cache_bytes: u64,
    /// Memory limit in bytes; 0 = none.
    pub memory_limit_bytes: u64,
    /// Bytes received since the start, over all interfaces.
    pub network_rx_bytes: u64,
    /// Bytes sent since the start, over all interfaces.
    pub network_tx_bytes: u64,
    /// Bytes in the data folder at the last scan.
    pub disk_bytes: u64,
    /// How many processes and threads run in the container.
    pub pids: u64,
    /// Milliseconds since the process started.
    pub uptime_ms: u64,
}

/// A measurement and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContainerStats {
    /// The container that was measured.
    pub id: ContainerId,
    /// What it uses at the moment.
    pub stats: Stats,
}
