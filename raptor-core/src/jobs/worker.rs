//! Carries jobs out, each until it is done.

use super::{Job, Kind};
use crate::{
    Error, Raptor, Result,
    node::{NodeError, PowerAction},
    store::{self, Change, Heard, Subject, Verb},
    warnings::warn_of,
};
use chrono::TimeDelta;
use std::{sync::Arc, time::Duration};
use tokio::sync::{Notify, Semaphore};

/// How long a replica has for one job before another may take it.
const LEASE: TimeDelta = TimeDelta::minutes(2);
/// How often the table is looked at though nobody said that there is something.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Jobs at the same time.
const AT_ONCE: usize = 8;
/// The longest pause between two tries.
const MAX_PAUSE_S: i64 = 300;

/// Works until Raptor is shut down.
pub(crate) async fn work(raptor: Raptor) {
    let wake = Arc::new(Notify::new());
    let waker = wake.clone();
    raptor.store.feed().hook(move |heard| {
        if matches!(heard, Heard::Change(Change { subject: Subject::Job, .. }) | Heard::Gap) {
            waker.notify_one();
        }
    });
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let Ok(turn) = turns.clone().acquire_owned().await else { return };
        match claim(&raptor).await {
            Ok(Some(job)) => {
                let raptor = raptor.clone();
                raptor.tasks.clone().spawn(async move {
                    carry_out(&raptor, job).await;
                    drop(turn);
                });
                continue;
            }
            Ok(None) => {}
            Err(error) => warn_of!(raptor, error, "the jobs for hosts can't be read"),
        }
        tokio::select! {
            () = raptor.stop.cancelled() => return,
            () = wake.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

async fn claim(raptor: &Raptor) -> Result<Option<Job>> {
    let now = raptor.clock.now();
    let mut tx = raptor.store.begin().await?;
    let job = store::jobs::claim(&mut tx.conn(), now, now + LEASE).await?;
    tx.commit().await?;
    Ok(job)
}

async fn carry_out(raptor: &Raptor, job: Job) {
    let done = match job.kind {
        Kind::Declare => raptor.containers().sync(job.container_id).await,
        Kind::Start => start(raptor, &job).await,
        Kind::Remove => remove(raptor, &job).await,
    };
    let settled = match done {
        // What is gone needs nothing any more.
        Ok(()) | Err(Error::NotFound { .. }) => finish(raptor, &job).await,
        Err(error) => {
            tracing::debug!(error = %error.with_cause(), ?job, "a job for a host has to wait");
            postpone(raptor, &job, &error.to_string()).await
        }
    };
    if let Err(error) = settled {
        warn_of!(raptor, error, ?job, "a job's end was not written down; it will run again");
    }
}

async fn start(raptor: &Raptor, job: &Job) -> Result<()> {
    raptor.containers().sync(job.container_id).await?;
    match raptor.fleet.node(job.daemon_id)?.power(job.container_id, PowerAction::Start, "").await {
        // Somebody was quicker, or does not want it any more.
        Ok(()) | Err(NodeError::Refused(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn remove(raptor: &Raptor, job: &Job) -> Result<()> {
    raptor.fleet.node(job.daemon_id)?.remove(job.container_id).await?;
    raptor.containers().forget(job.container_id).await
}

async fn finish(raptor: &Raptor, job: &Job) -> Result<()> {
    let mut tx = raptor.store.begin().await?;
    store::jobs::finish(&mut tx.conn(), job.id).await?;
    tx.emit(Change::new(Subject::Declaration, Verb::Updated, job.container_id));
    tx.commit().await
}

async fn postpone(raptor: &Raptor, job: &Job, error: &str) -> Result<()> {
    let pause = 2_i64.saturating_pow(u32::try_from(job.attempts.clamp(0, 16)).unwrap_or(16)).min(MAX_PAUSE_S);
    let mut tx = raptor.store.begin().await?;
    let until = raptor.clock.now() + TimeDelta::seconds(pause);
    store::jobs::postpone(&mut tx.conn(), job.id, until, error).await?;
    tx.commit().await
}
