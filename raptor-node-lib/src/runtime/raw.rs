//! Byte streams of a terminal, straight from the engine's socket.
//!
//! The client library guesses from a stream's first bytes whether it is framed; a terminal may print any bytes, so streams of
//! terminals are read here without guessing.

use super::RuntimeError;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http_body_util::{BodyExt, Empty};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use std::path::Path;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf},
    net::UnixStream,
};

type Upgraded = TokioIo<hyper::upgrade::Upgraded>;

/// How much is read at once.
const CHUNK: usize = 64 * 1024;

/// The way into a container's terminal.
pub struct Stdin(WriteHalf<Upgraded>);

impl Stdin {
    /// Writes `bytes`.
    ///
    /// # Errors
    /// When the process has gone.
    pub async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write_all(bytes).await?;
        self.0.flush().await
    }
}

fn away(error: impl std::fmt::Display) -> RuntimeError {
    RuntimeError::Away(error.to_string())
}

async fn ask(
    socket: &Path,
    method: Method,
    path: &str,
    upgrade: bool,
) -> Result<hyper::Response<hyper::body::Incoming>, RuntimeError> {
    let stream = UnixStream::connect(socket).await.map_err(away)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(away)?;
    // Ends by itself when the stream does.
    tokio::spawn(connection.with_upgrades());
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, "docker");
    if upgrade {
        request = request.header(header::CONNECTION, "Upgrade").header(header::UPGRADE, "tcp");
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(away)?;
    sender.send_request(request).await.map_err(away)
}

async fn refused(response: hyper::Response<hyper::body::Incoming>) -> RuntimeError {
    if response.status() == StatusCode::NOT_FOUND {
        return RuntimeError::NotFound;
    }
    let status = response.status();
    let body =
        response.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    RuntimeError::Refused(format!("{status}: {}", String::from_utf8_lossy(&body)))
}

/// Whether Podman is behind the socket.
pub(super) async fn is_podman(socket: &Path) -> Result<bool, RuntimeError> {
    let response = ask(socket, Method::GET, "/_ping", false).await?;
    Ok(response.headers().contains_key("libpod-api-version"))
}

/// Attaches to a container's terminal: what it writes from now on, and the way in.
pub(super) async fn attach(
    socket: &Path,
    name: &str,
    output: bool,
) -> Result<(impl Stream<Item = Bytes> + Send + use<>, Stdin), RuntimeError> {
    let output = u8::from(output);
    let path = format!("/containers/{name}/attach?stream=1&stdin=1&stdout={output}&stderr={output}");
    let response = ask(socket, Method::POST, &path, true).await?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(refused(response).await);
    }
    let upgraded = hyper::upgrade::on(response).await.map_err(away)?;
    let (reader, writer) = tokio::io::split(TokioIo::new(upgraded));
    Ok((chunks(reader), Stdin(writer)))
}

fn chunks(reader: ReadHalf<Upgraded>) -> impl Stream<Item = Bytes> + Send {
    stream::unfold((reader, vec![0; CHUNK]), |(mut reader, mut buffer)| async move {
        match reader.read(&mut buffer).await {
            Ok(0) | Err(_) => None,
            Ok(read) => {
                let chunk = Bytes::copy_from_slice(buffer.get(..read).unwrap_or_default());
                Some((chunk, (reader, buffer)))
            }
        }
    })
}

/// All that a container's terminal has written in this run and will write, without the first `skip` bytes.
pub(super) async fn replay(
    socket: &Path,
    name: &str,
    skip: u64,
) -> Result<impl Stream<Item = Bytes> + Send + use<>, RuntimeError> {
    let path = format!("/containers/{name}/logs?follow=1&stdout=1&stderr=1");
    let response = ask(socket, Method::GET, &path, false).await?;
    if !response.status().is_success() {
        return Err(refused(response).await);
    }
    let body = response
        .into_body()
        .into_data_stream()
        .take_while(|chunk| std::future::ready(chunk.is_ok()))
        .filter_map(|chunk| std::future::ready(chunk.ok()));
    let mut left = skip;
    Ok(body.filter_map(move |mut chunk: Bytes| {
        let cut = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
        left -= cut as u64;
        let rest = chunk.split_off(cut);
        std::future::ready((!rest.is_empty()).then_some(rest))
    }))
}
