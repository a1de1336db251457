//! Checking the header of a 7z archive before it is processed. It comes from an untrusted source, may be compressed itself, and
//! determines the number of entries and the memory needed.
//!
//! Format: `7zFormat.txt` of the LZMA SDK.

use super::coders::{self, Coders, Method};
use crate::files::{File, FileError, FileResult};
use lzma_rust2::{Lzma2Reader, LzmaReader};
use std::io::{Read, Seek, SeekFrom};

const MAGIC: [u8; 6] = [b'7', b'z', 0xBC, 0xAF, 0x27, 0x1C];
/// Bytes before the packed streams.
pub(super) const START: usize = 32;
/// The largest header, uncompressed, in bytes: 100,000 names of 60 characters fit.
const MAX_HEADER: u64 = 16 * 1024 * 1024;
/// Most files and folders in an archive. The library holds all of them in memory, at about 400 bytes each.
const MAX_ENTRIES: u64 = 200_000;
/// The most memory for decompressing a header, in bytes.
const MAX_HEADER_DICTIONARY: u64 = 64 * 1024 * 1024;

mod id {
    pub const END: u8 = 0x00;
    pub const HEADER: u8 = 0x01;
    pub const STREAMS: u8 = 0x04;
    pub const FILES: u8 = 0x05;
    pub const PACKED: u8 = 0x06;
    pub const UNPACKED: u8 = 0x07;
    pub const PARTS: u8 = 0x08;
    pub const SIZE: u8 = 0x09;
    pub const CRC: u8 = 0x0A;
    pub const BLOCKS: u8 = 0x0B;
    pub const BLOCK_SIZES: u8 = 0x0C;
    pub const PART_COUNTS: u8 = 0x0D;
    pub const PACKED_HEADER: u8 = 0x17;
}

/// A header within the limits.
pub(super) struct Header {
    /// An archive that consists of this header only, uncompressed.
    pub(super) bare: Vec<u8>,
    /// Bytes of memory for the entries and the largest block.
    pub(super) memory: u64,
}

/// The header of an archive; `None` if the archive is empty.
///
/// # Errors
/// [`FileError::Invalid`] if it is malformed, encrypted or uses an unsupported feature, [`FileError::TooMuch`] if it exceeds
/// what an honest archive needs.
pub(super) fn read(file: &mut File) -> FileResult<Option<Header>> {
    let mut start = [0; START];
    file.read_exact(&mut start).map_err(|_| damaged())?;
    let mut fields = Bytes(&start);
    if fields.array::<6>()? != MAGIC {
        return Err(FileError::Invalid("This is not a 7z archive.".into()));
    }
    let (version, sum) = (fields.array::<2>()?, fields.u32()?);
    if version[0] != 0 || crc(fields.0) != sum {
        return Err(damaged());
    }
    let (offset, size, sum) = (fields.u64()?, fields.u64()?, fields.u32()?);
    if size == 0 {
        return Ok(None);
    }
    let header = stored(file, offset, size)?;
    if crc(&header) != sum {
        return Err(damaged());
    }
    let header = match header.split_first() {
        Some((&id::PACKED_HEADER, packed)) => unpacked(file, packed)?,
        _ => header,
    };
    let memory = survey(&header)?;
    Ok(Some(Header { bare: bare(&header), memory }))
}

/// `size` bytes of the file, at `offset` from the end of the start header.
fn stored(file: &mut File, offset: u64, size: u64) -> FileResult<Vec<u8>> {
    if size > MAX_HEADER {
        return Err(too_many());
    }
    let at = offset.checked_add(START as u64).ok_or_else(damaged)?;
    file.seek(SeekFrom::Start(at)).map_err(|_| damaged())?;
    let mut bytes = Vec::new();
    file.take(size).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == size { Ok(bytes) } else { Err(damaged()) }
}

/// Decompresses a header: a single block with one compression method, as every program writes it.
fn unpacked(file: &mut File, packed: &[u8]) -> FileResult<Vec<u8>> {
    let streams = Streams::read(&mut Bytes(packed))?;
    let (Some(block), [packed]) = (&streams.first, &*streams.packed) else { return Err(damaged()) };
    let [coder] = &*block.coders.0 else {
        return Err(FileError::Invalid(
            "The archive's list of files is compressed with a method that Raptor does not support.".into(),
        ));
    };
    if coder.memory > MAX_HEADER_DICTIONARY {
        return Err(coders::too_large(coder.memory));
    }
    if block.size > MAX_HEADER {
        return Err(too_many());
    }
    let content = stored(file, streams.offset, *packed)?;
    let dictionary = u32::try_from(coder.memory).map_err(|_| damaged())?;
    let mut out = Vec::new();
    let read = match coder.method {
        Method::Copy => (&*content).take(block.size).read_to_end(&mut out),
        Method::Lzma(properties) => {
            LzmaReader::new_with_props(&*content, block.size, properties, dictionary, None)
                .and_then(|content| content.take(block.size).read_to_end(&mut out))
        }
        Method::Lzma2 => Lzma2Reader::new(&*content, dictionary, None).take(block.size).read_to_end(&mut out),
        _ => return Err(damaged()),
    };
    let whole = read.is_ok() && out.len() as u64 == block.size;
    if whole && block.sum.is_none_or(|sum| sum == crc(&out)) { Ok(out) } else { Err(damaged()) }
}

/// Checks the limits of everything that a header announces, and returns the memory needed in bytes.
fn survey(header: &[u8]) -> FileResult<u64> {
    let mut bytes = Bytes(header);
    bytes.expect(id::HEADER)?;
    let mut streams = Streams::default();
    if bytes.next_is(id::STREAMS) {
        streams = Streams::read(&mut bytes)?;
    }
    let files = if bytes.next_is(id::FILES) { bytes.count()? } else { 0 };
    Ok(streams.memory + 2 * header.len() as u64 + 256 * (files + streams.blocks))
}

fn bare(header: &[u8]) -> Vec<u8> {
    let mut fields = [0; 20];
    fields[8..16].copy_from_slice(&(header.len() as u64).to_le_bytes());
    fields[16..].copy_from_slice(&crc(header).to_le_bytes());
    let start = [&MAGIC[..], &[0, 4], &crc(&fields).to_le_bytes(), &fields];
    [start.concat().as_slice(), header].concat()
}

/// The packed streams and the blocks that they are divided into.
#[derive(Default)]
struct Streams {
    /// Where the packed streams begin, after the start header.
    offset: u64,
    packed: Vec<u64>,
    blocks: u64,
    first: Option<Block>,
    /// Bytes of memory for the largest block.
    memory: u64,
}

struct Block {
    coders: Coders,
    size: u64,
    sum: Option<u32>,
}

impl Streams {
    fn read(bytes: &mut Bytes<'_>) -> FileResult<Self> {
        let mut streams = Self::default();
        if bytes.next_is(id::PACKED) {
            streams.offset = bytes.number()?;
            let count = bytes.count()?;
            if bytes.next_is(id::SIZE) {
                streams.packed = (0..count).map(|_| bytes.number()).collect::<FileResult<_>>()?;
            }
            if bytes.next_is(id::CRC) {
                bytes.sums(count)?;
            }
            bytes.expect(id::END)?;
        }
        let mut sums = Vec::new();
        if bytes.next_is(id::UNPACKED) {
            sums = streams.blocks(bytes)?;
        }
        if bytes.next_is(id::PARTS) {
            parts(bytes, &sums)?;
        }
        bytes.expect(id::END)?;
        Ok(streams)
    }

    /// The checksum of each block, if it has one.
    fn blocks(&mut self, bytes: &mut Bytes<'_>) -> FileResult<Vec<Option<u32>>> {
        bytes.expect(id::BLOCKS)?;
        self.blocks = bytes.count()?;
        bytes.expect(0)?;
        let mut outputs = Vec::new();
        for number in 0..self.blocks {
            let (coders, output) = Coders::read(bytes)?;
            outputs.push((u8::try_from(coders.0.len()).map_err(|_| damaged())?, output));
            self.memory = self.memory.max(coders.memory());
            if number == 0 {
                self.first = Some(Block { coders, size: 0, sum: None });
            }
        }
        bytes.expect(id::BLOCK_SIZES)?;
        for (number, (count, output)) in outputs.into_iter().enumerate() {
            let sizes = (0..count).map(|_| bytes.number()).collect::<FileResult<Vec<_>>>()?;
            if let (0, Some(first)) = (number, &mut self.first) {
                first.size = *sizes.get(output).ok_or_else(damaged)?;
            }
        }
        let sums = if bytes.next_is(id::CRC) { bytes.sums(self.blocks)? } else { Vec::new() };
        if let Some(first) = &mut self.first {
            first.sum = sums.first().copied().flatten();
        }
        bytes.expect(id::END)?;
        Ok((0..usize::try_from(self.blocks).unwrap_or(0))
            .map(|block| sums.get(block).copied().flatten())
            .collect())
    }
}

/// The files in each block, whose checksums are `sums`.
fn parts(bytes: &mut Bytes<'_>, sums: &[Option<u32>]) -> FileResult<()> {
    let mut counts = vec![1; sums.len()];
    if bytes.next_is(id::PART_COUNTS) {
        for count in &mut counts {
            *count = bytes.count()?;
        }
    }
    if counts.iter().sum::<u64>() > MAX_ENTRIES {
        return Err(too_many());
    }
    if bytes.next_is(id::SIZE) {
        for _ in 0..counts.iter().map(|count| count.saturating_sub(1)).sum() {
            bytes.number()?;
        }
    }
    if bytes.next_is(id::CRC) {
        let known = |(count, sum): &(&u64, &Option<u32>)| **count == 1 && sum.is_some();
        bytes.sums(counts.iter().zip(sums).filter(|part| !known(part)).map(|(count, _)| count).sum())?;
    }
    bytes.expect(id::END)
}

/// The rest of a header that is being parsed.
pub(super) struct Bytes<'b>(&'b [u8]);

impl<'b> Bytes<'b> {
    pub(super) fn take(&mut self, count: u64) -> FileResult<&'b [u8]> {
        let count = usize::try_from(count).map_err(|_| damaged())?;
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> FileResult<[u8; N]> {
        self.take(N as u64)?.try_into().map_err(|_| damaged())
    }

    pub(super) fn byte(&mut self) -> FileResult<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> FileResult<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> FileResult<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A number of 1 to 9 bytes: the leading ones of the first byte count the bytes that follow.
    pub(super) fn number(&mut self) -> FileResult<u64> {
        let first = self.byte()?;
        let more = first.leading_ones() as usize;
        let mut low = [0; 8];
        low.get_mut(..more).unwrap_or_default().copy_from_slice(self.take(more as u64)?);
        let high = u64::from(first) & (0x7F_u64 >> more);
        Ok(u64::from_le_bytes(low) | high.checked_shl(8 * u32::try_from(more).unwrap_or(8)).unwrap_or(0))
    }

    /// A number of items that the library holds in memory.
    pub(super) fn count(&mut self) -> FileResult<u64> {
        let count = self.number()?;
        if count > MAX_ENTRIES { Err(too_many()) } else { Ok(count) }
    }

    fn next_is(&mut self, id: u8) -> bool {
        let next = self.0.first() == Some(&id);
        if next {
            self.0 = self.0.get(1..).unwrap_or_default();
        }
        next
    }

    fn expect(&mut self, id: u8) -> FileResult<()> {
        if self.next_is(id) { Ok(()) } else { Err(damaged()) }
    }

    /// `count` checksums, some of which may be undefined.
    fn sums(&mut self, count: u64) -> FileResult<Vec<Option<u32>>> {
        let bits = if self.byte()? == 0 { Some(self.take(count.div_ceil(8))?) } else { None };
        let known = |index: usize| {
            bits.is_none_or(|bits| bits.get(index / 8).is_some_and(|bits| bits & (0x80 >> (index % 8)) != 0))
        };
        let count = usize::try_from(count).map_err(|_| damaged())?;
        (0..count).map(|index| known(index).then(|| self.u32()).transpose()).collect()
    }
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

pub(super) fn damaged() -> FileError {
    FileError::Invalid("The archive is damaged or incomplete.".into())
}

fn too_many() -> FileError {
    FileError::TooMuch(format!(
        "Raptor unpacks 7z archives of up to {MAX_ENTRIES} files, with a list of up to {} MiB. Use zip or tar for this many.",
        MAX_HEADER / 1_048_576
    ))
}
