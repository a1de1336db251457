//! TLS between the API and a daemon without a certificate that anybody has to make, copy or renew.
//!
//! Both sides have the daemon's API key. From it each derives the same Ed25519 key pair (HKDF with SHA-256, RFC 5869): the daemon to
//! prove itself with a certificate that it signs itself, the API to know which public key has to be in that certificate. Names,
//! dates and authorities say nothing here and are not looked at. A peer that shows any other key is refused before the API has sent
//! it anything.
//!
//! What this rests on is that the key can't be guessed: whoever connects to a daemon sees the public key and may try keys against it
//! without the daemon noticing. A key that the panel makes has 256 random bits.
//!
//! ```
//! # fn main() -> Result<(), raptor_tls::Error> {
//! let key = "rd_Zk3vX9qLw2TnB7yRc5MfH1pJd8GsA4uEoI6tQxN0bV";
//! let daemon: rustls::ServerConfig = raptor_tls::server(key)?;
//! let api: rustls::ClientConfig = raptor_tls::client(key)?;
//! # Ok(())
//! # }
//! ```

mod pin;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ED25519};
use ring::{
    hkdf::{HKDF_SHA256, KeyType, Salt},
    signature::{Ed25519KeyPair, KeyPair as _},
};
use rustls::{
    ClientConfig, ServerConfig,
    crypto::{CryptoProvider, ring::default_provider},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
    version::TLS13,
};
use std::{path::Path, sync::Arc};

/// Says for what the derived key is used, and by which version of the derivation.
const PURPOSE: &[u8] = b"raptor daemon tls 1";
/// The protocol inside, as both sides name it (ALPN).
const HTTP_1_1: &[u8] = b"http/1.1";
/// The name in derived certificates. Whose certificate has it, but another key, is a daemon that has another API key.
const NAME: &str = "raptor-daemon.invalid";
/// What stands before the 32 bytes of an Ed25519 seed in PKCS #8 (RFC 8410, 7).
const PKCS8_ED25519: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Why TLS was not set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The certificate could not be made from the key.
    #[error("the certificate can't be derived from the key: {0}")]
    Derivation(String),
    /// A file of a certificate or private key is not usable.
    #[error("{file}: {why}")]
    File {
        /// Path of the file.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// The TLS library refused the settings.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

/// TLS 1.3 for the daemon that has `key`, with the certificate that is derived from it.
///
/// # Errors
/// [`Error::Derivation`] and [`Error::Tls`], neither of which a key of any length or alphabet causes by itself.
pub fn server(key: &str) -> Result<ServerConfig, Error> {
    let pkcs8 = PrivatePkcs8KeyDer::from([PKCS8_ED25519.as_slice(), &seed(key)?].concat());
    let wrong = |error: rcgen::Error| Error::Derivation(error.to_string());
    let pair = KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8, &PKCS_ED25519).map_err(wrong)?;
    let mut certificate = CertificateParams::new([NAME.to_owned()]).map_err(wrong)?;
    certificate.distinguished_name = DistinguishedName::new();
    certificate.distinguished_name.push(DnType::CommonName, "raptor-daemon");
    let certificate = certificate.self_signed(&pair).map_err(wrong)?;
    listening(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(pkcs8))
}

/// TLS 1.3 with a certificate of one's own: PEM files of the chain, the server's certificate first, and of its private key.
///
/// # Errors
/// [`Error::File`] when a file can't be read or holds none, [`Error::Tls`] when the two don't belong together.
pub fn server_with(chain: &Path, private_key: &Path) -> Result<ServerConfig, Error> {
    let file = |path: &Path, why: &dyn std::fmt::Display| Error::File {
        file: path.display().to_string(),
        why: why.to_string(),
    };
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| file(chain, &error))?;
    if certificates.is_empty() {
        return Err(file(chain, &"it holds no certificate in PEM"));
    }
    let private = PrivateKeyDer::from_pem_file(private_key).map_err(|error| file(private_key, &error))?;
    listening(certificates, private)
}

/// TLS 1.3 to the daemon that has `key`, and to no other: its public key is the only one that is accepted.
///
/// The handshake fails with [`CertificateError::ApplicationVerificationFailure`](rustls::CertificateError) where a daemon answers
/// that has another key, and with `UnknownIssuer` where the certificate is no daemon's.
///
/// # Errors
/// As [`server`].
pub fn client(key: &str) -> Result<ClientConfig, Error> {
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed(key)?)
        .map_err(|error| Error::Derivation(error.to_string()))?;
    let pinned = pin::Pinned::new(pair.public_key().as_ref(), provider());
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(pinned))
        .with_no_client_auth();
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Ok(config)
}

fn listening(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Ok(config)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(default_provider())
}

/// The seed of the Ed25519 key pair that belongs to `key`.
fn seed(key: &str) -> Result<[u8; 32], Error> {
    struct Length;
    impl KeyType for Length {
        fn len(&self) -> usize {
            32
        }
    }
    let failed = |_| Error::Derivation("HKDF refused".into());
    let derived = Salt::new(HKDF_SHA256, &[]).extract(key.as_bytes());
    let mut seed = [0; 32];
    derived.expand(&[PURPOSE], Length).map_err(failed)?.fill(&mut seed).map_err(failed)?;
    Ok(seed)
}

#[cfg(test)]
mod tests;
