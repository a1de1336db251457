//! Mail to Raptor's users, and the trait for what delivers it.
//!
//! A mail is a row that is committed together with the change that it is about. Workers pass it to the [`MailTransport`], so if the
//! mail server is down, mail is delayed but not lost.

mod builder;
pub(crate) mod notices;
pub(crate) mod notifications;
pub(crate) mod outbox;
pub mod service;
#[cfg(feature = "mail")]
pub mod smtp;

use async_trait::async_trait;

/// A mail, ready to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Stays the same when the mail is sent again because the first answer was lost.
    pub id: String,
    /// The e-mail address of the recipient.
    pub to: String,
    /// The subject, a single line.
    pub subject: String,
    /// The body as plain text.
    pub text: String,
    /// The body as an HTML document without external resources.
    pub html: String,
}

/// Why a mail was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct SendError {
    /// A sentence for the administrator. Never contains a secret.
    pub why: String,
    /// Whether the failure is permanent, so that a retry is pointless.
    pub permanent: bool,
}

/// Delivers mail: an SMTP server (`smtp::Smtp`), or what an embedding program provides.
#[async_trait]
pub trait MailTransport: Send + Sync {
    /// Delivers `message`. May be called twice for the same message if the first answer was lost.
    ///
    /// # Errors
    /// If it was not accepted. Unless the failure is permanent, it is retried later.
    async fn send(&self, message: &Message) -> Result<(), SendError>;

    /// Its description for the administrator, e.g. `smtp.example.com:587, STARTTLS`.
    fn name(&self) -> String;

    /// The sender of the mails.
    fn sender(&self) -> String;
}
