//! Other users' access to a container.

use super::{
    Level, UserRef,
    service::{ContainerService, alive},
    view::Visible,
};
use crate::{
    Error, Result,
    authz::{
        Act, Actor, ContainerPermission, ContainerSet, Permit, SystemPermission, SystemSet,
        actions::{GrantAccess, ReadAccess, RevokeAccess, UpdateAccess},
        by_name,
        policy::may,
    },
    id::UserId,
    mail::notifications,
    sftp::apart,
    store::{self, Change, Subject, Verb, containers::AccessRights},
};
use ignore::gitignore::GitignoreBuilder;
use serde::{Deserialize, Serialize};

/// Most file patterns per access, and the most characters of each.
const MAX_PATTERNS: usize = 100;
const MAX_PATTERN: usize = 256;

/// A change of somebody's access. It replaces level and permissions as a whole.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = AccessUpdate))]
pub struct AccessChange {
    /// `admin`, `user` or `custom`; an owner is set by `change_container_owner`.
    pub level: Level,
    /// The names of the permissions that `custom` holds; not used by the other levels. `*` means all that there are.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<crate::authz::ContainerGrant>))]
    pub permissions: ContainerSet,
    /// Patterns of files that they can't see or change, in the syntax of `.gitignore`: `/*` with `!/plugins` leaves them one
    /// folder. The template's own patterns apply as well. Unless given, the patterns stay as they are, or are the caller's own
    /// for new access.
    pub denied_files: Option<Vec<String>>,
}

/// One person's access to a container.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct AccessEntry {
    /// Who has access, by id and user name.
    pub user: UserRef,
    /// Their e-mail address, for themselves and for callers with `users.read`.
    pub email: Option<String>,
    /// Their level of access; `owner` for the owner.
    pub level: Level,
    /// The names of all permissions that this access holds, whatever its level; never `*`.
    #[serde(serialize_with = "by_name")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<ContainerPermission>))]
    pub permissions: ContainerSet,
    /// Patterns of files that they can't see or change, in the syntax of `.gitignore`; empty for the owner.
    pub denied_files: Vec<String>,
    /// Whether its record in the database can't be read. It allows nothing then, until it is set again.
    pub damaged: bool,
}

/// Everybody who has access to a container.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct AccessList {
    /// The owner first, then the others by user name.
    pub items: Vec<AccessEntry>,
    /// A sentence for people, while the container's daemon is not connected: where revoked access still works, and for how long.
    /// None while it is connected.
    pub notice: Option<String>,
}

impl ContainerService<'_> {
    /// Everybody with access, the owner first.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn access(&self, permit: Permit<ReadAccess>) -> Result<AccessList> {
        let (actor, target) = permit.consume();
        let container = target.container;
        let mut reader = self.0.inner.store.read().await?;
        let others = store::containers::access(&mut reader.conn(), container.id).await?;
        let notice = apart::of_daemon(self.0, &mut reader.conn(), container.daemon_id).await?;
        let knows =
            |user| actor.user_id() == Some(user) || actor.grants().contains(SystemPermission::UsersRead);
        let owner = AccessEntry {
            user: UserRef { id: container.owner_id, username: container.owner_name },
            email: None,
            level: Level::Owner,
            permissions: Level::Owner.permissions(),
            denied_files: Vec::new(),
            damaged: false,
        };
        let others = others.into_iter().map(|access| AccessEntry {
            email: Some(access.email).filter(|_| knows(access.user_id)),
            user: UserRef { id: access.user_id, username: access.username },
            level: access.level,
            permissions: access.permissions,
            denied_files: access.denied_files,
            damaged: access.damaged,
        });
        Ok(AccessList { items: std::iter::once(owner).chain(others).collect(), notice })
    }

    /// Gives somebody access, by user name or e-mail address.
    ///
    /// # Errors
    /// [`Error::Invalid`] at `user`, [`Error::Forbidden`] if it exceeds the actor's own permissions.
    pub async fn grant(&self, permit: Permit<GrantAccess>, login: &str, wanted: AccessChange) -> Result<()> {
        let found = store::users::find_by_login(&mut self.0.inner.store.read().await?.conn(), login).await?;
        let user = found.ok_or_else(|| {
            Error::invalid("user", "There is no user with this name or e-mail address.")
                .because("user_unknown")
        })?;
        if user.id == permit.target().container.owner_id {
            return Err(Error::invalid("user", "This user owns the container and already has full access.")
                .because("user_owns"));
        }
        self.set_access(permit, user.id, wanted, "container.access_granted").await
    }

    /// Changes somebody's access.
    ///
    /// # Errors
    /// [`Error::NotFound`] if they have none, [`Error::Forbidden`] if it exceeds the actor's own permissions.
    pub async fn change_access(
        &self,
        permit: Permit<UpdateAccess>,
        user: UserId,
        wanted: AccessChange,
    ) -> Result<()> {
        self.set_access(permit, user, wanted, "container.access_changed").await
    }

    async fn set_access<A: Act<On = Visible>>(
        &self,
        permit: Permit<A>,
        user: UserId,
        AccessChange { level, permissions, denied_files }: AccessChange,
        action: &str,
    ) -> Result<()> {
        let (actor, target) = permit.consume();
        let denied_files = denied_files.map(check_patterns).transpose()?;
        let permissions = match level {
            Level::Owner => {
                return Err(Error::invalid(
                    "level",
                    "Use admin, user or custom. The owner is changed in the settings.",
                )
                .because("level"));
            }
            Level::Custom if permissions.is_empty() => {
                return Err(Error::invalid(
                    "permissions",
                    "Choose at least one permission, or revoke the access.",
                )
                .because("permissions_needed"));
            }
            Level::Custom => permissions,
            level => level.permissions(),
        };
        let id = target.container.id;
        let mut tx = self.0.inner.store.begin().await?;
        let container = alive(&mut tx, id).await?;
        let present = store::containers::access(&mut tx.conn(), id)
            .await?
            .into_iter()
            .find(|access| access.user_id == user);
        match &present {
            // An actor can't change the access of somebody with more permissions.
            Some(present) => {
                check_within_own_rights(&actor, &target, present.permissions, &present.denied_files)?
            }
            None if action == "container.access_changed" => return Err(Error::NotFound { what: "access" }),
            None => {}
        }
        let denied_files = denied_files.unwrap_or_else(|| match &present {
            Some(present) => present.denied_files.clone(),
            None => target.denied_files.clone(),
        });
        check_within_own_rights(&actor, &target, permissions, &denied_files)?;
        let granted = (level, permissions, denied_files.as_slice());
        store::containers::set_access(&mut tx.conn(), id, user, granted, self.0.inner.clock.now()).await?;
        let named =
            store::users::find(&mut tx.conn(), user).await?.ok_or(Error::NotFound { what: "user" })?;
        let detail =
            serde_json::json!({ "user": named.username, "level": level, "denied_files": denied_files });
        self.record(&mut tx, &actor, action, &container, detail).await?;
        if present.is_none() {
            notifications::access_granted(self.0, &mut tx, &actor, &container, &named).await?;
        }
        tx.emit(Change::new(Subject::Access, Verb::Updated, id));
        tx.commit().await
    }

    /// Revokes somebody's access, effective at once.
    ///
    /// # Errors
    /// [`Error::NotFound`] if they have none, [`Error::Forbidden`] if they have more permissions than the actor.
    pub async fn revoke(&self, permit: Permit<RevokeAccess>, user: UserId) -> Result<()> {
        let (actor, target) = permit.consume();
        let id = target.container.id;
        let mut tx = self.0.inner.store.begin().await?;
        let present = store::containers::access(&mut tx.conn(), id)
            .await?
            .into_iter()
            .find(|access| access.user_id == user);
        let present = present.ok_or(Error::NotFound { what: "access" })?;
        check_within_own_rights(&actor, &target, present.permissions, &present.denied_files)?;
        store::containers::remove_access(&mut tx.conn(), id, user).await?;
        let detail = serde_json::json!({ "user": present.username });
        self.record(&mut tx, &actor, "container.access_revoked", &target.container, detail).await?;
        tx.emit(Change::new(Subject::Access, Verb::Deleted, id));
        tx.commit().await
    }
}

/// The file patterns that apply to somebody: those of their access, unless it is their role that lets them see files.
pub(crate) fn denied_files(role: SystemSet, held: Option<AccessRights>) -> Vec<String> {
    let by_role = may(role, None, ContainerPermission::FileUpdate);
    held.filter(|_| !by_role).map(|held| held.denied_files).unwrap_or_default()
}

/// Validates file patterns: an invalid one would hide nothing.
fn check_patterns(patterns: Vec<String>) -> Result<Vec<String>> {
    let refuse = |why: String| Error::invalid("denied_files", why);
    let patterns: Vec<String> =
        patterns.iter().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
    if patterns.len() > MAX_PATTERNS {
        let why = format!("Use up to {MAX_PATTERNS} patterns.");
        return Err(refuse(why).because("too_many").with("max", MAX_PATTERNS));
    }
    for pattern in &patterns {
        let fits = pattern.chars().count() <= MAX_PATTERN && !pattern.chars().any(char::is_control);
        if !fits || pattern.starts_with('#') {
            let why = format!("Each pattern is one line of up to {MAX_PATTERN} characters, without `#`.");
            return Err(refuse(why).because("file_pattern_line").with("max", MAX_PATTERN));
        }
        if let Err(error) = GitignoreBuilder::new("").add_line(None, pattern) {
            let why = format!("`{pattern}` is not a valid pattern: {error}.");
            return Err(refuse(why).because("file_pattern").with("pattern", pattern.as_str()));
        }
    }
    Ok(patterns)
}

/// Whether `patterns` hide at least the files that `own` hides: they begin with `own` and later ones don't negate, since `!`
/// would show again what an earlier pattern hides.
pub(crate) fn hides_as_much(patterns: &[String], own: &[String]) -> bool {
    patterns
        .strip_prefix(own)
        .is_some_and(|more| own.is_empty() || more.iter().all(|line| !line.starts_with('!')))
}

/// Nobody can grant or revoke more than they have, or show others what is hidden from themselves.
fn check_within_own_rights(
    actor: &Actor,
    target: &Visible,
    permissions: ContainerSet,
    denied_files: &[String],
) -> Result<()> {
    use crate::authz::Permission;
    if !hides_as_much(denied_files, &target.denied_files) {
        return Err(Error::invalid(
            "denied_files",
            "Some files are hidden from you as well. Begin with your own patterns, and add none with `!`.",
        )
        .because("files_hidden"));
    }
    let held = target.permissions;
    // `*` of the system and the owner's rights include every list.
    let all = actor.grants().is_all() || actor.user_id() == Some(target.container.owner_id);
    match permissions.members().find(|permission| !all && !held.contains(*permission)) {
        None => Ok(()),
        Some(missing) => Err(Error::Forbidden { permission: ContainerPermission::name(missing).to_owned() }),
    }
}
