//! One SFTP channel: from its bytes to requests, through a handler, and back.
//!
//! Each connection has a thread on which its tasks take turns: russh's loop, which reads the network, hands data over and sends
//! what it is given, and a input for each channel, which serves requests in order and may wait for the disk. Nothing changes
//! threads on the way from a request to its reply, and a slow disk or client holds nobody else up.
//!
//! russh's loop must never wait for its own sending: a window that the client widens comes the same way as its requests. Requests
//! therefore go into a queue that only their size bounds.

use super::{
    handler::ChannelHandler,
    wire::{self, MAX_PACKET},
};
use bytes::{Buf, Bytes, BytesMut};
use russh::{ChannelWriteHalf, Error, server::Msg};
use std::{sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

/// Bytes of requests that wait at most.
const QUEUED: usize = 8 * 1024 * 1024;
/// What a request costs beside its own bytes.
const OVERHEAD: usize = 256;
/// How long a client whose requests wait too many may be kept from sending more.
const PATIENCE: Duration = Duration::from_secs(60);
/// Small replies are sent together up to this size: one packet of SSH.
const TOGETHER: usize = 32 * 1024;

/// Why a channel is given up.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// A packet of a size that nobody sends.
    #[error("a packet of {0} bytes")]
    Size(usize),
    /// Requests come faster than they are served, for long.
    #[error("too many requests wait")]
    Overrun,
    /// The handler has closed.
    #[error("the session has ended")]
    Ended,
}

struct Queued {
    packet: Bytes,
    _room: OwnedSemaphorePermit,
}

/// The way in.
pub(super) struct ChannelInput {
    partial: Framer,
    queue: mpsc::UnboundedSender<Queued>,
    room: Arc<Semaphore>,
}

impl ChannelInput {
    /// Opens a handler for a channel, on the connection's thread. It closes when this value and what it queued are gone.
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

    /// Takes what came over the network.
    pub(super) async fn feed(&mut self, mut data: &[u8]) -> Result<(), Broken> {
        while let Some(packet) = self.partial.take(&mut data)? {
            let cost = u32::try_from(packet.len() + OVERHEAD).unwrap_or(u32::MAX);
            let room = tokio::time::timeout(PATIENCE, self.room.clone().acquire_many_owned(cost)).await;
            let Ok(Ok(room)) = room else { return Err(Broken::Overrun) };
            let is_large = packet.len() >= TOGETHER / 2;
            self.queue.send(Queued { packet, _room: room }).map_err(|_| Broken::Ended)?;
            if is_large {
                // What was just decrypted is written while the processor still has it at hand.
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }
}

/// Cuts the stream into packets.
#[derive(Default)]
pub(super) struct Framer {
    head: Vec<u8>,
    body: BytesMut,
    /// Of the packet that is on its way.
    length: usize,
}

impl Framer {
    /// The next whole packet without its length; takes as much from `data` as it needs.
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
            // Grown as data comes: a length alone costs us nothing.
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

/// Serves one request after another until there are no more, or what came is no SFTP.
async fn serve_all(
    mut handler: ChannelHandler,
    mut requests: mpsc::UnboundedReceiver<Queued>,
    mut out: Out,
    cut: &CancellationToken,
) -> Result<(), Error> {
    loop {
        let next = match requests.try_recv() {
            Ok(next) => Some(next),
            // Nothing waits: what was put together goes out.
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

/// The way out.
struct Out {
    out: ChannelWriteHalf<Msg>,
    together: BytesMut,
}

impl Out {
    /// Sends a reply, small ones together.
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

    /// Says that no more comes.
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
