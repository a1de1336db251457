//! Finding out why a daemon's address gives unexpected answers: another program, or a mix-up of TLS and plain HTTP.

use super::Transport;
use rustls::{ClientConfig, ClientConnection, RootCertStore, crypto::ring, pki_types::ServerName};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How long a server may take to show whether it speaks TLS.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// How much of an answer is read to identify the server, in bytes.
const MAX_ANSWER_BYTES: u64 = 4_096;
/// The first byte of a TLS record: an alert or a handshake (RFC 8446, section 5.1).
const TLS_RECORDS: [u8; 2] = [0x15, 0x16];

/// A hint about the default port.
const PORT_HINT: &str = "A daemon's port is 8080 unless its DAEMON_ADDR sets another.";

/// The address where a daemon should be.
pub(super) struct Place<'a> {
    /// `host:port`, with an IPv6 address in brackets.
    pub(super) address: &'a str,
    /// The protocol that it should speak.
    pub(super) transport: Transport,
}

impl Place<'_> {
    /// The meaning of the transport error `why`, if known.
    pub(super) async fn refusal(&self, why: &str) -> Option<String> {
        let address = self.address;
        if self.is_encrypted() {
            if let Some((_, certificate)) = why.split_once("invalid peer certificate: ") {
                return Some(self.certificate(certificate));
            }
            if why.contains("InvalidContentType") {
                return Some(self.is_plain().await);
            }
            // E.g. a server that only speaks TLS before 1.3.
            return (self.transport == Transport::Pinned && why.contains("fatal alert"))
                .then(|| self.certificate(why));
        }
        // A refused connection or silence says nothing about the protocol.
        let answered = ["invalid HTTP", "connection closed", "Connection reset", "end of file", "message"];
        if !answered.iter().any(|words| why.contains(words)) {
            return None;
        }
        Some(match self.speaks_tls().await {
            true => self.is_tls(),
            false => {
                format!(
                    "The server at {address} does not speak HTTP, so it is not a raptor-daemon. {PORT_HINT}"
                )
            }
        })
    }

    /// The meaning of an HTTP response that no daemon would give.
    pub(super) async fn stranger(&self) -> String {
        if !self.is_encrypted() && self.speaks_tls().await {
            return self.is_tls();
        }
        format!("The program at {} is not a raptor-daemon. {PORT_HINT}", self.address)
    }

    /// The meaning of a response of Raptor's API.
    pub(super) fn api(&self) -> String {
        format!("A raptor-api answers at {}, not a raptor-daemon. {PORT_HINT}", self.address)
    }

    fn is_encrypted(&self) -> bool {
        matches!(self.transport, Transport::Pinned | Transport::Certificate)
    }

    fn is_tls(&self) -> String {
        format!(
            "The server at {} speaks HTTPS, but this daemon is set to plain HTTP. Change its connection to HTTPS, or set the port of the daemon itself.",
            self.address
        )
    }

    async fn is_plain(&self) -> String {
        let address = self.address;
        let words = self.plain_words().await.unwrap_or_default();
        // A daemon knows this path, and has no sessions.
        if [r#""code":"not_found""#, r#""code":"unauthenticated""#].iter().any(|code| words.contains(code)) {
            return self.api();
        }
        match self.transport {
            Transport::Pinned if words.contains(r#""code":"wrong_key""#) => format!(
                "The raptor-daemon at {address} does not speak HTTPS. Upgrade it if its version is older, and check that its DAEMON_TLS is not off; or change its connection to plain HTTP."
            ),
            Transport::Pinned => {
                format!("The server at {address} does not speak HTTPS, unlike a raptor-daemon. {PORT_HINT}")
            }
            _ => format!(
                "This daemon is expected to have a certificate, but the server at {address} does not speak HTTPS. Change its connection, or set the port of the proxy that speaks HTTPS for the daemon."
            ),
        }
    }

    /// The response to a plain HTTP request without a key.
    async fn plain_words(&self) -> Option<String> {
        let asked = async {
            let mut socket = TcpStream::connect(self.address).await.ok()?;
            let host = self.address;
            let request = format!("GET /api/v1/system HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
            socket.write_all(request.as_bytes()).await.ok()?;
            let mut words = Vec::new();
            socket.take(MAX_ANSWER_BYTES).read_to_end(&mut words).await.ok()?;
            Some(String::from_utf8_lossy(&words).into_owned())
        };
        timeout(PROBE_TIMEOUT, asked).await.ok()?
    }

    /// Whether `why` says that a raptor-daemon with another API key answered.
    pub(super) fn is_another_key(&self, why: &str) -> bool {
        self.transport == Transport::Pinned && why.contains("ApplicationVerificationFailure")
    }

    fn certificate(&self, why: &str) -> String {
        let address = self.address;
        if self.transport == Transport::Pinned {
            return format!(
                "The server at {address} does not have this daemon's key. If a proxy with a certificate of its own is in between, change the daemon's connection to HTTPS with a certificate. {PORT_HINT}"
            );
        }
        if why.starts_with("Expired") || why.starts_with("certificate expired") {
            return format!("The certificate at {address} has expired. Renew it there.");
        }
        if why.starts_with("NotValidForName") || why.starts_with("certificate not valid for name") {
            return format!(
                "The certificate at {address} is for another name. Set the daemon's host to a name in the certificate, or get a certificate for this name."
            );
        }
        format!(
            "The certificate at {address} is not signed by an authority that this machine trusts; it may be self-signed. Use a certificate from a public authority, or sign it with your own authority, add that to this machine's trusted certificates, and restart raptor-api."
        )
    }

    /// Whether the server answers a TLS ClientHello with TLS. Sends nothing secret.
    pub(super) async fn speaks_tls(&self) -> bool {
        let asked = async {
            let mut socket = TcpStream::connect(self.address).await.ok()?;
            socket.write_all(&greeting()?).await.ok()?;
            let mut first = [0];
            socket.read_exact(&mut first).await.ok()?;
            Some(TLS_RECORDS.contains(&first[0]))
        };
        matches!(timeout(PROBE_TIMEOUT, asked).await, Ok(Some(true)))
    }
}

/// A TLS ClientHello.
fn greeting() -> Option<Vec<u8>> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from("daemon.invalid").ok()?;
    let mut words = Vec::new();
    ClientConnection::new(Arc::new(config), name).ok()?.write_tls(&mut words).ok()?;
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        daemons::remote::RemoteNode,
        node::{Node, NodeError},
    };
    use std::{
        path::Path,
        process::{Child, Command, Stdio},
    };
    use tokio::net::TcpListener;

    /// A child process that is killed when the test ends.
    struct Running(Child);

    impl Drop for Running {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn free_port() -> u16 {
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    fn self_signed(folder: &Path) {
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"])
            .args(["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"])
            .current_dir(folder)
            .stderr(Stdio::null())
            .status();
        assert!(made.unwrap().success());
    }

    async fn reachable(port: u16) {
        let connected = async {
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), connected).await;
        assert!(waited.is_ok(), "20 seconds have passed and nothing listens on port {port}");
    }

    async fn told(port: u16, transport: Transport) -> String {
        let node = RemoteNode::new("127.0.0.1", port, transport, "key".into()).unwrap();
        let error = node.events().await.err().unwrap();
        assert!(matches!(error, NodeError::Unreachable(_)), "{error:?}");
        error.to_string()
    }

    /// A server that answers whatever comes first on each connection with `words`.
    async fn answering(words: &'static str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = [0; 4_096];
                let _ = socket.read(&mut request).await;
                let _ = socket.write_all(words.as_bytes()).await;
            }
        });
        port
    }

    #[tokio::test]
    async fn tls_on_one_side_only_and_a_certificate_that_nobody_vouches_for_are_said_as_such() {
        let folder = tempfile::tempdir().unwrap();
        self_signed(folder.path());
        // openssl closes a connection without TLS, with or without an alert; nginx responds with an HTML page.
        let bare = free_port();
        let mut openssl = Command::new("openssl");
        openssl.args(["s_server", "-quiet", "-www", "-cert", "cert.pem", "-key", "key.pem", "-accept"]);
        openssl.arg(format!("127.0.0.1:{bare}")).current_dir(folder.path()).stderr(Stdio::null());
        let _openssl = Running(openssl.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap());
        let proxied = free_port();
        let config = format!(
            "daemon off; master_process off; pid nginx.pid; error_log stderr; events {{}} http {{ access_log off; client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s; server {{ listen 127.0.0.1:{proxied} ssl; ssl_certificate cert.pem; ssl_certificate_key key.pem; }} }}"
        );
        std::fs::write(folder.path().join("nginx.conf"), config).unwrap();
        let mut nginx = Command::new("/usr/sbin/nginx");
        nginx.arg("-p").arg(folder.path()).arg("-c").arg(folder.path().join("nginx.conf"));
        let _nginx = Running(nginx.args(["-e", "stderr"]).stderr(Stdio::null()).spawn().unwrap());
        for port in [bare, proxied] {
            reachable(port).await;
            let message = told(port, Transport::Plain).await;
            assert!(message.contains("speaks HTTPS, but this daemon is set to plain HTTP"), "{message}");
            let message = told(port, Transport::Certificate).await;
            assert!(message.contains("self-signed") && message.contains("restart raptor-api"), "{message}");
            let message = told(port, Transport::Pinned).await;
            assert!(message.contains("does not have this daemon's key"), "{message}");
        }
    }

    #[tokio::test]
    async fn what_is_no_daemon_is_said_to_be_none() {
        let web = answering("HTTP/1.1 404 Not Found\r\ncontent-type: text/html\r\ncontent-length: 4\r\nconnection: close\r\n\r\nnope").await;
        let message = told(web, Transport::Plain).await;
        assert!(message.contains("is not a raptor-daemon") && message.contains("8080"), "{message}");
        let message = told(web, Transport::Certificate).await;
        assert!(
            message.contains("expected to have a certificate") && message.contains("does not speak HTTPS"),
            "{message}"
        );
        let message = told(web, Transport::Pinned).await;
        assert!(message.contains("does not speak HTTPS, unlike a raptor-daemon"), "{message}");
        let page = answering(
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi",
        )
        .await;
        let message = told(page, Transport::Plain).await;
        assert!(message.contains("is not a raptor-daemon"), "{message}");
        let ssh = answering("SSH-2.0-Raptor\r\n").await;
        let message = told(ssh, Transport::Plain).await;
        assert!(message.contains("does not speak HTTP") && message.contains("8080"), "{message}");
        let message = told(free_port(), Transport::Plain).await;
        assert!(message.contains("can't be reached (Connection refused"), "{message}");
    }
}
