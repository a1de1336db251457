//! What was read from the store, kept in memory until the change feed says that it may be untrue.

use super::{Change, Feed, Heard};
use std::{
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// What a change says about the entries of a cache.
pub(crate) enum Concern<K> {
    /// None of them.
    Nothing,
    /// This one may be untrue now.
    One(K),
    /// Any of them may be.
    All,
}

/// A cache that the change feed empties, and that is not used at all while the feed may miss something.
pub(crate) struct Cache<K, V> {
    entries: moka::sync::Cache<K, V>,
    feed: Feed,
    // Grows with every change that may concern an entry, so that what was read before the change isn't kept after it.
    generation: AtomicU64,
}

impl<K: Hash + Eq + Send + Sync + 'static, V: Clone + Send + Sync + 'static> Cache<K, V> {
    /// A cache of at most `capacity`, counted by `weight`; the least used entries go first.
    pub(crate) fn new(
        feed: &Feed,
        capacity: u64,
        weight: impl Fn(&K, &V) -> u32 + Send + Sync + 'static,
        concern: impl Fn(Change) -> Concern<K> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let cache = Arc::new(Self {
            entries: moka::sync::Cache::builder().max_capacity(capacity).weigher(weight).build(),
            feed: feed.clone(),
            generation: AtomicU64::new(0),
        });
        let watched = Arc::downgrade(&cache);
        feed.hook(move |heard| {
            let Some(cache) = watched.upgrade() else { return };
            match heard {
                Heard::Change(change) => match concern(change) {
                    Concern::Nothing => {}
                    Concern::One(key) => {
                        cache.generation.fetch_add(1, Ordering::AcqRel);
                        cache.entries.invalidate(&key);
                    }
                    Concern::All => cache.forget_all(),
                },
                Heard::Gap => cache.forget_all(),
            }
        });
        cache
    }

    /// Forgets everything.
    pub(crate) fn forget_all(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.entries.invalidate_all();
    }

    /// The entry, where the cache may be trusted now.
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        if self.feed.is_complete() { self.entries.get(key) } else { None }
    }

    /// To be taken before reading from the store what [`Self::keep`] is given.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Keeps `value`, unless something changed since `generation`.
    pub(crate) fn keep(&self, key: K, value: V, generation: u64)
    where
        K: Clone,
    {
        if !self.feed.is_complete() || self.generation() != generation {
            return;
        }
        self.entries.insert(key.clone(), value);
        if self.generation() != generation {
            self.entries.invalidate(&key);
        }
    }
}
