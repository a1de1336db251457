//! Extracting archives from untrusted sources: nothing leaves the folder, and bombs are detected.

mod blocks;
mod names;
mod target;
mod untar;
mod unzip;

pub(super) use target::{Fault, Target, damage, refused};
pub(super) use unzip::from_windows;

use super::{Workspace, operations::Progress};
use crate::files::{File, FileError, FilePath, FileResult, Open};
use names::Names;
use raptor_model::node::files::{ArchiveFormat, Existing};
use std::io::{self, BufReader, Read};

/// Most files and folders in an archive.
const MAX_ENTRIES: u64 = 500_000;
/// Most bytes that an archive may expand to.
const MAX_BYTES: u64 = 256 * 1024 * 1024 * 1024;
/// The highest ratio of extracted to compressed size, once the result is large.
const MAX_RATIO: u64 = 200;
const LARGE: u64 = 256 * 1024 * 1024;
/// The longest target of a link, in bytes.
pub(super) const MAX_TARGET: u64 = 4_095;
/// The most memory for decompressing an xz file, in KiB.
const XZ_MEMORY_KIB: u32 = 256 * 1024;
const UNPACKED: &str = "Raptor unpacks zip, 7z, tar, tar.gz, tar.xz, tar.bz2, tar.zst, and single files that end in gz, xz, bz2 or zst.";
const PIECE: usize = 256 * 1024;

/// What was extracted so far, checked against the limits.
pub(super) struct Bounds<'p> {
    pub(super) progress: &'p Progress,
    packed: u64,
    bytes: u64,
    entries: u64,
}

impl Bounds<'_> {
    pub(super) fn entry(&mut self) -> FileResult<()> {
        self.entries += 1;
        if self.entries > MAX_ENTRIES {
            return Err(FileError::TooMuch(format!("The archive contains more than {MAX_ENTRIES} files.")));
        }
        self.progress.file()
    }

    fn bytes(&mut self, bytes: u64) -> FileResult<()> {
        self.bytes += bytes;
        let bomb = self.bytes > LARGE && self.bytes / MAX_RATIO > self.packed;
        if bomb || self.bytes > MAX_BYTES {
            return Err(FileError::TooMuch(
                "The archive is far larger unpacked than a normal one of its size would be.".into(),
            ));
        }
        self.progress.bytes(bytes)
    }
}

/// How to extract an archive.
pub(super) struct Unpacking<'t> {
    pub(super) path: &'t FilePath,
    pub(super) into: &'t FilePath,
    pub(super) existing: Existing,
    /// The encoding of names; detected if `None`.
    pub(super) encoding: Option<&'t str>,
}

/// The format of an archive, by its name.
enum Content {
    Archive(ArchiveFormat),
    /// 7z, which can only be extracted, not created.
    Seven,
    /// A single compressed file with this name.
    Single(ArchiveFormat, String),
}

impl Content {
    fn of_name(name: &str) -> Option<Self> {
        if let Some(format) = ArchiveFormat::of_name(name) {
            return Some(Self::Archive(format));
        }
        let (stem, end) = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty())?;
        let single = |format| Some(Self::Single(format, stem.to_owned()));
        match end.to_lowercase().as_str() {
            "7z" => Some(Self::Seven),
            "gz" => single(ArchiveFormat::TarGz),
            "xz" => single(ArchiveFormat::TarXz),
            "bz2" => single(ArchiveFormat::TarBz2),
            "zst" => single(ArchiveFormat::TarZst),
            _ => None,
        }
    }
}

impl Workspace {
    /// Extracts an archive. An entry that can't be extracted is left out and recorded in `progress`.
    ///
    /// # Errors
    /// [`FileError::Invalid`] if the rest can't be read: what was extracted stays, and the message says so.
    pub(super) fn extract(&self, task: &Unpacking<'_>, progress: &Progress) -> FileResult<()> {
        let name = task.path.name().unwrap_or_default();
        let content = Content::of_name(name).ok_or_else(|| FileError::Invalid(UNPACKED.into()))?;
        let chosen = task.encoding.map(Names::chosen).transpose()?;
        let file = self.root.open_file(task.path, Open::READ)?;
        let stat = file.stat()?;
        self.root.create_dir_all(task.into)?;
        let bounds = Bounds { progress, packed: stat.len, bytes: 0, entries: 0 };
        let mut target = Target::new(self, task, bounds)?;
        match content {
            Content::Archive(ArchiveFormat::Zip) => target.unzip(file, chosen)?,
            Content::Archive(format) => target.untar(unpacked(file, format)?, chosen)?,
            Content::Seven => target.unseven(file)?,
            Content::Single(format, name) => {
                let mut text = unpacked(file, format)?;
                target.bounds.entry()?;
                match target.file(&name, 0o644, Some(stat.modified), &mut text) {
                    Ok(()) => {}
                    Err(Fault::Fatal(error)) => return Err(error),
                    // It is the only content.
                    Err(Fault::LeftOut(why)) => return Err(FileError::Invalid(why)),
                    Err(Fault::Damaged(why)) => return Err(target.ended(&why)),
                }
            }
        }
        target.finish();
        Ok(())
    }
}

/// The content of a compressed file.
pub(super) fn unpacked(file: File, format: ArchiveFormat) -> FileResult<Box<dyn Read + Send>> {
    let file = BufReader::with_capacity(PIECE, file);
    Ok(match format {
        ArchiveFormat::TarGz => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        ArchiveFormat::TarXz => Box::new(lzma_rust2::XzReader::new_mem_limit(file, true, XZ_MEMORY_KIB)),
        ArchiveFormat::TarBz2 => Box::new(bzip2::bufread::MultiBzDecoder::new(file)),
        ArchiveFormat::TarZst => Box::new(zstd::Decoder::with_buffer(file)?),
        ArchiveFormat::Tar | ArchiveFormat::Zip => Box::new(file),
    })
}

/// The error for content that can't be decompressed.
pub(super) fn broken(error: io::Error) -> FileError {
    if error.kind() == io::ErrorKind::OutOfMemory {
        let mib = XZ_MEMORY_KIB / 1024;
        return FileError::TooMuch(format!(
            "Unpacking this takes more than {mib} MiB of memory, which is not allowed."
        ));
    }
    match FileError::from(error) {
        FileError::Io(error) if error.raw_os_error().is_none() => {
            FileError::Invalid(format!("The archive is damaged: {error}."))
        }
        error => error,
    }
}
