//! Power actions.

use crate::authz::ContainerPermission;
use serde::{Deserialize, Serialize};

/// What somebody asks of a container's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PowerAction {
    /// Start the container if it is offline.
    Start,
    /// Ask it to stop, and kill it when it does not in time.
    Stop,
    /// Stop, then start. From offline: start.
    Restart,
    /// End the process at once with SIGKILL. What it has not saved is lost.
    Kill,
}

impl PowerAction {
    /// All of them, in the order in which people are offered them.
    pub const ALL: [Self; 4] = [Self::Start, Self::Stop, Self::Restart, Self::Kill];

    /// The permission over the container that it takes.
    #[must_use]
    pub const fn permission(self) -> ContainerPermission {
        match self {
            Self::Start => ContainerPermission::PowerStart,
            Self::Stop => ContainerPermission::PowerStop,
            Self::Restart => ContainerPermission::PowerRestart,
            Self::Kill => ContainerPermission::PowerKill,
        }
    }
}
