//! Authenticated sessions in memory, so that a request needs no query, and revocation still bites at once.

use crate::{
    authz::UserActor,
    id::SessionId,
    store::{Change, Feed, Heard, Subject, Verb},
    users::User,
};
use chrono::{DateTime, Utc};
use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

/// Sessions kept at most; the least used go first.
const CAPACITY: u64 = 100_000;

/// What is known of a live session.
pub(crate) struct Entry {
    pub(crate) actor: UserActor,
    /// The account, but for what changes without being told (`last_seen_at`, `container_count`).
    pub(crate) user: User,
    pub(crate) expires_at: DateTime<Utc>,
    /// Unix time in seconds of the last use that was written down.
    pub(crate) noted: AtomicI64,
}

/// The cache. Emptied by the change feed; not used at all while the feed may miss something.
pub(crate) struct SessionCache {
    entries: moka::sync::Cache<SessionId, Arc<Entry>>,
    feed: Feed,
    // Grows with every change that may concern an entry, so that what was read before the change isn't kept after it.
    generation: AtomicU64,
}

impl SessionCache {
    pub(crate) fn new(feed: Feed) -> Arc<Self> {
        let cache = Arc::new(Self {
            entries: moka::sync::Cache::new(CAPACITY),
            feed: feed.clone(),
            generation: AtomicU64::new(0),
        });
        let watched = Arc::downgrade(&cache);
        feed.hook(move |heard| {
            if let Some(cache) = watched.upgrade() {
                cache.heed(heard);
            }
        });
        cache
    }

    /// Drops what was heard to be untrue.
    fn heed(&self, heard: Heard) {
        match heard {
            Heard::Change(Change { subject: Subject::Session, verb: Verb::Deleted | Verb::Updated, id }) => {
                self.generation.fetch_add(1, Ordering::AcqRel);
                self.entries.invalidate(&SessionId::from(id));
            }
            Heard::Change(Change {
                subject: Subject::User | Subject::Role,
                verb: Verb::Updated | Verb::Deleted,
                ..
            })
            | Heard::Gap => self.forget_all(),
            Heard::Change(_) => {}
        }
    }

    fn forget_all(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.entries.invalidate_all();
    }

    /// The entry, where the cache may be trusted now.
    pub(crate) fn get(&self, id: SessionId) -> Option<Arc<Entry>> {
        if self.feed.is_complete() { self.entries.get(&id) } else { None }
    }

    /// To be taken before reading from the store what [`Self::keep`] is given.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Keeps `entry`, unless something changed since `generation`.
    pub(crate) fn keep(&self, id: SessionId, entry: Arc<Entry>, generation: u64) {
        if !self.feed.is_complete() || self.generation() != generation {
            return;
        }
        self.entries.insert(id, entry);
        if self.generation() != generation {
            self.entries.invalidate(&id);
        }
    }
}
