//! Requests about the host itself.

use super::{Done, Input, Operation, Reply, Request, Route};
use crate::node::{CleanedImages, RegistryLogin, StatsHistory, StatsRange, SystemInfo};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What the host is and how it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GetSystem;

impl Route for GetSystem {
    type Target = ();
    type Answer = SystemInfo;
    const OPERATION: Operation = Operation::get("/system", "get_system", "What the host is and how it does.");
}

impl Request for GetSystem {}

/// The logins with which the host pulls images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RegistryLogins {
    /// All logins: those that are not listed are forgotten.
    pub items: Vec<RegistryLogin>,
}

impl Route for RegistryLogins {
    type Target = ();
    type Answer = Done;
    const OPERATION: Operation = Operation::put(
        "/registries",
        "set_registries",
        "Replace the logins for registries. They are kept in memory only.",
    )
    .with(Input::Json)
    .replying(Reply::Done);
}

impl Request for RegistryLogins {}

/// Which images are removed: those that were pulled for containers of this host and that no container uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CleaningRequest {
    /// Seconds for which no container has used them.
    pub unused_s: u64,
}

impl Route for CleaningRequest {
    type Target = ();
    type Answer = CleanedImages;
    const OPERATION: Operation = Operation::post(
        "/images/clean",
        "clean_images",
        "Remove images that were pulled for containers of this host and that nobody uses any more.",
    )
    .with(Input::Json);
}

impl Request for CleaningRequest {}

/// Events that are written down: the host forgets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Acknowledgement {
    /// The list that the number belongs to.
    pub spool: Uuid,
    /// The number of the newest event that is written down; all before it are, too.
    pub number: u64,
}

impl Route for Acknowledgement {
    type Target = ();
    type Answer = Done;
    const OPERATION: Operation = Operation::post(
        "/link/acknowledgement",
        "acknowledge",
        "Say that events are written down: the host forgets them.",
    )
    .with(Input::Json)
    .replying(Reply::Done);
}

impl Request for Acknowledgement {}

/// What the host used over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SystemStatsQuery {
    /// How far back to go, and with it the length of a step.
    pub range: StatsRange,
}

impl Route for SystemStatsQuery {
    type Target = ();
    type Answer = StatsHistory;
    const OPERATION: Operation =
        Operation::get("/system/stats/history", "get_system_stats_history", "What the host used over time.")
            .with(Input::Query);
}

impl Request for SystemStatsQuery {}
