//! 7z archives are taken apart.

mod coders;
mod header;
mod turns;

use super::{
    operations::Progress,
    unpack::{Fault, MAX_TARGET, Target, broken, from_windows, refused},
};
use crate::files::{File, FileError, FileResult};
use raptor_core::node::names::escape;
use sevenz_rust2::{Archive, ArchiveEntry, BlockDecoder, Error, Password};
use std::io::{self, Cursor, Read, Seek, SeekFrom};

/// What the library itself is held to, in KiB; a little more than what was looked at before.
const LIBRARY_KIB: usize = 320 * 1024;
/// Bytes that are read from the file at once.
const PIECE: usize = 64 * 1024;

/// Attributes of Windows, and what programs of Unix put into the upper half.
const IS_UNIX: u32 = 0x8000;
const IS_REPARSE_POINT: u32 = 0x400;
/// Kinds of files in a mode.
const KIND: u32 = 0o170_000;
const FOLDER: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;

impl Target<'_> {
    pub(super) fn unseven(&mut self, mut file: File) -> FileResult<()> {
        let Some(header) = header::read(&mut file)? else { return Ok(()) };
        let progress = self.bounds.progress;
        let _turn = turns::Turn::take(header.memory, progress)?;
        // The library sees the header that was looked at, whatever the file becomes meanwhile.
        let password = Password::empty();
        let archive = Archive::read_with_memory_limit(&mut Cursor::new(&header.bare), &password, LIBRARY_KIB)
            .map_err(told)?;
        drop(header);
        progress.total(archive.files.iter().fold(0, |sum, entry| sum.saturating_add(entry.size)));

        let mut source = Source { file, at: 0, buffer: Vec::new(), begin: 0, progress };
        for block in 0..archive.blocks.len() {
            let decoder =
                BlockDecoder::new_with_memory_limit(1, LIBRARY_KIB, block, &archive, &password, &mut source);
            let mut failed = None;
            let done = decoder.for_each_entries(&mut |entry, content| {
                self.entry(entry, content).map(|()| true).map_err(|error| {
                    failed = Some(error);
                    Error::FileNotFound
                })
            });
            match (failed, done) {
                (Some(error), _) => return Err(error),
                (None, Err(error)) => return Err(told(error)),
                (None, Ok(_)) => {}
            }
        }
        for (entry, block) in archive.files.iter().zip(&archive.stream_map.file_block_index) {
            if block.is_none() {
                self.entry(entry, &mut io::empty())?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, entry: &ArchiveEntry, content: &mut dyn Read) -> FileResult<()> {
        self.bounds.entry()?;
        let name = name(entry.name());
        let unpacked = self.unpack_entry(entry, &name, content);
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
        let mut content = Told(content);
        match mode & KIND {
            _ if entry.is_anti_item => Err(refused("It stands for something to be deleted.")),
            _ if attributes & (IS_UNIX | IS_REPARSE_POINT) == IS_REPARSE_POINT => {
                Err(refused("It is a link of Windows."))
            }
            0 | FOLDER if entry.is_directory => self.folder(name, modified),
            0 | FILE if !entry.is_directory => self.file(name, mode, modified, &mut content),
            LINK if entry.size <= MAX_TARGET => {
                let mut target = Vec::new();
                content.read_to_end(&mut target).map_err(|error| Fault::Fatal(broken(error)))?;
                self.link(name, &escape(&target), modified)
            }
            _ => Err(refused("It is neither a file, a folder nor a link to be used.")),
        }
    }
}

/// The text of an entry's name. It is UTF-16; 7-Zip writes a byte that is no UTF-8 as U+EF00 and the byte.
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

/// What the library says, for people.
fn told(error: Error) -> FileError {
    match error {
        Error::Io(error, _) => broken(plain(error)),
        Error::MaxMemLimited { actaul_kb, .. } => coders::too_large(actaul_kb as u64 * 1024),
        _ => header::damaged(),
    }
}

fn plain(error: io::Error) -> io::Error {
    let wrong_sum = error.get_ref().is_some_and(|inner| inner.is::<Error>());
    if wrong_sum { io::Error::other("a checksum is wrong") } else { error }
}

/// Content whose errors are words for people.
struct Told<'c>(&'c mut dyn Read);

impl Read for Told<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(plain)
    }
}

/// The archive's file. The library jumps to and fro in it: what was read stays where it may be read again.
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
