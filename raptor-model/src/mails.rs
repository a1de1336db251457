//! Mails: what is sent to users, and what became of it.

use crate::id::MailId;
use chrono::{DateTime, Utc};

/// A mail and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Its id.
    pub id: MailId,
    /// What it is about: `password_reset`, `password_changed`, `email_changed`, `ssh_key_added`, `access_granted`, `test`.
    pub kind: String,
    /// Where it goes, where that is known yet.
    pub recipient: Option<String>,
    /// How often it was tried.
    pub attempts: i64,
    /// When it was written down.
    pub created_at: DateTime<Utc>,
    /// When it is tried next, while it waits.
    pub next_try_at: Option<DateTime<Utc>>,
    /// When the mail server took it.
    pub sent_at: Option<DateTime<Utc>>,
    /// When it was given up.
    pub given_up_at: Option<DateTime<Utc>>,
    /// Why it was not taken the last time.
    pub last_error: Option<String>,
}

/// What became of all mails of the last 30 days.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailCounts {
    /// How many wait.
    pub waiting: i64,
    /// How many were given up.
    pub given_up: i64,
    /// When the mail server last took one.
    pub last_sent_at: Option<DateTime<Utc>>,
    /// Why one was not taken, and when, unless one was taken since.
    pub last_error: Option<(DateTime<Utc>, String)>,
}
