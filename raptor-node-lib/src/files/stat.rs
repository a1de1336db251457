//! What the kernel says of a file.

use rustix::fs::{AtFlags, FileType, fstat, statat};
use std::{io, os::fd::AsFd};

/// What something in a folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Symlink,
    /// A pipe, socket or device.
    Special,
}

/// A point in time as the kernel keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Seconds since 1970.
    pub seconds: i64,
    /// And nanoseconds.
    pub nanoseconds: u32,
}

/// What the kernel says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: Kind,
    /// Length in bytes.
    pub len: u64,
    /// 512-byte blocks on disk.
    pub blocks: u64,
    /// Permission bits, without the type.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Names that it has.
    pub links: u64,
    /// Its number in the file system.
    pub inode: u64,
    /// The file system.
    pub device: u64,
    /// When its content changed last.
    pub modified: Time,
    /// When it was read last.
    pub accessed: Time,
}

impl Stat {
    /// Of what is open.
    pub(super) fn of(file: impl AsFd) -> io::Result<Self> {
        Ok(Self::from_kernel(&fstat(file)?))
    }

    /// Of `name` in an open folder, a link not followed. `name` is one name, not a path.
    pub(super) fn at(folder: impl AsFd, name: &std::ffi::CStr) -> io::Result<Self> {
        Ok(Self::from_kernel(&statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?))
    }

    /// Bytes on disk.
    #[must_use]
    pub const fn allocated(&self) -> u64 {
        self.blocks.saturating_mul(512)
    }

    /// Bytes that its removal frees.
    pub(super) const fn freed(&self) -> u64 {
        match self.kind {
            Kind::Folder => self.allocated(),
            _ if self.links > 1 => 0,
            _ => self.allocated(),
        }
    }

    /// What a version of a file is told by: other content has another one.
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
