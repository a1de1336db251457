//! Metadata of files.

use rustix::fs::{AtFlags, FileType, fstat, statat};
use std::{io, os::fd::AsFd};

/// The type of a folder's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    Folder,
    Symlink,
    /// A named pipe, socket or device.
    Special,
}

/// A timestamp with the kernel's precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Seconds since 1970-01-01 UTC.
    pub seconds: i64,
    /// Nanoseconds within the second, below 10⁹.
    pub nanoseconds: u32,
}

/// Metadata of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    pub kind: Kind,
    /// The length of the content, in bytes.
    pub len: u64,
    /// Number of 512-byte blocks on disk.
    pub blocks: u64,
    /// Permission bits, without the file type.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Number of hard links.
    pub links: u64,
    pub inode: u64,
    /// Id of the file system.
    pub device: u64,
    /// When the content was last modified.
    pub modified: Time,
    /// When the content was last read.
    pub accessed: Time,
}

impl Stat {
    /// The metadata of an open file.
    pub(super) fn of(file: impl AsFd) -> io::Result<Self> {
        Ok(Self::from_kernel(&fstat(file)?))
    }

    /// The metadata of `name` in an open folder, without following a link. `name` is a single name, not a path.
    pub(super) fn at(folder: impl AsFd, name: &std::ffi::CStr) -> io::Result<Self> {
        Ok(Self::from_kernel(&statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?))
    }

    /// How many bytes it takes on disk, which may be fewer than its length.
    #[must_use]
    pub const fn allocated(&self) -> u64 {
        self.blocks.saturating_mul(512)
    }

    /// Bytes on disk that deleting it would free: 0 while it has other hard links.
    pub(super) const fn freed(&self) -> u64 {
        match self.kind {
            Kind::Folder => self.allocated(),
            _ if self.links > 1 => 0,
            _ => self.allocated(),
        }
    }

    /// An identifier of this version of the file: it changes with the content.
    #[must_use]
    pub fn etag(&self) -> String {
        let Time { seconds, nanoseconds } = self.modified;
        format!("{:x}-{:x}-{seconds:x}.{nanoseconds:x}", self.inode, self.len)
    }

    #[expect(clippy::useless_conversion, reason = "the number of links has 32 bits on other architectures")]
    fn from_kernel(stat: &rustix::fs::Stat) -> Self {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Folder,
            FileType::Symlink => Kind::Symlink,
            _ => Kind::Special,
        };
        let time = |seconds: i64, nanoseconds| Time {
            seconds,
            nanoseconds: u32::try_from(nanoseconds).unwrap_or(0),
        };
        Self {
            kind,
            len: u64::try_from(stat.st_size).unwrap_or(0),
            blocks: u64::try_from(stat.st_blocks).unwrap_or(0),
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            links: u64::from(stat.st_nlink),
            inode: stat.st_ino,
            device: stat.st_dev,
            modified: time(stat.st_mtime, stat.st_mtime_nsec),
            accessed: time(stat.st_atime, stat.st_atime_nsec),
        }
    }
}
