//! What a host reports of all its containers, over the link.

use super::{
    ContainerStats, ContainerStatus, Exit, HostActivity, PortBinding, Question, SystemInfo, tolerant,
};
use crate::id::{ContainerId, UserId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a host tells about all its containers, over the link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum NodeEvent {
    /// First message, and again on request: everything there is. What is not in it is not on the host.
    Snapshot {
        /// The host's software, load and limits.
        system: SystemInfo,
        /// The status of every container on it, in no order.
        #[serde(deserialize_with = "tolerant::items")]
        containers: Vec<ContainerStatus>,
        /// What it and its engine have, whether or not the control side knows of it.
        #[serde(default, deserialize_with = "tolerant::items")]
        held: Vec<HostedContainer>,
    },
    /// The status of one container changed.
    Status {
        /// The whole status, which replaces the one before.
        status: ContainerStatus,
    },
    /// Measurements of all running containers, once a second.
    Stats {
        /// One measurement for each running container, in no order.
        stats: Vec<ContainerStats>,
    },
    /// The host's own load, every few seconds.
    System {
        /// The host's software, load and limits.
        system: SystemInfo,
    },
    /// A container is no longer on the host.
    Removed {
        /// The container that was removed.
        id: ContainerId,
    },
    /// The host wants to know something; the answer is a [`HostMessage::Answer`].
    Question {
        /// What the answer has to name.
        id: u64,
        /// What the host asks, e.g. whether a sign-in by SFTP is good.
        question: Question,
    },
    /// Somebody did something on the host; to be acknowledged by a [`HostMessage::Noted`].
    Activity {
        /// Who did what, when and to which container.
        activity: HostActivity,
    },
    /// Something that must not be lost: told again until it is acknowledged.
    Happened(Happened),
}

/// What a host has of a container, for a control side that may not know of it: its database may be older than the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HostedContainer {
    /// The container's id on its host.
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
    /// When it happened, by the host's clock, in UTC.
    pub at: DateTime<Utc>,
    /// The container that it happened to.
    pub id: ContainerId,
    /// The event itself.
    pub what: Happening,
}

/// What happened to a container without anybody asking for it just then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Happening {
    /// Its process ended in a way that counts as a crash.
    Crashed {
        /// The exit code, and whether it ran out of memory.
        exit: Exit,
        /// Crashes in a row, this one included.
        count: u32,
        /// Whether it is no longer started by itself.
        quarantined: bool,
        /// The last lines of its output, at most 20, oldest first.
        lines: Vec<String>,
    },
    /// Its process ended by itself, which is no crash, or was ended on the host by hand.
    Ended {
        /// The exit code, and whether it ran out of memory.
        exit: Exit,
        /// Whether somebody ended it with the engine's own commands.
        #[serde(default)]
        by_hand: bool,
    },
    /// It was interrupted with its host or engine and is started again.
    Recovered,
    /// A start that nobody asked for failed.
    StartFailed {
        /// The reason as a sentence for people.
        why: String,
    },
    /// It was stopped since it used more disk than it may.
    DiskFull {
        /// Bytes that it used.
        used_bytes: u64,
        /// Bytes that it may use.
        limit_bytes: u64,
    },
    /// An installation ended, with or without success.
    Installed {
        /// The number of the installation, as in its declaration.
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
