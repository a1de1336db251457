//! A limit on the number of large responses sent at the same time. A response holds a slot until its last byte was sent or the
//! client has gone.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use raptor_model::{
    id::ContainerId,
    node::{FileError, FileResult, files::Body},
};
use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};

/// Slots per container, and in total.
const PER_CONTAINER: usize = 2;
const IN_TOTAL: usize = 8;
/// How long a request waits for a slot.
const SLOT_TIMEOUT: Duration = Duration::from_secs(20);
/// Responses of up to this many bytes release their slot at once.
const SMALL: usize = 256 * 1024;
/// Bytes passed to the connection at a time.
const CHUNK: usize = 64 * 1024;
/// How long a client may take to read one chunk, and the whole response.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_DURATION: Duration = Duration::from_secs(300);

/// The slots of a server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ResponseSlots {
    all: Arc<Semaphore>,
    each: Arc<Mutex<HashMap<ContainerId, Weak<Semaphore>>>>,
}

/// A slot, released when dropped.
#[derive(Debug)]
pub struct ResponseSlot {
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
    /// Keeps the container's semaphore alive while any of its slots is held.
    _count: Arc<Semaphore>,
}

impl Default for ResponseSlots {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(IN_TOTAL)), each: Arc::default() }
    }
}

impl ResponseSlots {
    /// Waits up to 20 seconds for a slot: one of the container's 2, and one of 8 in total.
    ///
    /// # Errors
    /// [`FileError::Busy`] if none becomes free in time.
    pub async fn take(&self, id: ContainerId) -> FileResult<ResponseSlot> {
        self.take_within(id, SLOT_TIMEOUT).await
    }

    async fn take_within(&self, id: ContainerId, patience: Duration) -> FileResult<ResponseSlot> {
        let count = self.count(id);
        let wait = async {
            let own = count.clone().acquire_owned().await.ok()?;
            let all = self.all.clone().acquire_owned().await.ok()?;
            Some(ResponseSlot { _own: own, _all: all, _count: count.clone() })
        };
        timeout(patience, wait).await.ok().flatten().ok_or(FileError::Busy)
    }

    fn count(&self, id: ContainerId) -> Arc<Semaphore> {
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = each.get(&id).and_then(Weak::upgrade) {
            return count;
        }
        each.retain(|_, count| count.strong_count() > 0);
        let count = Arc::new(Semaphore::new(PER_CONTAINER));
        each.insert(id, Arc::downgrade(&count));
        count
    }
}

impl ResponseSlot {
    /// Sends `answer` in chunks, holding the slot. The stream ends early if the client reads nothing for 30 seconds or needs more
    /// than 5 minutes in total.
    #[must_use]
    pub fn send(self, answer: Bytes) -> Body {
        self.send_within(answer, STALL_TIMEOUT)
    }

    fn send_within(self, answer: Bytes, stalled: Duration) -> Body {
        if answer.len() <= SMALL {
            return stream::iter([Ok(answer)]).boxed();
        }
        let (to, chunks) = mpsc::channel(1);
        tokio::spawn(async move {
            let _slot = self;
            // Copied, so that a chunk in a connection's buffer does not keep the whole response in memory.
            let send = async {
                for chunk in answer.chunks(CHUNK) {
                    match timeout(stalled, to.send(Ok::<_, io::Error>(Bytes::copy_from_slice(chunk)))).await {
                        Ok(Ok(())) => {}
                        Ok(Err(_)) | Err(_) => return,
                    }
                }
            };
            let _ = timeout(MAX_DURATION, send).await;
        });
        stream::unfold(chunks, |mut chunks| async move { chunks.recv().await.map(|chunk| (chunk, chunks)) })
            // A compressing layer polls once more after the end.
            .fuse()
            .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn a_container_has_two_slots_and_all_have_eight() {
        let slots = ResponseSlots::default();
        let id = ContainerId::generate();
        let first = slots.take(id).await.unwrap();
        let _second = slots.take(id).await.unwrap();
        assert!(matches!(slots.take_within(id, SOON).await, Err(FileError::Busy)));
        let mut others = Vec::new();
        for _ in 0..6 {
            others.push(slots.take(ContainerId::generate()).await.unwrap());
        }
        assert!(matches!(slots.take_within(ContainerId::generate(), SOON).await, Err(FileError::Busy)));
        drop(first);
        assert!(slots.take_within(id, SOON).await.is_ok(), "a slot that was given back is free");
    }

    #[tokio::test]
    async fn a_slot_is_held_until_the_answer_was_read_to_its_end() {
        let slots = ResponseSlots::default();
        let id = ContainerId::generate();
        let all = Bytes::from(vec![7; SMALL + 1]);
        let mut one = slots.take(id).await.unwrap().send(all.clone());
        let other = slots.take(id).await.unwrap().send(all.clone());
        let first = one.next().await.unwrap().unwrap();
        assert!(matches!(slots.take_within(id, SOON).await, Err(FileError::Busy)), "both are being read");
        let mut read = first.to_vec();
        while let Some(chunk) = one.next().await {
            read.extend(chunk.unwrap());
        }
        assert_eq!(read, all);
        assert!(one.next().await.is_none(), "asked again after its end, as by what compresses it");
        let _third = slots.take_within(id, SOON).await.unwrap();
        drop(other);
        assert!(slots.take_within(id, SOON).await.is_ok(), "a reader that goes away gives its slot back");
    }

    #[tokio::test]
    async fn a_reader_that_takes_nothing_loses_the_slot_and_the_rest() {
        let slots = ResponseSlots::default();
        let id = ContainerId::generate();
        let all = Bytes::from(vec![7; 4 * SMALL]);
        let mut stalled = slots.take(id).await.unwrap().send_within(all.clone(), SOON);
        let _other = slots.take(id).await.unwrap();
        assert!(slots.take(id).await.is_ok(), "the other one is still taken");
        let mut read = 0;
        while let Some(chunk) = stalled.next().await {
            read += chunk.unwrap().len();
        }
        assert!(read < all.len(), "the length that was announced tells the reader that the rest is missing");
    }

    #[tokio::test]
    async fn a_small_answer_keeps_no_slot() {
        let slots = ResponseSlots::default();
        let id = ContainerId::generate();
        let bodies = [slots.take(id).await.unwrap(), slots.take(id).await.unwrap()]
            .map(|slot| slot.send(Bytes::from_static(b"motd=hello")));
        assert!(slots.take_within(id, SOON).await.is_ok());
        drop(bodies);
    }
}
