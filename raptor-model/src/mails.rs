//! Mails to users, and their outcomes.

use crate::id::MailId;
use chrono::{DateTime, Utc};
use serde::Serialize;

/// A mail and its delivery. The text is not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Mail {
    /// Id of the mail; sorts by time.
    pub id: MailId,
    /// Kind of mail: `password_reset`, `password_changed`, `email_changed`, `ssh_key_added`, `access_granted`, `test`.
    pub kind: String,
    /// The address that it goes to; null until that is known.
    pub recipient: Option<String>,
    /// How many times delivery was attempted.
    pub attempts: i64,
    /// When the mail was queued.
    pub created_at: DateTime<Utc>,
    /// When delivery is attempted next; null once it was sent or given up.
    pub next_try_at: Option<DateTime<Utc>>,
    /// When the mail server accepted it; null until then.
    pub sent_at: Option<DateTime<Utc>>,
    /// When delivery was given up; null unless it was.
    pub given_up_at: Option<DateTime<Utc>>,
    /// Why the last attempt failed; null if none did.
    pub last_error: Option<String>,
}

/// Counts of the mails of the last 30 days.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailCounts {
    /// Mails waiting to be sent.
    pub waiting: i64,
    /// Mails that were given up.
    pub given_up: i64,
    /// When the mail server last accepted a mail.
    pub last_sent_at: Option<DateTime<Utc>>,
    /// The newest failed attempt; none where a mail was taken since.
    pub last_error: Option<MailFailure>,
}

/// An attempt to deliver a mail that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailFailure {
    /// When it was made.
    pub at: DateTime<Utc>,
    /// Why it failed, as a sentence.
    pub message: String,
}
