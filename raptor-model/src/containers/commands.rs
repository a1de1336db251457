//! Commands sent to containers.

use crate::id::{CommandId, ContainerId, UserId};
use chrono::{DateTime, Utc};
use serde::Serialize;

/// Commands kept per container; older ones are deleted.
pub const KEPT_COMMANDS: u32 = 1_000;

/// A line that somebody sent to a container's standard input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SentCommand))]
pub struct Command {
    /// Id of the command; sorts by time.
    pub id: CommandId,
    /// The container that it was sent to. Not on the wire: it is in the path of the request.
    #[serde(skip)]
    pub container_id: ContainerId,
    /// The user who sent it; null for Raptor itself.
    pub user_id: Option<UserId>,
    /// The sender's name at that time.
    pub sent_by: String,
    /// The line as it was sent, at most 4,096 bytes, without its line break.
    pub command: String,
    /// When it was sent.
    pub at: DateTime<Utc>,
}
