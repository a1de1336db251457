//! Comparing the rights of two users.
//!
//! Setting a user's password or e-mail address amounts to becoming that user, so it requires the permissions of their role and
//! their rights on every container that they own or have access to.

use super::User;
use crate::{
    Error, Result,
    authz::{Actor, ContainerPermission, Permission, SystemPermission, policy::container_permissions},
    containers::access::{denied_files, hides_as_much},
    store::{self, Tx, rights::SharedContainer},
};

/// Checks that the actor has every right that `user` has.
///
/// # Errors
/// [`Error::Outranked`] with the first right that is missing.
pub(super) async fn outranks(tx: &mut Tx, actor: &Actor, user: &User) -> Result<()> {
    let role = store::roles::find(&mut tx.conn(), user.role_id)
        .await?
        .ok_or_else(|| Error::internal("a user without a role"))?;
    if !actor.grants().includes(role.permissions) {
        let missing = role.permissions.members().find(|permission| !actor.grants().contains(*permission));
        let permission = missing.map_or("*", SystemPermission::name).to_owned();
        let message = format!(
            "{} has the role \u{201c}{}\u{201d}, which has the permission `{permission}`. You need it too to change this account.",
            user.username, role.name
        );
        return Err(Error::Outranked { permission, message });
    }
    if ContainerPermission::ALL.iter().all(|permission| actor.grants().contains(permission.implied_by())) {
        return Ok(());
    }
    let shared = store::rights::shared(&mut tx.conn(), user.id, actor.user_id()).await?;
    match shared.iter().find_map(|shared| Some((shared, missing(actor, shared)?))) {
        None => Ok(()),
        Some((shared, missing)) => Err(beyond(actor, user, shared, missing)),
    }
}

/// The first right on the container that the other user has and the actor lacks.
fn missing(actor: &Actor, shared: &SharedContainer) -> Option<ContainerPermission> {
    let own = shared.other.as_ref().map(|held| held.permissions);
    let own = container_permissions(actor.grants(), own);
    let theirs = shared.held.permissions;
    let lacks = theirs.members().find(|permission| !own.contains(*permission));
    let sees_files = theirs.contains(ContainerPermission::FileRead);
    let kept = denied_files(actor.grants(), shared.other.clone());
    let sees_more = sees_files && !hides_as_much(&shared.held.denied_files, &kept);
    lacks.or(sees_more.then_some(ContainerPermission::FileRead))
}

fn beyond(actor: &Actor, user: &User, shared: &SharedContainer, missing: ContainerPermission) -> Error {
    let permission = missing.implied_by().name();
    let seen = shared.other.is_some() || actor.grants().contains(SystemPermission::ContainersRead);
    let which =
        if seen { format!("the container \u{201c}{}\u{201d}", shared.name) } else { "a container".into() };
    let standing = if shared.owned { "owns" } else { "has access to" };
    let message = format!(
        "{} {standing} {which} and so has `{}` there. You need the permission `{permission}`, or the same access to that \
         container, to change this account.",
        user.username,
        missing.name()
    );
    Error::Outranked { permission: permission.to_owned(), message }
}
