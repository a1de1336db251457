//! A container's disk usage, counted wherever files are written.

use super::{accounts::size_of, stat::Stat};
use raptor_model::node::{FileError, FileResult};
use rustix::fs::statvfs;
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, Once, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

/// Block size that space on disk is estimated with, in bytes.
pub(super) const BLOCK: u64 = 4_096;
/// Number of locks for writes; files whose inode numbers differ modulo this share none.
const STRIPES: u64 = 64;

/// A container's disk usage account: its limit, and the result of a scan plus what was written since. HTTP, SFTP, archives and
/// downloads all reserve space here before they write. It counts space on disk, so a sparse file costs only what it holds.
pub struct Usage {
    limit: AtomicU64,
    used: AtomicU64,
    /// The sum of all growth so far, from which a scan learns what was written while it ran.
    grown: AtomicU64,
    stripes: [Mutex<()>; STRIPES as usize],
    measured: Once,
    places: OnceLock<Places>,
    /// Bytes in the trash, unless it was changed since they were counted.
    trash: Mutex<Option<u64>>,
}

/// A container's folders, to tell which limit a full disk is about.
struct Places {
    /// A folder on the same file system without a quota of this container.
    host: PathBuf,
    trash: PathBuf,
}

/// Whether the limit is checked before a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// Nothing is written beyond the limit.
    Limited,
    /// Writes are counted and never refused: for what has to be written so that something can be deleted.
    Beyond,
}

impl Default for Usage {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Usage {
    /// An account with a limit in bytes; 0 = unlimited.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self {
            limit: limit.into(),
            used: 0.into(),
            grown: 0.into(),
            stripes: std::array::from_fn(|_| Mutex::default()),
            measured: Once::new(),
            places: OnceLock::new(),
            trash: Mutex::new(None),
        }
    }

    /// Sets the container's data folder and the folder `beside` it.
    pub(super) fn locate(&self, data: &Path, beside: &Path) {
        let host = data.parent().unwrap_or(data).to_owned();
        self.places.get_or_init(|| Places { host, trash: beside.join("trash") });
    }

    /// The size of the trash in bytes, which is part of [`Usage::used`].
    pub(crate) fn trash(&self) -> u64 {
        let mut known = self.trash.lock().unwrap_or_else(PoisonError::into_inner);
        *known.get_or_insert_with(|| self.places.get().map_or(0, |places| size_of(&places.trash)))
    }

    /// Marks the size of the trash as outdated: it is counted again on next use.
    pub(crate) fn trash_changed(&self) {
        *self.trash.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn over_limit(&self) -> FileError {
        FileError::OverLimit { limit: self.limit(), trash: self.trash() }
    }

    /// The error for a refused write. XFS reports a full disk when only the container's quota is used up.
    pub(super) fn refused(&self, error: io::Error) -> FileError {
        match FileError::from(error) {
            FileError::NoSpace { .. } if self.limit() > 0 && self.host_has_room() => self.over_limit(),
            FileError::NoSpace { .. } => FileError::NoSpace { trash: self.trash() },
            other => other,
        }
    }

    fn host_has_room(&self) -> bool {
        let disk = self.places.get().and_then(|places| statvfs(&places.host).ok());
        // File systems without a fixed number of inodes report 0.
        disk.is_some_and(|disk| disk.f_bavail > 0 && (disk.f_files == 0 || disk.f_ffree > 0))
    }

    /// The limit in bytes; 0 = unlimited.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit.load(SeqCst)
    }

    /// Changes the limit; 0 = unlimited. Existing files stay.
    pub fn set_limit(&self, limit: u64) {
        self.limit.store(limit, SeqCst);
    }

    #[must_use]
    pub fn used(&self) -> u64 {
        self.used.load(SeqCst)
    }

    /// Bytes that may still be written; `None` if unlimited.
    #[must_use]
    pub fn free(&self) -> Option<u64> {
        let limit = self.limit();
        (limit > 0).then(|| limit.saturating_sub(self.used()))
    }

    /// Reserves space before writing.
    ///
    /// # Errors
    /// [`FileError::OverLimit`]; then nothing is reserved.
    pub fn reserve(&self, bytes: u64) -> FileResult<()> {
        let limit = self.limit();
        let taken = self.used.fetch_update(SeqCst, SeqCst, |used| {
            let after = used.saturating_add(bytes);
            (bytes == 0 || limit == 0 || after <= limit).then_some(after)
        });
        taken.map_err(|_| self.over_limit())?;
        self.grown.fetch_add(bytes, SeqCst);
        Ok(())
    }

    /// Counts space regardless of the limit.
    fn take(&self, bytes: u64) {
        let _ = self.used.fetch_update(SeqCst, SeqCst, |used| Some(used.saturating_add(bytes)));
        self.grown.fetch_add(bytes, SeqCst);
    }

    pub(super) fn claim(&self, bytes: u64, room: Room) -> FileResult<()> {
        match room {
            Room::Limited => self.reserve(bytes),
            Room::Beyond => {
                self.take(bytes);
                Ok(())
            }
        }
    }

    /// Releases space.
    pub fn release(&self, bytes: u64) {
        let _ = self.used.fetch_update(SeqCst, SeqCst, |used| Some(used.saturating_sub(bytes)));
    }

    /// Replaces the count by the result of `scan`. What is written during the scan is added, even if the scan saw it: too much
    /// until the next scan is better than too little.
    ///
    /// # Errors
    /// Those of `scan`; then the account is unchanged.
    pub fn rescan(&self, scan: impl FnOnce() -> FileResult<u64>) -> FileResult<u64> {
        let before = self.grown.load(SeqCst);
        let found = scan()?;
        let meanwhile = self.grown.load(SeqCst).saturating_sub(before);
        let used = found.saturating_add(meanwhile);
        self.used.store(used, SeqCst);
        Ok(used)
    }

    /// Scans unless that was done since the daemon started: until then, the account would consider everything free.
    pub(super) fn measure_once(&self, scan: impl FnOnce() -> FileResult<u64>) {
        self.measured.call_once(|| {
            if let Err(error) = self.rescan(scan) {
                tracing::warn!(%error, "measuring a container's files failed");
            }
        });
    }

    /// Checks that no file gets longer than the disk is large, however few blocks it has.
    pub(super) fn check_length(&self, length: u64) -> FileResult<()> {
        match self.limit() {
            limit if limit > 0 && length > limit => Err(self.over_limit()),
            _ => Ok(()),
        }
    }

    /// Runs an operation that extends or fills a file by `count` bytes from `offset`, and counts the space that it really took.
    pub(super) fn growing<T>(
        &self,
        file: &File,
        offset: Offset,
        count: u64,
        room: Room,
        act: impl FnOnce(&File) -> io::Result<T>,
    ) -> FileResult<T> {
        let (_turn, before) = self.turn(file)?;
        let start = match offset {
            Offset::At(offset) => offset,
            Offset::End => before.len,
        };
        let end = start.saturating_add(count);
        if room == Room::Limited {
            self.check_length(end)?;
        }
        // A write into a sparse file may need as much space as is written; other files only need space beyond their end.
        let has_holes = before.allocated() < before.len;
        let needed =
            if has_holes { count.saturating_add(BLOCK) } else { end.saturating_sub(before.allocated()) };
        let needed = needed.next_multiple_of(BLOCK);
        self.claim(needed, room)?;
        let done = act(file);
        self.settle(file, before.allocated(), needed);
        done.map_err(|error| self.refused(error))
    }

    /// Runs an operation that changes a file's length, and counts what it frees.
    pub(super) fn resizing<T>(
        &self,
        file: &File,
        length: u64,
        act: impl FnOnce(&File) -> io::Result<T>,
    ) -> FileResult<T> {
        let (_turn, before) = self.turn(file)?;
        self.check_length(length)?;
        let done = act(file);
        self.settle(file, before.allocated(), 0);
        Ok(done?)
    }

    /// Locks a file for writing: concurrent writers would each count what the other wrote.
    fn turn(&self, file: &File) -> FileResult<(Option<MutexGuard<'_, ()>>, Stat)> {
        let stat = Stat::of(file)?;
        let stripe = self.stripes.get(usize::try_from(stat.inode % STRIPES).unwrap_or(0));
        let guard = stripe.map(|stripe| stripe.lock().unwrap_or_else(PoisonError::into_inner));
        // The metadata is only meaningful while nobody else writes.
        let stat = if guard.is_some() { Stat::of(file)? } else { stat };
        Ok((guard, stat))
    }

    fn settle(&self, file: &File, before: u64, reserved: u64) {
        let Ok(after) = Stat::of(file) else { return };
        let after = after.allocated();
        self.correct(reserved, after.saturating_sub(before));
        self.release(before.saturating_sub(after));
    }

    /// Replaces the reserved amount by what was really taken.
    pub(super) fn correct(&self, reserved: u64, taken: u64) {
        if taken > reserved {
            // The file system took more than predicted; it is counted, limit or not.
            self.take(taken - reserved);
        } else {
            self.release(reserved - taken);
        }
    }
}

/// The position of a write.
#[derive(Clone, Copy, Debug)]
pub(super) enum Offset {
    /// At this offset in bytes.
    At(u64),
    End,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_the_limit_is_refused_and_takes_nothing() {
        let usage = Usage::new(10);
        usage.reserve(8).unwrap();
        assert!(matches!(usage.reserve(3), Err(FileError::OverLimit { limit: 10, trash: 0 })));
        assert!(matches!(usage.reserve(u64::MAX), Err(FileError::OverLimit { .. })), "no overflow");
        assert_eq!((usage.used(), usage.free()), (8, Some(2)));
        usage.release(100);
        assert_eq!(usage.used(), 0);
    }

    #[test]
    fn a_scan_keeps_what_was_written_meanwhile() {
        let usage = Usage::new(100);
        usage.reserve(50).unwrap();
        let used = usage.rescan(|| {
            usage.reserve(7)?;
            Ok(20)
        });
        assert_eq!(used.unwrap(), 27);
    }

    #[test]
    fn many_at_once_never_pass_the_limit() {
        let usage = Usage::new(1_000);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        let _ = usage.reserve(1);
                    }
                });
            }
        });
        assert_eq!(usage.used(), 1_000);
    }
}
