//! The console: one writer, many readers, numbered lines on disk with their tail in memory.

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

/// Lines in one frame at most, so that a browser can draw between them.
const FRAME_LINES: usize = 512;

/// What a reader gets next.
enum Chunk {
    Nothing,
    Lines(Vec<ConsoleLine>),
    /// What was asked for is kept no more; this is the oldest number that is.
    Gap(u64),
}

/// One container's console. A reader never makes the writer wait.
pub struct Console {
    log: Mutex<Log>,
    // The number of the newest line; readers wait on it.
    newest: watch::Sender<u64>,
    partial: watch::Sender<Arc<str>>,
    encoding: Mutex<Encoding>,
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
            encoding: Mutex::new(Encoding::UTF_8),
        })
    }

    /// What the container's process reads and writes.
    pub fn encoding(&self) -> Encoding {
        *self.encoding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads and writes in another encoding from now on.
    pub fn set_encoding(&self, encoding: Encoding) {
        *self.encoding.lock().unwrap_or_else(PoisonError::into_inner) = encoding;
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

    /// Keeps less in memory of what was written before `before`.
    pub fn settle(&self, before: DateTime<Utc>) {
        self.log().settle(before);
    }

    /// The number of the newest line; 0 where there is none.
    pub fn newest(&self) -> u64 {
        self.log().newest()
    }

    /// The newest output after line `after`: its lines with the count of the run's bytes up to each one's end, and the count
    /// of bytes before them.
    pub fn output_since(&self, after: u64) -> (u64, Vec<(String, u64)>) {
        self.log().output_since(after)
    }

    /// What follows line `after`. Files are read without holding the log, so that the writer goes on. Blocking.
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
                        // The disk was full, and what is missing was never written.
                        Some(first) => {
                            *mark = None;
                            return Chunk::Gap(first);
                        }
                        None => return self.beyond(after),
                    },
                    // Removed meanwhile, as the oldest one is.
                    Err(error) if error.kind() == io::ErrorKind::NotFound && self.moved(after, &path) => {}
                    Err(_) => return self.beyond(after),
                },
            }
        }
    }

    /// What follows where a file lost the lines after `after`.
    fn beyond(&self, after: u64) -> Chunk {
        self.log().beyond(after).map_or(Chunk::Nothing, Chunk::Gap)
    }

    /// Whether what follows `after` is no longer looked for in this file.
    fn moved(&self, after: u64, path: &Path) -> bool {
        !matches!(self.log().spot(after, 1), NextLines::File(now) if now == *path)
    }

    /// At most `limit` lines after `after`, or the newest. Blocking where they are no longer in memory.
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

    /// A reader that begins at `since`.
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

/// A reader of a console, at its own speed.
pub struct Follower {
    console: Arc<Console>,
    newest: watch::Receiver<u64>,
    partial: watch::Receiver<Arc<str>>,
    after: u64,
    mark: Option<Mark>,
}

impl Follower {
    /// What is there already; none when the reader has all.
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

    /// The next frame; none once the console is closed.
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
