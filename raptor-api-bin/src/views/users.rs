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
    /// Its id.
    pub id: RoleId,
    /// Its name.
    pub name: String,
}

/// A user account.
#[derive(Debug, Serialize, ToSchema)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// Its small stable number.
    pub number: i64,
    /// Name for signing in.
    pub username: String,
    /// E-mail address.
    pub email: String,
    /// Name for people.
    pub name: Option<String>,
    /// Its role.
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

/// A user to be made.
#[derive(Deserialize, ToSchema)]
pub struct NewUser {
    /// 1 to 32 letters, digits, dots, dashes or underscores.
    pub username: String,
    /// E-mail address.
    pub email: String,
    /// Name for people.
    pub name: Option<String>,
    /// 8 to 1,024 characters.
    pub password: String,
    /// Whether the user has to choose another password before anything else.
    #[serde(default)]
    pub password_change_required: bool,
    /// Its role, which must not hold more than the caller's.
    pub role_id: RoleId,
}

impl From<NewUser> for users::NewUser {
    fn from(new: NewUser) -> Self {
        let NewUser { username, email, name, password, password_change_required, role_id } = new;
        Self { username, email, name, password, password_change_required, role_id }
    }
}

/// All that can be changed about a user.
#[derive(Deserialize, ToSchema)]
pub struct UserUpdate {
    /// 1 to 32 letters, digits, dots, dashes or underscores.
    pub username: String,
    /// E-mail address.
    pub email: String,
    /// Name for people.
    pub name: Option<String>,
    /// Its role, which must not hold more than the caller's.
    pub role_id: RoleId,
    /// Whether it may not sign in.
    pub suspended: bool,
}

impl From<UserUpdate> for users::UserChange {
    fn from(update: UserUpdate) -> Self {
        let UserUpdate { username, email, name, role_id, suspended } = update;
        Self { username, email, name, role_id, suspended }
    }
}

/// A new password.
#[derive(Deserialize, ToSchema)]
pub struct NewPassword {
    /// 8 to 1,024 characters.
    pub password: String,
    /// Whether the user has to choose another password before anything else.
    #[serde(default)]
    pub password_change_required: bool,
}
