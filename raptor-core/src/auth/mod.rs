//! Signing in, and knowing who calls.

mod passwords;
mod reset;
pub mod seal;
pub mod service;
mod session_cache;
mod throttle;
mod tokens;

pub(crate) use passwords::Passwords;
pub(crate) use session_cache::{SessionCache, session_cache};
pub(crate) use throttle::Throttles;
pub(crate) use tokens::Tokens;

use crate::id::{SessionId, UserId};
use chrono::{DateTime, Utc};
use std::net::IpAddr;

/// A signed-in session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose.
    pub user_id: UserId,
    /// Where it was begun.
    pub ip: Option<IpAddr>,
    /// With which program, as it calls itself.
    pub user_agent: Option<String>,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_seen_at: DateTime<Utc>,
    /// When it ends by itself.
    pub expires_at: DateTime<Utc>,
}

/// Where a call comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The peer's address.
    pub ip: Option<IpAddr>,
    /// What the program calls itself.
    pub user_agent: Option<String>,
}
