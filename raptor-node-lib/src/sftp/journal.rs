//! Recording changes for the audit trail: a few seconds of one session make one entry, stored on disk until it is acknowledged.

use crate::link::Link;
use raptor_model::{
    clock::Clock,
    id::{ActivityId, ContainerId, UserId},
    node::{FilePath, HostAction, HostActivity, NodeEvent, SftpChange},
};
use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write},
    net::IpAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// Changes listed in one entry; further ones are only counted.
const NAMED: usize = 100;
/// Most unacknowledged entries while the control side is unavailable.
const MAX_WAITING: usize = 10_000;

/// Entries that the control side has not acknowledged yet.
pub(super) struct Spool {
    folder: PathBuf,
    link: Arc<Link>,
}

impl Spool {
    /// Opens the spool in `folder`, creating it if it doesn't exist.
    ///
    /// # Errors
    /// If it can't be created.
    pub(super) fn open(folder: PathBuf, link: Arc<Link>) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        Ok(Self { folder, link })
    }

    /// Stores an entry and sends it. Blocking.
    pub(super) fn put(&self, activity: HostActivity) {
        let path = self.path(activity.id);
        let write = || {
            let waiting = fs::read_dir(&self.folder)?.count();
            if waiting >= MAX_WAITING {
                return Err(io::Error::other("too many entries are waiting already"));
            }
            let mut file = fs::File::create(&path)?;
            file.write_all(&serde_json::to_vec(&activity)?)
        };
        if let Err(error) = write() {
            tracing::warn!(%error, "storing an entry of the audit trail failed");
        }
        self.link.tell(NodeEvent::Activity { activity });
    }

    /// Sends all unacknowledged entries again. Blocking.
    pub(super) fn tell_again(&self) {
        let Ok(files) = fs::read_dir(&self.folder) else { return };
        for path in files.filter_map(|file| Some(file.ok()?.path())) {
            let read = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
            match read {
                Some(activity) => {
                    if !self.link.tell(NodeEvent::Activity { activity }) {
                        return;
                    }
                }
                // Incomplete, after a crash.
                None => drop(fs::remove_file(path)),
            }
        }
    }

    /// Deletes an acknowledged entry. Blocking.
    pub(super) fn done(&self, id: ActivityId) {
        let _ = fs::remove_file(self.path(id));
    }

    fn path(&self, id: ActivityId) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }
}

/// The changes made in one session.
pub(super) struct Journal {
    spool: Arc<Spool>,
    clock: Clock,
    user_id: UserId,
    container_id: ContainerId,
    ip: IpAddr,
    open: Mutex<Page>,
    /// Incremented with each entry: what was recorded in an earlier one has to be recorded again.
    page: AtomicU64,
}

#[derive(Default)]
struct Page {
    count: u64,
    written_bytes: u64,
    changes: BTreeSet<SftpChange>,
}

impl Journal {
    pub(super) fn new(
        spool: Arc<Spool>,
        clock: Clock,
        (user_id, container_id): (UserId, ContainerId),
        ip: IpAddr,
    ) -> Self {
        Self { spool, clock, user_id, container_id, ip, open: Mutex::default(), page: AtomicU64::new(1) }
    }

    /// Records a change.
    pub(super) fn note(&self, kind: &str, path: &FilePath, to: Option<String>) {
        let change = SftpChange { kind: kind.to_owned(), path: path.to_string(), to };
        let mut page = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        page.count += 1;
        if page.changes.len() < NAMED {
            page.changes.insert(change);
        }
    }

    /// Records a write to a file. `noted` is the page on which that was last recorded.
    pub(super) fn note_write(&self, path: &FilePath, bytes: u64, noted: &mut u64) {
        let number = self.page.load(Ordering::Relaxed);
        if *noted != number {
            *noted = number;
            self.note("write", path, None);
        }
        self.open.lock().unwrap_or_else(PoisonError::into_inner).written_bytes += bytes;
    }

    /// Sends what was recorded since the last time. Blocking.
    pub(super) fn turn_page(&self) {
        let page = std::mem::take(&mut *self.open.lock().unwrap_or_else(PoisonError::into_inner));
        self.page.fetch_add(1, Ordering::Relaxed);
        if page.count == 0 && page.written_bytes == 0 {
            return;
        }
        self.report(HostAction::SftpChanges {
            count: page.count,
            written_bytes: page.written_bytes,
            changes: page.changes.into_iter().collect(),
        });
    }

    /// Sends a single action. Blocking.
    pub(super) fn report(&self, deed: HostAction) {
        self.spool.put(HostActivity {
            id: ActivityId::generate(),
            at: self.clock.now(),
            user_id: self.user_id,
            container_id: self.container_id,
            ip: Some(self.ip),
            deed,
        });
    }
}
