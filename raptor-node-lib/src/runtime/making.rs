//! What the engine makes, it makes to the end, although nobody may wait for it any more.

use super::RuntimeError;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::OwnedMutexGuard;

/// What is being made, by name. Whoever removes something waits until it is there: otherwise it would come afterwards.
#[derive(Clone, Default)]
pub(super) struct Making(Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>>);

impl Making {
    /// Carries `work` out to its end, also where the caller is cancelled.
    pub(super) async fn whole<T: Send + 'static>(
        &self,
        name: &str,
        work: impl Future<Output = Result<T, RuntimeError>> + Send + 'static,
    ) -> Result<T, RuntimeError> {
        let turn = self.turn(name).await;
        let work = tokio::spawn(async move {
            let done = work.await;
            drop(turn);
            done
        });
        work.await.unwrap_or_else(|error| Err(RuntimeError::Away(error.to_string())))
    }

    /// Waits until nothing of this name is being made, and keeps it so.
    pub(super) async fn turn(&self, name: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            names.retain(|_, turn| Arc::strong_count(turn) > 1);
            names.entry(name.to_owned()).or_default().clone()
        };
        turn.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_ended_before_it_can_be_removed() {
        let (making, made) = (Making::default(), Arc::new(Mutex::new(false)));
        let (own, done) = (making.clone(), made.clone());
        let asked = tokio::spawn(async move {
            let work = async move {
                tokio::time::sleep(Duration::from_millis(200)).await;
                *done.lock().unwrap() = true;
                Ok(())
            };
            own.whole("raptor-1", work).await
        });
        tokio::time::sleep(Duration::from_millis(1)).await;
        asked.abort();
        let _ = asked.await;
        drop(making.turn("raptor-2").await);
        assert!(!*made.lock().unwrap(), "others are not held up");
        drop(making.turn("raptor-1").await);
        assert!(*made.lock().unwrap());
    }
}
