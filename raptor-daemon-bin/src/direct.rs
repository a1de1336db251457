//! Large files: the kernel sends them from the file to the socket, on a connection that was upgraded from HTTP.

use axum::{
    extract::FromRequestParts,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use raptor_model::node::files::Direct;
use raptor_server::http::{Encrypted, Stream, TimedStream};
use std::{convert::Infallible, io, net::Shutdown, time::Duration};

/// The name of the upgraded protocol.
const PROTOCOL: &str = "raptor-content";
/// Minimum length of content for which a separate connection is worth it, in bytes.
const MIN_LENGTH: u64 = 1024 * 1024;
/// How often a sender that waits for a slow reader checks whether it should stop.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The connection, if the client asked to upgrade it.
pub(crate) struct Upgrade(Option<OnUpgrade>);

impl<S: Send + Sync> FromRequestParts<S> for Upgrade {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // The kernel does not encrypt, so over TLS content is sent as an HTTP body.
        let plain = parts.extensions.get::<Encrypted>().is_none();
        let wanted = plain && parts.headers.get(header::UPGRADE).is_some_and(|name| name == PROTOCOL);
        Ok(Self(parts.extensions.remove::<OnUpgrade>().filter(|_| wanted)))
    }
}

impl Upgrade {
    /// The connection, if it can be upgraded and content of this length is worth it.
    pub(crate) fn taken_for(self, length: Option<u64>) -> Option<OnUpgrade> {
        self.0.filter(|_| length.is_some_and(|length| length >= MIN_LENGTH))
    }
}

/// Answers that the bytes follow, and sends them.
pub(crate) fn answer(connection: OnUpgrade, content: Box<dyn Direct>) -> Response {
    tokio::spawn(async move {
        if let Err(error) = send(connection, content).await {
            // The reader counts the bytes, so it notices.
            tracing::debug!(%error, "a file was not sent completely");
        }
    });
    let named = [(header::CONNECTION, "upgrade"), (header::UPGRADE, PROTOCOL)];
    let headers = named.map(|(name, value)| (name, HeaderValue::from_static(value)));
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

async fn send(connection: OnUpgrade, content: Box<dyn Direct>) -> io::Result<()> {
    let upgraded = connection.await.map_err(io::Error::other)?;
    let parts = upgraded
        .downcast::<TokioIo<TimedStream>>()
        .map_err(|_| io::Error::other("this is not a plain TCP connection"))?;
    let (stream, slot) = parts.io.into_inner().into_parts();
    let Stream::Plain(stream) = stream else {
        return Err(io::Error::other("this is not a plain TCP connection"));
    };
    let socket = stream.into_std()?;
    socket.set_nonblocking(false)?;
    socket.set_write_timeout(Some(CHECK_INTERVAL))?;
    let _cut = Cut(socket.try_clone()?);
    let sent = tokio::task::spawn_blocking(move || {
        // It counts as a connection for as long as it sends.
        let _slot = slot;
        content.send(&socket)
    });
    sent.await.map_err(io::Error::other)?
}

/// Closes the connection when dropped, which ends the sender, also when the daemon stops.
struct Cut(std::net::TcpStream);

impl Drop for Cut {
    fn drop(&mut self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}
