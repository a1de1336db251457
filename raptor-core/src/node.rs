//! The seam to a host: everything the control side may ask of a daemon, and the words of that conversation.
//!
//! [`Node`] has three implementations: [`crate::daemons::remote`] (HTTP and WebSocket), `raptor-node-lib` (in process) and
//! [`crate::daemons::simulated`]. The types here are the wire format of the first one as well.

mod file_error;
pub mod files;
mod path;

pub use file_error::{FileError, FileResult};
pub use path::{FilePath, PathError};
mod link;
mod sftp;

pub use link::{Answer, Hidden, HostActivity, HostDeed, Question, SftpChange, Word};
pub use sftp::{SftpAnswer, SftpGrant, SftpProof, SftpQuestion, SftpServer};

use crate::{
    containers::{
        Limits,
        lifecycle::{Phase, Refused},
    },
    id::ContainerId,
    templates::{ConfigFile, StopRule},
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::IpAddr};

/// The version of this conversation. A daemon and an API that differ in it refuse to work together and say so.
pub const PROTOCOL: u32 = 1;

/// How far the clocks of API and host may be apart before the panel warns, in seconds.
pub const MAX_CLOCK_SKEW_S: i64 = 30;

/// What a host says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SystemInfo {
    /// [`PROTOCOL`] of the daemon.
    pub protocol: u32,
    /// The daemon's version.
    pub version: String,
    /// The host's clock when it answered.
    pub time: DateTime<Utc>,
    /// The host's name.
    pub hostname: String,
    /// Operating system and its version, as it names itself.
    pub os: String,
    /// Kernel version.
    pub kernel: String,
    /// CPU architecture, as Rust names it (`x86_64`, `aarch64`).
    pub architecture: String,
    /// Logical CPUs.
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
    /// Its SFTP server, where it has one.
    #[serde(default)]
    pub sftp: Option<SftpServer>,
}

/// One ip:port given to a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PortBinding {
    /// Address on the host.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub ip: IpAddr,
    /// Port, the same inside and outside, tcp and udp.
    pub port: u16,
    /// Whether it is the one that `SERVER_IP` and `SERVER_PORT` name.
    pub primary: bool,
}

/// The full declaration of a container: what should be on the host. The daemon keeps it on disk and works towards it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContainerSpec {
    /// The container.
    pub id: ContainerId,
    /// Grows with each change; a daemon ignores a declaration older than the one it has.
    pub revision: u64,
    /// Name for people, used in labels and messages only.
    pub name: String,
    /// Image reference. A leading `~` says that the image is local and must not be pulled.
    pub image: String,
    /// Startup command with its placeholders as the image's entrypoint expects them, given as `STARTUP`.
    pub startup: String,
    /// Environment, without `STARTUP`, `SERVER_IP`, `SERVER_PORT`, `SERVER_MEMORY` and `TZ`, which the daemon adds.
    pub environment: BTreeMap<String, String>,
    /// Resource limits.
    pub limits: Limits,
    /// Ports, the primary one first.
    pub ports: Vec<PortBinding>,
    /// Substrings (or `regex:` patterns) of which one in a line of output means that the container is running.
    /// Empty: running as soon as the process has started.
    pub done: Vec<String>,
    /// Whether escape sequences are removed from a line before it is compared with `done`.
    pub strip_ansi: bool,
    /// How to ask it to stop.
    pub stop: StopRule,
    /// Milliseconds between asking and killing.
    pub stop_timeout_ms: u64,
    /// Edits of its configuration files before each start. Placeholders are resolved already, but for `{{config.*}}`.
    pub config_files: Vec<ConfigFile>,
    /// Whether starting is refused and a running process is to be stopped.
    pub suspended: bool,
    /// Files that nobody may read or change through Raptor, as `.gitignore` has them.
    #[serde(default)]
    pub denied_files: Vec<String>,
}

/// What the host knows of a container now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContainerStatus {
    /// The container.
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
    /// Why the last start failed, in a sentence, until the next start.
    pub problem: Option<String>,
    /// What a start is busy with.
    pub progress: Option<Progress>,
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
    /// When.
    pub at: DateTime<Utc>,
}

/// What a start is busy with, where it can take long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Progress {
    /// The image is being pulled.
    Pulling {
        /// Bytes there so far, over the layers whose size is known.
        current_bytes: u64,
        /// Bytes in all, over the layers whose size is known.
        total_bytes: u64,
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
    /// Memory in bytes, without the page cache.
    pub memory_bytes: u64,
    /// Memory limit in bytes; 0 = none.
    pub memory_limit_bytes: u64,
    /// Bytes received since the start, over all interfaces.
    pub network_rx_bytes: u64,
    /// Bytes sent since the start, over all interfaces.
    pub network_tx_bytes: u64,
    /// Bytes in the data folder at the last scan.
    pub disk_bytes: u64,
    /// Processes and threads.
    pub pids: u64,
    /// Milliseconds since the process started.
    pub uptime_ms: u64,
}

/// Who wrote a console line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    /// The container's process.
    Output,
    /// Somebody through Raptor: a command sent to the container.
    Command,
    /// The daemon: what it does to the container and why.
    Daemon,
}

/// One numbered console line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConsoleLine {
    /// Its number: starts at 1 for a container and never skips or repeats.
    pub seq: u64,
    /// When the daemon read it.
    pub at: DateTime<Utc>,
    /// Who wrote it.
    pub kind: LineKind,
    /// The text without its line end, escape sequences kept.
    pub text: String,
}

/// One message of a container's live stream. This is also the frame that the browser gets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LiveFrame {
    /// Console lines in order, each number one more than the last.
    Lines {
        /// The lines.
        lines: Vec<ConsoleLine>,
    },
    /// Lines that are no longer kept: the next number that follows is `next`.
    Gap {
        /// The number asked for.
        from: u64,
        /// The oldest number there is.
        next: u64,
    },
    /// Output after the last line end, such as a prompt; replaces the one before, empty = none.
    Partial {
        /// The text so far.
        text: String,
    },
    /// The container's status changed.
    Status {
        /// The new status.
        status: ContainerStatus,
    },
    /// A new measurement; the last one before the end of a process is followed by a status.
    Stats {
        /// The measurement.
        stats: Stats,
    },
    /// Everything that was there when the stream began has been sent.
    CaughtUp,
    /// A request on this stream failed.
    Problem {
        /// Stable machine-readable reason.
        code: String,
        /// A sentence for people.
        message: String,
    },
}

/// Where a live stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Since {
    /// After this line; 0 = from the oldest that is kept.
    After(u64),
    /// With so many lines of the past.
    Tail(u32),
}

/// Which parts of a live stream are wanted. A part that its reader may not see is never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveParts {
    /// Console lines.
    pub console: bool,
    /// Measurements. Status changes always come.
    pub stats: bool,
}

/// What a host tells about all its containers, over the link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum NodeEvent {
    /// First message, and again on request: everything there is. What is not in it is not on the host.
    Snapshot {
        /// The host.
        system: SystemInfo,
        /// All its containers.
        containers: Vec<ContainerStatus>,
    },
    /// One container changed.
    Status {
        /// Its status.
        status: ContainerStatus,
    },
    /// Measurements of all running containers, once a second.
    Stats {
        /// The measurements.
        stats: Vec<ContainerStats>,
    },
    /// The host's own load, every few seconds.
    System {
        /// The host.
        system: SystemInfo,
    },
    /// A container is no longer on the host.
    Removed {
        /// The container.
        id: ContainerId,
    },
    /// The host wants to know something; the answer is a [`Word::Answer`].
    Question {
        /// What the answer has to name.
        id: u64,
        /// The question.
        question: Question,
    },
    /// Somebody did something on the host; to be acknowledged by a [`Word::Noted`].
    Activity {
        /// What.
        activity: HostActivity,
    },
}

/// A measurement and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContainerStats {
    /// The container.
    pub id: ContainerId,
    /// The measurement.
    pub stats: Stats,
}

/// What somebody asks of a container's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PowerAction {
    /// Start it.
    Start,
    /// Ask it to stop, and kill it when it does not in time.
    Stop,
    /// Stop, then start. From offline: start.
    Restart,
    /// End it now.
    Kill,
}

/// Why a host did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The state machine refused.
    #[error("{0}")]
    Refused(#[from] Refused),
    /// The host does not have this container.
    #[error("The daemon does not have this container.")]
    NotFound,
    /// The command or declaration is not acceptable.
    #[error("{0}")]
    Invalid(String),
    /// The daemon can't be reached.
    #[error("{0}")]
    Unreachable(String),
    /// The daemon refused the API's key.
    #[error(
        "The daemon refuses this API key. Copy the daemon's key into DAEMON_API_KEY on the host and restart raptor-daemon."
    )]
    WrongKey,
    /// The two sides speak different versions.
    #[error("The daemon speaks protocol {theirs}, this API speaks {PROTOCOL}. Upgrade the older of the two.")]
    Protocol {
        /// The daemon's [`PROTOCOL`].
        theirs: u32,
    },
    /// Docker does not answer on the host.
    #[error("{0}")]
    Docker(String),
    /// Something was not done to its files.
    #[error("{0}")]
    File(#[from] FileError),
    /// Something broke on the host.
    #[error("{0}")]
    Internal(String),
}

/// Everything the control side may ask of a host.
#[async_trait]
pub trait Node: Send + Sync {
    /// What the host is and how it does.
    async fn system(&self) -> Result<SystemInfo, NodeError>;

    /// All containers that the host has.
    async fn containers(&self) -> Result<Vec<ContainerStatus>, NodeError>;

    /// Declares a container. Declaring the same or an older revision again changes nothing.
    async fn declare(&self, spec: ContainerSpec) -> Result<ContainerStatus, NodeError>;

    /// Ends its process at once and removes the container and its files. A container that isn't there is no error.
    async fn remove(&self, id: ContainerId) -> Result<(), NodeError>;

    /// Accepts or refuses a power action; what follows is told by events.
    async fn power(&self, id: ContainerId, action: PowerAction) -> Result<(), NodeError>;

    /// Writes one line to the container's standard input. `by` is the name shown beside it in the console.
    async fn command(&self, id: ContainerId, line: &str, by: &str) -> Result<(), NodeError>;

    /// A page of console lines in order: at most `limit` after number `after`, or the newest `limit` without it.
    async fn console(
        &self,
        id: ContainerId,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<ConsoleLine>, NodeError>;

    /// The container's live stream: status first, then console from `since`, then everything as it happens.
    async fn live(
        &self,
        id: ContainerId,
        since: Since,
        parts: LiveParts,
    ) -> Result<BoxStream<'static, LiveFrame>, NodeError>;

    /// What happens on the host, beginning with a snapshot. The stream ends when the host goes away.
    async fn events(&self) -> Result<BoxStream<'static, NodeEvent>, NodeError>;

    /// Tells the host something over the link that [`Node::events`] opened.
    async fn tell(&self, word: Word) -> Result<(), NodeError>;

    /// Its containers' files.
    fn files(&self) -> &dyn files::NodeFiles {
        &files::NoFiles
    }
}
