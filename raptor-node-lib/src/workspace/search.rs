//! Searching files by name and by content.

use super::Workspace;
use crate::files::{FileError, FilePath, FileResult, Kind, Open, Step};
use globset::{GlobBuilder, GlobMatcher};
use raptor_model::{
    node::files::{FileHit, FileHits},
    text::{Encoding, decode, recognise},
};
use std::{
    io::{BufRead, BufReader, Read},
    time::{Duration, Instant},
};

/// Most hits in total.
const MAX_HITS: usize = 500;
/// Most hits per file.
const MAX_LINES: usize = 5;
/// The largest file that is searched, in bytes.
const MAX_FILE: u64 = 16 * 1024 * 1024;
/// The longest line that is searched, in bytes.
const MAX_LINE: u64 = 64 * 1024;
/// How much of a file is used to detect its encoding, in bytes.
const HEAD: usize = 64 * 1024;
/// Time limit of a search.
const TIME_LIMIT: Duration = Duration::from_secs(10);

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
        let until = Instant::now() + TIME_LIMIT;
        let content = content.filter(|content| !content.is_empty()).map(str::to_lowercase);
        let name = Name::new(name)?;
        if matches!(name, Name::Any) && content.is_none() {
            return Err(FileError::Invalid("Enter what to search for: a name, or text in files.".into()));
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
        let mut lines = BufReader::with_capacity(HEAD, file);
        let Some(encoding) = lines.fill_buf().ok().and_then(encoding_of) else { return };
        let mut found = 0;
        let mut look = |number: u64, text: &str| {
            if text.to_lowercase().contains(content) {
                found += 1;
                let text = text.trim_end().chars().take(200).collect();
                let file = self.describe(at.clone(), &step.stat);
                hits.push(FileHit { file, line: Some(number), text: Some(text) });
            }
            found < MAX_LINES
        };
        if encoding.is_utf16() {
            let mut bytes = Vec::new();
            if (&mut lines).take(MAX_FILE).read_to_end(&mut bytes).is_ok() {
                let text = decode(&bytes, encoding).text;
                let mut numbered = (1..).zip(text.lines());
                while numbered.next().is_some_and(|(number, line)| look(number, line)) {}
            }
            return;
        }
        let (mut line, mut number) = (Vec::new(), 0_u64);
        loop {
            line.clear();
            number += 1;
            let read = (&mut lines).take(MAX_LINE).read_until(b'\n', &mut line);
            if !matches!(read, Ok(1..)) || !look(number, &encoding.decode(&line).text) {
                return;
            }
        }
    }
}

/// The encoding of a file that begins with `head`; `None` if it isn't text.
fn encoding_of(head: &[u8]) -> Option<Encoding> {
    let recognised = recognise(head)?;
    if recognised.certain || head.len() < HEAD {
        return Some(recognised.encoding);
    }
    // The last line may end in the middle of a character.
    let whole = head.iter().rposition(|byte| *byte == b'\n').map_or(head.len(), |at| at + 1);
    recognise(head.get(..whole).unwrap_or(head)).map(|recognised| recognised.encoding)
}
