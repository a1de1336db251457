//! The actor: who makes a request.

use super::permission::SystemSet;
use crate::id::{RoleId, SessionId, UserId};
use std::{net::IpAddr, sync::Arc};

/// Who makes a request.
#[derive(Clone, Debug)]
pub enum Actor {
    /// A user with a session, with the rights of their role.
    User(Arc<UserActor>),
    /// Raptor itself, or the program that embeds it. May do everything.
    System,
}

/// An authenticated user. Only [`AuthService`](crate::auth::service::AuthService) creates one.
#[derive(Clone, Debug)]
pub struct UserActor {
    pub(crate) user_id: UserId,
    /// The user name, for the audit trail.
    pub(crate) username: String,
    pub(crate) role_id: RoleId,
    /// The permissions of the role.
    pub(crate) grants: SystemSet,
    /// The session; `None` if the embedding program vouches for the user.
    pub(crate) session_id: Option<SessionId>,
    /// The address that the request came from.
    pub(crate) ip: Option<IpAddr>,
}

impl Actor {
    /// The permissions of the actor's role.
    #[must_use]
    pub fn grants(&self) -> SystemSet {
        match self {
            Self::User(user) => user.grants,
            Self::System => SystemSet::ALL,
        }
    }

    /// The user's id; `None` for the system.
    #[must_use]
    pub fn user_id(&self) -> Option<UserId> {
        match self {
            Self::User(user) => Some(user.user_id),
            Self::System => None,
        }
    }

    /// The id of the user's role; `None` for the system.
    #[must_use]
    pub fn role_id(&self) -> Option<RoleId> {
        match self {
            Self::User(user) => Some(user.role_id),
            Self::System => None,
        }
    }

    /// The session; `None` for the system, and for a user that the embedding program vouches for.
    #[must_use]
    pub fn session_id(&self) -> Option<SessionId> {
        match self {
            Self::User(user) => user.session_id,
            Self::System => None,
        }
    }

    /// The name to show in the audit trail.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::User(user) => &user.username,
            Self::System => "system",
        }
    }

    /// The address that the request came from, if it came over the network.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::User(user) => user.ip,
            Self::System => None,
        }
    }
}
