//! What containers were told, on the wire.

use chrono::{DateTime, Utc};
use raptor_core::{
    containers,
    id::{CommandId, UserId},
};
use serde::Serialize;
use utoipa::ToSchema;

/// A line that somebody sent to a container's standard input.
#[derive(Debug, Serialize, ToSchema)]
pub struct SentCommand {
    /// Its id; sorts by time.
    pub id: CommandId,
    /// When.
    pub at: DateTime<Utc>,
    /// The user who sent it; none for Raptor itself.
    pub user_id: Option<UserId>,
    /// What the sender was called then.
    pub sent_by: String,
    /// The line.
    pub command: String,
}

impl From<containers::Command> for SentCommand {
    fn from(sent: containers::Command) -> Self {
        let containers::Command { id, at, user_id, sent_by, command, .. } = sent;
        Self { id, at, user_id, sent_by, command }
    }
}

super::page! {
    /// One page of commands, the newest first.
    SentCommandPage of SentCommand
}
