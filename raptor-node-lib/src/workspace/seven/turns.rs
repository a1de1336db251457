//! Memory for large dictionaries: archives whose sum would be too much wait for each other.

use super::super::operations::Progress;
use crate::files::{FileError, FileResult};
use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

/// Bytes of memory that all archives together are unpacked with.
const TOGETHER: u64 = 512 * 1024 * 1024;
/// How soon one that waits sees that it was cancelled.
const LOOK: Duration = Duration::from_millis(200);

static TAKEN: Mutex<u64> = Mutex::new(0);
static GIVEN_BACK: Condvar = Condvar::new();

/// So many bytes of memory, given back in the end.
pub(super) struct Turn(u64);

impl Turn {
    /// Waits until there is room. What is more than all there is takes its turn alone.
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

impl Drop for Turn {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) -= self.0;
        GIVEN_BACK.notify_all();
    }
}
