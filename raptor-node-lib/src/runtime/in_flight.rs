//! Completing what the engine was asked to create, even if the caller is cancelled.

use super::RuntimeError;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::OwnedMutexGuard;

/// What is being created, by name. Removals wait for it: otherwise it would appear after the removal.
#[derive(Clone, Default)]
pub(super) struct InFlight(Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>>);

impl InFlight {
    /// Runs `work` to completion, even if the caller is cancelled.
    pub(super) async fn complete<T: Send + 'static>(
        &self,
        name: &str,
        work: impl Future<Output = Result<T, RuntimeError>> + Send + 'static,
    ) -> Result<T, RuntimeError> {
        let turn = self.lock(name).await;
        let work = tokio::spawn(async move {
            let done = work.await;
            drop(turn);
            done
        });
        work.await.unwrap_or_else(|error| Err(RuntimeError::Away(error.to_string())))
    }

    /// Waits until nothing of this name is being created, and prevents it until the guard is dropped.
    pub(super) async fn lock(&self, name: &str) -> OwnedMutexGuard<()> {
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
        let (in_flight, made) = (InFlight::default(), Arc::new(Mutex::new(false)));
        let (own, done) = (in_flight.clone(), made.clone());
        let asked = tokio::spawn(async move {
            let work = async move {
                tokio::time::sleep(Duration::from_millis(200)).await;
                *done.lock().unwrap() = true;
                Ok(())
            };
            own.complete("raptor-1", work).await
        });
        tokio::time::sleep(Duration::from_millis(1)).await;
        asked.abort();
        let _ = asked.await;
        drop(in_flight.lock("raptor-2").await);
        assert!(!*made.lock().unwrap(), "others are not held up");
        drop(in_flight.lock("raptor-1").await);
        assert!(*made.lock().unwrap());
    }
}
