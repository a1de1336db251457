//! The container's life as a pure state machine: `step(life, input) -> (life, effects)`.

use serde::{Deserialize, Serialize};

/// Where a container is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// No process.
    Offline,
    /// Being prepared, or its process runs and has not said that it is ready.
    Starting,
    /// Its process runs and is ready.
    Running,
    /// Asked to stop; its process has not ended.
    Stopping,
}

/// Why a power action was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    /// Start of what runs.
    #[error("The container is already running.")]
    AlreadyRunning,
    /// Start of what is on its way down.
    #[error("The container is still stopping. Wait for it or kill it.")]
    StillStopping,
    /// Stop, kill or command where nothing runs.
    #[error("The container is offline.")]
    Offline,
    /// Start while suspended.
    #[error("The container is suspended. An administrator can lift that.")]
    Suspended,
}

impl Refused {
    /// The stable code in the HTTP contract.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::AlreadyRunning => "already_running",
            Self::StillStopping => "still_stopping",
            Self::Offline => "offline",
            Self::Suspended => "suspended",
        }
    }
}
