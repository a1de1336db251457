//! SFTP on the wire.

use raptor_core::sftp::Door;
use serde::Serialize;
use utoipa::ToSchema;

/// What an SFTP client has to be given. The password is that of the account; a public key works too.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContainerSftp {
    /// Host name or address; null for the host that the panel is on.
    pub host: Option<String>,
    /// Port.
    pub port: u16,
    /// User name: the account's, a dot, and the container's short id.
    pub username: String,
    /// The host key's fingerprint, as clients show it: `SHA256:…`.
    pub fingerprint: String,
    /// The host key, as `known_hosts` has it.
    pub public_key: String,
    /// Whether an administrator has made it read-only.
    pub read_only: bool,
    /// Why it does not work now, with what to do.
    pub problem: Option<String>,
}

impl From<Door> for ContainerSftp {
    fn from(door: Door) -> Self {
        let Door { host, port, username, fingerprint, public_key, read_only, problem } = door;
        Self { host, port, username, fingerprint, public_key, read_only, problem }
    }
}
