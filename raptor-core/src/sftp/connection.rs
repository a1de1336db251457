//! How to reach a container's files by SFTP.

use super::SftpService;
use crate::{
    Error, Result,
    authz::{Permit, actions::ReadSftp},
    store,
};
use serde::Serialize;

/// What an SFTP client has to be given. The password is that of the account; a public key works too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = ContainerSftp))]
#[non_exhaustive]
pub struct ConnectionDetails {
    /// Host name or address; null for the host that the panel is on.
    pub host: Option<String>,
    /// Port of the SFTP server, such as 2022.
    pub port: u16,
    /// User name for signing in: the account's, a dot, and the container's short id.
    pub username: String,
    /// The host key's fingerprint, as clients show it: `SHA256:…`.
    pub fingerprint: String,
    /// The host key in OpenSSH's one-line format, as `known_hosts` has it.
    pub public_key: String,
    /// Whether an administrator has made SFTP on this host read-only.
    pub read_only: bool,
    /// Why SFTP does not work now, with what to do; null while it works.
    pub problem: Option<String>,
}

impl SftpService<'_> {
    /// The connection details for the actor.
    ///
    /// # Errors
    /// [`Error::Unavailable`] `daemon_unreachable` if the daemon was not reached yet, `no_sftp` if it has no SFTP server.
    pub async fn connection(&self, permit: Permit<ReadSftp>) -> Result<ConnectionDetails> {
        let (actor, target) = permit.consume();
        let container = target.container;
        let connection = self.0.inner.fleet.connection(container.daemon_id);
        let system =
            connection.and_then(|connection| connection.system).ok_or_else(|| Error::Unavailable {
                code: "daemon_unreachable",
                message: "The daemon has not been reached yet, so its SFTP address is unknown.".into(),
            })?;
        let server = system.sftp.ok_or_else(|| Error::Unavailable {
            code: "no_sftp",
            message: "This daemon has no SFTP server.".into(),
        })?;
        let daemon =
            store::daemons::find(&mut self.0.inner.store.read().await?.conn(), container.daemon_id).await?;
        Ok(ConnectionDetails {
            host: container.daemon_host,
            port: server.port,
            username: format!("{}.{}", actor.name(), container.id.short()),
            fingerprint: server.fingerprint,
            public_key: server.public_key,
            read_only: daemon.is_some_and(|daemon| daemon.sftp_read_only),
            problem: server.problem,
        })
    }
}
