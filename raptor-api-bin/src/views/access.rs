//! Access to containers on the wire.

use raptor_core::{
    Error,
    authz::ContainerSet,
    containers::{Level, access::Wanted},
};
use serde::Deserialize;
use utoipa::ToSchema;

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
