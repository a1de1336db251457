//! Mail: what Raptor writes to its users, and the seam to whatever carries it.
//!
//! What is to be said is a row that is committed with the change that it tells of. Workers hand it to the [`Carrier`], so that a
//! mail server that is away delays a mail and loses none.

mod letter;
pub(crate) mod news;
pub(crate) mod notices;
pub(crate) mod outbox;
pub mod service;
#[cfg(feature = "mail")]
pub mod smtp;

use async_trait::async_trait;

/// One message, as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The same when it is sent again because the first answer was lost.
    pub id: String,
    /// The receiver's address.
    pub to: String,
    /// One line.
    pub subject: String,
    /// As plain text.
    pub text: String,
    /// The same as an HTML document that loads nothing from elsewhere.
    pub html: String,
}

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct NotSent {
    /// A sentence for the administrator; never a secret.
    pub why: String,
    /// Whether it is refused for good, and not worth another try.
    pub for_good: bool,
}

/// Whatever carries mail: an SMTP server (`smtp::Smtp`), or what an embedding program has.
#[async_trait]
pub trait Carrier: Send + Sync {
    /// Hands `message` over. The same message may come twice when the answer was lost.
    ///
    /// # Errors
    /// When it was not taken. Unless refused for good it is tried again later.
    async fn send(&self, message: &Message) -> Result<(), NotSent>;

    /// What it is, for the administrator: `smtp.example.com:587, STARTTLS`.
    fn name(&self) -> String;

    /// Who the mails are from.
    fn sender(&self) -> String;
}
