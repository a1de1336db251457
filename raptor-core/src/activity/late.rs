//! What was done on a host and could not be written down at once, because the database was away, full or read-only.
//!
//! The deed is done, so it is not told as failed; its row comes as soon as the database takes it. It waits in memory: what still
//! waits when the process ends goes into the log.
//!
//! What is done and written down is one task ([`to_its_end`]): a client that disconnects, or a request that is given up, takes
//! nothing of it away.

use super::Activity;
use crate::{
    Error, Raptor, Result,
    containers::{Command, KEPT_COMMANDS},
    store,
    warnings::warn_of,
};
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How often the database is asked again.
const TRY_EVERY: Duration = Duration::from_secs(2);
/// Deeds that wait at most; the oldest go into the log only.
const MAX_WAITING: usize = 10_000;

/// Something that was done, with the command that it was where it was one.
#[derive(Clone, Debug)]
pub(crate) struct CompletedAction {
    pub(crate) activity: Activity,
    pub(crate) command: Option<Command>,
}

/// The deeds that wait.
#[derive(Default)]
pub(crate) struct Late(Mutex<VecDeque<CompletedAction>>);

impl Late {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<CompletedAction>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, deed: CompletedAction) {
        let mut waiting = self.waiting();
        if waiting.len() >= MAX_WAITING
            && let Some(oldest) = waiting.pop_front()
        {
            given_up(&oldest);
        }
        waiting.push_back(deed);
    }

    /// Writes what still waits into the log.
    pub(crate) fn give_up(&self) {
        self.waiting().drain(..).for_each(|deed| given_up(&deed));
    }
}

/// Runs `deed` to completion, even if the caller is dropped. A deed asks a host for something and then records it in the audit trail:
/// cancelling it in between would lose the record.
///
/// # Errors
/// Those of `deed`, and [`Error::Internal`] if it panicked.
pub(crate) async fn to_its_end<T: Send + 'static>(
    raptor: &Raptor,
    deed: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let done = store::elsewhere(raptor.inner.tasks.spawn(crate::request::carried(deed))).await;
    done.unwrap_or_else(|error| Err(Error::internal(error)))
}

/// Writes down what was done, now or as soon as the database takes it.
///
/// # Errors
/// When the database refuses it for another reason than its own state.
pub(crate) async fn write_down(raptor: &Raptor, deed: CompletedAction) -> Result<()> {
    match write(raptor, &deed).await {
        Err(error) if is_state(&error) => {
            warn_of!(raptor, error, action = deed.activity.action, "done, and written down later");
            raptor.inner.late.add(deed);
            Ok(())
        }
        written => written,
    }
}

/// Writes down what waits until Raptor is shut down.
pub(crate) async fn work(raptor: Raptor) {
    let mut ending = false;
    while !ending {
        tokio::select! {
            () = raptor.inner.stop.cancelled() => ending = true,
            () = tokio::time::sleep(TRY_EVERY) => {}
        }
        while let Some(deed) = { raptor.inner.late.waiting().front().cloned() } {
            match write(&raptor, &deed).await {
                Err(error) if is_state(&error) => break,
                Err(error) => {
                    tracing::error!(error = %error.with_cause(), ?deed, "a deed can't be written down")
                }
                Ok(()) => {}
            }
            let mut waiting = raptor.inner.late.waiting();
            if waiting.front().is_some_and(|first| first.activity.id == deed.activity.id) {
                waiting.pop_front();
            }
        }
    }
}

/// Writes it down, unless the database falls silent meanwhile.
async fn write(raptor: &Raptor, deed: &CompletedAction) -> Result<()> {
    raptor.inner.store.unless_silent(insert(raptor, deed)).await?
}

async fn insert(raptor: &Raptor, deed: &CompletedAction) -> Result<()> {
    let CompletedAction { activity, command } = deed;
    let mut tx = raptor.inner.store.begin().await?;
    // An answer may have been lost after it was written.
    if store::activity::exists(&mut tx.conn(), activity.id).await? {
        return Ok(());
    }
    if let Some(command) = command
        // The host has it already: of one that was deleted meanwhile there is nothing to keep.
        && store::containers::find(&mut tx.conn(), command.container_id, None).await?.is_some()
    {
        store::commands::insert(&mut tx.conn(), command).await?;
        store::commands::prune(&mut tx.conn(), command.container_id, KEPT_COMMANDS).await?;
    }
    store::activity::insert(&mut tx.conn(), activity).await?;
    tx.commit().await
}

/// Whether it is the database's own state that is in the way.
fn is_state(error: &Error) -> bool {
    matches!(error, Error::Unavailable { .. })
}

fn given_up(deed: &CompletedAction) {
    tracing::error!(?deed, "this was done and is not in the audit trail");
}
