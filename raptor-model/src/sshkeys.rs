//! Users' public keys, for signing in by SFTP.

use crate::id::{SshKeyId, UserId};
use chrono::{DateTime, Utc};

/// A public key of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshKey {
    /// Its id.
    pub id: SshKeyId,
    /// Whose.
    pub user_id: UserId,
    /// Name for people.
    pub name: String,
    /// As OpenSSH names it: `ssh-ed25519`, `ssh-rsa`, `ecdsa-sha2-nistp256`, `sk-ssh-ed25519@openssh.com`.
    pub algorithm: String,
    /// `SHA256:` and the digest in Base64, as `ssh-keygen -l` shows it.
    pub fingerprint: String,
    /// The key as OpenSSH writes it, without a comment.
    pub public_key: String,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When somebody last signed in with it.
    pub last_used_at: Option<DateTime<Utc>>,
}
