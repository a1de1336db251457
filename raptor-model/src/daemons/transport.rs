//! How the API reaches a daemon.

use serde::{Deserialize, Serialize};

/// How the connection to a daemon is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// HTTPS with the certificate that the daemon derives from its key. Nothing has to be set up.
    #[default]
    Pinned,
    /// HTTPS with a certificate for the daemon's host name, signed by an authority that the API's machine trusts: a proxy's, or the
    /// daemon's own.
    Certificate,
    /// HTTP. Key, files and consoles can be read by everybody on the way.
    Plain,
    /// HTTP to a daemon that was added before daemons spoke HTTPS, until it does; from then on `pinned`, for good.
    Upgrading,
}

impl Transport {
    pub const ALL: [Self; 4] = [Self::Pinned, Self::Certificate, Self::Plain, Self::Upgrading];

    /// The name in the database and on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pinned => "pinned",
            Self::Certificate => "certificate",
            Self::Plain => "plain",
            Self::Upgrading => "upgrading",
        }
    }
}
