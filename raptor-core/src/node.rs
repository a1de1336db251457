//! The seam to a host: everything the control side may ask of a daemon, and the words of that conversation.
//!
//! [`Node`] has three implementations: [`crate::daemons::remote`] (HTTP and WebSocket), `raptor-node-lib` (in process) and
//! [`crate::daemons::simulated`]. The types here are the wire format of the first one as well.

mod fault;
mod file_error;
pub mod files;
mod history;
pub mod names;
mod path;
mod seats;

pub use fault::{Fault, hide_network};
pub use file_error::{FileError, FileResult, amount};
pub use history::{
    ConsoleExport, ConsoleFound, ConsoleHit, ConsoleSearch, Download, HitPart, MAX_HITS, NodeHistory, Series,
    StatsHistory, StatsRange,
};
pub use path::{FilePath, PathError};
pub use seats::{Seat, Seats};
mod link;
mod sftp;
mod text;

pub use link::{Answer, Hidden, HostActivity, HostDeed, Question, SftpChange, Word};
pub use sftp::{SftpAnswer, SftpGrant, SftpProof, SftpQuestion, SftpServer};
pub use text::{MAX_TEXT, TextFile, TextRead, TextWrite};

use crate::{
    containers::{
        Limits, Mount, Network,
        lifecycle::{Hold, Phase, Policy, Refused},
    },
    id::{ContainerId, UserId},
    templates::{ConfigFile, StopRule},
    text::Encoding,
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};
use uuid::Uuid;

/// The version of this conversation. A daemon and an API that differ in it refuse to work together and say so.
pub const PROTOCOL: u32 = 3;

/// The code of an order that was refused because it came too late.
pub const TOO_LATE: &str = "too_late";

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

/// Which protocols of a port are passed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP and UDP.
    #[default]
    Both,
    /// TCP alone.
    Tcp,
    /// UDP alone.
    Udp,
}

impl Protocol {
    /// Its stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }

    /// The one with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Both, Self::Tcp, Self::Udp].into_iter().find(|protocol| protocol.name() == name)
    }
}

/// One ip:port given to a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PortBinding {
    /// Address on the host.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub ip: IpAddr,
    /// Port, the same inside and outside.
    pub port: u16,
    /// Which protocols.
    #[serde(default)]
    pub protocol: Protocol,
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
    /// Why it must not be started with this image, in a sentence for people; none where it may. A process that runs goes on.
    #[serde(default)]
    pub image_refused: Option<String>,
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
    /// When it is started again.
    #[serde(default)]
    pub policy: Policy,
    /// Its newest installation; none where there is nothing to install.
    #[serde(default)]
    pub install: Option<InstallSpec>,
    /// Its time zone; the daemon's unless given.
    #[serde(default)]
    pub timezone: Option<String>,
    /// Whose it is: containers that share a network share it by this.
    #[serde(default)]
    pub owner: Option<UserId>,
    /// Which other containers it can talk to.
    #[serde(default)]
    pub network: Network,
    /// The host's address that its connections to the outside come from; the engine's choice unless given.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub outgoing_ip: Option<Ipv4Addr>,
    /// Folders of the host. The daemon refuses to start it with one that it does not allow.
    #[serde(default)]
    pub mounts: Vec<Mount>,
    /// Labels for the host's own tools.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The encoding that its console reads and writes; UTF-8 unless given.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub console_encoding: Option<Encoding>,
    /// Whether this host has reported on the container before. If it neither knows the container nor has its folder now, the
    /// files are gone: it is not started on an empty folder.
    #[serde(default)]
    pub existed: bool,
}

/// How a container is to be installed. The host runs each number once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InstallSpec {
    /// Grows with each installation that is asked for.
    pub number: u64,
    /// The image that the script runs in. A leading `~` says that it is local and must not be pulled.
    pub image: String,
    /// What runs the script.
    pub entrypoint: String,
    /// The script.
    pub script: String,
    /// Whether the container's files go before it.
    pub wipe: bool,
    /// Whether the container starts after it.
    pub start: bool,
    /// Milliseconds after which it is ended.
    pub timeout_ms: u64,
    /// Whether any exit code of the script but 0 is a failure; otherwise it is a warning.
    #[serde(default)]
    pub strict: bool,
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
    /// Why the last start failed, or what a start is waiting for, in a sentence, until the next start.
    pub problem: Option<String>,
    /// Configuration files that the newest start could not edit, a sentence for each.
    #[serde(default)]
    pub config_problems: Vec<String>,
    /// What a start or an installation is busy with.
    pub progress: Option<Progress>,
    /// What keeps it from being started.
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
    #[serde(default, deserialize_with = "fault::known")]
    pub fault: Option<Box<Fault>>,
}

/// Crashes in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Crashes {
    /// How many.
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
    /// The installation script.
    Install,
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
    /// A command on this stream was handed to the container.
    Accepted {
        /// `command_id` of the command.
        command_id: u64,
    },
    /// A request on this stream failed.
    Problem {
        /// Stable machine-readable reason.
        code: String,
        /// A sentence for people.
        message: String,
        /// `command_id` of the command that failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        command_id: Option<u64>,
    },
    /// The connection is alive. It comes every two seconds.
    Beat {
        /// The API's time.
        time: DateTime<Utc>,
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
        /// What it and its engine have, whether or not the control side knows of it.
        #[serde(default)]
        held: Vec<Held>,
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
    /// Something that must not be lost: told again until it is acknowledged.
    Happened(Happened),
}

/// What a host has of a container, for a control side that may not know of it: its database may be older than the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Held {
    /// The container.
    pub id: ContainerId,
    /// Its name for people.
    pub name: String,
    /// Whose it is, where the host knows.
    pub owner: Option<UserId>,
    /// The ports that it has on the host. Of one that is not declared, those that its process holds now.
    pub ports: Vec<PortBinding>,
    /// Whether it has a process.
    pub running: bool,
    /// Whether the host has its declaration. Without one it is in the engine alone, under the daemon's label: it can't be
    /// started or stopped before it is declared, but removed.
    pub declared: bool,
}

/// Something that happened on a host, kept there until the API has written it down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Happened {
    /// Which list of events the number belongs to: a host that lost its state begins another.
    #[cfg_attr(feature = "openapi", schema(value_type = Uuid))]
    pub spool: Uuid,
    /// Its number: starts at 1 and never skips or repeats.
    pub number: u64,
    /// When.
    pub at: DateTime<Utc>,
    /// To which container.
    pub id: ContainerId,
    /// What.
    pub what: Happening,
}

/// What happened to a container without anybody asking for it just then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Happening {
    /// Its process crashed.
    Crashed {
        /// How it ended.
        exit: Exit,
        /// Crashes in a row, this one included.
        count: u32,
        /// Whether it is no longer started by itself.
        quarantined: bool,
        /// Its last lines.
        lines: Vec<String>,
    },
    /// Its process ended by itself, which is no crash, or was ended on the host by hand.
    Ended {
        /// How it ended.
        exit: Exit,
        /// Whether somebody ended it with the engine's own commands.
        #[serde(default)]
        by_hand: bool,
    },
    /// It was interrupted with its host or engine and is started again.
    Recovered,
    /// A start that nobody asked for failed.
    StartFailed {
        /// Why.
        why: String,
    },
    /// It was stopped since it used more disk than it may.
    DiskFull {
        /// Bytes that it used.
        used_bytes: u64,
        /// Bytes that it may use.
        limit_bytes: u64,
    },
    /// An installation ended.
    Installed {
        /// Its number.
        number: u64,
        /// Why it failed; none where it worked.
        problem: Option<String>,
        /// What was odd about it though it worked; nothing was started after it then.
        #[serde(default)]
        warning: Option<String>,
        /// Its last lines, where it failed or was odd.
        lines: Vec<String>,
    },
}

/// An image that is no longer on a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CleanedImages {
    /// The references of images that were removed.
    pub images: Vec<String>,
    /// Bytes that became free.
    pub freed_bytes: u64,
}

/// Who may pull from a registry.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RegistryLogin {
    /// The registry's host, with its port where it has one.
    pub host: String,
    /// User name.
    pub username: String,
    /// Password or token.
    pub password: String,
}

impl std::fmt::Debug for RegistryLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegistryLogin").field("host", &self.host).finish_non_exhaustive()
    }
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
    #[error("The daemon speaks protocol {theirs}, this API speaks {PROTOCOL}. Upgrade {}, which is the older of the two.", older(*theirs))]
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

/// Which of the two programs is the older one, where the daemon speaks protocol `theirs`.
fn older(theirs: u32) -> &'static str {
    if theirs < PROTOCOL { "raptor-daemon on that host" } else { "raptor-api" }
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

    /// What was declared of a container last.
    async fn declared(&self, id: ContainerId) -> Result<ContainerSpec, NodeError>;

    /// Accepts or refuses a power action; what follows is told by events. What is accepted while the engine is away is done
    /// when it is back. `by` is the name that the console gives as who asked; empty where nobody is to be named.
    async fn power(&self, id: ContainerId, action: PowerAction, by: &str) -> Result<(), NodeError>;

    /// Ends the installation that runs.
    async fn cancel_install(&self, id: ContainerId) -> Result<(), NodeError>;

    /// Says that the events of `spool` up to `number` are written down: the host forgets them.
    async fn acknowledge(&self, spool: Uuid, number: u64) -> Result<(), NodeError>;

    /// Replaces the logins for registries.
    async fn set_registries(&self, logins: Vec<RegistryLogin>) -> Result<(), NodeError>;

    /// Removes the images that no container of this host uses and none has used for `unused_s` seconds, of those that were
    /// pulled for containers of this host.
    async fn clean_images(&self, unused_s: u64) -> Result<CleanedImages, NodeError>;

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

    /// Whether a daemon that was spoken to by plain HTTP before is spoken to by HTTPS now: to be kept, so that it stays so.
    fn upgraded(&self) -> bool {
        false
    }

    /// What it keeps of the past.
    fn history(&self) -> &dyn NodeHistory;

    /// Its containers' files.
    fn files(&self) -> &dyn files::NodeFiles {
        &files::NoFiles
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_protocols_it_is_said_which_program_is_to_be_upgraded() {
        let said = |theirs| NodeError::Protocol { theirs }.to_string();
        assert!(said(PROTOCOL - 1).contains("Upgrade raptor-daemon on that host"), "{}", said(PROTOCOL - 1));
        assert!(said(PROTOCOL + 1).contains("Upgrade raptor-api"), "{}", said(PROTOCOL + 1));
    }
}
