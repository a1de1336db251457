//! Text files in any encoding: read as text, and saved so that nothing changes but what was typed.

use super::{
    Workspace,
    content::packing,
    unpack::{broken, unpacked},
};
use crate::files::{File, FileError, FileResult, Open};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use raptor_model::{
    node::{
        MAX_TEXT, TextFile, TextRead, TextWrite,
        files::{Body, FileAnswer},
    },
    text::{self, Decoded, Encoding, Recognised, Target, decode, recognise, splice},
};
use std::{
    io::{self, ErrorKind, Read},
    time::Duration,
};
use tokio::runtime::Handle;

/// How much of a file's beginning is checked if only its end is read, in bytes.
const HEAD: u64 = 8 * 1024;
/// The most text extracted from a compressed log, in bytes.
const MAX_UNPACKED: u64 = 1024 * 1024 * 1024;
/// Bytes read at a time.
const PIECE: usize = 256 * 1024;
/// How long a text that is being received may make no progress, since others wait for the slot.
const STALLED: Duration = Duration::from_secs(30);
/// Most lines of an edited text: unedited ones are matched line by line, which takes about 150 bytes of memory each.
const MAX_LINES: usize = 1_000_000;
/// The largest edited text as UTF-8, in bytes: characters of one byte in other encodings take up to four.
const MAX_SENT: usize = 4 * MAX_TEXT as usize;

/// A range of a file and its offset.
struct Part {
    bytes: Vec<u8>,
    start: u64,
    /// The beginning of the file, if it is not in `bytes`.
    head: Vec<u8>,
}

impl Workspace {
    pub(super) fn read_text(&self, asked: TextRead) -> FileResult<TextFile> {
        // Read before the content, so that a save is refused if the file was changed in between.
        let file = self.info(&asked.path)?;
        let tail = asked.tail_bytes.map(|tail| tail.min(MAX_TEXT));
        let mut part = match (asked.version, asked.unpack) {
            (Some(version), _) => part_of(&self.version(&asked.path, version)?, tail)?,
            (None, true) => {
                let packed = self.root.open_file(&asked.path, Open::READ)?;
                unpacked_part(unpacked(packed, packing(&asked.path)?)?, tail)?
            }
            (None, false) => part_of(&self.root.open_file(&asked.path, Open::READ)?, tail)?,
        };
        let Recognised { encoding, certain } = part.recognised(asked.encoding)?;
        let mark = if part.start == 0 {
            encoding.mark_of(&part.bytes).len()
        } else {
            part.begin_at_a_line(encoding)
        };
        let Decoded { text, line_ends, invalid } =
            decode(part.bytes.get(mark..).unwrap_or_default(), encoding);
        Ok(TextFile {
            file,
            text,
            encoding,
            certain,
            byte_order_mark: part.start == 0 && mark > 0,
            line_ends,
            invalid,
            start_byte: if part.start == 0 { 0 } else { part.start + mark as u64 },
        })
    }

    /// Saves an edited text. Call it on a blocking thread.
    pub(super) fn write_text(&self, asked: TextWrite, body: Body) -> FileResult<FileAnswer> {
        let new = received(body)?;
        let TextWrite { path, etag, read_as, encoding, line_end, byte_order_mark, by } = asked;
        let old = match self.root.open_file(&path, Open::READ) {
            Ok(file) => part_of(&file, None)?.bytes,
            Err(FileError::NotFound) => Vec::new(),
            Err(error) => return Err(error),
        };
        let mark = read_as.mark_of(&old);
        let rest = old.get(mark.len()..).unwrap_or_default();
        if text::line_count(rest, read_as).max(text::line_count(new.as_bytes(), Encoding::UTF_8)) > MAX_LINES
        {
            return Err(FileError::TooMuch(
                "A text of up to 1,000,000 lines can be edited. Download a longer one, edit it, and upload it again.".into(),
            ));
        }
        let spliced = splice(rest, read_as, &new, Target { encoding, line_end })?;
        let mark = match byte_order_mark {
            Some(true) => encoding.mark(),
            Some(false) => b"",
            None if encoding == read_as => mark,
            None if encoding.is_utf16() => encoding.mark(),
            None => b"",
        };
        let bytes = [mark, &spliced].concat();
        if bytes.len() as u64 > MAX_TEXT {
            return Err(too_much());
        }
        // A newer version would have another etag.
        let body = stream::iter([Ok(Bytes::from(bytes))]).boxed();
        self.replace(&path, etag.as_deref(), Some(&by), body)?;
        Ok(FileAnswer::File { file: self.info(&path)? })
    }
}

impl Part {
    fn recognised(&self, given: Option<Encoding>) -> FileResult<Recognised> {
        if let Some(encoding) = given {
            return Ok(Recognised { encoding, certain: true });
        }
        if self.start > 0 {
            let head = recognise(&self.head).ok_or(FileError::NotText)?;
            if head.encoding.is_utf16() {
                return Ok(head);
            }
            // The range may begin and end in the middle of a character.
            let first = self.bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            return recognise(self.bytes.get(first..).unwrap_or_default()).ok_or(FileError::NotText);
        }
        recognise(&self.bytes).ok_or(FileError::NotText)
    }

    /// How many bytes to skip so that a range begins at the start of a line.
    fn begin_at_a_line(&mut self, encoding: Encoding) -> usize {
        if encoding.is_utf16() && !self.start.is_multiple_of(2) {
            self.bytes = self.bytes.split_off(1.min(self.bytes.len()));
            self.start += 1;
        }
        text::first_line_end(&self.bytes, encoding).unwrap_or(0)
    }
}

fn part_of(file: &File, tail: Option<u64>) -> FileResult<Part> {
    let length = file.stat()?.len;
    let start = tail.map_or(0, |tail| length.saturating_sub(tail));
    if length - start > MAX_TEXT {
        return Err(too_much());
    }
    let head = if start > 0 { read_at(file, 0, HEAD)? } else { Vec::new() };
    // The file may grow while it is read.
    let bytes = read_at(file, start, if tail.is_some() { length - start } else { MAX_TEXT + 1 })?;
    if bytes.len() as u64 > MAX_TEXT { Err(too_much()) } else { Ok(Part { bytes, start, head }) }
}

/// Up to `length` bytes at `offset`.
fn read_at(file: &File, offset: u64, length: u64) -> FileResult<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let read = bytes.len() as u64;
        let wanted = usize::try_from(length - read).unwrap_or(PIECE).min(PIECE);
        if wanted == 0 || file.read_behind(&mut bytes, wanted, offset + read)? == 0 {
            return Ok(bytes);
        }
    }
}

/// The end of a compressed file's content; all of it if that is less than `tail`.
fn unpacked_part(text: Box<dyn Read>, tail: Option<u64>) -> FileResult<Part> {
    let kept = usize::try_from(tail.unwrap_or(MAX_TEXT)).unwrap_or(usize::MAX);
    let mut text = text.take(MAX_UNPACKED + 1);
    let mut part = Part { bytes: Vec::new(), start: 0, head: Vec::new() };
    loop {
        let read = text.by_ref().take(PIECE as u64).read_to_end(&mut part.bytes).map_err(broken)?;
        if part.start == 0 && part.head.is_empty() {
            part.head = part.bytes.get(..HEAD as usize).unwrap_or(&part.bytes).to_vec();
        }
        if part.bytes.len() > kept && (read == 0 || part.bytes.len() > 2 * kept) {
            let gone = part.bytes.len() - kept;
            part.bytes.drain(..gone);
            part.start += gone as u64;
        }
        if read == 0 {
            break;
        }
    }
    if text.limit() == 0 || (part.start > 0 && tail.is_none()) { Err(too_much()) } else { Ok(part) }
}

/// The edited text as received.
fn received(mut body: Body) -> FileResult<String> {
    let (runtime, mut bytes) = (Handle::current(), Vec::new());
    let mut next = || runtime.block_on(tokio::time::timeout(STALLED, body.next())).map_err(|_| stalled());
    while let Some(piece) = next()? {
        bytes.extend_from_slice(&piece?);
        if bytes.len() > MAX_SENT {
            return Err(too_much());
        }
    }
    String::from_utf8(bytes)
        .map_err(|_| FileError::Invalid("Send the text as UTF-8, whatever encoding it is saved in.".into()))
}

fn stalled() -> FileError {
    FileError::Io(io::Error::new(ErrorKind::TimedOut, "the text stopped arriving"))
}

fn too_much() -> FileError {
    let mib = MAX_TEXT / 1_048_576;
    FileError::TooMuch(format!(
        "A text of up to {mib} MiB can be edited. To read the end of a larger one, use `tail_bytes`."
    ))
}
