//! Changes to files as entries of the audit trail: some seconds of one session together, on disk until they are written down.

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

/// Changes that one entry names; more are counted.
const NAMED: usize = 100;
/// Entries that wait at most while the control side is away.
const MAX_WAITING: usize = 10_000;

/// Where entries wait until the control side has written them down.
pub(super) struct Spool {
    folder: PathBuf,
    link: Arc<Link>,
}

impl Spool {
    /// In `folder`, which is made.
    ///
    /// # Errors
    /// When it can't be made.
    pub(super) fn open(folder: PathBuf, link: Arc<Link>) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        Ok(Self { folder, link })
    }

    /// Keeps an entry and tells it. Blocking.
    pub(super) fn put(&self, activity: HostActivity) {
        let path = self.path(activity.id);
        let write = || {
            let waiting = fs::read_dir(&self.folder)?.count();
            if waiting >= MAX_WAITING {
                return Err(io::Error::other("too many wait already"));
            }
            let mut file = fs::File::create(&path)?;
            file.write_all(&serde_json::to_vec(&activity)?)
        };
        if let Err(error) = write() {
            tracing::warn!(%error, "an entry of the audit trail was not kept on disk");
        }
        self.link.tell(NodeEvent::Activity { activity });
    }

    /// Tells again what has not been written down. Blocking.
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
                // Half of an entry, from a crash.
                None => drop(fs::remove_file(path)),
            }
        }
    }

    /// An entry was written down. Blocking.
    pub(super) fn done(&self, id: ActivityId) {
        let _ = fs::remove_file(self.path(id));
    }

    fn path(&self, id: ActivityId) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }
}

/// The changes of one session.
pub(super) struct Journal {
    spool: Arc<Spool>,
    clock: Clock,
    user_id: UserId,
    container_id: ContainerId,
    ip: IpAddr,
    open: Mutex<Page>,
    /// Grows with each entry: what was noted in an earlier one has to be noted again.
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

    /// Notes a change.
    pub(super) fn note(&self, kind: &str, path: &FilePath, to: Option<String>) {
        let change = SftpChange { kind: kind.to_owned(), path: path.to_string(), to };
        let mut page = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        page.count += 1;
        if page.changes.len() < NAMED {
            page.changes.insert(change);
        }
    }

    /// Notes that a file is written. `noted` is the page on which that was noted last.
    pub(super) fn note_write(&self, path: &FilePath, bytes: u64, noted: &mut u64) {
        let number = self.page.load(Ordering::Relaxed);
        if *noted != number {
            *noted = number;
            self.note("write", path, None);
        }
        self.open.lock().unwrap_or_else(PoisonError::into_inner).written_bytes += bytes;
    }

    /// Hands over what was noted since the last time. Blocking.
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

    /// Hands over a single deed. Blocking.
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
