//! The host key, by which clients recognise this host.

use russh::keys::{
    Algorithm, HashAlg, PrivateKey,
    ssh_key::{LineEnding, private::RsaKeypair},
};
use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

/// RSA key size in bits: as strong as the other algorithms until 2030 and later (NIST SP 800-57).
const RSA_BITS: usize = 3_072;

/// Loads the host key, or generates it, readable by its owner only. Creates `folder` if it doesn't exist.
///
/// # Errors
/// If the folder is unusable, or the file is not a key: a new one would make every client warn of an attack.
pub(super) fn load(folder: &Path) -> io::Result<PrivateKey> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    read_or_make(&folder.join("host_ed25519"), || {
        PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519)
    })
}

/// The same for an RSA key, for clients that support nothing else. Generating it takes seconds.
///
/// # Errors
/// Those of [`load`].
pub(super) async fn load_rsa(folder: &Path) -> io::Result<PrivateKey> {
    let path = folder.join("host_rsa");
    let loading = move || {
        read_or_make(&path, || {
            RsaKeypair::random(&mut russh::keys::key::safe_rng(), RSA_BITS).map(PrivateKey::from)
        })
    };
    tokio::task::spawn_blocking(loading).await.map_err(io::Error::other)?
}

fn read_or_make(
    path: &Path,
    new: impl FnOnce() -> Result<PrivateKey, russh::keys::ssh_key::Error>,
) -> io::Result<PrivateKey> {
    match fs::read_to_string(path) {
        Ok(text) => {
            fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
            PrivateKey::from_openssh(text).map_err(|error| {
                let path = path.display();
                io::Error::other(format!(
                    "{path} is not an SSH key ({error}). Restore the right one, or delete the file: clients will then ask whether they trust the new key"
                ))
            })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path, new),
        Err(error) => Err(error),
    }
}

fn make(
    path: &Path,
    new: impl FnOnce() -> Result<PrivateKey, russh::keys::ssh_key::Error>,
) -> io::Result<PrivateKey> {
    let mut key = new().map_err(io::Error::other)?;
    key.set_comment("raptor");
    let text = key.to_openssh(LineEnding::LF).map_err(io::Error::other)?;
    // Written to a temporary file and renamed: after a crash there is a complete key or none.
    let temporary = path.with_extension("new");
    let _ = fs::remove_file(&temporary);
    let mut file = fs::File::options().create_new(true).write(true).mode(0o600).open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    Ok(key)
}

/// The fingerprint as `ssh-keygen -l` shows it.
pub(super) fn fingerprint(key: &PrivateKey) -> String {
    key.public_key().fingerprint(HashAlg::Sha256).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_once_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("sftp");
        let first = load(&folder).unwrap();
        assert_eq!(fingerprint(&load(&folder).unwrap()), fingerprint(&first));
        let mode = fs::metadata(folder.join("host_ed25519")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(folder.join("host_ed25519"), "rubbish").unwrap();
        assert!(
            load(&folder).unwrap_err().to_string().contains("is not an SSH key"),
            "never replaced in silence"
        );
    }
}
