//! Users' public SSH keys, for SFTP.

use crate::id::{SshKeyId, UserId};
use chrono::{DateTime, Utc};
use serde::Serialize;

/// A public key for signing in by SFTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SshKey {
    /// Id of the key.
    pub id: SshKeyId,
    /// The user whose key it is. Not on the wire: users see no keys but their own.
    #[serde(skip)]
    pub user_id: UserId,
    /// The name that its user gave it, at most 64 characters.
    pub name: String,
    /// Algorithm as OpenSSH names it: `ssh-ed25519`, `ssh-rsa`, `ecdsa-sha2-nistp256`, `sk-ssh-ed25519@openssh.com`.
    pub algorithm: String,
    /// `SHA256:` and the digest in Base64, as `ssh-keygen -l` shows it.
    pub fingerprint: String,
    /// The key as OpenSSH writes it, without a comment. Not on the wire.
    #[serde(skip)]
    pub public_key: String,
    /// When the key was added.
    pub created_at: DateTime<Utc>,
    /// When somebody last signed in with it; null if nobody has.
    pub last_used_at: Option<DateTime<Utc>>,
}
