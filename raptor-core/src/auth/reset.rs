//! Resetting a forgotten password with a link sent by mail.

use super::{Origin, service::AuthService};
use crate::{
    Error, Result,
    activity::Activity,
    authz::{Actor, UserActor},
    mail::{notices::ChangedBy, notifications, outbox, service::not_set_up},
    store,
    users::{User, check_password, service::end_sessions},
};
use chrono::TimeDelta;
use ring::digest;
use std::sync::Arc;

/// How long a link is valid after it was sent.
const LIFETIME: TimeDelta = TimeDelta::hours(1);
/// Longest user name or e-mail address, in bytes.
const LOGIN_MAX: usize = 320;

/// What a link is bound to. Changing the password invalidates it, so each link works once; changing the e-mail address does
/// too, so that an old mailbox is of no use.
fn fingerprint(password_hash: &str, email: &str) -> String {
    let digest = digest::digest(&digest::SHA256, format!("{password_hash}\n{email}").as_bytes());
    digest.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn spent() -> Error {
    Error::invalid("token", "This link is no longer valid. Request a new one on the sign-in page.")
        .because("link_expired")
}

impl AuthService<'_> {
    /// Sends the user a link for choosing a new password. Neither the answer nor its timing reveals whether the user exists:
    /// the lookup happens later, when the mail is sent. An account gets at most three links per hour.
    ///
    /// # Errors
    /// [`Error::Throttled`] by address, [`Error::Conflict`] `no_mail` without a mail server, [`Error::Invalid`] at `login`,
    /// [`Error::Unavailable`] `mail_busy`.
    pub async fn request_reset(&self, login: &str, origin: &Origin) -> Result<()> {
        if self.0.inner.mail.is_none() {
            return Err(not_set_up());
        }
        let login = login.trim();
        if login.is_empty() || login.len() > LOGIN_MAX {
            return Err(
                Error::invalid("login", "Enter your user name or e-mail address.").because("required")
            );
        }
        self.0.inner.throttles.links.attempt(self.0, login, origin.ip).await?;
        outbox::ask_for_link(self.0, login, origin.ip).await
    }

    /// A token for a reset link for `user`; `None` if they no longer exist.
    pub(crate) async fn reset_token(&self, user: &User) -> Result<Option<String>> {
        let hash = store::users::password_hash(&mut self.0.inner.store.read().await?.conn(), user.id).await?;
        let Some(hash) = hash else { return Ok(None) };
        let until = self.0.inner.clock.now() + LIFETIME;
        self.0.inner.tokens.sign_reset(user.id, &fingerprint(&hash, &user.email), until).map(Some)
    }

    /// Sets the password of the user to whom this token was sent, and ends all their sessions.
    ///
    /// # Errors
    /// [`Error::Invalid`] at `token` if it was used, has expired or is not genuine, at `new_password` if that is too short.
    pub async fn reset_password(&self, token: &str, new: String, origin: &Origin) -> Result<()> {
        let raptor = self.0;
        let now = raptor.inner.clock.now();
        let (id, bound_to) = raptor.inner.tokens.read_reset(token, now).ok_or_else(spent)?;
        check_password("new_password", &new)?;
        let old = store::users::password_hash(&mut raptor.inner.store.read().await?.conn(), id).await?;
        let old = old.ok_or_else(spent)?;
        let hash = raptor.inner.passwords.hash(new).await?;
        let mut tx = raptor.inner.store.begin().await?;
        let user = store::users::find(&mut tx.conn(), id).await?.filter(|user| !user.suspended);
        let user = user.filter(|user| fingerprint(&old, &user.email) == bound_to).ok_or_else(spent)?;
        // If a link is used twice at the same time, the second finds the password already changed.
        if !store::users::replace_password_hash(&mut tx.conn(), id, (&old, &hash), now).await? {
            return Err(spent());
        }
        store::users::require_password_change(&mut tx.conn(), id, false).await?;
        end_sessions(&mut tx, id, None).await?;
        let actor = Actor::User(Arc::new(UserActor {
            user_id: id,
            username: user.username.clone(),
            role_id: user.role_id,
            grants: crate::authz::SystemSet::NONE,
            session_id: None,
            ip: origin.ip,
        }));
        let activity = Activity::new(&raptor.inner.clock, &actor, "account.password_reset").on(
            "user",
            id,
            &user.username,
        );
        store::activity::insert(&mut tx.conn(), &activity).await?;
        notifications::password_changed(raptor, &mut tx, id, ChangedBy::Link, origin.ip).await?;
        tx.commit().await
    }
}
