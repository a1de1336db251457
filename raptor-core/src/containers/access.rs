//! Who else may use a container.

use super::{
    Container, Level,
    service::{ContainerService, Visible, alive},
};
use crate::{
    Error, Result,
    authz::{
        Act, Actor, ContainerPermission, ContainerSet, Permit,
        actions::{GrantAccess, ReadAccess, RevokeAccess, UpdateAccess},
    },
    id::UserId,
    mail::news,
    store::{self, Change, Subject, Verb, containers::Access},
};

impl ContainerService<'_> {
    /// Everybody with access but the owner.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn access(&self, permit: Permit<ReadAccess>) -> Result<(Container, Vec<Access>)> {
        let (_, target) = permit.consume();
        let access =
            store::containers::access(&mut self.0.store.read().await?.conn(), target.container.id).await?;
        Ok((target.container, access))
    }

    /// Gives somebody access, by user name or e-mail address.
    ///
    /// # Errors
    /// [`Error::Invalid`] at `user`, [`Error::Forbidden`] for more than the actor holds.
    pub async fn grant(
        &self,
        permit: Permit<GrantAccess>,
        login: &str,
        level: Level,
        permissions: ContainerSet,
    ) -> Result<()> {
        let found = store::users::find_by_login(&mut self.0.store.read().await?.conn(), login).await?;
        let user = found
            .ok_or_else(|| Error::invalid("user", "There is no user with this name or e-mail address."))?;
        if user.id == permit.target().container.owner_id {
            return Err(Error::invalid("user", "This user owns the container and has all access already."));
        }
        self.set_access(permit, user.id, level, permissions, "container.access_granted").await
    }

    /// Changes somebody's access.
    ///
    /// # Errors
    /// [`Error::NotFound`] for somebody without, [`Error::Forbidden`] for more than the actor holds.
    pub async fn change_access(
        &self,
        permit: Permit<UpdateAccess>,
        user: UserId,
        level: Level,
        permissions: ContainerSet,
    ) -> Result<()> {
        self.set_access(permit, user, level, permissions, "container.access_changed").await
    }

    async fn set_access<A: Act<On = Visible>>(
        &self,
        permit: Permit<A>,
        user: UserId,
        level: Level,
        permissions: ContainerSet,
        action: &str,
    ) -> Result<()> {
        let (actor, target) = permit.consume();
        let permissions = match level {
            Level::Owner => {
                return Err(Error::invalid(
                    "level",
                    "Use admin, user or custom. The owner is changed in the settings.",
                ));
            }
            Level::Custom => permissions,
            level => level.permissions(),
        };
        may_handle(&actor, &target, permissions)?;
        let id = target.container.id;
        let mut tx = self.0.store.begin().await?;
        let container = alive(&mut tx, id).await?;
        let present = store::containers::access(&mut tx.conn(), id)
            .await?
            .into_iter()
            .find(|access| access.user_id == user);
        match &present {
            // Whoever holds more than the actor is not the actor's to change.
            Some(present) => may_handle(&actor, &target, present.permissions)?,
            None if action == "container.access_changed" => return Err(Error::NotFound { what: "access" }),
            None => {}
        }
        store::containers::set_access(&mut tx.conn(), id, user, (level, permissions), self.0.clock.now())
            .await?;
        let named =
            store::users::find(&mut tx.conn(), user).await?.ok_or(Error::NotFound { what: "user" })?;
        let detail = serde_json::json!({ "user": named.username, "level": level });
        self.record(&mut tx, &actor, action, &container, detail).await?;
        if present.is_none() {
            news::access_granted(self.0, &mut tx, &actor, &container, &named).await?;
        }
        tx.emit(Change::new(Subject::Access, Verb::Updated, id));
        tx.commit().await
    }

    /// Takes somebody's access away, at once.
    ///
    /// # Errors
    /// [`Error::NotFound`] for somebody without, [`Error::Forbidden`] for somebody who holds more than the actor.
    pub async fn revoke(&self, permit: Permit<RevokeAccess>, user: UserId) -> Result<()> {
        let (actor, target) = permit.consume();
        let id = target.container.id;
        let mut tx = self.0.store.begin().await?;
        let present = store::containers::access(&mut tx.conn(), id)
            .await?
            .into_iter()
            .find(|access| access.user_id == user);
        let present = present.ok_or(Error::NotFound { what: "access" })?;
        may_handle(&actor, &target, present.permissions)?;
        store::containers::remove_access(&mut tx.conn(), id, user).await?;
        let detail = serde_json::json!({ "user": present.username });
        self.record(&mut tx, &actor, "container.access_revoked", &target.container, detail).await?;
        tx.emit(Change::new(Subject::Access, Verb::Deleted, id));
        tx.commit().await
    }
}

/// Nobody gives or takes more than they hold.
fn may_handle(actor: &Actor, target: &Visible, permissions: ContainerSet) -> Result<()> {
    use crate::authz::Permission;
    let held = target.permissions;
    // The system's own `*` and the owner's are more than every list.
    let all = actor.grants().is_all() || actor.user_id() == Some(target.container.owner_id);
    match permissions.members().find(|permission| !all && !held.contains(*permission)) {
        None => Ok(()),
        Some(missing) => Err(Error::Forbidden { permission: ContainerPermission::name(missing).to_owned() }),
    }
}
