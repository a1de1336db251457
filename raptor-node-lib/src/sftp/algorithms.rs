//! The SSH algorithms on offer, and the limits of a connection.

use russh::{
    MethodKind, MethodSet, Preferred, SshId, cipher, compression, kex,
    keys::{Algorithm, EcdsaCurve, HashAlg, PrivateKey},
    mac,
    server::Config,
};
use std::{borrow::Cow, time::Duration};

/// Bytes that a client may send ahead: enough for 1 Gbit/s at 100 ms.
const WINDOW: u32 = 16 * 1024 * 1024;

/// Authentication methods. All stay available after a failure, so that a mistyped password can be corrected on the same
/// connection.
pub(super) const METHODS: [MethodKind; 3] =
    [MethodKind::PublicKey, MethodKind::Password, MethodKind::KeyboardInteractive];

const KEX: &[kex::Name] = &[kex::MLKEM768X25519_SHA256, kex::CURVE25519, kex::CURVE25519_PRE_RFC_8731];
const OLD_KEX: &[kex::Name] =
    &[kex::ECDH_SHA2_NISTP256, kex::ECDH_SHA2_NISTP384, kex::ECDH_SHA2_NISTP521, kex::DH_G14_SHA256];
const EXTENSIONS: &[kex::Name] =
    &[kex::EXTENSION_SUPPORT_AS_SERVER, kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER];
const CIPHERS: &[cipher::Name] =
    &[cipher::AES_256_GCM, cipher::AES_128_GCM, cipher::CHACHA20_POLY1305, cipher::AES_256_CTR];
const MACS: &[mac::Name] = &[mac::HMAC_SHA256_ETM, mac::HMAC_SHA512_ETM];

/// `modern`, then `old` if wanted, then `last`.
fn with<T: Copy>(modern: &'static [T], old: &[T], wanted: bool, last: &[T]) -> Cow<'static, [T]> {
    let old = if wanted { old } else { &[] };
    Cow::Owned([modern, old, last].concat())
}

/// Modern algorithms only. No finite-field Diffie-Hellman: it costs a server more than its client. The client's order decides
/// among the ciphers; AES-GCM is the fastest here, and CTR is for paramiko. Algorithms for old clients come last, so that they
/// are only used if nothing better is supported; SHA-1 is not among them.
pub(super) fn config(keys: Vec<PrivateKey>, old_clients: bool) -> Config {
    let sha2 = |hash| Algorithm::Rsa { hash: Some(hash) };
    let ecdsa = |curve| Algorithm::Ecdsa { curve };
    Config {
        server_id: SshId::Standard(Cow::Borrowed("SSH-2.0-Raptor")),
        methods: MethodSet::from(&METHODS[..]),
        // The control side takes the same time for everybody, and counts attempts.
        auth_rejection_time: Duration::ZERO,
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys,
        window_size: WINDOW,
        maximum_packet_size: 64 * 1024,
        channel_buffer_size: 2_048,
        // Bytes sent at once: little enough to stay in the processor's cache on the way from disk to network.
        event_buffer_size: 8,
        max_auth_attempts: 8,
        inactivity_timeout: Some(Duration::from_secs(2 * 3_600)),
        keepalive_interval: Some(Duration::from_secs(30)),
        keepalive_max: 3,
        nodelay: true,
        preferred: Preferred {
            kex: with(KEX, OLD_KEX, old_clients, EXTENSIONS),
            // The host has an Ed25519 key, and an RSA key for old clients; the others are what users may sign with.
            key: Cow::Owned(vec![
                Algorithm::Ed25519,
                ecdsa(EcdsaCurve::NistP256),
                ecdsa(EcdsaCurve::NistP384),
                ecdsa(EcdsaCurve::NistP521),
                Algorithm::SkEd25519,
                Algorithm::SkEcdsaSha2NistP256,
                sha2(HashAlg::Sha512),
                sha2(HashAlg::Sha256),
            ]),
            cipher: with(CIPHERS, &[cipher::AES_128_CTR], old_clients, &[]),
            mac: with(MACS, &[mac::HMAC_SHA256, mac::HMAC_SHA512], old_clients, &[]),
            compression: Cow::Borrowed(&[compression::NONE]),
            ..Preferred::DEFAULT
        },
        ..Config::default()
    }
}
