//! Sessions of signed-in users.

use crate::id::{SessionId, UserId};
use chrono::{DateTime, Utc};
use std::net::IpAddr;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub user_id: UserId,
    /// The address that it was started from.
    pub ip: Option<IpAddr>,
    /// The `User-Agent` header of the program that started it.
    pub user_agent: Option<String>,
    pub created_at: DateTime<Utc>,
    /// The time of the last request, to the minute.
    pub last_seen_at: DateTime<Utc>,
    /// When it ends unless it is ended before.
    pub expires_at: DateTime<Utc>,
}
