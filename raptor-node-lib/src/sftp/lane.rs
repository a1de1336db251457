//! One SFTP channel: from its bytes to requests, through a desk, and back.
//!
//! russh's loop reads the network, hands data over and sends what it is given. So it must never wait for its own sending: a
//! window that the client widens comes the same way as its requests. Requests therefore go into a queue that only their size
//! bounds, one blocking thread serves them in order, and one task writes the replies. The thread waits for the writer only
//! where a reply carries data, and no request that brings data waits behind anything but the disk and such replies.

use super::{
    desk::Desk,
    live::Live,
    wire::{self, MAX_DATA, MAX_PACKET},
};
use bytes::{Buf, Bytes, BytesMut};
use russh::{ChannelWriteHalf, server::Msg};
use std::{sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::task::TaskTracker;

/// Bytes of requests that wait at most.
const QUEUED: usize = 8 * 1024 * 1024;
/// What a request costs beside its own bytes.
const OVERHEAD: usize = 256;
/// How long a client whose requests wait too many may be kept from sending more.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of data in replies that are not sent yet.
const UNSENT: usize = 4 * 1024 * 1024;
/// The room that the reply to a request for names takes.
const NAMES: u32 = 64 * 1024;
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
    /// The desk has closed.
    #[error("the session has ended")]
    Ended,
}

struct Queued {
    packet: Bytes,
    _room: OwnedSemaphorePermit,
}

struct Sent {
    packet: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

/// The way in.
pub(super) struct Lane {
    partial: Framer,
    queue: mpsc::UnboundedSender<Queued>,
    room: Arc<Semaphore>,
}

impl Lane {
    /// Opens a desk for a channel. It closes when this value and what it queued are gone.
    pub(super) fn start(tasks: &TaskTracker, desk: Desk, out: ChannelWriteHalf<Msg>) -> Self {
        let (queue, requests) = mpsc::unbounded_channel();
        let (replies, unsent) = mpsc::unbounded_channel();
        let live = desk.live.clone();
        tasks.spawn(send_all(out, unsent, live.clone()));
        let runtime = tokio::runtime::Handle::current();
        tasks.spawn_blocking(move || {
            serve_all(desk, requests, &replies, &runtime);
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
            self.queue.send(Queued { packet, _room: room }).map_err(|_| Broken::Ended)?;
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

/// Serves one request after another. Blocking.
fn serve_all(
    mut desk: Desk,
    mut requests: mpsc::UnboundedReceiver<Queued>,
    replies: &mpsc::UnboundedSender<Sent>,
    runtime: &tokio::runtime::Handle,
) {
    let unsent = Arc::new(Semaphore::new(UNSENT));
    let cut = desk.live.cut.clone();
    while let Some(Queued { packet, _room }) = requests.blocking_recv() {
        if cut.is_cancelled() {
            return;
        }
        let Ok((kind, id, body)) = wire::open(packet) else { return cut.cancel() };
        let room = match reply_room(kind, &body) {
            0 => None,
            bytes => {
                let wait = cut.run_until_cancelled(unsent.clone().acquire_many_owned(bytes));
                match runtime.block_on(wait) {
                    Some(Ok(room)) => Some(room),
                    _ => return,
                }
            }
        };
        let Some(packet) = desk.serve(kind, id, body) else { return cut.cancel() };
        if replies.send(Sent { packet, _room: room }).is_err() {
            return;
        }
    }
}

/// Bytes that the reply to a request may have, where it can be large.
fn reply_room(kind: u8, body: &Bytes) -> u32 {
    match kind {
        5 => {
            let mut length = body.get(body.len().saturating_sub(4)..).unwrap_or_default();
            length.try_get_u32().unwrap_or(0).clamp(1, MAX_DATA)
        }
        12 => NAMES,
        _ => 0,
    }
}

/// Writes replies until there are no more, then ends the channel.
async fn send_all(out: ChannelWriteHalf<Msg>, mut replies: mpsc::UnboundedReceiver<Sent>, live: Arc<Live>) {
    let mut together = BytesMut::new();
    let sending = async {
        while let Some(first) = replies.recv().await {
            let mut next = Some(first);
            while let Some(sent) = next {
                if sent.packet.len() >= TOGETHER / 2 {
                    if !together.is_empty() {
                        out.data_bytes(together.split().freeze()).await?;
                    }
                    out.data_bytes(sent.packet).await?;
                } else {
                    if together.len() + sent.packet.len() > TOGETHER {
                        out.data_bytes(together.split().freeze()).await?;
                    }
                    together.extend_from_slice(&sent.packet);
                }
                next = replies.try_recv().ok();
            }
            if !together.is_empty() {
                out.data_bytes(together.split().freeze()).await?;
            }
        }
        out.exit_status(0).await?;
        out.eof().await?;
        out.close().await
    };
    let _: Option<Result<(), russh::Error>> = live.cut.run_until_cancelled(sending).await;
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
