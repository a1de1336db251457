//! The streams, which no generator writes.

use crate::Trust;
use futures_util::{SinkExt, Stream, StreamExt, stream::SplitSink};
use std::{sync::Arc, time::Duration};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        http::{HeaderValue, StatusCode, header::AUTHORIZATION},
    },
};

/// A peer from which nothing comes for so long, not even a ping, is gone. It sends one every second.
const SILENCE: Duration = Duration::from_secs(5);
const CONNECT: Duration = Duration::from_secs(10);
/// A peer that takes nothing for so long is as good as gone.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);

/// Why a stream was not opened.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The peer answered with another status than 101.
    #[error("the peer answered {status}: {body}")]
    Status {
        /// The status.
        status: StatusCode,
        /// What it said.
        body: String,
    },
    /// The peer can't be reached.
    #[error("{0}")]
    Unreachable(String),
}

/// The way to the peer of a stream that is open.
pub struct Outbox(SplitSink<WebSocketStream<MaybeTlsStream<TcpStream>>, Message>);

impl Outbox {
    /// Sends a text frame.
    ///
    /// # Errors
    /// [`SocketError::Unreachable`] when the peer is gone or takes nothing.
    pub async fn send(&mut self, text: String) -> Result<(), SocketError> {
        let sending = tokio::time::timeout(WRITE_PATIENCE, self.0.send(Message::text(text)));
        match sending.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(SocketError::Unreachable(error.to_string())),
            Err(_) => Err(SocketError::Unreachable("it takes nothing".into())),
        }
    }
}

/// Opens `url` (`ws://…` or `wss://…`) as the holder of `token` and gives the text frames until the stream ends.
///
/// # Errors
/// [`SocketError`].
pub async fn connect(
    url: &str,
    token: &str,
) -> Result<impl Stream<Item = String> + Send + use<>, SocketError> {
    Ok(converse(url, token, Trust::Authorities).await?.1)
}

/// As [`connect`], with the way back, and to a server that proves itself as `trust` says.
pub(crate) async fn converse(
    url: &str,
    token: &str,
    trust: Trust,
) -> Result<(Outbox, impl Stream<Item = String> + Send + use<>), SocketError> {
    let unreachable = |error: &dyn std::fmt::Display| SocketError::Unreachable(error.to_string());
    let mut request = url.into_client_request().map_err(|error| unreachable(&error))?;
    let bearer = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|error| unreachable(&error))?;
    request.headers_mut().insert(AUTHORIZATION, bearer);
    if let Some(id) = crate::request_id() {
        request.headers_mut().insert(crate::REQUEST_ID, id);
    }
    let tls = crate::tls(token, trust).map_err(|error| unreachable(&error))?;
    let tls = Connector::Rustls(Arc::new(tls));
    let connecting = tokio_tungstenite::connect_async_tls_with_config(request, None, false, Some(tls));
    let connecting = tokio::time::timeout(CONNECT, connecting);
    let socket = match connecting.await {
        Err(_) => return Err(unreachable(&"it does not answer")),
        Ok(Err(Error::Http(answer))) => {
            let body = answer.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default().into_owned();
            return Err(SocketError::Status { status: answer.status(), body });
        }
        Ok(Err(Error::Io(error))) => return Err(unreachable(&error.kind())),
        Ok(Err(error)) => return Err(unreachable(&error)),
        Ok(Ok((socket, _))) => socket,
    };
    let (outbox, inbox) = socket.split();
    let frames = futures_util::stream::unfold(inbox, |mut inbox| async move {
        loop {
            match tokio::time::timeout(SILENCE, inbox.next()).await {
                Ok(Some(Ok(Message::Text(text)))) => return Some((text.as_str().to_owned(), inbox)),
                Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) | Err(_) => return None,
                Ok(Some(Ok(_))) => {}
            }
        }
    });
    Ok((Outbox(outbox), frames))
}
