//! Mail on the wire.

use super::page;
use chrono::{DateTime, Utc};
use raptor_core::{
    id::MailId,
    mail::service::{self, MailCounts, MailServer},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whether mail is set up, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct MailState {
    /// The mail server; null where none is set up.
    pub server: Option<MailServerInfo>,
    /// How many mails wait.
    pub waiting: i64,
    /// How many were given up in the last 30 days.
    pub given_up: i64,
    /// When the mail server last took one.
    pub last_sent_at: Option<DateTime<Utc>>,
    /// Why one was not taken, unless one was taken since.
    pub last_error: Option<String>,
    /// When that was.
    pub last_error_at: Option<DateTime<Utc>>,
}

/// The mail server, as far as it may be shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct MailServerInfo {
    /// Name, port and encryption: `smtp.example.com:587, STARTTLS`.
    pub name: String,
    /// Who mails are from.
    pub sender: String,
    /// What links in mails begin with.
    pub panel_url: String,
}

impl MailState {
    /// Of this server, with these counts.
    pub fn new(server: Option<MailServer>, counts: MailCounts) -> Self {
        let MailCounts { waiting, given_up, last_sent_at, last_error } = counts;
        let (last_error_at, last_error) = last_error.unzip();
        let info = |MailServer { name, sender, panel }| MailServerInfo { name, sender, panel_url: panel };
        Self { server: server.map(info), waiting, given_up, last_sent_at, last_error, last_error_at }
    }
}

/// A mail and what became of it. What it said is not kept.
#[derive(Debug, Serialize, ToSchema)]
pub struct Mail {
    /// Its id; sorts by time.
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

impl From<service::Mail> for Mail {
    fn from(mail: service::Mail) -> Self {
        let service::Mail { id, kind, recipient, attempts, created_at, .. } = mail;
        let service::Mail { next_try_at, sent_at, given_up_at, last_error, .. } = mail;
        Self { id, kind, recipient, attempts, created_at, next_try_at, sent_at, given_up_at, last_error }
    }
}

page! {
    /// Mails.
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
