//! Console lines, and the frames of a container's live stream.

use super::{ContainerStatus, PowerAction, Stats, tolerant};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Who wrote a console line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    /// The container's process, on standard output or standard error.
    #[default]
    Output,
    /// Somebody through Raptor: a command sent to the container.
    Command,
    /// The daemon: what it does to the container and why.
    Daemon,
    /// The installer's process, i.e. the template's installation script.
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
    /// Who wrote it; the process where only a newer version knows who.
    #[serde(deserialize_with = "tolerant::known_or_default")]
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
        /// The lines, at most 512 per frame.
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
        /// The whole status, which replaces the one before.
        status: ContainerStatus,
    },
    /// What the caller can do with the container's process now: the power actions that its state accepts and the caller's
    /// permissions allow. Follows each status, and comes when the container is suspended or that is lifted.
    Actions {
        /// All actions that are possible now; empty if none is.
        actions: Vec<PowerAction>,
    },
    /// A new measurement; the last one before the end of a process is followed by a status.
    Stats {
        /// What the container uses at the moment.
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
        /// Machine-readable reason, as in the `code` of the API's problems.
        code: String,
        /// A sentence for people.
        message: String,
        /// `command_id` of the command that failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        command_id: Option<u64>,
    },
    /// The connection is alive. It comes every two seconds.
    Beat {
        /// The time on the API's clock, in UTC.
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
    /// Whether console lines, gaps and the partial line are sent.
    pub console: bool,
    /// Measurements. Status changes always come.
    pub stats: bool,
}
