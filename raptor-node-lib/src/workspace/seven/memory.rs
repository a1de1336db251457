//! A memory budget for large dictionaries: archives that would exceed it together wait for each other.

use super::super::operations::Progress;
use crate::files::{FileError, FileResult};
use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

/// Bytes of memory for extracting all archives together.
const TOGETHER: u64 = 512 * 1024 * 1024;
/// How often a waiting operation checks whether it was cancelled.
const LOOK: Duration = Duration::from_millis(200);

static TAKEN: Mutex<u64> = Mutex::new(0);
static GIVEN_BACK: Condvar = Condvar::new();

/// A share of the budget in bytes, returned when dropped.
pub(super) struct MemoryShare(u64);

impl MemoryShare {
    /// Waits until the budget suffices. A share larger than the whole budget is used alone.
    ///
    /// # Errors
    /// [`FileError::Cancelled`].
    pub(super) fn take(bytes: u64, progress: &Progress) -> FileResult<Self> {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken > 0 && taken.saturating_add(bytes) > TOGETHER {
            if progress.cancel.is_cancelled() {
                return Err(FileError::Cancelled);
            }
            taken = GIVEN_BACK.wait_timeout(taken, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
        *taken += bytes;
        Ok(Self(bytes))
    }
}

impl Drop for MemoryShare {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) -= self.0;
        GIVEN_BACK.notify_all();
    }
}
