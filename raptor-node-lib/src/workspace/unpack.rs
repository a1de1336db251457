//! Archives are taken apart. What is in one comes from anybody: nothing leaves the folder, and nothing may be a bomb.

use super::{Workspace, operations::Progress, pack::zip_error};
use crate::files::{File, FileError, FilePath, FileResult, Kind, Open};
use raptor_core::node::{files::ArchiveFormat, names::escape};
use std::io::{self, BufReader, Read, Write};

/// Files and folders in one archive.
const MAX_ENTRIES: u64 = 500_000;
/// Bytes that one archive may become.
const MAX_BYTES: u64 = 256 * 1024 * 1024 * 1024;
/// How many times its own size an archive may become, once it is large.
const MAX_RATIO: u64 = 200;
const LARGE: u64 = 256 * 1024 * 1024;
/// The longest target of a link, in bytes.
pub(super) const MAX_TARGET: u64 = 4_095;
/// Memory that an xz file may ask for, in KiB.
const XZ_MEMORY_KIB: u32 = 256 * 1024;
const UNPACKED: &str =
    "Raptor unpacks zip, 7z, tar, tar.gz, tar.xz, tar.bz2 and tar.zst, told by the file's name.";
const PIECE: usize = 256 * 1024;

/// What was taken out so far, against the bounds.
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
            return Err(FileError::TooMuch(format!("The archive holds more than {MAX_ENTRIES} files.")));
        }
        self.progress.file()
    }

    fn bytes(&mut self, bytes: u64) -> FileResult<()> {
        self.bytes += bytes;
        let bomb = self.bytes > LARGE && self.bytes / MAX_RATIO > self.packed;
        if bomb || self.bytes > MAX_BYTES {
            return Err(FileError::TooMuch(
                "The archive becomes far larger than an honest one of its size would.".into(),
            ));
        }
        self.progress.bytes(bytes)
    }
}

/// Where everything goes.
pub(super) struct Target<'w> {
    workspace: &'w Workspace,
    into: &'w FilePath,
    replace: bool,
}

impl Workspace {
    pub(super) fn extract(
        &self,
        path: &FilePath,
        into: &FilePath,
        replace: bool,
        progress: &Progress,
    ) -> FileResult<()> {
        let name = path.name().unwrap_or_default();
        // Unpacked only: it is no format that archives are made in.
        let seven = name.to_lowercase().ends_with(".7z");
        let format = ArchiveFormat::of_name(name);
        if format.is_none() && !seven {
            return Err(FileError::Invalid(UNPACKED.into()));
        }
        let file = self.root.open_file(path, Open::READ)?;
        let packed = file.stat()?.len;
        self.root.create_dir_all(into)?;
        let mut bounds = Bounds { progress, packed, bytes: 0, entries: 0 };
        let target = Target { workspace: self, into, replace };
        match format {
            None => target.unseven(file, &mut bounds),
            Some(ArchiveFormat::Zip) => target.unzip(file, &mut bounds),
            Some(format) => target.untar(unpacked(file, format)?, &mut bounds),
        }
    }
}

/// The content of a compressed file.
pub(super) fn unpacked(file: File, format: ArchiveFormat) -> FileResult<Box<dyn Read>> {
    let file = BufReader::with_capacity(PIECE, file);
    Ok(match format {
        ArchiveFormat::TarGz => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        ArchiveFormat::TarXz => Box::new(lzma_rust2::XzReader::new_mem_limit(file, true, XZ_MEMORY_KIB)),
        ArchiveFormat::TarBz2 => Box::new(bzip2::bufread::MultiBzDecoder::new(file)),
        ArchiveFormat::TarZst => Box::new(zstd::Decoder::with_buffer(file)?),
        ArchiveFormat::Tar | ArchiveFormat::Zip => Box::new(file),
    })
}

impl Target<'_> {
    fn untar(&self, content: Box<dyn Read>, bounds: &mut Bounds<'_>) -> FileResult<()> {
        let mut archive = tar::Archive::new(content);
        for entry in archive.entries().map_err(broken)? {
            let mut entry = entry.map_err(broken)?;
            bounds.entry()?;
            let name = escape(&entry.path_bytes()).into_owned();
            let mode = entry.header().mode().unwrap_or(0o644);
            match entry.header().entry_type() {
                tar::EntryType::Directory => self.folder(&name)?,
                tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => {
                    self.file(&name, mode, &mut entry, bounds)?;
                }
                tar::EntryType::Symlink => {
                    let target = entry.link_name_bytes().unwrap_or_default();
                    self.link(&name, &escape(&target))?;
                }
                tar::EntryType::XGlobalHeader => {}
                _ => return Err(refused(&name, "it is a hard link or a device")),
            }
        }
        Ok(())
    }

    fn unzip(&self, file: File, bounds: &mut Bounds<'_>) -> FileResult<()> {
        let mut archive = zip::ZipArchive::new(BufReader::with_capacity(PIECE, file)).map_err(zip_error)?;
        for index in 0..archive.len() {
            let mut entry = archive.by_index(index).map_err(zip_error)?;
            bounds.entry()?;
            let name = entry.name().map_err(zip_error)?.replace('\\', "/");
            let mode = entry.unix_mode().unwrap_or(0o644);
            if entry.is_dir() {
                self.folder(&name)?;
            } else if entry.is_symlink() {
                let mut target = String::new();
                (&mut entry).take(MAX_TARGET).read_to_string(&mut target).map_err(broken)?;
                self.link(&name, &target)?;
            } else {
                self.file(&name, mode, &mut entry, bounds)?;
            }
        }
        Ok(())
    }

    fn place(&self, name: &str) -> FileResult<FilePath> {
        self.into.join(name).map_err(|_| refused(name, "it leads out of the folder"))
    }

    pub(super) fn folder(&self, name: &str) -> FileResult<()> {
        self.workspace.root.create_dir_all(&self.place(name)?)
    }

    pub(super) fn file(
        &self,
        name: &str,
        mode: u32,
        content: &mut dyn Read,
        bounds: &mut Bounds<'_>,
    ) -> FileResult<()> {
        let path = self.make_room(name)?;
        let mode = (mode & 0o777) | 0o600;
        let mut file = self.workspace.root.open_file(&path, Open { mode, ..Open::NEW })?;
        let mut buffer = vec![0; PIECE];
        loop {
            let read = content.read(&mut buffer).map_err(broken)?;
            if read == 0 {
                return Ok(());
            }
            bounds.bytes(read as u64)?;
            file.write_all(buffer.get(..read).unwrap_or_default())?;
        }
    }

    pub(super) fn link(&self, name: &str, target: &str) -> FileResult<()> {
        let path = self.make_room(name)?;
        match self.workspace.root.symlink(target, &path) {
            Err(FileError::Outside) => Err(refused(name, "it is a link that leads outside")),
            other => other,
        }
    }

    /// The place of a file, with the folders on the way made and what was there removed, if it may be.
    fn make_room(&self, name: &str) -> FileResult<FilePath> {
        let (root, path) = (&self.workspace.root, self.place(name)?);
        root.create_dir_all(&path.parent().ok_or(FileError::IsAFolder)?)?;
        match root.lstat(&path) {
            Err(FileError::NotFound) => {}
            Err(error) => return Err(error),
            Ok(there) if there.kind == Kind::Folder => {
                return Err(refused(name, "there is a folder of this name"));
            }
            Ok(_) if !self.replace => return Err(refused(name, "there is a file of this name already")),
            Ok(_) => root.remove_file(&path)?,
        }
        Ok(path)
    }
}

pub(super) fn refused(name: &str, why: &str) -> FileError {
    FileError::Invalid(format!("The archive's entry {name:?} is not unpacked: {why}."))
}

/// What a decoder says of content that makes no sense.
pub(super) fn broken(error: io::Error) -> FileError {
    match FileError::from(error) {
        FileError::Io(error) if error.raw_os_error().is_none() => {
            FileError::Invalid(format!("The archive is damaged: {error}."))
        }
        error => error,
    }
}
