//! The console log: numbered lines in JSON Lines files, the newest also in memory.

use crate::warning_limit::WarningLimit;
use chrono::{DateTime, Utc};
use raptor_model::node::{ConsoleLine, LineKind};
use serde::{Deserialize, Serialize};
use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Size of a segment file in bytes; then the next one begins.
const SEGMENT: u64 = 1024 * 1024;
/// Total size of a container's segments, in bytes.
const KEPT: u64 = 32 * SEGMENT;
/// Most segments per container: each start of the daemon begins a new one.
const FILES: usize = 256;
/// Most text kept in memory, in bytes.
const MEMORY: usize = 512 * 1024;
/// Text kept in memory once it is no longer recent, in bytes: enough for a browser that opens the console and for the
/// comparison after an outage.
const QUIET: usize = 64 * 1024;
/// How much of the newest output is compared with replayed output, in bytes.
const COMPARED: usize = 48 * 1024;

/// Limits warnings about a full disk, which would otherwise be logged for every line of every console.
static WARNED: WarningLimit = WarningLimit::per_minute();

/// The pause before writing is tried again after a failure.
const ASK_DISK_AGAIN: Duration = Duration::from_secs(1);

#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) seq: u64,
    at: DateTime<Utc>,
    kind: LineKind,
    /// Offset of the line's end in the run's output; 0 for lines that are not output.
    consumed: u64,
    text: String,
}

struct Segment {
    first: u64,
    path: PathBuf,
    bytes: u64,
}

/// Where a reader finds the next lines.
pub(super) enum NextLines {
    /// There are none yet.
    Nothing,
    Lines(Vec<ConsoleLine>),
    /// They are no longer kept; this is the oldest number that is.
    Gap(u64),
    /// In this segment.
    File(PathBuf),
}

/// The log of one container.
pub struct Log {
    folder: PathBuf,
    segments: VecDeque<Segment>,
    file: Option<File>,
    tail: VecDeque<Stored>,
    tail_bytes: usize,
    newest: u64,
    buffer: Vec<u8>,
    /// Lines that could not be written because the disk was full: the number of the first one, and the encoded lines.
    unwritten: Option<(u64, VecDeque<Vec<u8>>)>,
    unwritten_bytes: usize,
    /// When a write last failed.
    refused: Option<Instant>,
}

impl Log {
    /// Opens the log in `folder`.
    ///
    /// # Errors
    /// If the folder can't be created or read.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut segments: Vec<Segment> = fs::read_dir(folder)?
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let first = path.file_stem()?.to_str()?.parse().ok()?;
                Some(Segment { first, bytes: fs::metadata(&path).ok()?.len(), path })
            })
            .collect();
        segments.sort_by_key(|segment| segment.first);
        let mut log = Self {
            folder: folder.to_owned(),
            segments: segments.into(),
            file: None,
            tail: VecDeque::new(),
            tail_bytes: 0,
            newest: 0,
            buffer: Vec::new(),
            unwritten: None,
            unwritten_bytes: 0,
            refused: None,
        };
        log.newest = log.segments.back().map_or(0, |segment| segment.first.saturating_sub(1));
        for stored in newest_of(&log.segments) {
            log.newest = stored.seq;
            log.remember(stored);
        }
        log.settle(DateTime::<Utc>::MAX_UTC);
        Ok(log)
    }

    /// The number of the newest line.
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// Appends lines, and returns the number of the last one.
    pub fn append(&mut self, at: DateTime<Utc>, kind: LineKind, lines: Vec<(String, u64)>) -> u64 {
        for (text, consumed) in lines {
            self.newest += 1;
            let stored = Stored { seq: self.newest, at, kind, consumed, text };
            if serde_json::to_writer(&mut self.buffer, &stored).is_ok() {
                self.buffer.push(b'\n');
            }
            if self.buffer.len() as u64 >= SEGMENT / 4 {
                self.flush(stored.seq);
            }
            self.remember(stored);
        }
        self.flush(self.newest);
        self.newest
    }

    /// Writes the buffer, whose last line is `last`, after whatever could not be written before. A full disk never stops the
    /// console: what can't be written stays in memory, within the console's limit, and is written later.
    fn flush(&mut self, last: u64) {
        let buffer = std::mem::take(&mut self.buffer);
        let lines = buffer.iter().filter(|byte| **byte == b'\n').count() as u64;
        let first = last + 1 - lines;
        let written = match self.unwritten.take() {
            Some(unwritten) if self.refused.is_some_and(|refused| refused.elapsed() < ASK_DISK_AGAIN) => {
                self.unwritten = Some(unwritten);
                self.wait(&buffer, first);
                Ok(())
            }
            None => self.write(&buffer, first),
            Some((from, waiting)) => {
                let all: Vec<u8> = waiting.iter().flatten().chain(&buffer).copied().collect();
                let written = self.write(&all, from);
                match written {
                    Ok(()) => self.unwritten_bytes = 0,
                    Err(_) => self.unwritten = Some((from, waiting)),
                }
                written
            }
        };
        if let Err(error) = written {
            self.refused = Some(Instant::now());
            self.wait(&buffer, first);
            if WARNED.is_due() {
                tracing::warn!(%error, folder = %self.folder.display(), "writing console lines to disk failed");
            }
        }
        self.buffer = buffer;
        self.buffer.clear();
    }

    /// Queues lines that could not be written. If there are too many, the oldest are dropped and readers see a gap.
    fn wait(&mut self, lines: &[u8], first: u64) {
        let (from, waiting) = self.unwritten.get_or_insert_with(|| (first, VecDeque::new()));
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            self.unwritten_bytes += line.len();
            waiting.push_back(line.to_vec());
        }
        while self.unwritten_bytes > MEMORY
            && let Some(oldest) = waiting.pop_front()
        {
            self.unwritten_bytes -= oldest.len();
            *from += 1;
        }
    }

    fn write(&mut self, bytes: &[u8], first: u64) -> io::Result<()> {
        if self.file.is_none() || self.segments.back().is_none_or(|segment| segment.bytes >= SEGMENT) {
            let path = self.folder.join(format!("{first:020}.jsonl"));
            let mut file = File::options().create(true).append(true).open(&path)?;
            if file.metadata()?.len() > 0 {
                // The only line in it was cut short by a crash, and must not run into the next one.
                file.write_all(b"\n")?;
                self.segments.pop_back();
            }
            self.file = Some(file);
            self.segments.push_back(Segment { first, path, bytes: 0 });
            self.prune()?;
        }
        if let (Some(file), Some(segment)) = (&mut self.file, self.segments.back_mut()) {
            let before = file.metadata()?.len();
            if let Err(error) = file.write_all(bytes) {
                // A partial line must not run into the next one. If the file can't even be truncated, it is left alone.
                if file.set_len(before).is_err() {
                    self.file = None;
                }
                return Err(error);
            }
            segment.bytes += bytes.len() as u64;
        }
        Ok(())
    }

    /// Deletes the oldest segments.
    fn prune(&mut self) -> io::Result<()> {
        let mut bytes: u64 = self.segments.iter().map(|segment| segment.bytes).sum();
        while bytes > KEPT || self.segments.len() > FILES {
            let Some(oldest) = self.segments.pop_front() else { break };
            bytes -= oldest.bytes;
            fs::remove_file(oldest.path)?;
        }
        Ok(())
    }

    fn remember(&mut self, stored: Stored) {
        self.tail_bytes += stored.text.len() + 64;
        self.tail.push_back(stored);
        while self.tail_bytes > MEMORY && self.tail.len() > 1 {
            if let Some(oldest) = self.tail.pop_front() {
                self.tail_bytes -= oldest.text.len() + 64;
            }
        }
    }

    /// Drops lines from before `before` from memory, except for the last ones. Readers get them from the segments.
    pub fn settle(&mut self, before: DateTime<Utc>) {
        if self.unwritten.is_some() {
            // It may take long until something is printed again.
            self.flush(self.newest);
        }
        while self.tail_bytes > QUIET
            && self.tail.front().is_some_and(|line| line.at < before)
            // The newest output line records how much of the run's output was read.
            && self.tail.iter().skip(1).any(Stored::is_output)
        {
            let Some(oldest) = self.tail.pop_front() else { break };
            self.tail_bytes -= oldest.text.len() + 64;
        }
        if self.tail.capacity() > 4 * self.tail.len() {
            self.tail.shrink_to(2 * self.tail.len());
        }
    }

    /// The newest output after line `after`, and the offset at which it begins in the run's output.
    pub fn output_since(&self, after: u64) -> (u64, Vec<(String, u64)>) {
        // Starts after the last missing lines (as after a full disk): replayed output is compared with a sequence without
        // holes.
        let mut next = self.newest + 1;
        let run = self.tail.iter().rev().take_while(|line| {
            let follows = line.seq + 1 == next;
            next = line.seq;
            follows && line.seq > after
        });
        let (mut output, mut first) = (VecDeque::new(), self.newest + 1);
        for line in run {
            first = line.seq;
            if line.is_output() {
                output.push_back(line);
            }
        }
        let (mut lines, mut bytes) = (VecDeque::new(), 0);
        let before = output.iter().find(|line| {
            bytes += line.text.len();
            if bytes <= COMPARED {
                lines.push_front((line.text.clone(), line.consumed));
            }
            bytes > COMPARED
        });
        match before {
            Some(before) => (before.consumed, lines.into()),
            None if first <= after + 1 => (0, lines.into()),
            // The line before the first one is unknown, and so is the offset at which the first one begins.
            None => (lines.pop_front().map_or(0, |(_, consumed)| consumed), lines.into()),
        }
    }

    /// Where the lines after `after` are; at most `limit` of them if they are in memory.
    pub(super) fn spot(&self, after: u64, limit: usize) -> NextLines {
        if after >= self.newest {
            return NextLines::Nothing;
        }
        let in_memory = self.tail.front().map_or(u64::MAX, |line| line.seq);
        if after + 1 >= in_memory {
            let begin = self.tail.partition_point(|line| line.seq <= after);
            let mut next = after + 1;
            let lines: Vec<ConsoleLine> = self
                .tail
                .range(begin..)
                .take(limit)
                .take_while(|line| {
                    let follows = line.seq == next;
                    next += 1;
                    follows
                })
                .map(Stored::line)
                .collect();
            return match self.tail.get(begin) {
                // Lines that were lost because the disk was full, before this daemon was started.
                Some(first) if lines.is_empty() => NextLines::Gap(first.seq),
                _ => NextLines::Lines(lines),
            };
        }
        let oldest = self.segments.front().map_or(in_memory, |segment| segment.first);
        let segment = self.segments.iter().rev().find(|segment| segment.first <= after + 1);
        match segment {
            Some(segment) => NextLines::File(segment.path.clone()),
            None => NextLines::Gap(oldest),
        }
    }

    /// Where to continue if line `after + 1` is missing from the segment that should contain it.
    pub(super) fn beyond(&self, after: u64) -> Option<u64> {
        let next = self.segments.iter().map(|segment| segment.first).find(|first| *first > after + 1);
        next.or(self.tail.front().map(|line| line.seq).filter(|first| *first > after + 1))
    }

    /// The segments, each with the number of its first line, oldest first.
    pub(super) fn files(&self) -> Vec<(u64, PathBuf)> {
        self.segments.iter().map(|segment| (segment.first, segment.path.clone())).collect()
    }
}

impl Stored {
    fn is_output(&self) -> bool {
        matches!(self.kind, LineKind::Output | LineKind::Install)
    }

    fn line(&self) -> ConsoleLine {
        ConsoleLine { seq: self.seq, at: self.at, kind: self.kind, text: self.text.clone() }
    }

    pub(super) fn into_line(self) -> ConsoleLine {
        ConsoleLine { seq: self.seq, at: self.at, kind: self.kind, text: self.text }
    }
}

/// The lines of the newest segments, as many as contain enough output.
fn newest_of(segments: &VecDeque<Segment>) -> impl Iterator<Item = Stored> + use<> {
    let (mut files, mut output) = (Vec::new(), 0);
    for segment in segments.iter().rev() {
        let lines: Vec<Stored> = lines_of(&segment.path).collect();
        output += lines.iter().filter(|line| line.is_output()).map(|line| line.text.len()).sum::<usize>();
        files.push(lines);
        if output > COMPARED {
            break;
        }
    }
    files.into_iter().rev().flatten()
}

fn lines_of(path: &Path) -> impl Iterator<Item = Stored> {
    let lines = File::open(path).map(|file| BufReader::new(file).lines());
    lines.into_iter().flatten().map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok())
}
