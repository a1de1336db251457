//! Commands that were sent to containers.

use crate::id::{CommandId, ContainerId, UserId};
use chrono::{DateTime, Utc};

/// Commands that are kept of each container; older ones go.
pub const KEPT_COMMANDS: u32 = 1_000;

/// A line that somebody sent to a container's standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its id; sorts by time.
    pub id: CommandId,
    /// To which container.
    pub container_id: ContainerId,
    /// The user who sent it; none for the system.
    pub user_id: Option<UserId>,
    /// What the sender was called then.
    pub sent_by: String,
    /// The line.
    pub command: String,
    /// When.
    pub at: DateTime<Utc>,
}
