//! Encryption of stored secrets with `APP_KEY`: AES-256-GCM with a fresh nonce, bound to their owner.

use crate::{Error, Result};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf,
    rand::{SecureRandom, SystemRandom},
};
use std::sync::Arc;

/// Encrypts and decrypts secrets.
#[derive(Clone)]
pub struct Sealer {
    key: Arc<LessSafeKey>,
    random: SystemRandom,
}

impl Sealer {
    /// A sealer with a key derived from `APP_KEY`.
    ///
    /// # Errors
    /// Only if the crypto library fails.
    pub fn new(app_key: &str) -> Result<Self> {
        let key = derive(app_key, "raptor sealed secrets v1")?;
        let key = UnboundKey::new(&AES_256_GCM, &key)
            .map_err(|_| Error::internal("AES-256-GCM refuses its key"))?;
        Ok(Self { key: Arc::new(LessSafeKey::new(key)), random: SystemRandom::new() })
    }

    /// Encrypts `secret`. It can be decrypted only with the same `context`, such as the id of its owner.
    ///
    /// # Errors
    /// Only if the operating system provides no randomness.
    pub fn seal(&self, context: &[u8], secret: &str) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| Error::internal("no randomness"))?;
        let mut sealed = secret.as_bytes().to_vec();
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context), &mut sealed)
            .map_err(|_| Error::internal("sealing failed"))?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// Decrypts the output of [`Self::seal`].
    ///
    /// # Errors
    /// [`Error::Conflict`] `app_key_changed` if it was sealed with another `APP_KEY` or context.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<String> {
        let changed = || {
            Error::conflict(
                "app_key_changed",
                "This secret was encrypted with another APP_KEY. Restore that key, or set the secret again.",
            )
        };
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN).ok_or_else(changed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| changed())?;
        let mut sealed = sealed.to_vec();
        let secret = self.key.open_in_place(nonce, Aad::from(context), &mut sealed).map_err(|_| changed())?;
        String::from_utf8(secret.to_vec()).map_err(|_| changed())
    }
}

/// Derives a 256-bit key for one purpose from a secret of any length (HKDF-SHA-256, RFC 5869).
pub(super) fn derive(secret: &str, purpose: &str) -> Result<[u8; 32]> {
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"raptor");
    let mut key = [0; 32];
    salt.extract(secret.as_bytes())
        .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut key))
        .map_err(|_| Error::internal("HKDF failed"))?;
    Ok(key)
}

/// Generates a secret with 256 random bits: `prefix` followed by 43 characters of `A-Z a-z 0-9 - _`.
///
/// # Errors
/// Only if the operating system provides no randomness.
pub fn generate_secret(prefix: &str) -> Result<String> {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Error::internal("no randomness"))?;
    Ok(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_only_under_its_key_and_context() {
        let sealer = Sealer::new("one").unwrap();
        let sealed = sealer.seal(b"daemon 1", "key").unwrap();
        assert_eq!(sealer.open(b"daemon 1", &sealed).unwrap(), "key");
        assert_eq!(sealer.open(b"daemon 2", &sealed).unwrap_err().code(), "app_key_changed");
        assert_eq!(
            Sealer::new("two").unwrap().open(b"daemon 1", &sealed).unwrap_err().code(),
            "app_key_changed"
        );
        assert_eq!(sealer.open(b"daemon 1", &sealed[..3]).unwrap_err().code(), "app_key_changed");
        assert!(!sealed.windows(3).any(|bytes| bytes == b"key"));
    }

    #[test]
    fn the_same_secret_never_looks_the_same() {
        let sealer = Sealer::new("one").unwrap();
        assert_ne!(sealer.seal(b"", "key").unwrap(), sealer.seal(b"", "key").unwrap());
    }
}
