//! Who holds a connection to the database, counted in debug builds only, and so in all tests: a host must not be called
//! meanwhile. One that does not answer would keep the connection, and on SQLite, which has one writer, everybody else waiting.

#[cfg(debug_assertions)]
mod counted {
    use std::{
        collections::HashMap,
        sync::{
            LazyLock, Mutex, PoisonError,
            atomic::{AtomicU64, Ordering},
        },
        thread::{self, ThreadId},
    };
    use tokio::task;

    tokio::task_local! {
        static ASIDE: u64;
    }

    /// What runs one thing after the other: a task, or a part of one that runs beside the rest of it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    enum Holder {
        Aside(u64),
        Task(task::Id),
        /// Not a task: the future that a runtime was started with.
        Thread(ThreadId),
    }

    impl Holder {
        fn current() -> Self {
            match (ASIDE.try_with(|id| *id), task::try_id()) {
                (Ok(id), _) => Self::Aside(id),
                (Err(_), Some(id)) => Self::Task(id),
                (Err(_), None) => Self::Thread(thread::current().id()),
            }
        }
    }

    /// How many connections each holder has.
    static HELD: LazyLock<Mutex<HashMap<Holder, usize>>> = LazyLock::new(Mutex::default);

    /// Counts one connection for the task that took it, until it is dropped.
    pub(crate) struct Held(Holder);

    impl Held {
        pub(crate) fn new() -> Self {
            let holder = Holder::current();
            *HELD.lock().unwrap_or_else(PoisonError::into_inner).entry(holder).or_default() += 1;
            Self(holder)
        }
    }

    impl Drop for Held {
        fn drop(&mut self) {
            let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(count) = held.get_mut(&self.0) {
                *count -= 1;
                if *count == 0 {
                    held.remove(&self.0);
                }
            }
        }
    }

    /// Checks that the running task holds no connection, because it is about to wait for something else.
    ///
    /// # Panics
    /// If it holds one.
    pub fn assert_none_held(about_to: &str) {
        let held = HELD.lock().unwrap_or_else(PoisonError::into_inner).get(&Holder::current()).copied();
        assert!(held.is_none(), "about to {about_to} while holding {held:?} connections to the database");
    }

    /// Runs a future that the rest of its task does not wait for: the connections that it holds are counted by themselves.
    pub async fn aside<T>(doing: impl Future<Output = T>) -> T {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        ASIDE.scope(NEXT.fetch_add(1, Ordering::Relaxed), doing).await
    }
}

#[cfg(not(debug_assertions))]
mod counted {
    /// Nothing: release builds don't count.
    pub(crate) struct Held;

    impl Held {
        pub(crate) fn new() -> Self {
            Self
        }
    }

    /// Nothing: release builds don't count.
    pub fn assert_none_held(_: &str) {}

    /// Runs a future.
    pub async fn aside<T>(doing: impl Future<Output = T>) -> T {
        doing.await
    }
}

pub(crate) use counted::Held;
pub use counted::{aside, assert_none_held};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;

    async fn waits() -> bool {
        let checked = tokio::spawn(async { assert_none_held("wait") }).await;
        checked.is_ok()
    }

    #[tokio::test]
    async fn whoever_waits_with_a_connection_in_hand_is_found_and_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("raptor.db").display());
        let store = Store::open(&url).await.unwrap();
        let other = store.clone();
        let reading = tokio::spawn(async move {
            let reader = other.read().await.unwrap();
            assert_none_held("wait");
            drop(reader);
        });
        assert!(reading.await.unwrap_err().is_panic(), "reading");
        let other = store.clone();
        let writing = tokio::spawn(async move {
            let _tx = other.begin().await.unwrap();
            assert_none_held("wait");
        });
        assert!(writing.await.unwrap_err().is_panic(), "a transaction");

        let reader = store.read().await.unwrap();
        assert!(waits().await, "another task's connection is its own business");
        aside(async { assert_none_held("wait") }).await;
        drop(reader);
        store.begin().await.unwrap().commit().await.unwrap();
        drop(store.begin().await.unwrap());
        assert_none_held("wait");
        store.close().await;
    }
}
