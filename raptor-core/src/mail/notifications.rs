//! Which changes users get a mail about. Each mail is stored in the transaction of its change.

use super::{
    notices::{ChangedBy, Content},
    outbox::notify,
};
use crate::{
    Error, Raptor, Result, authz::Actor, containers::Container, id::UserId, sshkeys::SshKey, store,
    store::Tx, users::User,
};
use std::net::IpAddr;

/// Notifies a user that their password was changed. `ip` is only given if they did it themselves: an administrator's address is
/// not for them to know.
pub(crate) async fn password_changed(
    raptor: &Raptor,
    tx: &mut Tx,
    user: UserId,
    by: ChangedBy,
    ip: Option<IpAddr>,
) -> Result<()> {
    let user = find(tx, user).await?;
    let content = Content::PasswordChanged { username: user.username, by, ip };
    notify(raptor, tx, (user.id, &user.email), content).await
}

/// Notifies a user at the `old` address that their e-mail address was changed, if it was. `ip` as in [`password_changed`].
pub(crate) async fn email_changed(
    raptor: &Raptor,
    tx: &mut Tx,
    user: &User,
    old: &str,
    ip: Option<IpAddr>,
) -> Result<()> {
    if user.email.eq_ignore_ascii_case(old) {
        return Ok(());
    }
    notify(raptor, tx, (user.id, old), Content::EmailChanged { username: user.username.clone(), ip }).await
}

/// Notifies a user that a key was added to their account.
pub(crate) async fn ssh_key_added(
    raptor: &Raptor,
    tx: &mut Tx,
    key: &SshKey,
    ip: Option<IpAddr>,
) -> Result<()> {
    let user = find(tx, key.user_id).await?;
    let SshKey { name, fingerprint, .. } = key.clone();
    let content = Content::SshKeyAdded { username: user.username, name, fingerprint, ip };
    notify(raptor, tx, (user.id, &user.email), content).await
}

/// Notifies a user that `actor` gave them access to a container, if they want such mails.
pub(crate) async fn access_granted(
    raptor: &Raptor,
    tx: &mut Tx,
    actor: &Actor,
    container: &Container,
    user: &User,
) -> Result<()> {
    let themselves = actor.user_id() == Some(user.id);
    if themselves || !store::mails::wants_access_notices(&mut tx.conn(), user.id).await? {
        return Ok(());
    }
    let by = match actor {
        Actor::User(user) => user.username.clone(),
        Actor::System => "An administrator".to_owned(),
    };
    let (username, container_id, container) = (user.username.clone(), container.id, container.name.clone());
    let content = Content::AccessGranted { username, container_id, container, by };
    notify(raptor, tx, (user.id, &user.email), content).await
}

async fn find(tx: &mut Tx, user: UserId) -> Result<User> {
    store::users::find(&mut tx.conn(), user).await?.ok_or(Error::NotFound { what: "user" })
}
