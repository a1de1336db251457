//! Access to a container.

use super::Level;
use crate::{authz::ContainerSet, id::UserId};

/// One user's access to a container.
#[derive(Clone, Debug)]
pub struct Access {
    pub user_id: UserId,
    pub username: String,
    pub email: String,
    pub level: Level,
    /// The permissions that it grants.
    pub permissions: ContainerSet,
    /// Patterns of files hidden from the user, in the format of `.gitignore`.
    pub denied_files: Vec<String>,
    /// Whether its row is damaged, so that it grants nothing.
    pub damaged: bool,
}
