//! Sharing live streams: one stream from the host per container, and one encoding per frame, however many viewers there are.

mod frame;
#[cfg(test)]
mod tests;
mod viewer;

pub use frame::SharedFrame;
pub(crate) use viewer::Viewer;

use crate::{
    id::ContainerId,
    node::{LiveFrame, LiveParts, Node, NodeError, Since},
};
use futures_util::{StreamExt, stream::BoxStream};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};
use tokio::sync::{OnceCell, watch};
use tokio_util::task::AbortOnDropHandle;

/// Encoded lines kept in memory per container, in bytes, for viewers that join.
const KEPT_BYTES: usize = 256 * 1024;
/// Encoded lines kept in memory per container, in bytes, as long as a viewer has yet to be sent them. A viewer that falls further
/// behind reads from the host, which costs it and the host a request for each page.
const BACKLOG_BYTES: usize = 8 * 1024 * 1024;

/// The streams that currently have viewers.
#[derive(Default)]
pub(crate) struct Streams(Mutex<HashMap<ContainerId, Weak<Stream>>>);

/// The stream of one container, alive while it has viewers.
struct Stream {
    /// The daemon that sends it. Replaced when the daemon's address or key changes.
    node: Weak<dyn Node>,
    state: Mutex<State>,
    /// Notified when `state` changes.
    changed: watch::Sender<()>,
    /// The task that reads what the host sends.
    reader: OnceCell<AbortOnDropHandle<()>>,
}

#[derive(Default)]
struct State {
    lines: VecDeque<LineBlock>,
    /// The size of all `lines`.
    bytes: usize,
    /// The last line sent to each viewer of the console, by the viewer's number.
    positions: HashMap<u64, u64>,
    /// The number of the viewer that joined last.
    newest_viewer: u64,
    status: Latest,
    stats: Latest,
    partial: Latest,
    /// Whether the host has ended the stream.
    over: bool,
}

/// Lines or a gap, and the line numbers that they cover.
struct LineBlock {
    first: u64,
    last: u64,
    bytes: usize,
    frame: SharedFrame,
}

/// A frame of which only the newest matters.
#[derive(Clone, Default)]
struct Latest {
    /// Incremented with each new frame.
    version: u64,
    frame: Option<SharedFrame>,
}

impl Latest {
    fn set(&mut self, frame: LiveFrame) {
        *self = Self { version: self.version + 1, frame: Some(SharedFrame::new(frame)) };
    }
}

impl Streams {
    /// A viewer of a container on `node`. Opens the stream from the host if it is the first.
    ///
    /// # Errors
    /// Those of the host.
    pub(crate) async fn view(
        &self,
        node: Arc<dyn Node>,
        id: ContainerId,
        since: Since,
        parts: LiveParts,
    ) -> Result<Viewer, NodeError> {
        let stream = self.stream(&node, id);
        stream.reader.get_or_try_init(|| Stream::open(&stream, &*node, id)).await?;
        Viewer::new(stream, node, id, since, parts).await
    }

    fn stream(&self, node: &Arc<dyn Node>, id: ContainerId) -> Arc<Stream> {
        let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_node = |stream: &Arc<Stream>| std::ptr::addr_eq(stream.node.as_ptr(), Arc::as_ptr(node));
        let there = streams.get(&id).and_then(Weak::upgrade);
        let there = there.filter(|stream| of_node(stream) && !stream.state().over);
        there.unwrap_or_else(|| {
            streams.retain(|_, stream| stream.strong_count() > 0);
            let stream = Arc::new(Stream {
                node: Arc::downgrade(node),
                state: Mutex::default(),
                changed: watch::Sender::new(()),
                reader: OnceCell::new(),
            });
            streams.insert(id, Arc::downgrade(&stream));
            stream
        })
    }
}

impl Stream {
    /// Opens the stream from now on; each viewer requests earlier lines by itself.
    async fn open(
        this: &Arc<Self>,
        node: &dyn Node,
        id: ContainerId,
    ) -> Result<AbortOnDropHandle<()>, NodeError> {
        let all = LiveParts { console: true, stats: true };
        let frames = node.live(id, Since::Tail(0), all).await?;
        Ok(AbortOnDropHandle::new(tokio::spawn(Self::read(Arc::downgrade(this), frames))))
    }

    async fn read(stream: Weak<Self>, mut frames: BoxStream<'static, LiveFrame>) {
        loop {
            let frame = frames.next().await;
            let Some(stream) = stream.upgrade() else { return };
            let over = frame.is_none();
            {
                let mut state = stream.state();
                match frame {
                    Some(frame) => state.take(frame),
                    None => state.over = true,
                }
            }
            stream.changed.send_replace(());
            if over {
                return;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, frame: LiveFrame) {
        match frame {
            LiveFrame::Status { .. } => self.status.set(frame),
            LiveFrame::Stats { .. } => self.stats.set(frame),
            LiveFrame::Partial { .. } => self.partial.set(frame),
            LiveFrame::Lines { ref lines } => {
                if let (Some(first), Some(last)) = (lines.first(), lines.last()) {
                    let (first, last) = (first.seq, last.seq);
                    self.keep(first, last, frame);
                }
            }
            LiveFrame::Gap { from, next } => self.keep(from, next.saturating_sub(1), frame),
            // Answers to one viewer's own requests; never part of the shared stream.
            LiveFrame::CaughtUp
            | LiveFrame::Actions { .. }
            | LiveFrame::Accepted { .. }
            | LiveFrame::Problem { .. }
            | LiveFrame::Beat { .. } => {}
        }
    }

    fn keep(&mut self, first: u64, last: u64, frame: LiveFrame) {
        let frame = SharedFrame::new(frame);
        let bytes = frame.json().len();
        self.bytes += bytes;
        self.lines.push_back(LineBlock { first, last, bytes, frame });
        let slowest = self.positions.values().min().copied().unwrap_or(u64::MAX);
        while self.bytes > KEPT_BYTES
            && self.lines.len() > 1
            && (self.bytes > BACKLOG_BYTES || self.lines.front().is_some_and(|kept| kept.last <= slowest))
        {
            let dropped = self.lines.pop_front().map_or(0, |dropped| dropped.bytes);
            self.bytes = self.bytes.saturating_sub(dropped);
        }
    }
}
