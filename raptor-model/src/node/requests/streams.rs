//! What is answered by a stream.

use super::{Done, Input, Operation, Patience, Reply, Route};
use crate::{
    id::ContainerId,
    node::{ConsoleExport, LiveFrame, LiveParts, NodeEvent, Since},
};
use serde::{Deserialize, Serialize};

impl Route for ConsoleExport {
    type Target = ContainerId;
    type Answer = Done;
    const OPERATION: Operation = Operation::post(
        "/containers/{id}/console/export",
        "export_console",
        "A container's console as text, as it is kept at the time of the call.",
    )
    .with(Input::Json)
    .replying(Reply::Content)
    .within(Patience::Long);
}

/// Where a live stream begins and which parts of it are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LiveQuery {
    /// After the console line with this number.
    pub after: Option<u64>,
    /// With so many console lines of the past, unless `after` is given.
    pub tail: Option<u32>,
    /// Whether console lines are wanted.
    pub console: bool,
    /// Whether measurements are wanted.
    pub stats: bool,
}

impl LiveQuery {
    /// As it is sent.
    #[must_use]
    pub const fn new(since: Since, parts: LiveParts) -> Self {
        let (after, tail) = match since {
            Since::After(seq) => (Some(seq), None),
            Since::Tail(lines) => (None, Some(lines)),
        };
        Self { after, tail, console: parts.console, stats: parts.stats }
    }

    /// Where it begins.
    #[must_use]
    pub fn since(&self) -> Since {
        self.after.map_or(Since::Tail(self.tail.unwrap_or(0)), Since::After)
    }

    /// Which parts are wanted.
    #[must_use]
    pub const fn parts(&self) -> LiveParts {
        LiveParts { console: self.console, stats: self.stats }
    }
}

impl Route for LiveQuery {
    type Target = ContainerId;
    type Answer = LiveFrame;
    const OPERATION: Operation = Operation::get(
        "/containers/{id}/live",
        "live_container",
        "A container's stream over WebSocket: text frames of `LiveFrame`.",
    )
    .with(Input::Query)
    .replying(Reply::Socket("LiveFrame"));
}

/// Opens the link: what happens on the host, and what the control side says to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LinkRequest;

impl Route for LinkRequest {
    type Target = ();
    type Answer = NodeEvent;
    const OPERATION: Operation = Operation::get(
        "/link",
        "link",
        "What happens on the host over WebSocket: text frames of `NodeEvent`, a snapshot first. What the API says to the host comes the other way as text frames of `HostMessage`.",
    )
    .replying(Reply::Socket("NodeEvent, and of HostMessage the other way"));
}
