//! Pinning the public key that a daemon must have.

use rustls::{
    CertificateError, DigitallySignedStruct, Error, PeerIncompatible, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use std::sync::Arc;
use webpki::EndEntityCert;

/// Certificate header of a 32-byte Ed25519 public key (RFC 8410, section 4).
const SPKI_ED25519: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Accepts certificates with one particular public key and ignores everything else in them.
#[derive(Debug)]
pub(crate) struct Pinned {
    public_key: Vec<u8>,
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    /// `public_key` is the 32 bytes of an Ed25519 public key.
    pub(crate) fn new(public_key: &[u8], provider: Arc<CryptoProvider>) -> Self {
        Self { public_key: [SPKI_ED25519.as_slice(), public_key].concat(), provider }
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = EndEntityCert::try_from(certificate)
            .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        // A public key is no secret, so the comparison need not take constant time.
        if shown.subject_public_key_info().as_ref() == self.public_key {
            return Ok(ServerCertVerified::assertion());
        }
        let named = ServerName::try_from(crate::NAME)
            .is_ok_and(|name| shown.verify_is_valid_for_subject_name(&name).is_ok());
        Err(Error::InvalidCertificate(match named {
            true => CertificateError::ApplicationVerificationFailure,
            false => CertificateError::UnknownIssuer,
        }))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls13RequiredForQuic.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        // All schemes, so that a server with another certificate presents it instead of aborting the handshake.
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
