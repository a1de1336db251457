//! A cache of rows from the store that the change feed invalidates.

use super::{Change, Feed, FeedEvent};
use raptor_model::Result;
use std::{
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Which entries of a cache a change invalidates.
pub enum Invalidation<K> {
    None,
    /// The entry with this key.
    One(K),
    /// Every entry.
    All,
}

/// A cache that the change feed invalidates. It is bypassed while the feed may be missing changes.
pub struct Cache<K, V> {
    entries: moka::sync::Cache<K, V>,
    // Reads in progress, keyed by the generation in which they began, so that concurrent misses share one. Nothing is kept in it.
    reading: moka::future::Cache<(u64, K), V>,
    feed: Feed,
    // Incremented by every change that may invalidate an entry, so that a value read before the change isn't kept after it.
    generation: AtomicU64,
}

impl<K: Hash + Eq + Send + Sync + 'static, V: Clone + Send + Sync + 'static> Cache<K, V> {
    /// A cache that holds entries up to a total `weight` of `capacity`; the least recently used are evicted first.
    pub fn new(
        feed: &Feed,
        capacity: u64,
        weight: impl Fn(&K, &V) -> u32 + Send + Sync + 'static,
        invalidates: impl Fn(Change) -> Invalidation<K> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let cache = Arc::new(Self {
            entries: moka::sync::Cache::builder().max_capacity(capacity).weigher(weight).build(),
            reading: moka::future::Cache::new(0),
            feed: feed.clone(),
            generation: AtomicU64::new(0),
        });
        let watched = Arc::downgrade(&cache);
        feed.hook(move |event| {
            let Some(cache) = watched.upgrade() else { return };
            match event {
                FeedEvent::Change(change) => match invalidates(change) {
                    Invalidation::None => {}
                    Invalidation::One(key) => {
                        cache.generation.fetch_add(1, Ordering::AcqRel);
                        cache.entries.invalidate(&key);
                    }
                    Invalidation::All => cache.forget_all(),
                },
                FeedEvent::Gap => cache.forget_all(),
            }
        });
        cache
    }

    pub fn forget_all(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.entries.invalidate_all();
    }

    /// The entry, unless the feed may be missing changes.
    pub fn get(&self, key: &K) -> Option<V> {
        if self.feed.is_complete() { self.entries.get(key) } else { None }
    }

    /// The cached entry, or the result of `read`. Concurrent misses of the same key share one `read`.
    ///
    /// # Errors
    /// Those of `read`.
    pub async fn get_or_read<F>(&self, key: K, read: impl Fn() -> F) -> Result<V>
    where
        K: Clone,
        F: Future<Output = Result<V>>,
    {
        if !self.feed.is_complete() {
            return read().await;
        }
        if let Some(kept) = self.entries.get(&key) {
            return Ok(kept);
        }
        // A caller that arrives after a change must not share a read that began before it.
        let generation = self.generation();
        match self.reading.try_get_with((generation, key.clone()), read()).await {
            Ok(value) => {
                self.keep(key, value.clone(), generation);
                Ok(value)
            }
            Err(shared) => match Arc::try_unwrap(shared) {
                Ok(error) => Err(error),
                Err(_) => read().await,
            },
        }
    }

    /// The current generation. Take it before reading the value that you pass to [`Self::keep`].
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Caches `value`, unless something was invalidated since `generation`.
    pub fn keep(&self, key: K, value: V, generation: u64)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Subject, Verb};
    use std::{sync::atomic::AtomicU32, time::Duration};
    use uuid::Uuid;

    fn change() -> Change {
        Change { subject: Subject::Container, verb: Verb::Updated, id: Uuid::nil() }
    }

    fn cache(feed: &Feed) -> Arc<Cache<u8, u32>> {
        Cache::new(feed, 10, |_, _| 1, |_| Invalidation::All)
    }

    async fn slow(reads: &AtomicU32) -> Result<u32> {
        let read = reads.fetch_add(1, Ordering::SeqCst) + 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
        Ok(read)
    }

    #[tokio::test]
    async fn those_who_miss_the_same_entry_at_once_read_it_once() {
        let (feed, reads) = (Feed::local(), AtomicU32::new(0));
        let cache = cache(&feed);
        let asking = (0..32).map(|_| cache.get_or_read(1, || slow(&reads)));
        let got = futures_util::future::try_join_all(asking).await.unwrap();
        assert_eq!(got, [1; 32]);
        assert_eq!(cache.get(&1), Some(1));
        assert_eq!(cache.get_or_read(2, || slow(&reads)).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn who_asks_after_a_change_gets_nothing_that_was_read_before_it() {
        let (feed, reads) = (Feed::local(), AtomicU32::new(0));
        let cache = cache(&feed);
        let late = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            feed.publish([change()].into_iter());
            cache.get_or_read(1, || slow(&reads)).await
        };
        let (before, after) = tokio::join!(cache.get_or_read(1, || slow(&reads)), late);
        assert_eq!((before.unwrap(), after.unwrap()), (1, 2));
        assert_eq!(cache.get(&1), Some(2));
    }

    #[tokio::test]
    async fn each_gets_the_error_of_a_reading_and_none_is_kept() {
        let feed = Feed::local();
        let cache = cache(&feed);
        let failing = || async { Err(raptor_model::Error::conflict("broken", "Broken.")) };
        let (one, two) = tokio::join!(cache.get_or_read(1, failing), cache.get_or_read(1, failing));
        assert!(one.is_err() && two.is_err());
        assert_eq!(cache.get(&1), None);
    }
}
