//! Access to containers on the wire.

use super::containers::{UserRef, names};
use raptor_core::{
    Error,
    authz::{Actor, ContainerSet, SystemPermission},
    containers::{
        Level,
        access::{Accesses, Wanted},
    },
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One person's access to a container.
#[derive(Serialize, ToSchema)]
pub struct AccessEntry {
    /// Who has access, by id and user name.
    pub user: UserRef,
    /// Their e-mail address, for themselves and for callers with `users.read`.
    pub email: Option<String>,
    /// Their level of access; `owner` for the owner.
    pub level: Level,
    /// The names of all permissions that this access holds, whatever its level; never `*`.
    pub permissions: Vec<&'static str>,
    /// Patterns of files that they can't see or change, in the syntax of `.gitignore`; empty for the owner.
    pub denied_files: Vec<String>,
}

/// Everybody who has access to a container.
#[derive(Serialize, ToSchema)]
pub struct AccessList {
    /// The owner first, then the others by user name.
    pub items: Vec<AccessEntry>,
    /// A sentence for people, while the container's daemon is not connected: where revoked access still works, and for how long.
    /// None while it is connected.
    pub notice: Option<String>,
}

impl AccessList {
    /// The owner and everybody else, as `caller` may see them.
    pub fn new(caller: &Actor, Accesses { container, others, notice }: Accesses) -> Self {
        let knows =
            |user| caller.user_id() == Some(user) || caller.grants().contains(SystemPermission::UsersRead);
        let owner = AccessEntry {
            user: UserRef { id: container.owner_id, username: container.owner_name },
            email: None,
            level: Level::Owner,
            permissions: names(Level::Owner.permissions()),
            denied_files: Vec::new(),
        };
        let others = others.into_iter().map(|access| AccessEntry {
            email: Some(access.email).filter(|_| knows(access.user_id)),
            user: UserRef { id: access.user_id, username: access.username },
            level: access.level,
            permissions: names(access.permissions),
            denied_files: access.denied_files,
        });
        Self { items: std::iter::once(owner).chain(others).collect(), notice }
    }
}

/// Access that is given to somebody.
#[derive(Deserialize, ToSchema)]
pub struct AccessGrant {
    /// Their user name or e-mail address, without regard to case.
    pub user: String,
    /// `admin`, `user` or `custom`; an owner is set by `change_container_owner`.
    pub level: Level,
    /// The names of the permissions that `custom` holds; not used by the other levels. `*` means all that there are.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// Patterns of files that they can't see or change, in the syntax of `.gitignore`: `/*` with `!/plugins` leaves them one
    /// folder. The template's own patterns apply as well. Unless given, the patterns stay as they are, or are the caller's own
    /// for new access.
    pub denied_files: Option<Vec<String>>,
}

/// A change of somebody's access. It replaces level and permissions as a whole.
#[derive(Deserialize, ToSchema)]
pub struct AccessUpdate {
    /// `admin`, `user` or `custom`; an owner is set by `change_container_owner`.
    pub level: Level,
    /// The names of the permissions that `custom` holds; not used by the other levels. `*` means all that there are.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// Patterns of files that they can't see or change, in the syntax of `.gitignore`: `/*` with `!/plugins` leaves them one
    /// folder. The template's own patterns apply as well. Unless given, the patterns stay as they are, or are the caller's own
    /// for new access.
    pub denied_files: Option<Vec<String>>,
}

/// The access that a request describes.
///
/// # Errors
/// [`Error::Invalid`] at `permissions`, with the first permission that does not exist.
pub fn wanted(
    level: Level,
    permissions: &[String],
    denied_files: Option<Vec<String>>,
) -> Result<Wanted, Error> {
    let permissions = ContainerSet::parse(permissions).map_err(|why| Error::invalid("permissions", why))?;
    Ok(Wanted { level, permissions, denied_files })
}
