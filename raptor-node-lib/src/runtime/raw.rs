//! Terminals' byte streams, read directly from the engine's socket.
//!
//! bollard guesses from a stream's first bytes whether it is multiplexed. A terminal may print any bytes, so its streams are
//! read here without guessing.

use super::{RuntimeError, Stdin};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http_body_util::{BodyExt, Empty};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// Bytes read at a time.
const CHUNK: usize = 64 * 1024;

/// The input of a container's terminal, through the engine's socket.
pub struct Terminal {
    to: OwnedWriteHalf,
    last: Bytes,
    failed: bool,
    /// Set by the reader, which may notice a reset first.
    reset: Arc<AtomicBool>,
}

#[async_trait]
impl Stdin for Terminal {
    async fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        self.last = bytes;
        let written = self.to.write_all(&self.last).await;
        self.failed = written.is_err();
        written
    }

    /// The kernel resets a connection if the peer closes a Unix socket with unread bytes (unix(7), `ECONNRESET`).
    fn undelivered(self: Box<Self>) -> Option<Bytes> {
        let reset = || {
            self.reset.load(Ordering::Acquire)
                || matches!(self.to.as_ref().take_error(), Ok(Some(error)) if is_reset(&error))
        };
        (!self.last.is_empty() && (self.failed || reset())).then_some(self.last)
    }
}

fn is_reset(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionReset
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
    // Ends when the stream does.
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

/// Whether the engine behind the socket is Podman.
pub(super) async fn is_podman(socket: &Path) -> Result<bool, RuntimeError> {
    let response = ask(socket, Method::GET, "/_ping", false).await?;
    Ok(response.headers().contains_key("libpod-api-version"))
}

/// Attaches to a container's terminal: its output from now on, and its input.
pub(super) async fn attach(
    socket: &Path,
    name: &str,
    output: bool,
) -> Result<(impl Stream<Item = Bytes> + Send + use<>, Terminal), RuntimeError> {
    let output = u8::from(output);
    let path = format!("/containers/{name}/attach?stream=1&stdin=1&stdout={output}&stderr={output}");
    let response = ask(socket, Method::POST, &path, true).await?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(refused(response).await);
    }
    let upgraded = hyper::upgrade::on(response).await.map_err(away)?;
    // It is always the stream that was passed to `ask`.
    let parts = upgraded.downcast::<TokioIo<UnixStream>>().map_err(|_| away("no Unix socket"))?;
    let (from, to) = parts.io.into_inner().into_split();
    let reset = Arc::new(AtomicBool::new(false));
    let stdin = Terminal { to, last: Bytes::new(), failed: false, reset: reset.clone() };
    let begun = stream::iter((!parts.read_buf.is_empty()).then_some(parts.read_buf));
    Ok((begun.chain(chunks(from, reset)), stdin))
}

fn chunks(from: OwnedReadHalf, reset: Arc<AtomicBool>) -> impl Stream<Item = Bytes> + Send {
    stream::unfold((from, vec![0; CHUNK], reset), |(mut from, mut buffer, reset)| async move {
        match from.read(&mut buffer).await {
            Ok(0) => None,
            Err(error) => {
                reset.fetch_or(is_reset(&error), Ordering::Release);
                None
            }
            Ok(read) => {
                let chunk = Bytes::copy_from_slice(buffer.get(..read).unwrap_or_default());
                Some((chunk, (from, buffer, reset)))
            }
        }
    })
}

/// All past and future output of a container's terminal in this run, without the first `skip` bytes.
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
