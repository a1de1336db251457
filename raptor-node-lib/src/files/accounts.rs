//! The disk accounts of all containers on the host.

use super::{Root, Usage};
use raptor_core::id::ContainerId;
use std::{
    collections::HashMap,
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

/// One [`Usage`] per container, whoever opens its folder.
#[derive(Default)]
pub(crate) struct Accounts(Mutex<HashMap<ContainerId, Arc<Usage>>>);

impl Accounts {
    /// The account of a container with a limit in MiB, 0 = none. Its first user measures what is there.
    pub(crate) fn of(&self, id: ContainerId, limit_mib: u64) -> Arc<Usage> {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let usage = accounts.entry(id).or_default().clone();
        usage.set_limit(limit_mib.saturating_mul(1024 * 1024));
        usage
    }

    /// Closes the account of a container that is gone.
    pub(crate) fn forget(&self, id: ContainerId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}

impl Root {
    /// Opens a container's folder and measures it, and what is kept beside it, where nobody has. Blocking.
    ///
    /// # Errors
    /// When it can't be opened.
    pub(crate) fn measured(
        path: &Path,
        beside: &Path,
        uid: u32,
        gid: u32,
        usage: Arc<Usage>,
    ) -> io::Result<Self> {
        let root = Self::with_usage(path, uid, gid, usage)?;
        root.usage().locate(path, beside);
        root.usage().measure_once(|| Ok(root.size() + size_of(beside)));
        Ok(root)
    }

    /// Measures it, and what is kept beside it, again. Blocking.
    pub(crate) fn measure(&self, beside: &Path) -> u64 {
        self.usage().trash_changed();
        self.usage().rescan(|| Ok(self.size() + size_of(beside))).unwrap_or(0)
    }
}

/// Bytes on disk of a folder and what is in it; 0 where there is none. Blocking.
pub(super) fn size_of(path: &Path) -> u64 {
    if path.exists() { Root::open(path, 0, 0).map_or(0, |root| root.size()) } else { 0 }
}
