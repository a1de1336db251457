//! What a connection speaks: plain HTTP, or HTTP over TLS.

use std::{
    io,
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig, server::TlsStream};

/// The first byte of a TLS handshake record (RFC 8446, section 5.1). No HTTP method begins with it.
const HANDSHAKE: u8 = 0x16;
/// The response to a client that speaks plain HTTP where TLS is required.
const TLS_ONLY: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\nconnection: close\r\ncontent-length: 130\r\n\r\n{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,\"code\":\"https_required\",\"detail\":\"Only HTTPS is spoken at this address.\"}";
/// Time limit for reading the start of such a client's request and for sending the response.
const REFUSAL: Duration = Duration::from_secs(2);

/// The protocols that a server accepts.
#[derive(Clone, Default)]
pub enum Transport {
    /// Plain HTTP only.
    #[default]
    Plain,
    /// TLS, and plain HTTP for as long as it is allowed.
    Tls {
        config: Arc<ServerConfig>,
        /// Whether a connection that does not begin with a TLS handshake is accepted as plain HTTP. Read for each new connection.
        plain: Arc<AtomicBool>,
        /// Called with the address of each client that rejects the certificate.
        refused: fn(IpAddr),
    },
}

/// Request extension that marks requests received over TLS.
#[derive(Clone, Copy, Debug)]
pub struct Encrypted;

impl Transport {
    /// Accepts TLS only.
    #[must_use]
    pub fn tls(config: ServerConfig) -> Self {
        Self::Tls { config: Arc::new(config), plain: Arc::default(), refused: |_| () }
    }

    /// Waits for a connection's first byte, and does the TLS handshake if that is what it begins.
    pub(super) async fn open(
        &self,
        stream: TcpStream,
        idle: Option<Duration>,
        head: Duration,
    ) -> io::Result<Stream> {
        let Self::Tls { config, plain, refused } = self else { return Ok(Stream::Plain(stream)) };
        let mut first = [0];
        let peeking = stream.peek(&mut first);
        let there = match idle {
            Some(idle) => timeout(idle, peeking).await??,
            None => peeking.await?,
        };
        match first {
            _ if there == 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            [HANDSHAKE] => {
                let from = stream.peer_addr()?.ip().to_canonical();
                let accepting = TlsAcceptor::from(config.clone()).accept(stream);
                let accepted = timeout(head, accepting).await?;
                if accepted.as_ref().is_err_and(is_refusal) {
                    refused(from);
                }
                Ok(Stream::Tls(Box::new(accepted?)))
            }
            _ if plain.load(Ordering::Relaxed) => Ok(Stream::Plain(stream)),
            _ => {
                let _ = timeout(REFUSAL, refuse(stream)).await;
                Err(io::Error::other("HTTP where only HTTPS is spoken"))
            }
        }
    }
}

/// Whether the client's alert says that it rejects the certificate (RFC 8446, section 6.2).
fn is_refusal(error: &io::Error) -> bool {
    use tokio_rustls::rustls::{AlertDescription as Alert, Error};
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    matches!(
        inner,
        Some(Error::AlertReceived(
            Alert::AccessDenied | Alert::BadCertificate | Alert::CertificateUnknown | Alert::UnknownCA
        ))
    )
}

/// Reads the start of the request, so that closing the socket does not reset the connection before the client has read
/// the response.
async fn refuse(mut stream: TcpStream) -> io::Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await?;
    stream.write_all(TLS_ONLY).await?;
    stream.shutdown().await
}

#[derive(Debug)]
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, bytes),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
