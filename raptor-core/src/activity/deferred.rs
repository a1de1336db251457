//! Actions that were done on a host but could not be recorded at once, because the database was down, full or read-only.
//!
//! The action has happened, so it is not reported as failed; its activity is stored as soon as the database accepts it. Until
//! then it is kept in memory, and what is left when the process ends is written to the log.
//!
//! Doing and recording run in one task ([`run_to_completion`]), so a client that disconnects or a cancelled request can't
//! separate them.

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

/// The pause between two attempts to store the queue.
const TRY_EVERY: Duration = Duration::from_secs(2);
/// Most actions in the queue; beyond it the oldest are only written to the log.
const MAX_WAITING: usize = 10_000;

/// An action that was done, and the console command if it was one.
#[derive(Clone, Debug)]
pub(crate) struct CompletedAction {
    pub(crate) activity: Activity,
    pub(crate) command: Option<Command>,
}

/// The queue of actions to be recorded.
#[derive(Default)]
pub(crate) struct DeferredActions(Mutex<VecDeque<CompletedAction>>);

impl DeferredActions {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<CompletedAction>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, action: CompletedAction) {
        let mut waiting = self.waiting();
        if waiting.len() >= MAX_WAITING
            && let Some(oldest) = waiting.pop_front()
        {
            given_up(&oldest);
        }
        waiting.push_back(action);
    }

    /// Writes what is left in the queue to the log.
    pub(crate) fn give_up(&self) {
        self.waiting().drain(..).for_each(|action| given_up(&action));
    }
}

/// Runs `action` to completion, even if the caller is dropped. Such an action asks a host for something and then records it in
/// the audit trail: cancelling it in between would lose the record.
///
/// # Errors
/// Those of `action`, and [`Error::Internal`] if it panics.
pub(crate) async fn run_to_completion<T: Send + 'static>(
    raptor: &Raptor,
    action: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let done = store::elsewhere(raptor.inner.tasks.spawn(crate::request::carried(action))).await;
    done.unwrap_or_else(|error| Err(Error::internal(error)))
}

/// Records an action, now or as soon as the database accepts it.
///
/// # Errors
/// If the database rejects it for a reason other than its own state.
pub(crate) async fn record(raptor: &Raptor, action: CompletedAction) -> Result<()> {
    match write(raptor, &action).await {
        Err(error) if is_state(&error) => {
            warn_of!(
                raptor,
                error,
                action = action.activity.action,
                "an action was done; its activity will be recorded later"
            );
            raptor.inner.deferred.add(action);
            Ok(())
        }
        written => written,
    }
}

/// Stores the queue in the background until Raptor is shut down.
pub(crate) async fn work(raptor: Raptor) {
    let mut ending = false;
    while !ending {
        tokio::select! {
            () = raptor.inner.stop.cancelled() => ending = true,
            () = tokio::time::sleep(TRY_EVERY) => {}
        }
        while let Some(action) = { raptor.inner.deferred.waiting().front().cloned() } {
            match write(&raptor, &action).await {
                Err(error) if is_state(&error) => break,
                Err(error) => {
                    tracing::error!(error = %error.with_cause(), ?action, "recording an action failed")
                }
                Ok(()) => {}
            }
            let mut waiting = raptor.inner.deferred.waiting();
            if waiting.front().is_some_and(|first| first.activity.id == action.activity.id) {
                waiting.pop_front();
            }
        }
    }
}

/// Stores the activity, and gives up if the database falls silent.
async fn write(raptor: &Raptor, action: &CompletedAction) -> Result<()> {
    raptor.inner.store.unless_silent(insert(raptor, action)).await?
}

async fn insert(raptor: &Raptor, action: &CompletedAction) -> Result<()> {
    let CompletedAction { activity, command } = action;
    let mut tx = raptor.inner.store.begin().await?;
    // A previous attempt may have committed although its answer was lost.
    if store::activity::exists(&mut tx.conn(), activity.id).await? {
        return Ok(());
    }
    if let Some(command) = command
        // The host has received it already. If the container was deleted since, there is no history to add it to.
        && store::containers::find(&mut tx.conn(), command.container_id, None).await?.is_some()
    {
        store::commands::insert(&mut tx.conn(), command).await?;
        store::commands::prune(&mut tx.conn(), command.container_id, KEPT_COMMANDS).await?;
    }
    store::activity::insert(&mut tx.conn(), activity).await?;
    tx.commit().await
}

/// Whether the error is about the state of the database itself.
fn is_state(error: &Error) -> bool {
    matches!(error, Error::Unavailable { .. })
}

fn given_up(action: &CompletedAction) {
    tracing::error!(?action, "this action was done but is missing from the audit trail");
}
