//! Who is calling.

use super::permission::SystemSet;
use crate::id::{RoleId, SessionId, UserId};
use std::{net::IpAddr, sync::Arc};

/// Who is calling.
#[derive(Clone, Debug)]
pub enum Actor {
    /// A signed-in user.
    User(Arc<UserActor>),
    /// Raptor itself, or the program that embeds it. May do everything.
    System,
}

/// A user who proved who they are. Only [`AuthService`](crate::auth::service::AuthService) makes one.
#[derive(Clone, Debug)]
pub struct UserActor {
    /// The account.
    pub(crate) user_id: UserId,
    /// Its name, for the audit trail.
    pub(crate) username: String,
    /// Its role.
    pub(crate) role_id: RoleId,
    /// What the role holds.
    pub(crate) grants: SystemSet,
    /// The session, or none where the embedding program vouches for the user.
    pub(crate) session_id: Option<SessionId>,
    /// Where the call came from.
    pub(crate) ip: Option<IpAddr>,
}

impl Actor {
    /// What the actor's role holds.
    #[must_use]
    pub fn grants(&self) -> SystemSet {
        match self {
            Self::User(user) => user.grants,
            Self::System => SystemSet::ALL,
        }
    }

    /// The account behind it, if it is a user.
    #[must_use]
    pub fn user_id(&self) -> Option<UserId> {
        match self {
            Self::User(user) => Some(user.user_id),
            Self::System => None,
        }
    }

    /// The role of the account behind it, if it is a user.
    #[must_use]
    pub fn role_id(&self) -> Option<RoleId> {
        match self {
            Self::User(user) => Some(user.role_id),
            Self::System => None,
        }
    }

    /// The session; none for the system, and for a user whom the embedding program vouches for.
    #[must_use]
    pub fn session_id(&self) -> Option<SessionId> {
        match self {
            Self::User(user) => user.session_id,
            Self::System => None,
        }
    }

    /// The name for people.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::User(user) => &user.username,
            Self::System => "system",
        }
    }

    /// Where the call came from, if it came over the network.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::User(user) => user.ip,
            Self::System => None,
        }
    }
}
