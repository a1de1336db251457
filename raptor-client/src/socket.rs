//! The streams, which no generator writes.

use futures_util::{Stream, StreamExt};
use std::time::Duration;
use tokio_tungstenite::tungstenite::{
    Error, Message,
    client::IntoClientRequest,
    http::{HeaderValue, StatusCode, header::AUTHORIZATION},
};

/// A peer from which nothing comes for so long, not even a ping, is gone.
const SILENCE: Duration = Duration::from_secs(40);
const CONNECT: Duration = Duration::from_secs(10);

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

/// Opens `url` (`ws://…` or `wss://…`) as the holder of `token` and gives the text frames until the stream ends.
///
/// # Errors
/// [`SocketError`].
pub async fn connect(
    url: &str,
    token: &str,
) -> Result<impl Stream<Item = String> + Send + use<>, SocketError> {
    let unreachable = |error: &dyn std::fmt::Display| SocketError::Unreachable(error.to_string());
    let mut request = url.into_client_request().map_err(|error| unreachable(&error))?;
    let bearer = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|error| unreachable(&error))?;
    request.headers_mut().insert(AUTHORIZATION, bearer);
    let connecting = tokio::time::timeout(CONNECT, tokio_tungstenite::connect_async(request));
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
    Ok(futures_util::stream::unfold(socket, |mut socket| async move {
        loop {
            match tokio::time::timeout(SILENCE, socket.next()).await {
                Ok(Some(Ok(Message::Text(text)))) => return Some((text.as_str().to_owned(), socket)),
                Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) | Err(_) => return None,
                Ok(Some(Ok(_))) => {}
            }
        }
    }))
}
