//! Creating archives, as a file or as a stream.

use super::{Workspace, enough, kept, operations::Progress};
use crate::files::{File, FileError, FilePath, FileResult, Kind, Open, Stat};
use bzip2::write::BzEncoder;
use chrono::{DateTime, Datelike, Timelike};
use flate2::write::GzEncoder;
use lzma_rust2::{XzOptions, XzWriter};
use raptor_model::node::{files::ArchiveFormat, names::unescape};
use std::{
    ffi::OsStr,
    io::{self, BufWriter, Read, Write},
    os::unix::ffi::OsStrExt,
};
use uuid::Uuid;
use zip::{
    CompressionMethod, ZipWriter,
    write::{ExtendedFileOptions, FileOptions},
};
use zstd::zstd_safe::CParameter;

/// The level of zstd compression. At its default level and with this many threads, zstd keeps up with disks.
const ZSTD_LEVEL: i32 = 3;
const ZSTD_THREADS: u32 = 2;
/// Bytes per zstd job: half the window at that level. The default is eight times as much, which only costs memory: archives of
/// servers don't get smaller.
const ZSTD_JOB: u32 = 1024 * 1024;
const PIECE: usize = 256 * 1024;

impl Workspace {
    /// Packs files and folders into a new archive file.
    pub(super) fn archive(
        &self,
        paths: &[FilePath],
        to: &FilePath,
        format: ArchiveFormat,
        progress: &Progress,
    ) -> FileResult<()> {
        enough(paths.len())?;
        match self.root.lstat(to) {
            Err(FileError::NotFound) => {}
            Ok(_) => return Err(FileError::Exists),
            Err(error) => return Err(error),
        }
        // Checked now rather than after packing everything.
        if let Some(parent) = to.parent() {
            self.root.entries(&parent)?;
        }
        progress.total(self.weigh(paths));
        // Written elsewhere first, so that it appears when it is complete and is not packed itself.
        let (kept_folder, beside) = (self.kept_folder("uploads")?, kept("uploads", Uuid::now_v7(), "")?);
        let file = kept_folder.open_file(&beside, Open::NEW)?;
        let mut out = BufWriter::with_capacity(PIECE, file);
        let packed = self.pack(paths, format, &mut out, progress).and_then(|()| {
            out.flush()?;
            kept_folder.rename_into(&beside, &self.root, to, false)
        });
        if packed.is_err() {
            let _ = kept_folder.remove_file(&beside);
        }
        packed
    }

    fn weigh(&self, paths: &[FilePath]) -> u64 {
        let below =
            |path: &FilePath| self.root.walk(path).map_or(0, |walk| walk.map(|step| step.stat.len).sum());
        paths.iter().map(|path| self.root.lstat(path).map_or(0, |stat| stat.len) + below(path)).sum()
    }

    /// Writes an archive of `paths` to `out`.
    pub(super) fn pack(
        &self,
        paths: &[FilePath],
        format: ArchiveFormat,
        out: &mut dyn Write,
        progress: &Progress,
    ) -> FileResult<()> {
        match format {
            ArchiveFormat::Zip => {
                let mut zip = Zip(ZipWriter::new_stream(out));
                self.pack_all(paths, &mut zip, progress)?;
                zip.0.finish().map_err(zip_error)?;
            }
            ArchiveFormat::Tar => self.pack_tar(paths, out, progress).map(drop)?,
            ArchiveFormat::TarGz => {
                let encoder = GzEncoder::new(out, flate2::Compression::default());
                self.pack_tar(paths, encoder, progress)?.finish()?;
            }
            ArchiveFormat::TarXz => {
                let encoder = XzWriter::new(out, XzOptions::with_preset(6))?;
                self.pack_tar(paths, encoder, progress)?.finish()?;
            }
            ArchiveFormat::TarBz2 => {
                let encoder = BzEncoder::new(out, bzip2::Compression::default());
                self.pack_tar(paths, encoder, progress)?.finish()?;
            }
            ArchiveFormat::TarZst => {
                let mut encoder = zstd::Encoder::new(out, ZSTD_LEVEL)?;
                encoder.multithread(ZSTD_THREADS)?;
                encoder.set_parameter(CParameter::JobSize(ZSTD_JOB))?;
                self.pack_tar(paths, encoder, progress)?.finish()?;
            }
        }
        Ok(())
    }

    fn pack_tar<W: Write>(&self, paths: &[FilePath], out: W, progress: &Progress) -> FileResult<W> {
        let mut tar = Tar(tar::Builder::new(out));
        self.pack_all(paths, &mut tar, progress)?;
        Ok(tar.0.into_inner()?)
    }

    fn pack_all(&self, paths: &[FilePath], out: &mut dyn Packer, progress: &Progress) -> FileResult<()> {
        for path in paths {
            // Names in the archive are relative to the parent folder of each path.
            let cut = path.parent().map_or(0, |parent| match parent.as_str().len() {
                0 => 0,
                length => length + 1,
            });
            let stat = self.root.lstat(path)?;
            if !path.is_root() {
                self.pack_one(path, cut, &stat, out, progress)?;
            }
            for step in self.root.walk(path)? {
                let Some(at) = step.file_path() else { continue };
                match self.pack_one(&at, cut, &step.stat, out, progress) {
                    // Deleted since the folder was read, as happens with files of a running server.
                    Ok(()) | Err(FileError::NotFound) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    fn pack_one(
        &self,
        path: &FilePath,
        cut: usize,
        stat: &Stat,
        out: &mut dyn Packer,
        progress: &Progress,
    ) -> FileResult<()> {
        let name = path.as_str().get(cut..).unwrap_or_default();
        match stat.kind {
            Kind::Folder => out.folder(name, stat)?,
            Kind::Symlink => out.link(name, &self.root.read_link(path)?, stat)?,
            Kind::Special => return Ok(()),
            Kind::File => {
                let file = self.root.open_file(path, Open::READ)?;
                let stat = file.stat()?;
                out.file(name, &stat, &mut Counted { file, progress, left: stat.len })?;
            }
        }
        progress.file()
    }
}

/// A file with exactly the length that the archive's header says, whatever its owner does meanwhile: truncated, or padded with
/// zeros.
struct Counted<'p> {
    file: File,
    progress: &'p Progress,
    left: u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let Some(buffer) = buffer.get_mut(..wanted) else { return Ok(0) };
        let mut read = self.file.read(buffer)?;
        if read == 0 && wanted > 0 {
            buffer.fill(0);
            read = wanted;
        }
        self.left -= read as u64;
        self.progress.bytes(read as u64)?;
        Ok(read)
    }
}

/// Writes an archive format. Names and targets are in the notation of a [`FilePath`].
trait Packer {
    fn folder(&mut self, name: &str, stat: &Stat) -> FileResult<()>;
    fn file(&mut self, name: &str, stat: &Stat, content: &mut Counted<'_>) -> FileResult<()>;
    fn link(&mut self, name: &str, target: &str, stat: &Stat) -> FileResult<()>;
}

struct Tar<W: Write>(tar::Builder<W>);

fn header(stat: &Stat, kind: tar::EntryType, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(stat.mode);
    header.set_mtime(u64::try_from(stat.modified.seconds).unwrap_or(0));
    header
}

impl<W: Write> Packer for Tar<W> {
    fn folder(&mut self, name: &str, stat: &Stat) -> FileResult<()> {
        let mut header = header(stat, tar::EntryType::Directory, 0);
        let name = [&*unescape(name), b"/"].concat();
        Ok(self.0.append_data(&mut header, OsStr::from_bytes(&name), io::empty())?)
    }

    fn file(&mut self, name: &str, stat: &Stat, content: &mut Counted<'_>) -> FileResult<()> {
        let mut header = header(stat, tar::EntryType::Regular, stat.len);
        Ok(self.0.append_data(&mut header, OsStr::from_bytes(&unescape(name)), content)?)
    }

    fn link(&mut self, name: &str, target: &str, stat: &Stat) -> FileResult<()> {
        let (name, target) = (unescape(name), unescape(target));
        let mut header = header(stat, tar::EntryType::Symlink, 0);
        Ok(self.0.append_link(&mut header, OsStr::from_bytes(&name), OsStr::from_bytes(&target))?)
    }
}

struct Zip<W: Write>(ZipWriter<zip::write::StreamWriter<W>>);

/// Id of Info-ZIP's extended timestamp field (`extrafld.txt`), and the flag for the modification time.
const TIMESTAMP: u16 = 0x5455;
const MODIFIED: u8 = 1;

fn options(stat: &Stat) -> FileResult<FileOptions<'static, 'static, ExtendedFileOptions>> {
    let mut options = FileOptions::<ExtendedFileOptions>::default()
        .compression_method(CompressionMethod::Deflated)
        .large_file(stat.len >= u64::from(u32::MAX))
        .unix_permissions(stat.mode)
        .last_modified_time(clock(stat).unwrap_or_default());
    if let Ok(seconds) = u32::try_from(stat.modified.seconds) {
        let data = [&[MODIFIED][..], &seconds.to_le_bytes()].concat();
        options.add_extra_field(TIMESTAMP, data, false).map_err(zip_error)?;
    }
    Ok(options)
}

/// The timestamp for programs that don't support the extended one: a resolution of two seconds, from 1980 to 2107, in UTC.
fn clock(stat: &Stat) -> Option<zip::DateTime> {
    let at = DateTime::from_timestamp(stat.modified.seconds, 0)?.naive_utc();
    let small = |number: u32| u8::try_from(number).ok();
    zip::DateTime::from_date_and_time(
        u16::try_from(at.year()).ok()?,
        small(at.month())?,
        small(at.day())?,
        small(at.hour())?,
        small(at.minute())?,
        small(at.second())?,
    )
    .ok()
}

impl<W: Write> Packer for Zip<W> {
    fn folder(&mut self, name: &str, stat: &Stat) -> FileResult<()> {
        // The library only accepts names of folders and links as UTF-8. The folder is created by its content.
        let Some(name) = text(name) else { return Ok(()) };
        self.0.add_directory(name, options(stat)?).map_err(zip_error)
    }

    fn file(&mut self, name: &str, stat: &Stat, content: &mut Counted<'_>) -> FileResult<()> {
        let name = unescape(name);
        self.0.start_file_with_options(options(stat)?.name(&name)).map_err(zip_error)?;
        io::copy(content, &mut self.0)?;
        Ok(())
    }

    fn link(&mut self, name: &str, target: &str, stat: &Stat) -> FileResult<()> {
        let (Some(name), Some(target)) = (text(name), text(target)) else { return Ok(()) };
        self.0.add_symlink(name, target, options(stat)?).map_err(zip_error)
    }
}

/// The name; `None` if it isn't UTF-8.
fn text(name: &str) -> Option<String> {
    String::from_utf8(unescape(name).into_owned()).ok()
}

pub(super) fn zip_error(error: zip::result::ZipError) -> FileError {
    match error {
        zip::result::ZipError::Io(error) => error.into(),
        error => FileError::Invalid(format!("The archive can't be used: {error}.")),
    }
}
