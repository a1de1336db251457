//! Who has access to a container.

use super::Level;
use crate::{authz::ContainerSet, id::UserId};

/// One user's access to a container.
#[derive(Clone, Debug)]
pub struct Access {
    /// Whose.
    pub user_id: UserId,
    /// Their user name.
    pub username: String,
    /// Their e-mail address.
    pub email: String,
    /// Their standing.
    pub level: Level,
    /// What it holds.
    pub permissions: ContainerSet,
    /// Patterns of files that are kept from them, as `.gitignore` has them.
    pub denied_files: Vec<String>,
    /// Whether its row can't be read, so that it gives nothing.
    pub damaged: bool,
}
