//! Errors, classified by what a caller can do about them.

use crate::{
    containers::lifecycle::Refused,
    sentence::{Params, Sentence},
};
use std::time::Duration;

/// The error of all operations. `Display` is safe to show to the caller; the cause, if any, is in
/// [`std::error::Error::source`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing of this kind has this id, or the actor may not know that it exists.
    #[error("This {what} does not exist, or you may not see it.")]
    NotFound {
        /// The noun in lower case: `container`, `user`.
        what: &'static str,
    },
    /// The current state does not allow it.
    #[error("{message}")]
    Conflict {
        /// Stable machine-readable reason, in snake_case.
        code: &'static str,
        /// The reason, and what to do about it.
        message: Sentence,
    },
    /// The container's state machine refused a power action.
    #[error("{0}")]
    Refused(#[from] Refused),
    /// A field of the input is invalid.
    #[error("{why}")]
    Invalid {
        /// Path of the field in the input: `name`, `limits.memory_mib`, `variables.SERVER_NAME`.
        field: String,
        /// What is wrong and what is allowed.
        why: Sentence,
    },
    /// The actor may see the object but may not do this.
    #[error("You need the permission `{permission}` to do this.")]
    Forbidden {
        /// The permission that would have allowed it, e.g. `containers.update`.
        permission: String,
    },
    /// The other user has rights that the actor lacks, so the actor can't change their account.
    #[error("{message}")]
    Outranked {
        /// One of the permissions that the other user has and the actor lacks, e.g. `users.update`.
        permission: String,
        /// Which right the other user has, and which permission the actor needs.
        message: String,
    },
    /// There is no session, or it has ended.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// The user has to choose a new password before anything else.
    #[error(
        "Choose a new password first: PUT /api/v1/account/password, or sign in to the panel, which asks for it."
    )]
    PasswordChangeRequired,
    /// The account or address has used up its attempts for now.
    #[error("Too many attempts. Try again in {} s.", retry_after.as_secs().max(1))]
    Throttled {
        /// The time until the next attempt is allowed.
        retry_after: Duration,
    },
    /// A limit was reached.
    #[error("{message}")]
    LimitReached {
        /// Stable machine-readable name of the limit.
        code: &'static str,
        /// Which limit, how much is left and what to do.
        message: Sentence,
    },
    /// Something that this operation needs is unavailable; trying again later may help.
    #[error("{message}")]
    Unavailable {
        /// Machine-readable reason that never changes, e.g. `name_taken`.
        code: &'static str,
        /// What is unavailable, and what to do.
        message: Sentence,
    },
    /// A bug or fault on our side. The cause is for the log, not for the caller.
    #[error("Something went wrong on our side. The server's log has the details.")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A result with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn invalid(field: impl Into<String>, why: impl Into<Sentence>) -> Self {
        Self::Invalid { field: field.into(), why: why.into() }
    }

    pub fn conflict(code: &'static str, message: impl Into<Sentence>) -> Self {
        Self::Conflict { code, message: message.into() }
    }

    /// Something that can't be reached now, with a stable `code`.
    pub fn unavailable(code: &'static str, message: impl Into<Sentence>) -> Self {
        Self::Unavailable { code, message: message.into() }
    }

    /// A limit that was reached, with a stable `code`.
    pub fn limit_reached(code: &'static str, message: impl Into<Sentence>) -> Self {
        Self::LimitReached { code, message: message.into() }
    }

    /// It with a value that its sentence names. Which values go with which code is listed with the codes of the HTTP contract.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<serde_json::Value>) -> Self {
        if let Self::Conflict { message, .. }
        | Self::LimitReached { message, .. }
        | Self::Unavailable { message, .. }
        | Self::Invalid { why: message, .. } = &mut self
        {
            *message = message.clone().with(name, value);
        }
        self
    }

    /// It at another field, such as where the input is part of a larger one.
    #[must_use]
    pub fn at(self, field: impl Into<String>) -> Self {
        match self {
            Self::Invalid { why, .. } => Self::Invalid { field: field.into(), why },
            other => other,
        }
    }

    /// It with the machine-readable reason why a field is refused, which the HTTP contract lists with its values.
    #[must_use]
    pub fn because(self, reason: &'static str) -> Self {
        self.with("reason", reason)
    }

    /// The values that its sentence names.
    #[must_use]
    pub fn params(&self) -> Params {
        match self {
            Self::Conflict { message, .. }
            | Self::LimitReached { message, .. }
            | Self::Unavailable { message, .. }
            | Self::Invalid { why: message, .. } => message.params().clone(),
            Self::Forbidden { permission } => Params::from([("permission", permission.as_str().into())]),
            Self::Throttled { retry_after } => {
                Params::from([("seconds", retry_after.as_secs().max(1).into())])
            }
            Self::NotFound { what } => Params::from([("what", (*what).into())]),
            _ => Params::new(),
        }
    }

    /// An internal error with its cause.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }

    /// The message and the cause, if any, for logs.
    #[must_use]
    pub fn with_cause(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(inner) = cause {
            text = format!("{text} ({inner})");
            cause = inner.source();
        }
        text
    }

    /// The code on the wire.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "not_found",
            Self::Conflict { code, .. }
            | Self::LimitReached { code, .. }
            | Self::Unavailable { code, .. } => code,
            Self::Refused(refused) => refused.code(),
            Self::Invalid { .. } => "invalid",
            Self::Forbidden { .. } | Self::Outranked { .. } => "forbidden",
            Self::Unauthenticated(_) => "unauthenticated",
            Self::PasswordChangeRequired => "password_change_required",
            Self::Throttled { .. } => "throttled",
            Self::Internal(_) => "internal",
        }
    }
}

#[cfg(feature = "sqlx")]
impl From<sqlx::Error> for Error {
    fn from(cause: sqlx::Error) -> Self {
        match cause {
            // A proxy whose PostgreSQL is down closes connections at any point, which the driver reports as a protocol error.
            sqlx::Error::PoolTimedOut
            | sqlx::Error::Io(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::BeginFailed => database_unavailable(),
            sqlx::Error::Database(told) => match told.code().as_deref().and_then(meaning) {
                Some(error) => error,
                None => Self::Internal(Box::new(sqlx::Error::Database(told))),
            },
            cause => Self::Internal(Box::new(cause)),
        }
    }
}

#[cfg(feature = "sqlx")]
/// The error while the database is down.
#[must_use]
pub fn database_unavailable() -> Error {
    Error::Unavailable {
        code: "database_unavailable",
        message: "The database does not answer. Try again in a moment.".into(),
    }
}

/// The error for a database's `code` that is about the database's state or the input, and not a bug.
///
/// PostgreSQL's codes have five letters (<https://www.postgresql.org/docs/current/errcodes-appendix.html>); SQLite's are numbers
/// whose lowest byte is the kind (<https://www.sqlite.org/rescode.html>).
#[cfg(feature = "sqlx")]
fn meaning(code: &str) -> Option<Error> {
    let kind = if code.len() == 5 { None } else { code.parse::<u32>().ok().map(|code| code & 0xff) };
    match (code, kind) {
        // 4874: there was no space for the index of SQLite's log.
        ("53100" | "4874", _) | (_, Some(13)) => {
            Some(storage("storage_full", "is full. Free some space there"))
        }
        ("25006", _) | (_, Some(8)) => {
            Some(storage("storage_read_only", "can't be written now. Make it writable again"))
        }
        ("58030" | "XX001" | "XX002", _) | (_, Some(10 | 11 | 14)) => {
            Some(storage("storage_failed", "reports a fault. Look at the disk and at the system's log"))
        }
        // NUL, in text and in JSON. Input is checked for it before, so this has no better name for the field.
        ("22021" | "22P05", _) => Some(
            Error::invalid("text", "This contains a character that can't be stored. Remove it.")
                .because("unstorable"),
        ),
        // The database is stopping, starting, or has reached its limit of connections.
        (code, None) if code.starts_with("08") || code.starts_with("57P") || code == "53300" => {
            Some(database_unavailable())
        }
        _ => None,
    }
}

#[cfg(feature = "sqlx")]
fn storage(code: &'static str, state: &str) -> Error {
    Error::Unavailable {
        code,
        message: format!("Nothing was changed: the database's disk {state}, then try again.").into(),
    }
}
