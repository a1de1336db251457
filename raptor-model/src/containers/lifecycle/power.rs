//! Power actions.

use serde::{Deserialize, Serialize};

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
