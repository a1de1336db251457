//! Extracting 7z archives.

mod coders;
mod header;
mod memory;

use super::{
    operations::Progress,
    unpack::{Fault, MAX_TARGET, Target, broken, damage, from_windows, refused},
};
use crate::files::{File, FileError, FileResult};
use flate2::Crc;
use raptor_model::node::names::escape;
use sevenz_rust2::{Archive, ArchiveEntry, BlockDecoder, Error, Password};
use std::io::{self, Cursor, Read, Seek, SeekFrom};

/// The memory limit for the library in KiB, slightly above what was checked before.
const LIBRARY_KIB: usize = 320 * 1024;
/// Bytes read from the file at a time.
const PIECE: usize = 64 * 1024;

/// Windows attributes; programs on Unix store the file mode in the upper half.
const IS_UNIX: u32 = 0x8000;
const IS_REPARSE_POINT: u32 = 0x400;
/// The file type bits of a mode.
const KIND: u32 = 0o170_000;
const FOLDER: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;

impl Target<'_> {
    /// Blocks are independent: after a damaged one, extraction continues with the next. Within a block it continues as long as
    /// the entries' checksums are right.
    pub(super) fn unseven(&mut self, mut file: File) -> FileResult<()> {
        self.solid = false;
        let Some(header) = header::read(&mut file)? else { return Ok(()) };
        let progress = self.bounds.progress;
        let _turn = memory::MemoryShare::take(header.memory, progress)?;
        // The library gets the header that was checked, even if the file is changed meanwhile.
        let password = Password::empty();
        let mut archive =
            Archive::read_with_memory_limit(&mut Cursor::new(&header.bare), &password, LIBRARY_KIB)
                .map_err(told)?;
        drop(header);
        progress.total(archive.files.iter().fold(0, |sum, entry| sum.saturating_add(entry.size)));

        // The library stops a block at the first wrong checksum, so checksums are verified here.
        let sums: Vec<Option<u64>> =
            archive.files.iter().map(|file| file.has_crc.then_some(file.crc)).collect();
        archive.files.iter_mut().for_each(|file| file.has_crc = false);
        let mut source = Source { file, at: 0, buffer: Vec::new(), begin: 0, progress };
        for block in 0..archive.blocks.len() {
            let decoder =
                BlockDecoder::new_with_memory_limit(1, LIBRARY_KIB, block, &archive, &password, &mut source);
            self.block(decoder, &archive, block, &sums)?;
        }
        for (entry, block) in archive.files.iter().zip(&archive.stream_map.file_block_index) {
            if block.is_none() {
                self.entry(entry, &mut io::empty(), None)?;
            }
        }
        match &self.damaged {
            Some(why) if !self.has_unpacked() => Err(self.ended(why)),
            _ => Ok(()),
        }
    }

    fn block(
        &mut self,
        decoder: BlockDecoder<'_, Source<'_>>,
        archive: &Archive,
        block: usize,
        sums: &[Option<u64>],
    ) -> FileResult<()> {
        let before = self.damaged.take();
        let first = archive.stream_map.block_first_file_index.get(block).copied().unwrap_or_default();
        let (mut failed, mut next) = (None, first);
        let done = decoder.for_each_entries(&mut |entry, content| {
            let sum = sums.get(next).copied().flatten();
            next += 1;
            let unpacked = match self.damaged.is_some() && entry.has_stream && sum.is_none() {
                true => self.leave_out(entry, "The data before it is damaged, and it has no checksum."),
                false => self.entry(entry, content, sum),
            };
            unpacked.map(|()| true).map_err(|error| {
                failed = Some(error);
                Error::FileNotFound
            })
        });
        match (failed, done) {
            (Some(error), _) => return Err(error),
            (None, Err(error)) => self.rest(archive, block, next, error)?,
            (None, Ok(_)) => {}
        }
        self.damaged = self.damaged.take().or(before);
        Ok(())
    }

    /// Records that a block can't be read from the entry `next` on: those with content are left out.
    fn rest(&mut self, archive: &Archive, block: usize, next: usize, error: Error) -> FileResult<()> {
        let why = match told(error) {
            FileError::Invalid(why) => why,
            error => return Err(error),
        };
        let all = archive.files.iter().zip(&archive.stream_map.file_block_index).skip(next);
        for (entry, _) in all.filter(|(_, of)| **of == Some(block)) {
            match entry.has_stream {
                true => self.leave_out(entry, &why)?,
                false => self.entry(entry, &mut io::empty(), None)?,
            }
        }
        self.damaged = Some(why);
        Ok(())
    }

    fn leave_out(&mut self, entry: &ArchiveEntry, why: &str) -> FileResult<()> {
        self.bounds.entry()?;
        self.settle(&name(entry.name()), Err(refused(why)))
    }

    /// `sum`: the CRC-32 of its content, if the archive has one.
    fn entry(&mut self, entry: &ArchiveEntry, content: &mut dyn Read, sum: Option<u64>) -> FileResult<()> {
        self.bounds.entry()?;
        let name = name(entry.name());
        let unpacked = self.unpack_entry(entry, &name, &mut CheckedContent::new(content, sum));
        self.settle(&name, unpacked)
    }

    fn unpack_entry(
        &mut self,
        entry: &ArchiveEntry,
        name: &str,
        content: &mut dyn Read,
    ) -> Result<(), Fault> {
        let modified =
            entry.has_last_modified_date.then(|| from_windows(entry.last_modified_date.into())).flatten();
        let attributes = if entry.has_windows_attributes { entry.windows_attributes } else { 0 };
        let mode = if attributes & IS_UNIX == 0 { 0o644 } else { attributes >> 16 };
        match mode & KIND {
            _ if entry.is_anti_item => Err(refused("It marks something for deletion.")),
            _ if attributes & (IS_UNIX | IS_REPARSE_POINT) == IS_REPARSE_POINT => {
                Err(refused("It is a Windows link."))
            }
            0 | FOLDER if entry.is_directory => self.folder(name, modified),
            0 | FILE if !entry.is_directory => self.file(name, mode, modified, content),
            LINK if entry.size <= MAX_TARGET => {
                let mut target = Vec::new();
                content.read_to_end(&mut target).map_err(|error| damage(broken(error)))?;
                self.link(name, &escape(&target), modified)
            }
            _ => Err(refused("It is not a file, a folder or a supported link.")),
        }
    }
}

/// An entry's name. It is UTF-16; 7-Zip represents a byte that isn't UTF-8 as U+EF00 plus the byte.
fn name(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    for letter in name.chars() {
        match u32::from(letter) {
            odd @ 0xEF80..=0xEFFF => bytes.extend(odd.to_le_bytes().first()),
            _ => bytes.extend(letter.encode_utf8(&mut [0; 4]).replace('\\', "/").as_bytes()),
        }
    }
    escape(&bytes).into_owned()
}

/// The library's error, for people.
fn told(error: Error) -> FileError {
    match error {
        Error::Io(error, _) => broken(plain(error)),
        Error::MaxMemLimited { actaul_kb, .. } => coders::too_large(actaul_kb as u64 * 1024),
        _ => header::damaged(),
    }
}

fn wrong_sum() -> io::Error {
    io::Error::other("a checksum is wrong")
}

fn plain(error: io::Error) -> io::Error {
    if error.get_ref().is_some_and(|inner| inner.is::<Error>()) { wrong_sum() } else { error }
}

/// Content with errors worded for people, and with its checksum verified at the end.
struct CheckedContent<'c> {
    content: &'c mut dyn Read,
    sum: Option<u64>,
    crc: Crc,
}

impl<'c> CheckedContent<'c> {
    fn new(content: &'c mut dyn Read, sum: Option<u64>) -> Self {
        Self { content, sum, crc: Crc::new() }
    }
}

impl Read for CheckedContent<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(buffer).map_err(plain)?;
        self.crc.update(buffer.get(..read).unwrap_or_default());
        let ended = read == 0 && !buffer.is_empty();
        if ended && self.sum.is_some_and(|sum| sum != u64::from(self.crc.sum())) {
            return Err(wrong_sum());
        }
        Ok(read)
    }
}

/// The archive's file, buffered, since the library jumps back and forth in it.
struct Source<'p> {
    file: File,
    at: u64,
    buffer: Vec<u8>,
    begin: u64,
    progress: &'p Progress,
}

impl Source<'_> {
    fn buffered(&self) -> Option<&[u8]> {
        let skip = usize::try_from(self.at.checked_sub(self.begin)?).ok()?;
        self.buffer.get(skip..).filter(|rest| !rest.is_empty())
    }
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.buffered().is_none() {
            self.progress.bytes(0)?;
            self.buffer.clear();
            self.begin = self.at;
            self.file.read_behind(&mut self.buffer, PIECE, self.at)?;
        }
        let read = self.buffered().unwrap_or_default().read(buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Source<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.file.stat()?.len.checked_add_signed(by),
        }
        .ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
