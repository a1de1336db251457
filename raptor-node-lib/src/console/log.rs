//! Numbered lines in files of JSON lines, the newest also in memory.

use chrono::{DateTime, Utc};
use raptor_core::node::{ConsoleLine, LineKind};
use serde::{Deserialize, Serialize};
use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
};

/// One file's size in bytes; a new one is begun after it.
const SEGMENT: u64 = 1024 * 1024;
/// All files of a container together, in segments.
const SEGMENTS: usize = 16;
/// Text kept in memory, in bytes.
const MEMORY: usize = 512 * 1024;

#[derive(Serialize, Deserialize)]
struct Stored {
    seq: u64,
    at: DateTime<Utc>,
    kind: LineKind,
    /// Bytes of the run's output up to this line's end; 0 for lines that are no output.
    consumed: u64,
    text: String,
}

struct Segment {
    first: u64,
    path: PathBuf,
    bytes: u64,
}

/// What a reader gets.
#[derive(Default)]
pub struct Read {
    /// Lines in order.
    pub lines: Vec<ConsoleLine>,
    /// Set where what was asked for is kept no more: the oldest number that is.
    pub gap_until: Option<u64>,
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
}

impl Log {
    /// Opens what is in `folder`.
    ///
    /// # Errors
    /// When the folder can't be made or read.
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
        };
        if let Some(segment) = log.segments.back() {
            log.newest = segment.first.saturating_sub(1);
            let path = segment.path.clone();
            for stored in lines_of(&path) {
                log.newest = stored.seq;
                log.remember(stored);
            }
            // A line that was cut short by a crash would spoil the next one.
            if let Some(segment) = log.segments.back_mut() {
                segment.bytes = SEGMENT;
            }
        }
        Ok(log)
    }

    /// The number of the newest line.
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// Adds lines and gives the number of the last.
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

    /// Writes the buffer, whose last line is `last`. A full disk costs history, never the console.
    fn flush(&mut self, last: u64) {
        let buffer = std::mem::take(&mut self.buffer);
        let lines = buffer.iter().filter(|byte| **byte == b'\n').count() as u64;
        if let Err(error) = self.write(&buffer, last + 1 - lines) {
            tracing::warn!(%error, folder = %self.folder.display(), "console lines were not kept on disk");
        }
        self.buffer = buffer;
        self.buffer.clear();
    }

    fn write(&mut self, bytes: &[u8], first: u64) -> io::Result<()> {
        if self.file.is_none() || self.segments.back().is_none_or(|segment| segment.bytes >= SEGMENT) {
            let path = self.folder.join(format!("{first:020}.jsonl"));
            self.file = Some(File::options().create(true).append(true).open(&path)?);
            self.segments.push_back(Segment { first, path, bytes: 0 });
            while self.segments.len() > SEGMENTS {
                if let Some(oldest) = self.segments.pop_front() {
                    fs::remove_file(oldest.path)?;
                }
            }
        }
        if let (Some(file), Some(segment)) = (&mut self.file, self.segments.back_mut()) {
            file.write_all(bytes)?;
            segment.bytes += bytes.len() as u64;
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

    /// Output bytes up to the last line of output after line `after`.
    pub fn consumed_since(&self, after: u64) -> u64 {
        let run = self.tail.iter().rev().take_while(|line| line.seq > after);
        let output = |line: &&Stored| matches!(line.kind, LineKind::Output | LineKind::Install);
        run.filter(output).map(|line| line.consumed).next().unwrap_or(0)
    }

    /// Lines after `after`: some of them, at least one where there is one.
    pub fn read(&mut self, after: u64, limit: usize) -> Read {
        if after >= self.newest {
            return Read::default();
        }
        let in_memory = self.tail.front().map_or(u64::MAX, |line| line.seq);
        if after + 1 >= in_memory {
            let skip = usize::try_from(after + 1 - in_memory).unwrap_or(usize::MAX);
            let lines = self.tail.iter().skip(skip).take(limit).map(Stored::line).collect();
            return Read { lines, gap_until: None };
        }
        let oldest = self.segments.front().map_or(in_memory, |segment| segment.first);
        if after + 1 < oldest {
            return Read { lines: Vec::new(), gap_until: Some(oldest) };
        }
        let segment = self.segments.iter().rev().find(|segment| segment.first <= after + 1);
        let lines: Vec<_> = segment
            .into_iter()
            .flat_map(|segment| lines_of(&segment.path))
            .filter(|line| line.seq > after)
            // Files are read from their beginning: fewer, larger pieces are cheaper than many.
            .take(limit.max(4_096))
            .map(|line| line.line())
            .collect();
        if lines.is_empty() {
            // The file lost lines; what follows is still there.
            let next = self.segments.iter().map(|segment| segment.first).find(|first| *first > after + 1);
            return Read { lines, gap_until: Some(next.unwrap_or(in_memory)) };
        }
        Read { lines, gap_until: None }
    }
}

impl Stored {
    fn line(&self) -> ConsoleLine {
        ConsoleLine { seq: self.seq, at: self.at, kind: self.kind, text: self.text.clone() }
    }
}

fn lines_of(path: &Path) -> impl Iterator<Item = Stored> {
    let lines = File::open(path).map(|file| BufReader::new(file).lines());
    lines.into_iter().flatten().map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn fill(log: &mut Log, lines: usize) {
        let text = "x".repeat(100);
        for _ in 0..lines / 100 {
            log.append(at(), LineKind::Output, (0..100).map(|_| (text.clone(), 0)).collect());
        }
    }

    fn read_all(log: &mut Log, mut after: u64) -> (Vec<u64>, Vec<u64>) {
        let (mut numbers, mut gaps) = (Vec::new(), Vec::new());
        loop {
            let read = log.read(after, 512);
            if let Some(next) = read.gap_until {
                gaps.push(next);
                after = next - 1;
                continue;
            }
            let Some(last) = read.lines.last() else { return (numbers, gaps) };
            after = last.seq;
            numbers.extend(read.lines.iter().map(|line| line.seq));
        }
    }

    #[test]
    fn numbers_go_on_after_a_restart_and_nothing_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        fill(&mut Log::open(folder.path()).unwrap(), 20_000);
        let mut log = Log::open(folder.path()).unwrap();
        fill(&mut log, 1_000);
        let (numbers, gaps) = read_all(&mut log, 0);
        assert_eq!(numbers, (1..=21_000).collect::<Vec<_>>());
        assert!(gaps.is_empty());
    }

    #[test]
    fn what_is_kept_no_more_is_said_to_be_missing() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::open(folder.path()).unwrap();
        fill(&mut log, 150_000);
        let (numbers, gaps) = read_all(&mut log, 0);
        assert_eq!(gaps.len(), 1);
        assert_eq!(numbers, (gaps[0]..=150_000).collect::<Vec<_>>());
        let size: u64 =
            fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
        assert!(size <= SEGMENT * (SEGMENTS as u64 + 1));
    }

    #[test]
    fn a_line_cut_short_by_a_crash_costs_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        Log::open(folder.path()).unwrap().append(at(), LineKind::Output, vec![("one".into(), 4)]);
        let file = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
        File::options().append(true).open(file).unwrap().write_all(b"{\"seq\":2,\"at").unwrap();
        let mut log = Log::open(folder.path()).unwrap();
        assert_eq!(log.consumed_since(0), 4);
        log.append(at(), LineKind::Output, vec![("two".into(), 8)]);
        let (numbers, _) = read_all(&mut log, 0);
        assert_eq!(numbers, [1, 2]);
    }
}
