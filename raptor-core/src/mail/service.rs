//! Operations on mail: its settings for administrators, and the preferences of users.

use super::{
    notices::{Envelope, TEST},
    outbox::MailSettings,
};
use crate::{
    Error, Raptor, Result,
    activity::Activity,
    auth::service::signed_in,
    authz::{
        Actor, Permit,
        actions::{ReadMail, TestMail},
    },
    id::MailId,
    paging::{Page, PageRequest},
    store::{self, Change, Subject, Verb},
};
use serde::Serialize;

pub use raptor_model::mails::{Mail, MailCounts, MailFailure};

/// The mail server, as far as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = MailServerInfo))]
#[non_exhaustive]
pub struct MailServer {
    /// Name, port and encryption: `smtp.example.com:587, STARTTLS`.
    pub name: String,
    /// The address that mails are sent from, with its display name if it has one.
    pub sender: String,
    /// The panel's address, which links in mails begin with.
    #[serde(rename = "panel_url")]
    pub panel: String,
}

/// Whether mail is set up, and what became of the mails.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MailState {
    /// The mail server; none where none is set up.
    pub server: Option<MailServer>,
    /// What became of the mails of the last 30 days.
    pub counts: MailCounts,
}

/// Operations on mail: its state, and sending a test.
pub struct MailService<'r>(pub(crate) &'r Raptor);

impl MailService<'_> {
    /// Whether mail is set up.
    #[must_use]
    pub fn is_set_up(&self) -> bool {
        self.0.inner.mail.is_some()
    }

    /// The mail server, if one is set up, and counts of mails.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn state(&self, permit: Permit<ReadMail>) -> Result<MailState> {
        let _ = permit.consume();
        let server = self.0.inner.mail.as_ref().map(|MailSettings { transport, panel }| MailServer {
            name: transport.name(),
            sender: transport.sender(),
            panel: panel.clone(),
        });
        let counts = store::mails::counts(&mut self.0.inner.store.read().await?.conn()).await?;
        Ok(MailState { server, counts })
    }

    /// The mails of the last 30 days, newest first; `only_unsent` leaves out those that were accepted.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a cursor of another list.
    pub async fn list(
        &self,
        permit: Permit<ReadMail>,
        only_unsent: bool,
        page: &PageRequest,
    ) -> Result<Page<Mail>> {
        let _ = permit.consume();
        store::mails::list(&mut self.0.inner.store.read().await?.conn(), only_unsent, page).await
    }

    /// Sends a test mail to the actor's own address, and returns that address.
    ///
    /// # Errors
    /// [`Error::Conflict`] `no_mail`, [`Error::Unavailable`] `mail_failed` with the mail server's answer, [`Error::Throttled`].
    pub async fn test(&self, permit: Permit<TestMail>) -> Result<String> {
        let (actor, ()) = permit.consume();
        let raptor = self.0;
        let settings = raptor.inner.mail.as_ref().ok_or_else(|| {
            Error::conflict(
                "no_mail",
                "This Raptor sends no mail. Set SMTP_HOST, SMTP_FROM and APP_URL to change that.",
            )
        })?;
        let user = raptor.auth().account(&actor).await?;
        raptor.inner.throttles.tests.attempt(raptor, &user.username, actor.ip()).await?;
        let (id, at) = (MailId::generate(), raptor.inner.clock.now());
        let message = Envelope { id, to: &user.email, panel: &settings.panel, at }.test();
        let error = settings.send(&message).await.err().map(|error| error.to_string());

        let activity = Activity::new(&raptor.inner.clock, &actor, "settings.mail_tested")
            .on("user", user.id, &user.username)
            .with(serde_json::json!({ "sent": error.is_none() }));
        let mut tx = raptor.inner.store.begin().await?;
        store::activity::insert(&mut tx.conn(), &activity).await?;
        let (now, to) = (raptor.inner.clock.now(), (user.id, user.email.as_str()));
        store::mails::insert_ended(&mut tx.conn(), (id, TEST), to, error.as_deref(), now).await?;
        tx.emit(Change::new(Subject::Mail, Verb::Updated, id));
        tx.commit().await?;
        match error {
            None => Ok(user.email),
            Some(message) => Err(Error::unavailable("mail_failed", message)),
        }
    }

    /// Whether the actor gets a mail when somebody gives them access to a container.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] if the actor is not a user.
    pub async fn access_notices(&self, actor: &Actor) -> Result<bool> {
        let user = signed_in(actor)?;
        store::mails::wants_access_notices(&mut self.0.inner.store.read().await?.conn(), user.user_id).await
    }

    /// Sets whether they do. Mails about the security of the account are always sent.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] if the actor is not a user.
    pub async fn set_access_notices(&self, actor: &Actor, wants: bool) -> Result<()> {
        let user = signed_in(actor)?;
        let mut tx = self.0.inner.store.begin().await?;
        store::mails::set_access_notices(&mut tx.conn(), user.user_id, wants).await?;
        let activity = Activity::new(&self.0.inner.clock, actor, "account.notices_changed")
            .on("user", user.user_id, &user.username)
            .with(serde_json::json!({ "access": wants }));
        store::activity::insert(&mut tx.conn(), &activity).await?;
        tx.commit().await
    }
}

/// The error for a request that needs mail while it is not set up.
pub(crate) fn not_set_up() -> Error {
    Error::conflict("no_mail", "This Raptor sends no mail. Ask an administrator for a new password.")
}
