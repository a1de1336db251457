//! One file of a console's log, read without holding the log.

use super::log::Stored;
use raptor_model::node::ConsoleLine;
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// Where a reader stopped: it goes on there without reading the file from its beginning.
#[derive(Debug)]
pub(super) struct Mark {
    path: PathBuf,
    /// The last line that was read.
    seq: u64,
    /// The byte after it.
    offset: u64,
}

/// At most `limit` lines of the file after line `after`. A last line without its end is being written, or was cut short.
///
/// # Errors
/// When the file can't be read; it may have been removed meanwhile.
pub(super) fn read_after(
    path: &Path,
    after: u64,
    limit: usize,
    mark: &mut Option<Mark>,
) -> io::Result<Vec<ConsoleLine>> {
    let mut file = BufReader::new(File::open(path)?);
    let known = mark.take().filter(|mark| mark.path == path && mark.seq == after);
    let mut offset = known.map_or(0, |mark| mark.offset);
    file.seek(SeekFrom::Start(offset))?;
    let (mut lines, mut bytes) = (Vec::new(), Vec::new());
    while lines.len() < limit {
        bytes.clear();
        let read = file.read_until(b'\n', &mut bytes)?;
        if !bytes.ends_with(b"\n") {
            break;
        }
        let begin = offset;
        offset += read as u64;
        if let Ok(stored) = serde_json::from_slice::<Stored>(&bytes)
            && stored.seq > after
        {
            // What follows a hole is told apart from what is before it.
            if lines.last().is_some_and(|last: &ConsoleLine| last.seq + 1 != stored.seq) {
                offset = begin;
                break;
            }
            lines.push(stored.into_line());
        }
    }
    if let Some(last) = lines.last() {
        *mark = Some(Mark { path: path.to_owned(), seq: last.seq, offset });
    }
    Ok(lines)
}
