//! A new password for somebody who forgot theirs, by a link in a mail.

use super::{Origin, service::AuthService};
use crate::{
    Error, Raptor, Result,
    activity::Activity,
    authz::{Actor, UserActor},
    store,
    users::{check_password, service::end_sessions},
};
use chrono::TimeDelta;
use ring::digest;
use std::sync::Arc;

/// How long a link works.
const LIFETIME: TimeDelta = TimeDelta::hours(1);

/// What a link is bound to: with another password it is worth nothing, so each works once; with another e-mail address too, so
/// that an old mailbox opens nothing.
fn fingerprint(password_hash: &str, email: &str) -> String {
    let digest = digest::digest(&digest::SHA256, format!("{password_hash}\n{email}").as_bytes());
    digest.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn spent() -> Error {
    Error::invalid("token", "This link works no more. Ask for a new one on the sign-in page.")
}

impl AuthService<'_> {
    /// Whether there is a mail server, which a reset needs.
    #[must_use]
    pub fn can_reset(&self) -> bool {
        self.0.mail.is_some()
    }

    /// Sends the user a link for a new password. Whether there is such a user is told by nothing, the time of the answer
    /// included: everything happens after it.
    ///
    /// # Errors
    /// [`Error::Throttled`], [`Error::Conflict`] `no_mail` without a mail server.
    pub fn request_reset(&self, login: &str, origin: &Origin) -> Result<()> {
        if !self.can_reset() {
            return Err(Error::conflict(
                "no_mail",
                "This Raptor sends no mail. Ask an administrator for a new password.",
            ));
        }
        self.0.throttle.attempt(login, origin.ip)?;
        let (raptor, login) = (self.0.clone(), login.to_owned());
        self.0.tasks.spawn(async move {
            let stop = raptor.stop.clone();
            tokio::select! {
                () = stop.cancelled() => {}
                sent = send(&raptor, &login) => {
                    if let Err(error) = sent {
                        tracing::warn!(%error, "a link for a new password was not sent");
                    }
                }
            }
        });
        Ok(())
    }

    /// Sets the password of the user to whom the link with this token was sent, and ends all their sessions.
    ///
    /// # Errors
    /// [`Error::Invalid`] at `token` for one that is used, too old or not ours, at `new_password` for a password that is too short.
    pub async fn reset_password(&self, token: &str, new: String, origin: &Origin) -> Result<()> {
        let raptor = self.0;
        let now = raptor.clock.now();
        let (id, bound_to) = raptor.tokens.read_reset(token, now).ok_or_else(spent)?;
        check_password("new_password", &new)?;
        let old = store::users::password_hash(&mut raptor.store.read().await?.conn(), id).await?;
        let old = old.ok_or_else(spent)?;
        let hash = raptor.passwords.hash(new).await?;
        let mut tx = raptor.store.begin().await?;
        let user = store::users::find(&mut tx.conn(), id).await?.filter(|user| !user.suspended);
        let user = user.filter(|user| fingerprint(&old, &user.email) == bound_to).ok_or_else(spent)?;
        // Of two who use the link at the same time, one finds the password changed already.
        if !store::users::replace_password_hash(&mut tx.conn(), id, (&old, &hash), now).await? {
            return Err(spent());
        }
        end_sessions(&mut tx, id, None).await?;
        let actor = Actor::User(Arc::new(UserActor {
            user_id: id,
            username: user.username.clone(),
            role_id: user.role_id,
            grants: crate::authz::SystemSet::NONE,
            session_id: None,
            ip: origin.ip,
        }));
        let activity =
            Activity::new(&raptor.clock, &actor, "account.password_reset").on("user", id, &user.username);
        store::activity::insert(&mut tx.conn(), &activity).await?;
        tx.commit().await
    }
}

async fn send(raptor: &Raptor, login: &str) -> Result<()> {
    let Some(mail) = &raptor.mail else { return Ok(()) };
    let (user, hash) = {
        let mut reader = raptor.store.read().await?;
        let user = store::users::find_by_login(&mut reader.conn(), login).await?;
        let Some(user) = user.filter(|user| !user.suspended) else { return Ok(()) };
        let hash = store::users::password_hash(&mut reader.conn(), user.id).await?;
        (user, hash.unwrap_or_default())
    };
    let token =
        raptor.tokens.sign_reset(user.id, &fingerprint(&hash, &user.email), raptor.clock.now() + LIFETIME)?;
    // Behind the hash sign, which browsers keep to themselves: no server's log has it.
    let link = mail.link(&format!("/reset-password#{token}"));
    let text = format!(
        "Hello {},\n\nsomebody asked for a new Raptor password for this account. To choose one, open\n\n{link}\n\n\
         The link works once, and for an hour. If it was not you, do nothing: your password stays as it is.\n",
        user.username
    );
    mail.send(&user.email, "Choose a new Raptor password", text).await;
    Ok(())
}
