//! Large files: the kernel sends them from the file to the socket, on a connection that is HTTP's no more.

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

/// What the connection becomes.
const PROTOCOL: &str = "raptor-content";
/// Shorter content is not worth a connection of its own, in bytes.
const WORTH: u64 = 1024 * 1024;
/// How often a sender looks up that waits for a slow reader.
const LOOK_UP: Duration = Duration::from_secs(1);

/// The connection, where whoever asks would have it become something else.
pub(crate) struct Upgrade(Option<OnUpgrade>);

impl<S: Send + Sync> FromRequestParts<S> for Upgrade {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // The kernel does not encrypt: over TLS content goes the usual way.
        let plain = parts.extensions.get::<Encrypted>().is_none();
        let wanted = plain && parts.headers.get(header::UPGRADE).is_some_and(|name| name == PROTOCOL);
        Ok(Self(parts.extensions.remove::<OnUpgrade>().filter(|_| wanted)))
    }
}

impl Upgrade {
    /// The connection, where it may be taken and content of this length is worth it.
    pub(crate) fn taken_for(self, length: Option<u64>) -> Option<OnUpgrade> {
        self.0.filter(|_| length.is_some_and(|length| length >= WORTH))
    }
}

/// Says that the bytes follow, and sends them.
pub(crate) fn answer(connection: OnUpgrade, content: Box<dyn Direct>) -> Response {
    tokio::spawn(async move {
        if let Err(error) = send(connection, content).await {
            // The reader counts what comes, and knows.
            tracing::debug!(%error, "a file was not sent to its end");
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
    socket.set_write_timeout(Some(LOOK_UP))?;
    let _cut = Cut(socket.try_clone()?);
    let sent = tokio::task::spawn_blocking(move || {
        // It counts among the connections for as long as it sends.
        let _slot = slot;
        content.send(&socket)
    });
    sent.await.map_err(io::Error::other)?
}

/// Ends the connection and with it the sender, also where the daemon ends.
struct Cut(std::net::TcpStream);

impl Drop for Cut {
    fn drop(&mut self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}
