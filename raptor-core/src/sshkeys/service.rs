//! Operations on users' public keys.

use super::{MAX_KEYS, SshKey, check_name, parse};
use crate::{
    Error, Raptor, Result,
    activity::Activity,
    auth::service::signed_in,
    authz::Actor,
    id::SshKeyId,
    mail::notifications,
    sftp::apart,
    store::{self, Change, Subject, Tx, Verb},
};

/// Operations on the actor's own public keys, which every signed-in user may manage.
pub struct SshKeyService<'r>(pub(crate) &'r Raptor);

impl SshKeyService<'_> {
    /// The actor's keys, newest first.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] if the actor is not a user.
    pub async fn list(&self, actor: &Actor) -> Result<Vec<SshKey>> {
        let user = signed_in(actor)?;
        store::ssh_keys::of_user(&mut self.0.inner.store.read().await?.conn(), user.user_id).await
    }

    /// Where deleting a key does not take effect at once, and for how long: a sentence, or `None` if all daemons of the actor's
    /// containers are connected.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] if the actor is not a user.
    pub async fn notice(&self, actor: &Actor) -> Result<Option<String>> {
        signed_in(actor)?;
        apart::of_actor(self.0, &mut self.0.inner.store.read().await?.conn(), actor).await
    }

    /// Adds a key in OpenSSH's one-line format. Without a `name`, it is named after its comment.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the field, [`Error::Conflict`] `key_exists`, [`Error::LimitReached`] `ssh_keys`.
    pub async fn add(&self, actor: &Actor, name: Option<&str>, public_key: &str) -> Result<SshKey> {
        let user = signed_in(actor)?;
        let parsed = parse(public_key)?;
        let key = SshKey {
            id: SshKeyId::generate(),
            user_id: user.user_id,
            name: check_name(name, &parsed)?,
            algorithm: parsed.algorithm,
            fingerprint: parsed.fingerprint,
            public_key: parsed.public_key,
            created_at: self.0.inner.clock.now(),
            last_used_at: None,
        };
        let mut tx = self.0.inner.store.begin().await?;
        // Others that add a key to this account wait, so the count below stays valid until the commit.
        store::users::lock(&mut tx.conn(), user.user_id).await?;
        if store::ssh_keys::count(&mut tx.conn(), user.user_id).await? >= MAX_KEYS {
            let message =
                format!("An account can have at most {MAX_KEYS} keys. Delete one that you no longer use.");
            return Err(Error::limit_reached("ssh_keys", message).with("limit", MAX_KEYS));
        }
        store::ssh_keys::insert(&mut tx.conn(), &key).await?;
        self.record(&mut tx, actor, "account.ssh_key_added", &key).await?;
        notifications::ssh_key_added(self.0, &mut tx, &key, user.ip).await?;
        tx.commit().await?;
        Ok(key)
    }

    /// Deletes one of the actor's keys. SFTP sessions that it authenticated end at once.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it isn't theirs.
    pub async fn delete(&self, actor: &Actor, id: SshKeyId) -> Result<()> {
        let user = signed_in(actor)?;
        let mut tx = self.0.inner.store.begin().await?;
        let deleted = store::ssh_keys::delete(&mut tx.conn(), user.user_id, id).await?;
        let key = deleted.ok_or(Error::NotFound { what: "key" })?;
        self.record(&mut tx, actor, "account.ssh_key_deleted", &key).await?;
        tx.commit().await
    }

    async fn record(&self, tx: &mut Tx, actor: &Actor, action: &str, key: &SshKey) -> Result<()> {
        let activity = Activity::new(&self.0.inner.clock, actor, action)
            .on("ssh_key", key.id, &key.name)
            .with(serde_json::json!({ "fingerprint": key.fingerprint }));
        store::activity::insert(&mut tx.conn(), &activity).await?;
        tx.emit(Change::new(Subject::User, Verb::Updated, key.user_id));
        Ok(())
    }
}
