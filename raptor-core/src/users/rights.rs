//! Whether one user holds every right that another one holds.
//!
//! Setting a user's password or e-mail address is as good as being that user, so it takes their role's rights and those over
//! every container that they own or were given access to.

use super::User;
use crate::{
    Error, Result,
    authz::{Actor, ContainerPermission, Permission, SystemPermission, policy::container_permissions},
    containers::access::{denied_files, hides_as_much},
    store::{self, Tx, rights::Shared},
};

/// Lets the actor go on where they hold every right that `user` holds.
///
/// # Errors
/// [`Error::Outranked`] with what is missing.
pub(super) async fn outranks(tx: &mut Tx, actor: &Actor, user: &User) -> Result<()> {
    let role = store::roles::find(&mut tx.conn(), user.role_id)
        .await?
        .ok_or_else(|| Error::internal("a user without a role"))?;
    if !actor.grants().includes(role.permissions) {
        let missing = role.permissions.members().find(|permission| !actor.grants().contains(*permission));
        let permission = missing.map_or("*", SystemPermission::name).to_owned();
        let message = format!(
            "{} has the role \u{201c}{}\u{201d}, which holds the permission `{permission}`. You need it too to change this account.",
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

/// The first right over the container that its user holds and the actor lacks.
fn missing(actor: &Actor, shared: &Shared) -> Option<ContainerPermission> {
    let own = shared.other.as_ref().map(|held| held.permissions);
    let own = container_permissions(actor.grants(), own);
    let theirs = shared.held.permissions;
    let lacks = theirs.members().find(|permission| !own.contains(*permission));
    let sees_files = theirs.contains(ContainerPermission::FileRead);
    let kept = denied_files(actor.grants(), shared.other.clone());
    let sees_more = sees_files && !hides_as_much(&shared.held.denied_files, &kept);
    lacks.or(sees_more.then_some(ContainerPermission::FileRead))
}

fn beyond(actor: &Actor, user: &User, shared: &Shared, missing: ContainerPermission) -> Error {
    let permission = missing.implied_by().name();
    let seen = shared.other.is_some() || actor.grants().contains(SystemPermission::ContainersRead);
    let which =
        if seen { format!("the container \u{201c}{}\u{201d}", shared.name) } else { "a container".into() };
    let standing = if shared.owned { "owns" } else { "has access to" };
    let message = format!(
        "{} {standing} {which} and so holds `{}` there. You need the permission `{permission}`, or the same access to that \
         container, to change this account.",
        user.username,
        missing.name()
    );
    Error::Outranked { permission: permission.to_owned(), message }
}
