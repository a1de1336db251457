//! Content of files, in either direction as a stream, which the generated clients don't do both ways.

use crate::{ClientError, SocketError, http_with};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream::BoxStream};
use reqwest::{Body, RequestBuilder, Response, header::CONTENT_TYPE};
use serde::{Serialize, de::DeserializeOwned};
use std::{io, time::Duration};

/// The header in which a daemon says what comes.
pub const ABOUT: &str = "x-raptor-content";
/// A daemon that says nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(120);

/// Content that comes.
pub struct Content {
    /// What the daemon says of it: JSON.
    pub about: Vec<u8>,
    /// The bytes.
    pub body: BoxStream<'static, io::Result<Bytes>>,
}

/// Asks a daemon about files.
#[derive(Clone)]
pub struct ContentClient {
    http: reqwest::Client,
    base: String,
}

impl ContentClient {
    /// For the daemon whose API is at `base`, with its key.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn new(base: &str, key: &str) -> Result<Self, ClientError> {
        // Content takes as long as it takes; only silence is an end.
        let http = http_with(key, |client| client.read_timeout(SILENCE))?;
        Ok(Self { http, base: base.to_owned() })
    }

    /// A question and its answer.
    ///
    /// # Errors
    /// [`SocketError`].
    pub async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        request: &impl Serialize,
    ) -> Result<T, SocketError> {
        answer(send(self.http.post(format!("{}{path}", self.base)).json(request)).await?).await
    }

    /// Reads.
    ///
    /// # Errors
    /// [`SocketError`].
    pub async fn read(&self, path: &str, request: &impl Serialize) -> Result<Content, SocketError> {
        let response = send(self.http.post(format!("{}{path}", self.base)).json(request)).await?;
        let about =
            response.headers().get(ABOUT).map(|about| about.as_bytes().to_owned()).unwrap_or_default();
        let body = response.bytes_stream().map(|piece| piece.map_err(io::Error::other)).boxed();
        Ok(Content { about, body })
    }

    /// Writes.
    ///
    /// # Errors
    /// [`SocketError`].
    pub async fn write<T: DeserializeOwned>(
        &self,
        path: &str,
        request: &impl Serialize,
        body: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<T, SocketError> {
        let request = serde_json::to_string(request).map_err(|error| unreachable(&error))?;
        let put = self.http.put(format!("{}{path}", self.base)).query(&[("request", request)]);
        let put = put.header(CONTENT_TYPE, "application/octet-stream").body(Body::wrap_stream(body));
        answer(send(put).await?).await
    }
}

async fn send(request: RequestBuilder) -> Result<Response, SocketError> {
    let response = request.send().await.map_err(|error| unreachable(&error))?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    Err(SocketError::Status { status, body: response.text().await.unwrap_or_default() })
}

async fn answer<T: DeserializeOwned>(response: Response) -> Result<T, SocketError> {
    response.json().await.map_err(|error| unreachable(&error))
}

fn unreachable(error: &dyn std::error::Error) -> SocketError {
    let mut reason = error;
    while let Some(cause) = reason.source() {
        reason = cause;
    }
    SocketError::Unreachable(reason.to_string())
}
