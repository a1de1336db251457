//! An open file of a container.

use super::{
    stat::Stat,
    usage::{Offset, Room, Usage},
};
use raptor_model::node::{FileError, FileResult};
use rustix::{
    buffer::spare_capacity,
    fs::{Mode, Timespec, Timestamps, copy_file_range, fchmod, futimens, sendfile},
    io::{pread, retry_on_intr},
};
use std::{
    io::{self, Read, Seek, SeekFrom, Write},
    os::{fd::AsFd, unix::fs::FileExt},
    sync::Arc,
};

/// Most bytes copied by one system call, so that a cancelled copy ends soon.
const COPY_PIECE: usize = 8 * 1024 * 1024;
/// Most bytes sent by one system call, so that the caller can check in between whether to continue.
const SEND_PIECE: usize = 8 * 1024 * 1024;
/// Permission bits allowed for containers' files: no setuid, setgid or sticky bit.
pub(super) const MODE_BITS: u32 = 0o777;

/// An open regular file. Every write is counted in the container's [`Usage`]. Blocking: don't use it on async threads.
pub struct File {
    inner: std::fs::File,
    usage: Arc<Usage>,
    append: bool,
    room: Room,
}

impl File {
    pub(super) const fn new(inner: std::fs::File, usage: Arc<Usage>, append: bool, room: Room) -> Self {
        Self { inner, usage, append, room }
    }

    /// Reads up to `buffer.len()` bytes at `offset`; 0 at the end.
    ///
    /// # Errors
    /// I/O errors.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> FileResult<usize> {
        Ok(self.inner.read_at(buffer, offset)?)
    }

    /// Reads up to `length` bytes at `offset` and appends them to `buffer`, without clearing memory first. Returns the number
    /// of bytes, 0 at the end of the file.
    ///
    /// # Errors
    /// I/O errors.
    pub fn read_behind(&self, buffer: &mut Vec<u8>, length: usize, offset: u64) -> FileResult<usize> {
        buffer.reserve_exact(length);
        let before = buffer.len();
        retry_on_intr(|| pread(&self.inner, spare_capacity(buffer), offset)).map_err(io::Error::from)?;
        // The allocator may have reserved more than was asked for.
        buffer.truncate(before.saturating_add(length));
        Ok(buffer.len() - before)
    }

    /// Makes the kernel send up to `count` bytes at `offset` to `socket`. Returns the number of bytes, 0 at the end of the
    /// file.
    ///
    /// # Errors
    /// I/O errors; `WouldBlock` if the socket accepted nothing within its timeout.
    pub fn send_to(&self, socket: impl AsFd, offset: u64, count: u64) -> io::Result<u64> {
        let (mut offset, count) = (offset, usize::try_from(count).unwrap_or(SEND_PIECE).min(SEND_PIECE));
        Ok(retry_on_intr(|| sendfile(&socket, &self.inner, Some(&mut offset), count))? as u64)
    }

    /// Writes all of `data` at `offset`, or at the end of the file if it is open for appending.
    ///
    /// # Errors
    /// [`FileError::OverLimit`], [`FileError::NoSpace`] or an I/O error.
    pub fn write_at(&self, data: &[u8], offset: u64) -> FileResult<()> {
        let place = if self.append { Offset::End } else { Offset::At(offset) };
        self.usage
            .growing(&self.inner, place, data.len() as u64, self.room, |file| file.write_all_at(data, offset))
    }

    /// Truncates the file, or extends it with zeros.
    ///
    /// # Errors
    /// [`FileError::OverLimit`] or an I/O error.
    pub fn set_len(&self, length: u64) -> FileResult<()> {
        self.usage.resizing(&self.inner, length, |file| file.set_len(length))
    }

    /// Copies up to `count` bytes to another file within the kernel. Returns the number of bytes, 0 at the end of this file.
    ///
    /// # Errors
    /// [`FileError::OverLimit`], [`FileError::NoSpace`] or an I/O error.
    pub fn copy_to(&self, offset: u64, to: &Self, to_offset: u64, count: u64) -> FileResult<u64> {
        let there = self.stat()?.len.saturating_sub(offset);
        let count = count.min(there).min(COPY_PIECE as u64);
        if count == 0 {
            return Ok(0);
        }
        let place = if to.append { Offset::End } else { Offset::At(to_offset) };
        to.usage.growing(&to.inner, place, count, to.room, |target| {
            let (mut from_at, mut to_at) = (offset, to_offset);
            let piece = usize::try_from(count).unwrap_or(COPY_PIECE);
            match copy_file_range(&self.inner, Some(&mut from_at), target, Some(&mut to_at), piece) {
                Ok(copied) if copied > 0 => Ok(copied as u64),
                // Different file systems, files open for appending, and overlapping ranges of one file.
                _ => {
                    let mut buffer = vec![0; piece.min(256 * 1024)];
                    let read = self.inner.read_at(&mut buffer, offset)?;
                    target.write_all_at(buffer.get(..read).unwrap_or_default(), to_offset)?;
                    Ok(read as u64)
                }
            }
        })
    }

    /// The file's metadata.
    ///
    /// # Errors
    /// I/O errors.
    pub fn stat(&self) -> FileResult<Stat> {
        Ok(Stat::of(&self.inner)?)
    }

    /// Changes the permission bits; setuid, setgid and sticky bits are ignored.
    ///
    /// # Errors
    /// I/O errors.
    pub fn set_mode(&self, mode: u32) -> FileResult<()> {
        fchmod(&self.inner, Mode::from_raw_mode(mode & MODE_BITS)).map_err(io::Error::from)?;
        Ok(())
    }

    /// Sets the times of the last access and modification.
    ///
    /// # Errors
    /// I/O errors.
    pub fn set_times(&self, accessed: super::Time, modified: super::Time) -> FileResult<()> {
        futimens(&self.inner, &timestamps(accessed, modified)).map_err(io::Error::from)?;
        Ok(())
    }

    /// Waits until the content is on disk.
    ///
    /// # Errors
    /// I/O errors.
    pub fn sync(&self) -> FileResult<()> {
        Ok(self.inner.sync_all()?)
    }
}

pub(super) fn timestamps(accessed: super::Time, modified: super::Time) -> Timestamps {
    let time = |time: super::Time| Timespec { tv_sec: time.seconds, tv_nsec: time.nanoseconds.into() };
    Timestamps { last_access: time(accessed), last_modification: time(modified) }
}

impl Read for &File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.inner).read(buffer)
    }
}

impl Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.inner).read(buffer)
    }
}

impl Seek for File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        (&self.inner).seek(to)
    }
}

impl Write for File {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let place = if self.append { Offset::End } else { Offset::At((&self.inner).stream_position()?) };
        let count = data.len() as u64;
        let written = self.usage.growing(&self.inner, place, count, self.room, |mut file| file.write(data));
        written.map_err(FileError::into)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
