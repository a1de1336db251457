//! Looking for files by their names and by what is in them.

use super::Workspace;
use crate::files::{FileError, FilePath, FileResult, Kind, Open, Step};
use globset::{GlobBuilder, GlobMatcher};
use raptor_core::node::files::{FileHit, FileHits};
use std::{
    io::{BufRead, BufReader},
    time::{Duration, Instant},
};

/// Hits at most.
const MAX_HITS: usize = 500;
/// Hits in one file at most.
const MAX_LINES: usize = 5;
/// The largest file that is looked into, in bytes.
const MAX_FILE: u64 = 16 * 1024 * 1024;
/// The longest line that is looked at, in bytes.
const MAX_LINE: u64 = 64 * 1024;
/// How long it looks.
const PATIENCE: Duration = Duration::from_secs(10);

enum Name {
    Any,
    Part(String),
    Pattern(GlobMatcher),
}

impl Name {
    fn new(wanted: Option<&str>) -> FileResult<Self> {
        match wanted.map(str::trim).filter(|wanted| !wanted.is_empty()) {
            None => Ok(Self::Any),
            Some(wanted) if wanted.contains(['*', '?']) => {
                let glob = GlobBuilder::new(wanted).case_insensitive(true).build();
                let glob = glob.map_err(|error| FileError::Invalid(format!("{error}.")))?;
                Ok(Self::Pattern(glob.compile_matcher()))
            }
            Some(wanted) => Ok(Self::Part(wanted.to_lowercase())),
        }
    }

    fn fits(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Part(part) => name.to_lowercase().contains(part),
            Self::Pattern(pattern) => pattern.is_match(name),
        }
    }
}

impl Workspace {
    pub(super) fn search(
        &self,
        path: &FilePath,
        name: Option<&str>,
        content: Option<&str>,
    ) -> FileResult<FileHits> {
        let until = Instant::now() + PATIENCE;
        let content = content.filter(|content| !content.is_empty()).map(str::to_lowercase);
        let name = Name::new(name)?;
        if matches!(name, Name::Any) && content.is_none() {
            return Err(FileError::Invalid("Say what to look for: a name, or text in files.".into()));
        }
        let mut hits = FileHits { items: Vec::new(), more: false };
        for step in self.root.walk(path)? {
            if Instant::now() > until || hits.items.len() >= MAX_HITS {
                hits.more = true;
                break;
            }
            let Some(at) = step.file_path().filter(|at| at.name().is_some_and(|own| name.fits(own))) else {
                continue;
            };
            match &content {
                None => {
                    hits.items.push(FileHit { file: self.describe(at, &step.stat), line: None, text: None })
                }
                Some(content) => self.look_into(&at, &step, content, &mut hits.items),
            }
        }
        hits.items.truncate(MAX_HITS);
        Ok(hits)
    }

    fn look_into(&self, at: &FilePath, step: &Step, content: &str, hits: &mut Vec<FileHit>) {
        if step.stat.kind != Kind::File || step.stat.len > MAX_FILE {
            return;
        }
        let Ok(file) = self.root.open_file(at, Open::READ) else { return };
        let mut lines = BufReader::new(file);
        let (mut line, mut number, mut found) = (Vec::new(), 0_u64, 0);
        while found < MAX_LINES {
            line.clear();
            number += 1;
            let read = std::io::Read::take(&mut lines, MAX_LINE).read_until(b'\n', &mut line);
            // A NUL says that this is no text.
            if !matches!(read, Ok(1..)) || line.contains(&0) {
                return;
            }
            let text = String::from_utf8_lossy(&line);
            if text.to_lowercase().contains(content) {
                found += 1;
                let text = text.trim_end().chars().take(200).collect();
                let file = self.describe(at.clone(), &step.stat);
                hits.push(FileHit { file, line: Some(number), text: Some(text) });
            }
        }
    }
}
