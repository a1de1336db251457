//! Access to containers on the wire.

use raptor_core::{
    authz::{ContainerGrant, ContainerSet},
    containers::Level,
};
use serde::Deserialize;
use utoipa::ToSchema;

/// Access that is given to somebody: what [`AccessChange`](raptor_core::containers::access::AccessChange) says, and to whom.
#[derive(Deserialize, ToSchema)]
pub struct AccessGrant {
    /// Their user name or e-mail address, without regard to case.
    pub user: String,
    /// `admin`, `user` or `custom`; an owner is set by `change_container_owner`.
    pub level: Level,
    /// The names of the permissions that `custom` holds; not used by the other levels. `*` means all that there are.
    #[serde(default)]
    #[schema(value_type = Vec<ContainerGrant>)]
    pub permissions: ContainerSet,
    /// Patterns of files that they can't see or change, in the syntax of `.gitignore`: `/*` with `!/plugins` leaves them one
    /// folder. The template's own patterns apply as well. Unless given, the patterns stay as they are, or are the caller's own
    /// for new access.
    pub denied_files: Option<Vec<String>>,
}
