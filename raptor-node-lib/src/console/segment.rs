//! Reading a segment of a console's log without locking the log.

use super::log::Stored;
use raptor_model::node::ConsoleLine;
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// A reader's position, so that it can continue without reading the file from its beginning.
#[derive(Debug)]
pub(super) struct Mark {
    path: PathBuf,
    /// The last line read.
    seq: u64,
    /// The offset of the byte after it.
    offset: u64,
}

/// At most `limit` lines after line `after`. An incomplete last line is still being written, or was cut short.
///
/// # Errors
/// If the file can't be read; it may have been deleted in the meantime.
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
            // Stops at a hole, so that the reader can report it as a gap.
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
