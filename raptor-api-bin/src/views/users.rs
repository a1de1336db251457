//! Users on the wire.

use chrono::{DateTime, Utc};
use raptor_core::{
    id::{RoleId, UserId},
    users,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A role by name.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoleRef {
    /// Id of the role.
    pub id: RoleId,
    /// Name of the role.
    pub name: String,
}

/// A user's account, as people with `users.read` see it.
//
// Differs from the domain's: the role's id and name are one object, and when it was last changed is left out.
#[derive(Debug, Serialize, ToSchema)]
pub struct User {
    /// Id of the user.
    pub id: UserId,
    /// Its small stable number.
    pub number: i64,
    /// Name for signing in.
    pub username: String,
    /// E-mail address, unique without regard to case.
    pub email: String,
    /// The name to show instead of the user name, up to 100 characters; null = the user name.
    pub name: Option<String>,
    /// The role that the user has.
    pub role: RoleRef,
    /// Whether it may not sign in.
    pub suspended: bool,
    /// Whether it can do nothing until its user has chosen another password.
    pub password_change_required: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last called, to the minute.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// How many containers it owns.
    pub container_count: i64,
}

impl From<users::User> for User {
    fn from(user: users::User) -> Self {
        Self {
            id: user.id,
            number: user.number,
            username: user.username,
            email: user.email,
            name: user.name,
            role: RoleRef { id: user.role_id, name: user.role_name },
            suspended: user.suspended,
            password_change_required: user.password_change_required,
            created_at: user.created_at,
            last_seen_at: user.last_seen_at,
            container_count: user.container_count,
        }
    }
}

super::page! {
    /// One page of users, by user name.
    UserPage of User
}

/// The password to set for a user.
#[derive(Deserialize, ToSchema)]
pub struct NewPassword {
    /// 8 to 1,024 characters.
    pub password: String,
    /// Whether the user has to choose another password before anything else.
    #[serde(default)]
    pub password_change_required: bool,
}
