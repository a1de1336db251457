use super::*;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};

const KEY: &str = "rd_Zk3vX9qLw2TnB7yRc5MfH1pJd8GsA4uEoI6tQxN0bV";

/// What a client of `api` reads from a server of `daemon` after sending "hello", and what the server has received.
async fn meet(api: ClientConfig, daemon: ServerConfig) -> (std::io::Result<Vec<u8>>, Vec<u8>) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let asked = async {
        let name = ServerName::try_from("192.0.2.1").unwrap();
        let mut stream = TlsConnector::from(Arc::new(api)).connect(name, near).await?;
        stream.write_all(b"hello").await?;
        let mut answer = vec![0; 2];
        stream.read_exact(&mut answer).await?;
        Ok(answer)
    };
    let served = async {
        let mut heard = vec![0; 5];
        let Ok(mut stream) = TlsAcceptor::from(Arc::new(daemon)).accept(far).await else { return Vec::new() };
        if stream.read_exact(&mut heard).await.is_err() {
            return Vec::new();
        }
        stream.write_all(b"ok").await.unwrap();
        stream.flush().await.unwrap();
        heard
    };
    tokio::join!(asked, served)
}

#[tokio::test]
async fn both_sides_of_a_key_understand_each_other() {
    let (answer, heard) = meet(client(KEY).unwrap(), server(KEY).unwrap()).await;
    assert_eq!(answer.unwrap(), b"ok");
    assert_eq!(heard, b"hello");
}

#[tokio::test]
async fn a_daemon_with_another_key_is_told_nothing() {
    let other = KEY.replace('Z', "Y");
    let (answer, heard) = meet(client(KEY).unwrap(), server(&other).unwrap()).await;
    assert!(answer.unwrap_err().to_string().contains("ApplicationVerificationFailure"));
    assert!(heard.is_empty(), "{heard:?}");
}

#[tokio::test]
async fn a_server_that_is_no_daemon_is_told_nothing() {
    let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let certificate =
        CertificateParams::new(["panel.example.com".to_owned()]).unwrap().self_signed(&pair).unwrap();
    let private = PrivateKeyDer::Pkcs8(pair.serialize_der().into());
    let web = listening(vec![certificate.der().clone()], private).unwrap();
    let (answer, heard) = meet(client(KEY).unwrap(), web).await;
    assert!(answer.unwrap_err().to_string().contains("UnknownIssuer"));
    assert!(heard.is_empty(), "{heard:?}");
}

/// Copying the certificate is not enough: the handshake is signed with its private key.
#[tokio::test]
async fn the_right_certificate_without_its_private_key_is_refused() {
    let wrong = rcgen::KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let pkcs8 = PrivatePkcs8KeyDer::from([PKCS8_ED25519.as_slice(), &seed(KEY).unwrap()].concat());
    let right = KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8, &PKCS_ED25519).unwrap();
    let shown = CertificateParams::new([NAME.to_owned()]).unwrap().self_signed(&right).unwrap();
    let signer = default_provider()
        .key_provider
        .load_private_key(PrivateKeyDer::Pkcs8(wrong.serialize_der().into()))
        .unwrap();
    let certified = rustls::sign::CertifiedKey::new(vec![shown.der().clone()], signer);
    let resolver = rustls::sign::SingleCertAndKey::from(certified);
    let daemon = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    let (answer, heard) = meet(client(KEY).unwrap(), daemon).await;
    assert!(answer.is_err());
    assert!(heard.is_empty());
}

/// A version that derived another key would lock out every running daemon: this is the key of version 1, forever.
#[test]
fn the_derivation_does_not_change() {
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed(KEY).unwrap()).unwrap();
    let hex: String = pair.public_key().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "0ee8d69c259440804e0d8aeee34ca9573f7a42d219d150407489e438a881936a");
}
