//! How containers run, on the wire: behaviour, installation, registries, maintenance.

use raptor_core::registries::Registry;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An installation to be run.
#[derive(Deserialize, ToSchema)]
pub struct InstallRequest {
    /// Whether the container's files are removed first.
    #[serde(default)]
    pub wipe: bool,
    /// Whether the container starts afterwards.
    #[serde(default)]
    pub start: bool,
}

/// Whether a daemon is under maintenance, and why.
#[derive(Deserialize, ToSchema)]
pub struct MaintenanceUpdate {
    /// Why, as its users see it; null ends it.
    pub reason: Option<String>,
}

/// Which of the unused images are removed from a host.
#[derive(Deserialize, ToSchema)]
pub struct ImageCleaning {
    /// Days for which no container has used them; 0 = all that none uses now.
    pub unused_days: u64,
}

/// All logins for registries.
#[derive(Debug, Serialize, ToSchema)]
pub struct RegistryList {
    /// The logins by host.
    pub items: Vec<Registry>,
}

/// A login to be added, or to take the place of the one for the same host.
#[derive(Deserialize, ToSchema)]
pub struct RegistryDraft {
    /// The registry's host as images name it.
    pub host: String,
    /// User name for the registry.
    pub username: String,
    /// Password or token. It is stored encrypted and never shown.
    pub password: String,
}
