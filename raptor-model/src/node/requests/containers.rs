//! Requests about containers.

use super::{Done, Input, Operation, Patience, Reply, Request, Route};
use crate::{
    id::ContainerId,
    node::{
        ConsoleFound, ConsoleLine, ConsoleSearch, ContainerSpec, ContainerStatus, NodeError, PowerAction,
        StatsHistory, StatsRange,
    },
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// All containers of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ListContainers;

impl Route for ListContainers {
    type Target = ();
    type Answer = ContainerList;
    const OPERATION: Operation =
        Operation::get("/containers", "list_containers", "All containers of the host.");
}

impl Request for ListContainers {}

/// All containers of a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContainerList {
    /// The status of each container, in no order.
    #[serde(deserialize_with = "crate::node::tolerant::items")]
    pub items: Vec<ContainerStatus>,
}

/// What was declared of a container last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GetContainer;

impl Route for GetContainer {
    type Target = ContainerId;
    type Answer = ContainerSpec;
    const OPERATION: Operation =
        Operation::get("/containers/{id}", "get_container", "What was declared of a container last.");
}

impl Request for GetContainer {}

/// Declares a container. Declaring the same or an older revision again changes nothing.
impl Route for ContainerSpec {
    type Target = ContainerId;
    type Answer = ContainerStatus;
    const OPERATION: Operation = Operation::put(
        "/containers/{id}",
        "declare_container",
        "Declare what a container should be. An older declaration than the present one changes nothing.",
    )
    .with(Input::Json);
}

impl Request for ContainerSpec {
    fn check(&self, target: ContainerId) -> Result<(), NodeError> {
        if self.id == target {
            return Ok(());
        }
        Err(NodeError::Invalid("The id in the address and the one in the declaration differ.".into()))
    }
}

/// Ends a container's process at once and removes the container and its files. One that isn't there is no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RemoveContainer;

impl Route for RemoveContainer {
    type Target = ContainerId;
    type Answer = Done;
    const OPERATION: Operation = Operation::delete(
        "/containers/{id}",
        "remove_container",
        "End a container at once and remove it with its files. One that isn't there is no error.",
    )
    .replying(Reply::Done);
}

impl Request for RemoveContainer {}

/// A power action. What follows is told by events; what is accepted while the engine is away is done when it is back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PowerRequest {
    /// What is to be done.
    pub action: PowerAction,
    /// The name that the console gives as who asked; nobody is named where it is empty.
    #[serde(default)]
    pub by: String,
    /// This host's time after which the order is refused: a connection that was dead for a while may still deliver it.
    #[serde(default)]
    pub not_after: Option<DateTime<Utc>>,
}

impl Route for PowerRequest {
    type Target = ContainerId;
    type Answer = Done;
    const OPERATION: Operation = Operation::post(
        "/containers/{id}/power",
        "power_container",
        "Start, stop, restart or kill. Answered when it is accepted.",
    )
    .with(Input::Json)
    .replying(Reply::Accepted)
    .within(Patience::Order);
}

impl Request for PowerRequest {
    fn not_after(&mut self) -> Option<&mut Option<DateTime<Utc>>> {
        Some(&mut self.not_after)
    }
}

/// Ends the installation that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CancelInstall;

impl Route for CancelInstall {
    type Target = ContainerId;
    type Answer = Done;
    const OPERATION: Operation = Operation::delete(
        "/containers/{id}/installation",
        "cancel_install",
        "End the installation that runs.",
    )
    .replying(Reply::Accepted);
}

impl Request for CancelInstall {}

/// A line for a process's standard input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CommandRequest {
    /// The line, without its end.
    pub command: String,
    /// The name shown beside it in the console.
    pub by: String,
    /// This host's time after which the line is refused, as with power actions.
    #[serde(default)]
    pub not_after: Option<DateTime<Utc>>,
}

impl Route for CommandRequest {
    type Target = ContainerId;
    type Answer = Done;
    const OPERATION: Operation = Operation::post(
        "/containers/{id}/commands",
        "send_command",
        "Write a line to a container's standard input.",
    )
    .with(Input::Json)
    .replying(Reply::Done)
    .within(Patience::Order);
}

impl Request for CommandRequest {
    fn not_after(&mut self) -> Option<&mut Option<DateTime<Utc>>> {
        Some(&mut self.not_after)
    }
}

/// Which console lines are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConsoleQuery {
    /// After the line with this number; the newest lines unless given.
    pub after: Option<u64>,
    /// Lines at most, 1 to 1000; 100 unless given.
    pub limit: Option<u32>,
}

impl ConsoleQuery {
    /// How many lines come at most.
    #[must_use]
    pub fn most(&self) -> u32 {
        self.limit.unwrap_or(100).clamp(1, 1_000)
    }
}

impl Route for ConsoleQuery {
    type Target = ContainerId;
    type Answer = ConsolePage;
    const OPERATION: Operation =
        Operation::get("/containers/{id}/console", "get_console", "Console lines of a container.")
            .with(Input::Query);
}

impl Request for ConsoleQuery {}

/// A page of a container's console.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConsolePage {
    /// In order, each number one more than the last.
    pub lines: Vec<ConsoleLine>,
}

impl Route for ConsoleSearch {
    type Target = ContainerId;
    type Answer = ConsoleFound;
    const OPERATION: Operation = Operation::post(
        "/containers/{id}/console/search",
        "search_console",
        "Look for lines of a container's console.",
    )
    .with(Input::Json)
    .within(Patience::Long);
}

impl Request for ConsoleSearch {}

/// What a container used over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContainerStatsQuery {
    /// How far back to go, and with it the length of a step.
    pub range: StatsRange,
}

impl Route for ContainerStatsQuery {
    type Target = ContainerId;
    type Answer = StatsHistory;
    const OPERATION: Operation = Operation::get(
        "/containers/{id}/stats/history",
        "get_container_stats_history",
        "What a container used over time.",
    )
    .with(Input::Query);
}

impl Request for ContainerStatsQuery {}
