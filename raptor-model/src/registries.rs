//! Logins for image registries. Hosts get them while they are connected and never store them on disk.

use crate::{Error, Result, id::RegistryId};
use chrono::{DateTime, Utc};
use serde::Serialize;

/// A login for a registry. Its password can't be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Registry {
    /// Id of the login.
    pub id: RegistryId,
    /// The registry's host in lower case, with its port where it has one: `ghcr.io`, `registry.example.com:5000`.
    pub host: String,
    /// User name for the registry.
    pub username: String,
    /// When the login was added. Not on the wire.
    #[serde(skip)]
    pub created_at: DateTime<Utc>,
    /// When the login was last changed.
    pub updated_at: DateTime<Utc>,
}

/// Validates a registry's host, and normalises it as in image references.
///
/// # Errors
/// [`Error::Invalid`] at `host`.
pub fn check_host(host: &str) -> Result<String> {
    let host = host.trim().to_ascii_lowercase();
    let (name, port) = host.split_once(':').map_or((host.as_str(), None), |(name, port)| (name, Some(port)));
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let port_fits = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    if begins && name.len() <= 253 && name.chars().all(known) && port_fits {
        return Ok(host);
    }
    Err(Error::invalid(
        "host",
        "Use the host of the registry as images name it, such as registry.example.com or localhost:5000.",
    )
    .because("registry_host"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_with_or_without_a_port_and_nothing_else() {
        assert_eq!(check_host(" Registry.Example.com ").unwrap(), "registry.example.com");
        assert_eq!(check_host("localhost:5000").unwrap(), "localhost:5000");
        for wrong in ["", "https://registry.example.com", "registry.example.com/owner", "host:0", "-x", "a b"]
        {
            assert!(check_host(wrong).is_err(), "{wrong:?}");
        }
    }
}
