//! Content of files and consoles, in either direction as a stream.

use crate::{
    DaemonClient, SocketError,
    request::{SILENCE, send, unreachable, whole},
};
use bytes::{Bytes, BytesMut};
use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use reqwest::{
    Body, StatusCode,
    header::{CONNECTION, CONTENT_TYPE, UPGRADE},
};
use serde::{Deserialize, Serialize};
use std::{io, ops::RangeInclusive, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::Instant,
};

/// The header in which a daemon says what comes.
pub const ABOUT: &str = "x-raptor-content";

/// What a daemon's connection may become: nothing but the bytes, which its kernel sends by itself.
const DIRECT: &str = "raptor-content";
/// Room for what is read at once, in bytes. The kernel passes large pieces on with half the work of small ones; a slow reader
/// must not cost as much memory.
const ROOM: RangeInclusive<usize> = 64 * 1024..=2 * 1024 * 1024;
/// How long a reader may have with what is read at once.
const TAKEN_IN: Duration = Duration::from_millis(5);

/// Content that comes.
pub struct Content {
    /// What the daemon says of it: JSON.
    pub about: Vec<u8>,
    /// The bytes.
    pub body: BoxStream<'static, io::Result<Bytes>>,
}

impl DaemonClient {
    /// Asks for content: a POST with `request` as JSON.
    ///
    /// # Errors
    /// [`SocketError`].
    pub async fn read(&self, path: &str, request: &impl Serialize) -> Result<Content, SocketError> {
        let post = self.http.post(self.url(path)).json(request);
        let response = send(
            post.header(CONNECTION, "upgrade").header(UPGRADE, DIRECT),
            &[StatusCode::OK, StatusCode::SWITCHING_PROTOCOLS],
        )
        .await?;
        let about =
            response.headers().get(ABOUT).map(|about| about.as_bytes().to_owned()).unwrap_or_default();
        let body = if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let length =
                serde_json::from_slice::<Direct>(&about).map_err(|error| unreachable(&error))?.length;
            let connection = response.upgrade().await.map_err(|error| unreachable(&error))?;
            pieces(connection, length).boxed()
        } else {
            response.bytes_stream().map(|piece| piece.map_err(io::Error::other)).boxed()
        };
        Ok(Content { about, body })
    }

    /// Sends content: a PUT with `request` as JSON in the query. The answer is its body.
    ///
    /// # Errors
    /// [`SocketError`].
    pub async fn write(
        &self,
        path: &str,
        request: &impl Serialize,
        body: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<Bytes, SocketError> {
        let request = serde_json::to_string(request).map_err(|error| unreachable(&error))?;
        let put = self.http.put(self.url(path)).query(&[("request", request)]);
        let put = put.header(CONTENT_TYPE, "application/octet-stream").body(Body::wrap_stream(body));
        whole(send(put, &[StatusCode::OK]).await?).await
    }
}

/// What has to be known of bytes that come without HTTP around them.
#[derive(Deserialize)]
struct Direct {
    length: u64,
}

/// Exactly `length` bytes: fewer are an error.
fn pieces(
    connection: impl AsyncRead + Send + Unpin,
    length: u64,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let begin = (connection, BytesMut::new(), length, (0, Instant::now()));
    stream::try_unfold(begin, |(mut connection, mut buffer, left, (taken, since))| async move {
        if left == 0 {
            return Ok(None);
        }
        let now = Instant::now();
        let room = room(taken, now - since);
        if buffer.capacity() < room / 2 {
            buffer.reserve(room);
        }
        let read = tokio::time::timeout(SILENCE, connection.read_buf(&mut buffer));
        let read = read.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut piece = buffer.split().freeze();
        piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        let (taken, left) = (piece.len(), left - piece.len() as u64);
        Ok(Some((piece, (connection, buffer, left, (taken, now)))))
    })
}

/// How much to read at once, where `taken` bytes were read and taken within this time.
fn room(taken: usize, within: Duration) -> usize {
    let at_this_rate = taken as f64 * (TAKEN_IN.as_secs_f64() / within.as_secs_f64().max(1e-9));
    (at_this_rate as usize).clamp(*ROOM.start(), *ROOM.end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::TryStreamExt;

    #[test]
    fn quick_readers_get_large_pieces_and_slow_ones_small_ones() {
        assert_eq!(room(0, Duration::ZERO), 64 * 1024);
        assert_eq!(room(64 * 1024, Duration::ZERO), 2 * 1024 * 1024);
        assert_eq!(room(2 * 1024 * 1024, Duration::from_millis(2)), 2 * 1024 * 1024);
        assert_eq!(room(2 * 1024 * 1024, Duration::from_millis(20)), 512 * 1024);
        assert_eq!(room(512 * 1024, Duration::from_secs(1)), 64 * 1024);
    }

    async fn read(there: &[u8], length: u64) -> io::Result<Vec<u8>> {
        pieces(there, length)
            .try_fold(Vec::new(), |mut all, piece| async move {
                all.extend_from_slice(&piece);
                Ok(all)
            })
            .await
    }

    #[tokio::test]
    async fn as_many_bytes_come_as_were_announced_or_an_error() {
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
        assert_eq!(read(&bytes, 1_000_000).await.unwrap(), bytes);
        assert_eq!(read(&bytes, 999_999).await.unwrap(), bytes[..999_999]);
        assert_eq!(read(&bytes, 0).await.unwrap(), b"");
        assert_eq!(read(&bytes, 1_000_001).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
