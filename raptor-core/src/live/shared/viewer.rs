//! A viewer of a shared stream, reading at its own speed.

use super::{Latest, LineBlock, SharedFrame, State, Stream};
use crate::{
    id::ContainerId,
    node::{ConsoleLine, LiveFrame, LiveParts, Node, NodeError, Since},
};
use std::{collections::VecDeque, sync::Arc};
use tokio::sync::watch;

/// Lines requested from the host at a time.
const PAGE: u32 = 512;

/// A viewer: its position in the console, and which other frames it has seen.
pub(crate) struct Viewer {
    stream: Arc<Stream>,
    /// What names it among the viewers of the stream.
    number: u64,
    node: Arc<dyn Node>,
    id: ContainerId,
    parts: LiveParts,
    changed: watch::Receiver<()>,
    /// The last line sent to it.
    after: u64,
    /// Whether the host may have lines for it that the stream no longer keeps.
    behind: bool,
    /// Whether it was sent everything that existed when it joined.
    caught_up: bool,
    /// Frames to be sent before anything else.
    ready: VecDeque<SharedFrame>,
    status: u64,
    stats: u64,
    partial: u64,
}

/// What the stream has next for a viewer.
enum Next {
    Frame(SharedFrame),
    /// The following lines are no longer kept.
    Behind,
    Nothing,
    Over,
}

impl Viewer {
    /// Joins at `since`. The stream has to be open already, so that it contains what happens in the meantime.
    pub(super) async fn new(
        stream: Arc<Stream>,
        node: Arc<dyn Node>,
        id: ContainerId,
        since: Since,
        parts: LiveParts,
    ) -> Result<Self, NodeError> {
        let changed = stream.changed.subscribe();
        let number = {
            let mut state = stream.state();
            state.newest_viewer += 1;
            state.newest_viewer
        };
        let mut viewer = Self {
            stream,
            number,
            node,
            id,
            parts,
            changed,
            after: 0,
            behind: true,
            caught_up: !parts.console,
            ready: VecDeque::new(),
            status: 0,
            stats: 0,
            partial: 0,
        };
        if parts.console {
            viewer.begin(since).await?;
        }
        Ok(viewer)
    }

    async fn begin(&mut self, since: Since) -> Result<(), NodeError> {
        match since {
            Since::After(after) => self.after = after,
            Since::Tail(count) if (1..=PAGE).contains(&count) => {
                // The newest ones: nothing older than the stream's beginning can follow them.
                let lines = self.node.console(self.id, None, count).await?;
                self.after = lines.first().map_or(0, |line| line.seq.saturating_sub(1));
                self.behind = false;
                self.send(lines);
            }
            Since::Tail(count) => {
                let newest = self.node.console(self.id, None, 1).await?.last().map_or(0, |line| line.seq);
                self.after = newest.saturating_sub(count.into());
                self.behind = count > 0;
            }
        }
        Ok(())
    }

    /// The next frame; `None` once the host has ended the stream.
    pub(crate) async fn next(&mut self) -> Option<SharedFrame> {
        loop {
            self.changed.borrow_and_update();
            if let Some(frame) = self.ready.pop_front() {
                return Some(frame);
            }
            if self.parts.console && self.behind {
                self.catch_up().await?;
                continue;
            }
            let next = self.look();
            match next {
                Next::Frame(frame) => return Some(frame),
                Next::Behind => self.behind = true,
                Next::Over => return None,
                Next::Nothing if !self.caught_up => {
                    self.caught_up = true;
                    return Some(SharedFrame::new(LiveFrame::CaughtUp));
                }
                Next::Nothing => self.changed.changed().await.ok()?,
            }
        }
    }

    /// Reads lines from the host until it has no more.
    async fn catch_up(&mut self) -> Option<()> {
        // From before the request: lines that the stream drops in the meantime are on the host's next page.
        let next = self.stream.state().lines.front().map(|kept| kept.first);
        let lines = self.node.console(self.id, Some(self.after), PAGE).await.ok()?;
        self.behind = lines.len() >= PAGE as usize;
        if lines.is_empty() {
            // Lines that neither the host nor the stream has are lost.
            if let Some(next) = next.filter(|next| *next > self.after + 1) {
                self.gap(next);
            }
        }
        self.send(lines);
        Some(())
    }

    /// Queues lines from the host, with the gaps between them.
    fn send(&mut self, lines: Vec<ConsoleLine>) {
        let mut run: Vec<ConsoleLine> = Vec::new();
        for line in lines {
            if line.seq > self.after + 1 {
                self.flush(&mut run);
                self.gap(line.seq);
            }
            self.after = line.seq;
            run.push(line);
        }
        self.flush(&mut run);
    }

    fn flush(&mut self, run: &mut Vec<ConsoleLine>) {
        if !run.is_empty() {
            self.ready.push_back(SharedFrame::new(LiveFrame::Lines { lines: std::mem::take(run) }));
        }
    }

    fn gap(&mut self, next: u64) {
        self.ready.push_back(SharedFrame::new(LiveFrame::Gap { from: self.after + 1, next }));
        self.after = next - 1;
    }

    fn look(&mut self) -> Next {
        let stream = self.stream.clone();
        let mut state = stream.state();
        if let Some(frame) = newer(&state.status, &mut self.status) {
            return Next::Frame(frame);
        }
        if self.parts.console {
            let next = self.lines(&state);
            state.positions.insert(self.number, self.after);
            match next {
                Next::Nothing => {}
                next => return next,
            }
            // The line that a prompt follows has been sent by now.
            if self.caught_up
                && let Some(frame) = newer(&state.partial, &mut self.partial)
            {
                return Next::Frame(frame);
            }
        }
        if self.parts.stats
            && let Some(frame) = newer(&state.stats, &mut self.stats)
        {
            return Next::Frame(frame);
        }
        if state.over { Next::Over } else { Next::Nothing }
    }

    fn lines(&mut self, state: &State) -> Next {
        let unseen = state.lines.partition_point(|kept| kept.last <= self.after);
        let Some(LineBlock { first, last, frame, .. }) = state.lines.get(unseen) else {
            return Next::Nothing;
        };
        if *first > self.after + 1 {
            return Next::Behind;
        }
        let after = std::mem::replace(&mut self.after, *last);
        if *first == after + 1 {
            return Next::Frame(frame.clone());
        }
        // The viewer already has the beginning of these lines.
        let rest = match &**frame {
            LiveFrame::Lines { lines } => {
                LiveFrame::Lines { lines: lines.iter().filter(|line| line.seq > after).cloned().collect() }
            }
            _ => LiveFrame::Gap { from: after + 1, next: *last + 1 },
        };
        Next::Frame(SharedFrame::new(rest))
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.stream.state().positions.remove(&self.number);
    }
}

fn newer(latest: &Latest, seen: &mut u64) -> Option<SharedFrame> {
    let new = latest.version != *seen;
    *seen = latest.version;
    latest.frame.clone().filter(|_| new)
}
