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

/// Somebody with access.
#[derive(Serialize, ToSchema)]
pub struct AccessEntry {
    /// Who.
    pub user: UserRef,
    /// Their e-mail address, for themselves and for callers with `users.read`.
    pub email: Option<String>,
    /// Their standing.
    pub level: Level,
    /// What it holds.
    pub permissions: Vec<&'static str>,
    /// Patterns of files that are kept from them, as `.gitignore` has them.
    pub denied_files: Vec<String>,
}

/// Everybody with access.
#[derive(Serialize, ToSchema)]
pub struct AccessList {
    /// The owner first, then by name.
    pub items: Vec<AccessEntry>,
    /// Where taking access away does not hold at once, and for how long, while the container's daemon is not connected.
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

/// Access to be given.
#[derive(Deserialize, ToSchema)]
pub struct AccessGrant {
    /// User name or e-mail address.
    pub user: String,
    /// `admin`, `user` or `custom`.
    pub level: Level,
    /// What `custom` holds.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// Patterns of files that are kept from them, as `.gitignore` has them: `/*` and `!/plugins` leave nothing but one folder.
    /// They count beside those of the template. Unless given, what is kept from them already, or from the caller.
    pub denied_files: Option<Vec<String>>,
}

/// Access to be changed.
#[derive(Deserialize, ToSchema)]
pub struct AccessUpdate {
    /// `admin`, `user` or `custom`.
    pub level: Level,
    /// What `custom` holds.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// Patterns of files that are kept from them, as `.gitignore` has them: `/*` and `!/plugins` leave nothing but one folder.
    /// They count beside those of the template. Unless given, what is kept from them already, or from the caller.
    pub denied_files: Option<Vec<String>>,
}

/// What a request wants somebody to have.
///
/// # Errors
/// Names the first permission that does not exist.
pub fn wanted(
    level: Level,
    permissions: &[String],
    denied_files: Option<Vec<String>>,
) -> Result<Wanted, Error> {
    let permissions = ContainerSet::parse(permissions).map_err(|why| Error::invalid("permissions", why))?;
    Ok(Wanted { level, permissions, denied_files })
}
