//! Images on a host, and the logins with which it pulls them.

use serde::{Deserialize, Serialize};

/// An image that is no longer on a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CleanedImages {
    /// The references of images that were removed.
    pub images: Vec<String>,
    /// Bytes that became free.
    pub freed_bytes: u64,
}

/// Who may pull from a registry.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RegistryLogin {
    /// The registry's host, with its port where it has one.
    pub host: String,
    /// The user name, as for `docker login`.
    pub username: String,
    /// The password or access token. Logs never show it.
    pub password: String,
}

impl std::fmt::Debug for RegistryLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegistryLogin").field("host", &self.host).finish_non_exhaustive()
    }
}
