//! Signing in and the own account on the wire.

use super::users::RoleRef;
use chrono::{DateTime, Utc};
use raptor_core::{
    auth,
    authz::{Actor, SystemGrant, SystemSet},
    id::{SessionId, UserId},
    sshkeys::SshKey,
    users::User,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What anybody may know of this Raptor.
#[derive(Debug, Serialize, ToSchema)]
pub struct PublicSettings {
    /// Name of the program: `Raptor`.
    pub name: &'static str,
    /// Version of the server, such as `0.1.0`.
    pub version: &'static str,
    /// The version of the API in its paths.
    pub api_version: &'static str,
    /// Whether a forgotten password can be replaced by mail.
    pub password_reset: bool,
}

impl PublicSettings {
    /// Of this build.
    pub const fn new(password_reset: bool) -> Self {
        Self { name: "Raptor", version: env!("CARGO_PKG_VERSION"), api_version: "v1", password_reset }
    }
}

/// Who wants to sign in.
#[derive(Deserialize, ToSchema)]
pub struct SignIn {
    /// User name or e-mail address.
    pub login: String,
    /// The password of the account.
    pub password: String,
}

/// Who forgot their password.
#[derive(Deserialize, ToSchema)]
pub struct ResetRequest {
    /// User name or e-mail address.
    pub login: String,
}

/// A new password for one that was forgotten.
#[derive(Deserialize, ToSchema)]
pub struct PasswordReset {
    /// What stands behind `#` in the link of the mail.
    pub token: String,
    /// 8 to 1,024 characters.
    pub new_password: String,
}

/// A session that was just begun.
#[derive(Serialize, ToSchema)]
pub struct SessionToken {
    /// To be sent as `Authorization: Bearer`. The panel has it in a cookie that scripts can't read.
    pub token: String,
    /// When it ends by itself.
    pub expires_at: DateTime<Utc>,
    /// The account that was signed in to.
    pub account: Account,
}

/// The caller's own account.
//
// Differs from the domain's user: with the session's permissions and id.
#[derive(Debug, Serialize, ToSchema)]
pub struct Account {
    /// Id of the account. It never changes.
    pub id: UserId,
    /// Its small stable number.
    pub number: i64,
    /// Name for signing in.
    pub username: String,
    /// E-mail address, unique without regard to case.
    pub email: String,
    /// The name to show instead of the user name, up to 100 characters; null = the user name.
    pub name: Option<String>,
    /// The role that it has.
    pub role: RoleRef,
    /// The role's permissions, or `*`.
    #[schema(value_type = Vec<SystemGrant>)]
    pub permissions: SystemSet,
    /// Whether nothing but changing the password is allowed. Everything else answers `password_change_required` until then.
    pub password_change_required: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The session that the caller came with.
    pub session_id: Option<SessionId>,
}

impl Account {
    /// `user` as `actor` sees themselves.
    pub fn new(user: User, actor: &Actor) -> Self {
        let session_id = actor.session_id();
        Self {
            id: user.id,
            number: user.number,
            username: user.username,
            email: user.email,
            name: user.name,
            role: RoleRef { id: user.role_id, name: user.role_name },
            permissions: actor.grants(),
            password_change_required: user.password_change_required,
            created_at: user.created_at,
            session_id,
        }
    }
}

/// What users change about themselves.
//
// Differs from the domain's: with the password that confirms it.
#[derive(Deserialize, ToSchema)]
pub struct AccountUpdate {
    /// 1 to 32 letters, digits, dots, dashes or underscores.
    pub username: String,
    /// E-mail address, unique without regard to case.
    pub email: String,
    /// The name to show instead of the user name, up to 100 characters; null = the user name.
    pub name: Option<String>,
    /// Needed to change user name or e-mail address.
    pub current_password: Option<String>,
}

/// A change of password.
#[derive(Deserialize, ToSchema)]
pub struct PasswordChange {
    /// The account's current password, so that nobody else at the keyboard can change it.
    pub current_password: String,
    /// 8 to 1,024 characters.
    pub new_password: String,
}

/// A session of the caller's account, in a browser or a program.
//
// Differs from the domain's: says whether it is the caller's own, not whose it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Session {
    /// Id of the session.
    pub id: SessionId,
    /// Where it was begun.
    pub ip: Option<String>,
    /// The `User-Agent` of the program that signed in; null if it sent none.
    pub user_agent: Option<String>,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_seen_at: DateTime<Utc>,
    /// When it ends by itself.
    pub expires_at: DateTime<Utc>,
    /// Whether it is the caller's own.
    pub current: bool,
}

/// All sessions of the caller's account.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionList {
    /// The sessions, newest first.
    pub items: Vec<Session>,
}

impl SessionList {
    /// As `actor` sees them.
    pub fn new(sessions: Vec<auth::Session>, actor: &Actor) -> Self {
        let current = actor.session_id();
        let view = |session: auth::Session| Session {
            current: Some(session.id) == current,
            id: session.id,
            ip: session.ip.map(|ip| ip.to_string()),
            user_agent: session.user_agent,
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
            expires_at: session.expires_at,
        };
        Self { items: sessions.into_iter().map(view).collect() }
    }
}

/// The caller's public keys.
#[derive(Debug, Serialize, ToSchema)]
pub struct SshKeyList {
    /// The keys, newest first.
    pub items: Vec<SshKey>,
    /// Where deleting a key does not hold at once, and for how long, while a daemon is not connected.
    pub notice: Option<String>,
}

/// A public key to be added.
#[derive(Deserialize, ToSchema)]
pub struct SshKeyDraft {
    /// Name for people, at most 64 characters; the key's comment unless given.
    pub name: Option<String>,
    /// A line such as `ssh-ed25519 AAAA… you@computer`.
    pub public_key: String,
}
