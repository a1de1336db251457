//! Keys on hardware tokens (`sk-…@openssh.com`): OpenSSH's client, and an agent that signs like a token (PROTOCOL.u2f and
//! draft-ietf-sshm-ssh-agent).

use crate::world::{World, bounded};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use russh::keys::{HashAlg, PublicKey, ssh_key::public};
use sha2::{Digest, Sha256};
use std::{fs, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
};

const IDENTITIES: u8 = 11;
const SIGN: u8 = 13;
const FAILURE: [u8; 1] = [5];
/// The flag of a signature that says that the token was touched.
const TOUCHED: u8 = 1;

/// How the token behaves.
enum Token {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
}

impl Token {
    fn ed25519() -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Ed25519(Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap())
    }

    fn p256() -> Self {
        let (kind, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let key = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        Self::P256(EcdsaKeyPair::from_pkcs8(kind, key.as_ref(), &random).unwrap())
    }

    fn public_key(&self) -> PublicKey {
        match self {
            Self::Ed25519(key) => {
                let point = public::Ed25519PublicKey(key.public_key().as_ref().try_into().unwrap());
                PublicKey::from(public::KeyData::SkEd25519(public::SkEd25519::new(point, "ssh:")))
            }
            Self::P256(key) => {
                let point = public::EcdsaPublicKey::from_sec1_bytes(key.public_key().as_ref()).unwrap();
                let public::EcdsaPublicKey::NistP256(point) = point else { panic!("another curve") };
                let key = public::SkEcdsaSha2NistP256::new(point, "ssh:");
                PublicKey::from(public::KeyData::SkEcdsaSha2NistP256(key))
            }
        }
    }

    fn sign(&self, data: &[u8]) -> Vec<u8> {
        let end = [&[TOUCHED][..], &7_u32.to_be_bytes()].concat();
        let signed = [&Sha256::digest("ssh:")[..], &end, &Sha256::digest(data)[..]].concat();
        let signature = match self {
            Self::Ed25519(key) => key.sign(&signed).as_ref().to_vec(),
            Self::P256(key) => {
                let signature = key.sign(&SystemRandom::new(), &signed).unwrap();
                let (r, s) = signature.as_ref().split_at(32);
                [string(&mpint(r)), string(&mpint(s))].concat()
            }
        };
        [string(self.public_key().algorithm().as_str().as_bytes()), string(&signature), end].concat()
    }
}

fn string(data: &[u8]) -> Vec<u8> {
    [&(data.len() as u32).to_be_bytes()[..], data].concat()
}

/// A positive number in SSH's encoding, whose first bit is the sign.
fn mpint(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let sign = bytes.get(start).is_some_and(|byte| byte & 0x80 != 0);
    [&[0][..usize::from(sign)], &bytes[start..]].concat()
}

/// Answers one client; with `change`, the data to be signed is altered.
async fn answer_client(mut client: UnixStream, token: Arc<Token>, change: bool) -> std::io::Result<()> {
    loop {
        let mut request = vec![0; client.read_u32().await? as usize];
        client.read_exact(&mut request).await?;
        let blob = token.public_key().to_bytes().unwrap();
        let answer = match request[0] {
            IDENTITIES => [&[12, 0, 0, 0, 1][..], &string(&blob), &string(b"token")].concat(),
            SIGN => {
                // The key, then the data to be signed.
                let rest = &request[5 + blob.len()..];
                let length = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
                let mut data = rest[4..4 + length].to_vec();
                data[0] ^= u8::from(change);
                [&[14][..], &string(&token.sign(&data))].concat()
            }
            _ => FAILURE.to_vec(),
        };
        client.write_all(&string(&answer)).await?;
    }
}

/// Whether OpenSSH can sign in with only that token.
async fn can_sign_in(world: &World, token: &Arc<Token>, change: bool) -> bool {
    let socket = world.own().join("agent");
    let _ = fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket).unwrap();
    let token = token.clone();
    let agent = tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(answer_client(client, token.clone(), change));
        }
    });
    let mut command = tokio::process::Command::new("sftp");
    for option in [
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "PreferredAuthentications=publickey",
        "IdentityFile=none",
        &format!("IdentityAgent={}", socket.display()),
    ] {
        command.args(["-o", option]);
    }
    command.args(["-P", &world.port.to_string(), "-b", "/dev/null", &format!("{}@127.0.0.1", world.login())]);
    let output = bounded(&mut command).await;
    println!("{}", String::from_utf8_lossy(&output.stderr));
    agent.abort();
    output.status.success()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_on_a_token_gets_in_by_its_signature_alone() {
    let world = World::new().await;
    for token in [Token::ed25519(), Token::p256()].map(Arc::new) {
        assert!(!can_sign_in(&world, &token, false).await, "nobody added it");
        let fingerprint = token.public_key().fingerprint(HashAlg::Sha256).to_string();
        world.rules.lock().unwrap().fingerprints.push(fingerprint);
        assert!(can_sign_in(&world, &token, false).await);
        assert!(!can_sign_in(&world, &token, true).await, "the signature is of something else");
    }
    world.host.shutdown().await;
}
