//! User accounts.

mod common;

use crate::{
    Error, Result,
    id::{RoleId, UserId},
};
use chrono::{DateTime, Utc};
use serde::Deserialize;

/// The publicly known password of a quick start's administrator. An account with it can only be used to change it.
pub const DEFAULT_PASSWORD: &str = "admin123";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    /// A short number that never changes, counted from 1.
    pub number: i64,
    /// Name for signing in; unique without regard to case.
    pub username: String,
    /// E-mail address; unique without regard to case.
    pub email: String,
    /// The name to show instead of the user name; `None` = the user name.
    pub name: Option<String>,
    pub role_id: RoleId,
    pub role_name: String,
    /// Whether the user can't sign in.
    pub suspended: bool,
    /// Whether the user has to choose a new password before doing anything else.
    pub password_change_required: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// The time of the last request, to the minute.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// The number of containers that the user owns.
    pub container_count: i64,
}

/// A user account to create.
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewUser {
    /// Name for signing in: 1 to 32 letters (`a` to `z` in either case), digits, dots, dashes or underscores. Unique without
    /// regard to case.
    pub username: String,
    /// E-mail address, unique without regard to case.
    pub email: String,
    /// Display name, at most 100 characters.
    pub name: Option<String>,
    /// Password of 8 to 1,024 bytes.
    pub password: String,
    /// Whether the user has to choose another password before anything else.
    #[serde(default)]
    pub password_change_required: bool,
    /// Id of the user's role, which can't hold more permissions than the caller's.
    pub role_id: RoleId,
}

/// All that can be changed about a user.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = UserUpdate))]
pub struct UserChange {
    /// Name for signing in: 1 to 32 letters (`a` to `z` in either case), digits, dots, dashes or underscores. Unique without
    /// regard to case.
    pub username: String,
    /// E-mail address, unique without regard to case.
    pub email: String,
    /// Display name, at most 100 characters.
    pub name: Option<String>,
    /// Id of the user's role, which can't hold more permissions than the caller's.
    pub role_id: RoleId,
    /// Whether the user is suspended: they can't sign in, and their sessions are ended.
    pub suspended: bool,
}

/// Validates a user name and trims it. The allowed characters make it usable in SFTP's `user.container`.
///
/// # Errors
/// [`Error::Invalid`] at `username`.
pub fn check_username(username: &str) -> Result<String> {
    let username = username.trim();
    let fits = (1..=32).contains(&username.len());
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let starts = username.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    if fits && starts && username.chars().all(allowed) {
        return Ok(username.to_owned());
    }
    Err(Error::invalid(
        "username",
        "Use 1 to 32 letters, digits, dots, dashes or underscores, beginning with a letter or digit.",
    )
    .because("username")
    .with("max", 32))
}

/// Checks that an e-mail address has a name and a host, and trims it. Only sending a mail can tell whether it exists.
///
/// # Errors
/// [`Error::Invalid`] at `email`.
pub fn check_email(email: &str) -> Result<String> {
    let email = email.trim();
    let whole = email.len() <= 254 && !email.chars().any(|c| c.is_whitespace() || c.is_control());
    let halves = email
        .rsplit_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !name.contains('@'));
    if whole && halves {
        return Ok(email.to_owned());
    }
    Err(Error::invalid("email", "This is not an e-mail address. It should look like name@example.com.")
        .because("email"))
}

/// Validates a display name.
///
/// # Errors
/// [`Error::Invalid`] at `name`.
pub fn check_name(name: Option<String>) -> Result<Option<String>> {
    let name = name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    match &name {
        Some(name) if name.chars().count() > 100 || name.chars().any(char::is_control) => {
            Err(Error::invalid("name", "Use at most 100 characters.").because("too_long").with("max", 100))
        }
        _ => Ok(name),
    }
}

/// Validates a new password: 8 characters or more, at most 1,024 bytes, and not a common one. It needs no digits or symbols
/// (NIST SP 800-63B).
///
/// # Errors
/// [`Error::Invalid`] at `field`.
pub fn check_password(field: &str, password: &str) -> Result<()> {
    if password.chars().count() < 8 || password.len() > 1_024 {
        return Err(Error::invalid(field, "Use a password of 8 to 1,024 characters.")
            .because("password_length")
            .with("min", 8)
            .with("max", 1_024));
    }
    if common::is_common(password) {
        return Err(Error::invalid(
            field,
            "This password is one of those that are guessed first. Use another one; a few unrelated words are good.",
        ).because("password_common"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_confuse_sftp_or_a_terminal_are_refused() {
        for bad in ["", " ", "a b", "-a", ".a", "ä", "a/b", "a\u{1b}", &"a".repeat(33)] {
            assert!(check_username(bad).is_err(), "{bad:?}");
        }
        assert_eq!(check_username(" Steve.1 ").unwrap(), "Steve.1");
    }

    #[test]
    fn addresses_need_two_halves() {
        for bad in ["", "a", "@b", "a@", "a b@c", "a@b@c"] {
            assert!(check_email(bad).is_err(), "{bad:?}");
        }
        assert_eq!(check_email("admin@localhost ").unwrap(), "admin@localhost");
    }
}
