//! One SFTP channel: turning its bytes into requests, passing them to a handler, and sending the replies.
//!
//! Each connection has a thread on which its tasks take turns: russh's loop, which reads from and writes to the network, and
//! one task per channel, which serves requests in order and may wait for the disk. Nothing moves to another thread between a
//! request and its reply, and a slow disk or client delays nobody else.
//!
//! russh's loop must never wait for its own sending: a client's window adjustments arrive the same way as its requests.
//! Requests therefore go into a queue that is limited by total size only.

use super::{
    handler::ChannelHandler,
    wire::{self, MAX_PACKET},
};
use bytes::{Buf, Bytes, BytesMut};
use russh::{ChannelWriteHalf, Error, server::Msg};
use std::{sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

/// Most bytes of queued requests.
const QUEUED: usize = 8 * 1024 * 1024;
/// What a queued request costs in addition to its own bytes.
const OVERHEAD: usize = 256;
/// How long a client with too many queued requests may be kept from sending more.
const OVERRUN_TIMEOUT: Duration = Duration::from_secs(60);
/// Small replies are combined up to this size: one SSH packet.
const TOGETHER: usize = 32 * 1024;

/// Why a channel is closed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// A packet of an invalid size.
    #[error("a packet of {0} bytes")]
    Size(usize),
    /// Requests arrive faster than they are served, for too long.
    #[error("too many requests are queued")]
    Overrun,
    /// The handler has ended.
    #[error("the session has ended")]
    Ended,
}

struct Queued {
    packet: Bytes,
    _room: OwnedSemaphorePermit,
}

/// The sender of a channel's requests.
pub(super) struct ChannelInput {
    partial: Framer,
    queue: mpsc::UnboundedSender<Queued>,
    room: Arc<Semaphore>,
}

impl ChannelInput {
    /// Starts the handler of a channel on the connection's thread. It ends when this value and what it queued are gone.
    pub(super) fn start(handler: ChannelHandler, out: ChannelWriteHalf<Msg>) -> Self {
        let (queue, requests) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let (live, cut) = (handler.live.clone(), handler.live.cut.clone());
            let out = Out { out, together: BytesMut::new() };
            let _ = cut.clone().run_until_cancelled(serve_all(handler, requests, out, &cut)).await;
            live.journal.turn_page();
        });
        Self { partial: Framer::default(), queue, room: Arc::new(Semaphore::new(QUEUED)) }
    }

    /// Processes bytes from the network.
    pub(super) async fn feed(&mut self, mut data: &[u8]) -> Result<(), Broken> {
        while let Some(packet) = self.partial.take(&mut data)? {
            let cost = u32::try_from(packet.len() + OVERHEAD).unwrap_or(u32::MAX);
            let room =
                tokio::time::timeout(OVERRUN_TIMEOUT, self.room.clone().acquire_many_owned(cost)).await;
            let Ok(Ok(room)) = room else { return Err(Broken::Overrun) };
            let is_large = packet.len() >= TOGETHER / 2;
            self.queue.send(Queued { packet, _room: room }).map_err(|_| Broken::Ended)?;
            if is_large {
                // Serve it right away, while the decrypted data is still in the processor's cache.
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }
}

/// Splits the stream into packets.
#[derive(Default)]
pub(super) struct Framer {
    head: Vec<u8>,
    body: BytesMut,
    /// The length of the current packet.
    length: usize,
}

impl Framer {
    /// The next complete packet without its length field; consumes as much of `data` as it needs.
    pub(super) fn take(&mut self, data: &mut &[u8]) -> Result<Option<Bytes>, Broken> {
        if self.length == 0 {
            let missing = 4_usize.saturating_sub(self.head.len()).min(data.len());
            self.head.extend(data.get(..missing).unwrap_or_default());
            data.advance(missing);
            let Ok(head) = <[u8; 4]>::try_from(self.head.as_slice()) else { return Ok(None) };
            self.head.clear();
            self.length = u32::from_be_bytes(head) as usize;
            if !(1..=MAX_PACKET).contains(&self.length) {
                return Err(Broken::Size(self.length));
            }
            // Grown as data arrives, so that a length alone costs no memory.
            self.body = BytesMut::with_capacity(self.length.min(data.len().max(TOGETHER)));
        }
        let missing = self.length.saturating_sub(self.body.len()).min(data.len());
        if self.body.capacity() < self.body.len() + missing {
            self.body.reserve(self.length - self.body.len());
        }
        self.body.extend_from_slice(data.get(..missing).unwrap_or_default());
        data.advance(missing);
        if self.body.len() < self.length {
            return Ok(None);
        }
        self.length = 0;
        Ok(Some(std::mem::take(&mut self.body).freeze()))
    }
}

/// Serves requests until there are no more, or the input is not SFTP.
async fn serve_all(
    mut handler: ChannelHandler,
    mut requests: mpsc::UnboundedReceiver<Queued>,
    mut out: Out,
    cut: &CancellationToken,
) -> Result<(), Error> {
    loop {
        let next = match requests.try_recv() {
            Ok(next) => Some(next),
            // Nothing is queued: send the combined replies.
            Err(_) => {
                out.flush().await?;
                requests.recv().await
            }
        };
        let Some(Queued { packet, _room }) = next else { return out.end().await };
        let reply = wire::open(packet).ok().and_then(|(kind, id, body)| handler.serve(kind, id, body));
        match reply {
            Some(reply) => out.send(reply).await?,
            None => {
                cut.cancel();
                return Ok(());
            }
        }
    }
}

/// The sender of a channel's replies.
struct Out {
    out: ChannelWriteHalf<Msg>,
    together: BytesMut,
}

impl Out {
    /// Sends a reply; small ones are combined.
    async fn send(&mut self, reply: Bytes) -> Result<(), Error> {
        if self.together.len() + reply.len() > TOGETHER {
            self.flush().await?;
        }
        if reply.len() >= TOGETHER / 2 {
            return self.out.data_bytes(reply).await;
        }
        self.together.extend_from_slice(&reply);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Error> {
        self.out.data_bytes(self.together.split().freeze()).await
    }

    /// Closes the sending side.
    async fn end(&mut self) -> Result<(), Error> {
        self.flush().await?;
        self.out.exit_status(0).await?;
        self.out.eof().await?;
        self.out.close().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_found_however_the_stream_is_cut() {
        let stream = [&[0, 0, 0, 2, 7, 8][..], &[0, 0, 0, 1, 9], &[0, 0, 0, 3, 1, 2, 3]].concat();
        for piece in 1..=stream.len() {
            let (mut framer, mut found) = (Framer::default(), Vec::new());
            for mut data in stream.chunks(piece) {
                while let Some(packet) = framer.take(&mut data).unwrap() {
                    found.push(packet.to_vec());
                }
            }
            assert_eq!(found, [vec![7, 8], vec![9], vec![1, 2, 3]], "in pieces of {piece}");
        }
    }

    #[test]
    fn a_length_that_nobody_means_ends_the_channel() {
        for length in [0, MAX_PACKET as u32 + 1, u32::MAX] {
            let mut data = &length.to_be_bytes()[..];
            assert!(matches!(Framer::default().take(&mut data), Err(Broken::Size(_))));
        }
    }
}
