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

/// The most that the kernel is asked to copy at once: a cancelled copy should end soon.
const COPY_PIECE: usize = 8 * 1024 * 1024;
/// The most that the kernel is asked to send at once: whoever waits for it looks up in between.
const SEND_PIECE: usize = 8 * 1024 * 1024;
/// Permission bits that a container's files may have: no setuid, setgid or sticky bit.
pub(super) const MODE_BITS: u32 = 0o777;

/// An open regular file. Every write is counted in the container's [`Usage`]. Blocking: call it off the async threads.
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
    /// The kernel's.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> FileResult<usize> {
        Ok(self.inner.read_at(buffer, offset)?)
    }

    /// Reads up to `length` bytes at `offset` behind what is in `buffer`, which needs no clearing first; says how many, 0 at the
    /// end.
    ///
    /// # Errors
    /// The kernel's.
    pub fn read_behind(&self, buffer: &mut Vec<u8>, length: usize, offset: u64) -> FileResult<usize> {
        buffer.reserve_exact(length);
        let before = buffer.len();
        retry_on_intr(|| pread(&self.inner, spare_capacity(buffer), offset)).map_err(io::Error::from)?;
        // The allocator may have given more room than was asked for.
        buffer.truncate(before.saturating_add(length));
        Ok(buffer.len() - before)
    }

    /// Has the kernel send up to `count` bytes at `offset` to `socket`; says how many, 0 at the end.
    ///
    /// # Errors
    /// The kernel's; `WouldBlock` when the socket took nothing in its time.
    pub fn send_to(&self, socket: impl AsFd, offset: u64, count: u64) -> io::Result<u64> {
        let (mut offset, count) = (offset, usize::try_from(count).unwrap_or(SEND_PIECE).min(SEND_PIECE));
        Ok(retry_on_intr(|| sendfile(&socket, &self.inner, Some(&mut offset), count))? as u64)
    }

    /// Writes all of `data` at `offset`, or at the end where the file is open for appending.
    ///
    /// # Errors
    /// [`FileError::OverLimit`], [`FileError::NoSpace`] or the kernel's.
    pub fn write_at(&self, data: &[u8], offset: u64) -> FileResult<()> {
        let place = if self.append { Offset::End } else { Offset::At(offset) };
        self.usage
            .growing(&self.inner, place, data.len() as u64, self.room, |file| file.write_all_at(data, offset))
    }

    /// Cuts it, or fills it up with zeros.
    ///
    /// # Errors
    /// [`FileError::OverLimit`] or the kernel's.
    pub fn set_len(&self, length: u64) -> FileResult<()> {
        self.usage.resizing(&self.inner, length, |file| file.set_len(length))
    }

    /// Copies up to `count` bytes to another file inside the kernel; says how many, 0 at the end of this file.
    ///
    /// # Errors
    /// [`FileError::OverLimit`], [`FileError::NoSpace`] or the kernel's.
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
                // Other file systems, files open for appending, and ranges of one file that overlap.
                _ => {
                    let mut buffer = vec![0; piece.min(256 * 1024)];
                    let read = self.inner.read_at(&mut buffer, offset)?;
                    target.write_all_at(buffer.get(..read).unwrap_or_default(), to_offset)?;
                    Ok(read as u64)
                }
            }
        })
    }

    /// What the kernel says of it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn stat(&self) -> FileResult<Stat> {
        Ok(Stat::of(&self.inner)?)
    }

    /// Changes its permission bits; setuid, setgid and sticky bits are left out.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set_mode(&self, mode: u32) -> FileResult<()> {
        fchmod(&self.inner, Mode::from_raw_mode(mode & MODE_BITS)).map_err(io::Error::from)?;
        Ok(())
    }

    /// Changes when it was read and changed last.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set_times(&self, accessed: super::Time, modified: super::Time) -> FileResult<()> {
        futimens(&self.inner, &timestamps(accessed, modified)).map_err(io::Error::from)?;
        Ok(())
    }

    /// Waits until its content is on the disk.
    ///
    /// # Errors
    /// The kernel's.
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
