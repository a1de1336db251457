//! The disk usage accounts of all containers on the host.

use super::{Root, Usage};
use raptor_model::id::ContainerId;
use std::{
    collections::HashMap,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

/// Permissions of a container's folder.
const CLOSED: u32 = 0o750;

/// One [`Usage`] per container, shared by everyone who opens its folder.
#[derive(Default)]
pub(crate) struct Accounts(Mutex<HashMap<ContainerId, Arc<Usage>>>);

impl Accounts {
    /// The account of a container with a limit in MiB, 0 = unlimited. Its first user measures the folder.
    pub(crate) fn of(&self, id: ContainerId, limit_mib: u64) -> Arc<Usage> {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let usage = accounts.entry(id).or_default().clone();
        usage.set_limit(limit_mib.saturating_mul(1024 * 1024));
        usage
    }

    /// Closes the account of a container that was removed.
    pub(crate) fn forget(&self, id: ContainerId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}

impl Root {
    /// Opens a container's folder; measures it and the folder beside it, unless that was done before. Blocking.
    ///
    /// # Errors
    /// If it can't be opened.
    pub(crate) fn measured(
        path: &Path,
        beside: &Path,
        uid: u32,
        gid: u32,
        usage: Arc<Usage>,
    ) -> io::Result<Self> {
        let root = Self::with_usage(path, uid, gid, usage)?;
        close(path)?;
        root.usage().locate(path, beside);
        root.usage().measure_once(|| Ok(root.size() + size_of(beside)));
        Ok(root)
    }

    /// Measures the folder and the one beside it again. Blocking.
    pub(crate) fn measure(&self, beside: &Path) -> u64 {
        self.usage().trash_changed();
        self.usage().rescan(|| Ok(self.size() + size_of(beside))).unwrap_or(0)
    }
}

/// Closes a container's folder to other users of the host; its owner is the container's user. Undoes what an installer or an
/// earlier version left open. A folder that another user owns is left alone.
///
/// # Errors
/// If its permissions can't be read or changed.
pub(crate) fn close(folder: &Path) -> io::Result<()> {
    let metadata = fs::metadata(folder)?;
    if metadata.permissions().mode() & 0o7777 == CLOSED {
        return Ok(());
    }
    match fs::set_permissions(folder, fs::Permissions::from_mode(CLOSED)) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        done => done,
    }
}

/// Bytes on disk of a folder and its content; 0 if it doesn't exist. Blocking.
pub(super) fn size_of(path: &Path) -> u64 {
    if path.exists() { Root::open(path, 0, 0).map_or(0, |root| root.size()) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_containers_folder_is_closed_to_other_users_of_the_host_whatever_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let (data, beside) = (folder.path().join("data"), folder.path().join("beside"));
        let own = fs::metadata(folder.path()).unwrap();
        let ids = (std::os::unix::fs::MetadataExt::uid(&own), std::os::unix::fs::MetadataExt::gid(&own));
        for mode in [None, Some(0o755), Some(0o6777)] {
            if let Some(mode) = mode {
                fs::set_permissions(&data, fs::Permissions::from_mode(mode)).unwrap();
            }
            Root::measured(&data, &beside, ids.0, ids.1, Arc::default()).unwrap();
            assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o7777, 0o750, "{mode:?}");
        }
    }
}
