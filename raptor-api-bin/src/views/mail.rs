//! Mail on the wire.

use super::page;
use chrono::{DateTime, Utc};
use raptor_core::mail::service::{self, Mail, MailCounts, MailServer};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whether mail is set up, and what became of it.
//
// Joins the domain's server and counts; the last error and its time are two fields.
#[derive(Debug, Serialize, ToSchema)]
pub struct MailState {
    /// The mail server; null where none is set up.
    pub server: Option<MailServer>,
    /// How many mails wait.
    pub waiting: i64,
    /// How many were given up in the last 30 days.
    pub given_up: i64,
    /// When the mail server last took one.
    pub last_sent_at: Option<DateTime<Utc>>,
    /// Why one was not taken, unless one was taken since.
    pub last_error: Option<String>,
    /// When `last_error` happened, in UTC.
    pub last_error_at: Option<DateTime<Utc>>,
}

impl From<service::MailState> for MailState {
    fn from(service::MailState { server, counts, .. }: service::MailState) -> Self {
        let MailCounts { waiting, given_up, last_sent_at, last_error } = counts;
        let (last_error_at, last_error) = last_error.map(|failure| (failure.at, failure.message)).unzip();
        Self { server, waiting, given_up, last_sent_at, last_error, last_error_at }
    }
}

page! {
    /// One page of mails.
    MailPage of Mail
}

/// A message that was sent to try the mail server.
#[derive(Debug, Serialize, ToSchema)]
pub struct MailTest {
    /// The address that it was sent to: the caller's.
    pub sent_to: String,
}

/// Which mails the caller wants. Those about their account's own safety are always sent.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Notices {
    /// When somebody gives them access to a container.
    pub access: bool,
}
