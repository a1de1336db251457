//! What host and control side say to each other about SFTP.

use super::link::Redacted;
use crate::{
    authz::ContainerSet,
    id::{ContainerId, UserId},
};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The host's SFTP server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SftpServer {
    /// The port that SFTP is served on.
    pub port: u16,
    /// The host key's fingerprint, as `ssh-keygen -l` shows it: `SHA256:…`.
    pub fingerprint: String,
    /// The host key in OpenSSH's one-line format.
    pub public_key: String,
    /// Why it does not serve, with what to do.
    pub problem: Option<String>,
}

/// Whether somebody may use SFTP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SftpQuestion {
    /// Is this sign-in good?
    SignIn {
        /// `<user>.<container>`, the container by its short id.
        login: String,
        /// A password or a key.
        proof: SftpProof,
        /// Where they come from.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        ip: IpAddr,
    },
    /// Does what was granted still hold?
    Renew {
        /// The user that the grant was given to.
        user_id: UserId,
        /// The container that the grant is for.
        container_id: ContainerId,
        /// The epoch of the grant that the host has.
        epoch: i64,
        /// The fingerprint of the key that they signed in with; none for a password.
        key: Option<String>,
    },
}

/// What somebody shows to sign in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SftpProof {
    /// A password, as typed.
    Password {
        /// The account's password. Logs never show it.
        password: Redacted,
    },
    /// A public key, with or without proof of the private half.
    Key {
        /// The fingerprint of the key, e.g. `SHA256:47DEQpj8HBSa…`.
        fingerprint: String,
        /// Whether they have proved that they hold the private half. Without, it is only asked whether it would do.
        proven: bool,
    },
}

/// The answer to a [`SftpQuestion`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SftpAnswer {
    /// It is allowed, within the limits of the grant.
    Granted {
        /// What they may do.
        grant: SftpGrant,
    },
    /// No. Why is nobody's business.
    Refused,
}

/// What somebody may do by SFTP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SftpGrant {
    /// The user who signed in.
    pub user_id: UserId,
    /// Their user name, shown in the audit trail and in logs.
    pub username: String,
    /// The only container that the grant is for.
    pub container_id: ContainerId,
    /// What they may do with it.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<crate::authz::ContainerGrant>))]
    pub permissions: ContainerSet,
    /// Patterns (as in `.gitignore`) of files that stay out of reach.
    pub denied: Vec<String>,
    /// Whether the administrator has made the host's SFTP read-only.
    pub read_only: bool,
    /// Grows when everything that was granted to this user before has to end.
    pub epoch: i64,
    /// For how many seconds a key with this grant may be believed while the control side is away.
    pub keep_seconds: u64,
    /// Why every request is refused, for the user to read; none where `permissions` decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked: Option<String>,
}
