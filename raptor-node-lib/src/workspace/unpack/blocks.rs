//! The blocks of a tar archive: after a damaged header, extraction continues with the next valid one.

use super::{Bounds, broken};
use crate::files::FileResult;
use std::io::{self, Read};

/// The length of a header; contents are padded to a multiple of it.
pub(super) const BLOCK: usize = 512;
/// The offset of the type in a header, and the types that only describe the next entry: long names (GNU) and attributes (pax).
const KIND: usize = 156;
const DESCRIBING: [u8; 3] = *b"LKx";
/// The longest name in a header.
const NAME: usize = 100;

/// The content of a tar archive, with what is needed to continue after damage.
pub(super) struct Blocks {
    content: Box<dyn Read>,
    /// A header that was found and is to be read again.
    again: io::Cursor<Vec<u8>>,
    /// The number of bytes read.
    at: u64,
    /// The last block read.
    last: [u8; BLOCK],
    /// Whether the content can't be read further, e.g. because the compression is damaged.
    pub(super) failed: bool,
}

impl Blocks {
    pub(super) fn new(content: Box<dyn Read>) -> Self {
        Self { content, again: io::Cursor::default(), at: 0, last: [0; BLOCK], failed: false }
    }

    /// The name in the last header, as far as it is text.
    pub(super) fn name(&self) -> String {
        let name = self.last.get(..NAME).unwrap_or_default().split(|byte| *byte == 0).next();
        let name = String::from_utf8_lossy(name.unwrap_or_default());
        if name.is_empty() { "?".into() } else { name.into_owned() }
    }

    /// Whether the last header describes the next entry.
    pub(super) fn describes_next(&self) -> bool {
        self.last.get(KIND).is_some_and(|kind| DESCRIBING.contains(kind))
            || self.last.starts_with(b"././@LongLink")
    }

    /// Skips to the next valid header, which is read next. Returns whether there is one.
    ///
    /// # Errors
    /// I/O errors of the content, and those of `bounds`, against which skipped bytes count.
    pub(super) fn skip_to_header(&mut self, bounds: &mut Bounds<'_>) -> FileResult<bool> {
        let mut block = [0; BLOCK];
        let over = usize::try_from(self.at % BLOCK as u64).unwrap_or(0);
        if over > 0 && !self.fill(block.get_mut(over..).unwrap_or_default())? {
            return Ok(false);
        }
        while self.fill(&mut block)? {
            bounds.bytes(BLOCK as u64)?;
            if is_header(&block) {
                self.again = io::Cursor::new(block.to_vec());
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Fills the buffer. Returns false at the end of the content.
    fn fill(&mut self, buffer: &mut [u8]) -> FileResult<bool> {
        match self.read_exact(buffer) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !self.failed => Ok(false),
            Err(error) => Err(broken(error)),
        }
    }
}

impl Read for Blocks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let again = self.again.read(buffer)?;
        if again > 0 {
            return Ok(again);
        }
        let read = self.content.read(buffer).inspect_err(|error| {
            self.failed |= error.kind() != io::ErrorKind::Interrupted;
        })?;
        for (position, byte) in buffer.iter().enumerate().take(read).skip(read.saturating_sub(BLOCK)) {
            let place = (self.at + position as u64) % BLOCK as u64;
            if let Some(kept) = usize::try_from(place).ok().and_then(|place| self.last.get_mut(place)) {
                *kept = *byte;
            }
        }
        self.at += read as u64;
        Ok(read)
    }
}

/// Whether a block is a header, judging by its checksum.
fn is_header(block: &[u8; BLOCK]) -> bool {
    // The checksum field itself counts as spaces.
    let sum: u32 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) })
        .sum();
    let header = tar::Header::from_byte_slice(block);
    block.iter().any(|byte| *byte != 0) && header.cksum().is_ok_and(|told| told == sum)
}
