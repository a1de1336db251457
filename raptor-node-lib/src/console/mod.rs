//! The console: one writer, many readers, numbered lines on disk with their tail in memory.

mod decode;
mod log;

pub use decode::Decoder;
pub use log::{Log, Read};

use chrono::{DateTime, Utc};
use raptor_core::node::{ConsoleLine, LineKind, LiveFrame, Since};
use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// Lines in one frame at most, so that a browser can draw between them.
const FRAME_LINES: usize = 512;

/// One container's console. A reader never makes the writer wait.
pub struct Console {
    log: Mutex<Log>,
    // The number of the newest line; readers wait on it.
    newest: watch::Sender<u64>,
    partial: watch::Sender<Arc<str>>,
}

impl Console {
    /// Opens the log in `folder`, where earlier lines may be.
    ///
    /// # Errors
    /// When the folder can't be used.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let log = Log::open(folder)?;
        Ok(Self {
            newest: watch::Sender::new(log.newest()),
            log: Mutex::new(log),
            partial: watch::Sender::new("".into()),
        })
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds lines that a process wrote, each with the count of its run's bytes up to the line's end.
    pub fn output(&self, at: DateTime<Utc>, kind: LineKind, lines: Vec<(String, u64)>) {
        if lines.is_empty() {
            return;
        }
        let newest = self.log().append(at, kind, lines);
        self.newest.send_replace(newest);
    }

    /// The last `count` lines of `kind` after line `after`, each cut to what a message can hold.
    pub fn last_words(&self, after: u64, kind: LineKind, count: usize) -> Vec<String> {
        let lines = self.page(None, count * 10);
        let of_kind = lines.into_iter().filter(|line| line.seq > after && line.kind == kind);
        let mut texts: Vec<String> = of_kind.map(|line| line.text.chars().take(500).collect()).collect();
        texts.split_off(texts.len().saturating_sub(count))
    }

    /// Adds one line of ours or of somebody's.
    pub fn say(&self, at: DateTime<Utc>, kind: LineKind, text: impl Into<String>) {
        let newest = self.log().append(at, kind, vec![(text.into(), 0)]);
        self.newest.send_replace(newest);
    }

    /// What the process wrote after its last line end.
    pub fn set_partial(&self, text: &str) {
        self.partial.send_if_modified(|partial| {
            let changed = **partial != *text;
            if changed {
                *partial = text.into();
            }
            changed
        });
    }

    /// The number of the newest line; 0 where there is none.
    pub fn newest(&self) -> u64 {
        self.log().newest()
    }

    /// The output bytes that were turned into lines since line `after`.
    pub fn consumed_since(&self, after: u64) -> u64 {
        self.log().consumed_since(after)
    }

    /// At most `limit` lines after `after`, or the newest.
    pub fn page(&self, after: Option<u64>, limit: usize) -> Vec<ConsoleLine> {
        let mut log = self.log();
        let mut after = after.unwrap_or_else(|| log.newest().saturating_sub(limit as u64));
        let mut lines = Vec::new();
        while lines.len() < limit {
            let read = log.read(after, limit - lines.len());
            let Some(last) = read.lines.last() else { break };
            after = last.seq;
            lines.extend(read.lines);
        }
        lines
    }

    /// A reader that begins at `since`.
    pub fn follow(self: &Arc<Self>, since: Since) -> Follower {
        let after = match since {
            Since::After(seq) => seq,
            Since::Tail(lines) => self.newest().saturating_sub(u64::from(lines)),
        };
        let mut partial = self.partial.subscribe();
        partial.mark_changed();
        Follower { newest: self.newest.subscribe(), partial, console: self.clone(), after }
    }
}

/// A reader of a console, at its own speed.
pub struct Follower {
    console: Arc<Console>,
    newest: watch::Receiver<u64>,
    partial: watch::Receiver<Arc<str>>,
    after: u64,
}

impl Follower {
    /// What is there already, without waiting; none when the reader has all.
    pub fn ready(&mut self) -> Option<LiveFrame> {
        let read = self.console.log().read(self.after, FRAME_LINES);
        if let Some(next) = read.gap_until {
            let from = self.after + 1;
            self.after = next - 1;
            return Some(LiveFrame::Gap { from, next });
        }
        self.after = read.lines.last()?.seq;
        Some(LiveFrame::Lines { lines: read.lines })
    }

    /// The next frame; none once the console is closed.
    pub async fn next(&mut self) -> Option<LiveFrame> {
        loop {
            self.newest.borrow_and_update();
            if let Some(frame) = self.ready() {
                return Some(frame);
            }
            tokio::select! {
                biased;
                changed = self.newest.changed() => changed.ok()?,
                changed = self.partial.changed() => {
                    changed.ok()?;
                    let text = self.partial.borrow_and_update().to_string();
                    return Some(LiveFrame::Partial { text });
                }
            }
        }
    }
}
