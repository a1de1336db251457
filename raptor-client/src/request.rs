//! Requests to a daemon. The id of the request for which a daemon is asked goes along, so that it is found again in the daemon's log.

use crate::{ClientError, Outbox, PATIENCE, SocketError, Trust, http_with, socket::converse};
use bytes::Bytes;
use futures_util::Stream;
use reqwest::{
    Method, RequestBuilder, Response, StatusCode,
    header::{HeaderName, HeaderValue},
    redirect::Policy,
};
use serde::Serialize;
use std::time::Duration;
use tokio::task::futures::TaskLocalFuture;

/// A daemon that says nothing for so long is gone.
pub(crate) const SILENCE: Duration = Duration::from_secs(120);

/// The header with a request's id.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    static ID: HeaderValue;
}

/// Something that is done for a request.
pub type ForRequest<F> = TaskLocalFuture<HeaderValue, F>;

/// Does something for the request with this id. What it spawns has to be given the id anew.
pub fn for_request<F: Future>(id: HeaderValue, doing: F) -> ForRequest<F> {
    ID.scope(id, doing)
}

/// The id of the request that this is done for; none for what is done for nobody.
pub fn request_id() -> Option<HeaderValue> {
    ID.try_with(Clone::clone).ok()
}

/// Asks a daemon. What is asked, and where, is the caller's matter. Cheap to clone.
#[derive(Clone)]
pub struct DaemonClient {
    pub(crate) http: reqwest::Client,
    base: String,
    key: String,
    trust: Trust,
}

/// What a request says, and where.
pub enum Input<'a, T> {
    /// Nothing.
    None,
    /// In the query.
    Query(&'a T),
    /// In the body, as JSON.
    Json(&'a T),
}

/// How long an answer is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// 30 seconds.
    Short,
    /// As long as it takes; 2 minutes of silence are its end.
    Long,
}

impl DaemonClient {
    /// For the daemon whose routes are below `base` (`https://host:8080/api/v1`), with its API key.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn new(base: &str, key: &str, trust: Trust) -> Result<Self, ClientError> {
        // Content takes as long as it takes; only silence is an end. A daemon never redirects.
        let http = http_with(key, trust, |client| client.read_timeout(SILENCE).redirect(Policy::none()))?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), key: key.to_owned(), trust })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The body of the answer to a request, which a daemon answers with the status `expected` when it went well.
    ///
    /// # Errors
    /// [`SocketError`], also for another status of success: a proxy's page in place of the daemon has done nothing.
    pub async fn ask<T: Serialize>(
        &self,
        method: Method,
        path: &str,
        input: Input<'_, T>,
        patience: Patience,
        expected: StatusCode,
    ) -> Result<Bytes, SocketError> {
        let request = self.request(method, path, input);
        let request = match patience {
            Patience::Short => request.timeout(PATIENCE),
            Patience::Long => request,
        };
        whole(send(request, &[expected]).await?).await
    }

    /// The text frames of a WebSocket until it ends, and the way back.
    ///
    /// # Errors
    /// [`SocketError`].
    pub async fn connect<T: Serialize>(
        &self,
        path: &str,
        input: Input<'_, T>,
    ) -> Result<(Outbox, impl Stream<Item = String> + Send + use<T>), SocketError> {
        let request = self.request(Method::GET, path, input).build().map_err(|error| unreachable(&error))?;
        // https becomes wss.
        let url = request.url().as_str().replacen("http", "ws", 1);
        converse(&url, &self.key, self.trust).await
    }

    fn request<T: Serialize>(&self, method: Method, path: &str, input: Input<'_, T>) -> RequestBuilder {
        let request = self.http.request(method, self.url(path));
        match input {
            Input::None => request,
            Input::Query(query) => request.query(query),
            Input::Json(body) => request.json(body),
        }
    }
}

/// Sends a request, with the id of the request that it is made for. Only the statuses `expected` are a success.
pub(crate) async fn send(
    mut request: RequestBuilder,
    expected: &[StatusCode],
) -> Result<Response, SocketError> {
    if let Some(id) = request_id() {
        request = request.header(REQUEST_ID, id);
    }
    let response = request.send().await.map_err(|error| unreachable(&error))?;
    let status = response.status();
    if expected.contains(&status) {
        return Ok(response);
    }
    Err(SocketError::Status { status, body: response.text().await.unwrap_or_default() })
}

pub(crate) async fn whole(response: Response) -> Result<Bytes, SocketError> {
    response.bytes().await.map_err(|error| unreachable(&error))
}

/// The innermost cause: "connection refused" rather than "error sending request".
pub(crate) fn unreachable(error: &dyn std::error::Error) -> SocketError {
    let mut reason = error;
    while let Some(cause) = reason.source() {
        reason = cause;
    }
    SocketError::Unreachable(reason.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    /// What one request to a daemon says, made for `id`.
    async fn asked(id: Option<&'static str>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let heard = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut text = Vec::new();
            while !text.ends_with(b"\r\n\r\n") {
                text.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(b"HTTP/1.1 503 Unavailable\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            String::from_utf8(text).unwrap().to_ascii_lowercase()
        });
        let client = DaemonClient::new(&base, "key", Trust::Authorities).unwrap();
        let asking = client.ask::<()>(Method::GET, "/system", Input::None, Patience::Short, StatusCode::OK);
        let answer = match id {
            Some(id) => for_request(HeaderValue::from_static(id), asking).await,
            None => asking.await,
        };
        assert!(matches!(answer, Err(SocketError::Status { status: StatusCode::SERVICE_UNAVAILABLE, .. })));
        heard.await.unwrap()
    }

    #[tokio::test]
    async fn a_daemon_is_told_the_id_of_the_request_for_which_it_is_asked() {
        assert!(asked(Some("0198c1f2")).await.contains("x-request-id: 0198c1f2\r\n"));
        assert!(!asked(None).await.contains("x-request-id"));
    }
}
