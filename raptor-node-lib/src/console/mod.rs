//! The console: one writer, many readers, and numbered lines on disk of which the newest are in memory.

mod decode;
mod export;
mod log;
mod search;
mod segment;
#[cfg(test)]
mod tests;

pub use decode::Decoder;
pub use export::export;
use log::{Log, NextLines};
use segment::Mark;

use chrono::{DateTime, Utc};
use raptor_model::{
    node::{ConsoleLine, LineKind, LiveFrame, Since},
    text::Encoding,
};
use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// Most lines per frame, so that a browser can render in between.
const FRAME_LINES: usize = 512;

/// What a reader gets next.
enum Chunk {
    Nothing,
    Lines(Vec<ConsoleLine>),
    /// The requested lines are no longer kept; this is the oldest number that is.
    Gap(u64),
}

/// The console of a container. A reader never blocks the writer.
pub struct Console {
    log: Mutex<Log>,
    // The number of the newest line, which readers wait for.
    newest: watch::Sender<u64>,
    partial: watch::Sender<Arc<str>>,
    encoding: Mutex<Encoding>,
}

impl Console {
    /// Opens the log in `folder`, which may contain earlier lines.
    ///
    /// # Errors
    /// If the folder is unusable.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let log = Log::open(folder)?;
        Ok(Self {
            newest: watch::Sender::new(log.newest()),
            log: Mutex::new(log),
            partial: watch::Sender::new("".into()),
            encoding: Mutex::new(Encoding::UTF_8),
        })
    }

    /// The encoding of the process's input and output.
    pub fn encoding(&self) -> Encoding {
        *self.encoding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the encoding from now on.
    pub fn set_encoding(&self, encoding: Encoding) {
        *self.encoding.lock().unwrap_or_else(PoisonError::into_inner) = encoding;
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends output lines, each with the offset of its end in the run's output.
    pub fn output(&self, at: DateTime<Utc>, kind: LineKind, lines: Vec<(String, u64)>) {
        if lines.is_empty() {
            return;
        }
        let newest = self.log().append(at, kind, lines);
        self.newest.send_replace(newest);
    }

    /// The last `count` lines of `kind` after line `after`, each truncated to fit into a message.
    pub fn last_words(&self, after: u64, kind: LineKind, count: usize) -> Vec<String> {
        let lines = self.page(None, count * 10);
        let of_kind = lines.into_iter().filter(|line| line.seq > after && line.kind == kind);
        let mut texts: Vec<String> = of_kind.map(|line| line.text.chars().take(500).collect()).collect();
        texts.split_off(texts.len().saturating_sub(count))
    }

    /// Appends a line from the daemon or from a user.
    pub fn say(&self, at: DateTime<Utc>, kind: LineKind, text: impl Into<String>) {
        let newest = self.log().append(at, kind, vec![(text.into(), 0)]);
        self.newest.send_replace(newest);
    }

    /// Sets the unfinished line: the output after the last newline.
    pub fn set_partial(&self, text: &str) {
        self.partial.send_if_modified(|partial| {
            let changed = **partial != *text;
            if changed {
                *partial = text.into();
            }
            changed
        });
    }

    /// Drops most lines from before `before` from memory.
    pub fn settle(&self, before: DateTime<Utc>) {
        self.log().settle(before);
    }

    /// The number of the newest line; 0 if there is none.
    pub fn newest(&self) -> u64 {
        self.log().newest()
    }

    /// The newest output after line `after`: its lines, each with the offset of its end in the run's output, and the offset at
    /// which the first one begins.
    pub fn output_since(&self, after: u64) -> (u64, Vec<(String, u64)>) {
        self.log().output_since(after)
    }

    /// The lines after `after`. Segments are read without locking the log, so that the writer is not blocked. Blocking.
    fn piece(&self, after: u64, limit: usize, mark: &mut Option<Mark>) -> Chunk {
        loop {
            let spot = self.log().spot(after, limit);
            match spot {
                NextLines::Nothing => return Chunk::Nothing,
                NextLines::Lines(lines) => return Chunk::Lines(lines),
                NextLines::Gap(next) => return Chunk::Gap(next),
                NextLines::File(path) => match segment::read_after(&path, after, limit, mark) {
                    Ok(lines) => match lines.first().map(|first| first.seq) {
                        Some(first) if first == after + 1 => return Chunk::Lines(lines),
                        // The disk was full, and the missing lines were never written.
                        Some(first) => {
                            *mark = None;
                            return Chunk::Gap(first);
                        }
                        None => return self.beyond(after),
                    },
                    // Deleted in the meantime, as the oldest segments are.
                    Err(error) if error.kind() == io::ErrorKind::NotFound && self.moved(after, &path) => {}
                    Err(_) => return self.beyond(after),
                },
            }
        }
    }

    /// What follows if a segment has lost the lines after `after`.
    fn beyond(&self, after: u64) -> Chunk {
        self.log().beyond(after).map_or(Chunk::Nothing, Chunk::Gap)
    }

    /// Whether the lines after `after` are no longer expected in this segment.
    fn moved(&self, after: u64, path: &Path) -> bool {
        !matches!(self.log().spot(after, 1), NextLines::File(now) if now == *path)
    }

    /// At most `limit` lines after `after`, or the newest ones. Blocking if they are no longer in memory.
    pub fn page(&self, after: Option<u64>, limit: usize) -> Vec<ConsoleLine> {
        let mut after = after.unwrap_or_else(|| self.newest().saturating_sub(limit as u64));
        let (mut lines, mut mark) = (Vec::new(), None);
        while lines.len() < limit {
            match self.piece(after, limit - lines.len(), &mut mark) {
                Chunk::Nothing => break,
                Chunk::Gap(next) => after = next - 1,
                Chunk::Lines(more) => {
                    after = more.last().map_or(after, |line| line.seq);
                    lines.extend(more);
                }
            }
        }
        lines
    }

    /// A reader that starts at `since`.
    pub fn follow(self: &Arc<Self>, since: Since) -> Follower {
        let after = match since {
            Since::After(seq) => seq,
            Since::Tail(lines) => self.newest().saturating_sub(u64::from(lines)),
        };
        let mut partial = self.partial.subscribe();
        partial.mark_changed();
        Follower { newest: self.newest.subscribe(), partial, console: self.clone(), after, mark: None }
    }
}

/// A reader of a console that reads at its own speed.
pub struct Follower {
    console: Arc<Console>,
    newest: watch::Receiver<u64>,
    partial: watch::Receiver<Arc<str>>,
    after: u64,
    mark: Option<Mark>,
}

impl Follower {
    /// The next frame that is already available; `None` once the reader has caught up.
    pub async fn ready(&mut self) -> Option<LiveFrame> {
        let spot = self.console.log().spot(self.after, FRAME_LINES);
        let piece = match spot {
            NextLines::Nothing => return None,
            NextLines::Lines(lines) => Chunk::Lines(lines),
            NextLines::Gap(next) => Chunk::Gap(next),
            NextLines::File(_) => {
                let (console, after, mut mark) = (self.console.clone(), self.after, self.mark.take());
                let read = tokio::task::spawn_blocking(move || {
                    let piece = console.piece(after, FRAME_LINES, &mut mark);
                    (piece, mark)
                });
                let (piece, mark) = read.await.ok()?;
                self.mark = mark;
                piece
            }
        };
        match piece {
            Chunk::Nothing => None,
            Chunk::Gap(next) => {
                let from = self.after + 1;
                self.after = next - 1;
                Some(LiveFrame::Gap { from, next })
            }
            Chunk::Lines(lines) => {
                self.after = lines.last()?.seq;
                Some(LiveFrame::Lines { lines })
            }
        }
    }

    /// The next frame; `None` once the console is closed.
    pub async fn next(&mut self) -> Option<LiveFrame> {
        loop {
            self.newest.borrow_and_update();
            if let Some(frame) = self.ready().await {
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
