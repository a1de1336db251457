//! The worker that processes background jobs, retrying each until it succeeds.

use super::{Job, Kind};
use crate::{
    Error, Raptor, Result,
    node::{NodeError, PowerAction},
    store::{self, Change, FeedEvent, Subject, Verb},
    warnings::warn_of,
};
use chrono::TimeDelta;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{Notify, Semaphore},
    time::Instant,
};

/// Length of a lease in seconds. If it isn't renewed, another replica takes the job.
const LEASE_S: i64 = 6;
/// How often a lease is renewed.
const RENEW_INTERVAL: Duration = Duration::from_secs(2);
/// How often the table is polled, in case no notification arrives.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// Jobs processed at the same time.
const CONCURRENCY: usize = 8;
/// The longest pause between two attempts, in seconds.
const MAX_PAUSE_S: i64 = 300;

/// Processes jobs until Raptor is shut down.
pub(crate) async fn work(raptor: Raptor) {
    let wake = Arc::new(Notify::new());
    let waker = wake.clone();
    raptor.inner.store.feed().hook(move |event| {
        if matches!(event, FeedEvent::Change(Change { subject: Subject::Job, .. }) | FeedEvent::Gap) {
            waker.notify_one();
        }
    });
    let turns = Arc::new(Semaphore::new(CONCURRENCY));
    loop {
        let Ok(turn) = turns.clone().acquire_owned().await else { return };
        match claim(&raptor).await {
            Ok(Some(job)) => {
                let raptor = raptor.clone();
                raptor.inner.tasks.clone().spawn(async move {
                    process(&raptor, job).await;
                    drop(turn);
                });
                continue;
            }
            Ok(None) => {}
            Err(error) => warn_of!(raptor, error, "reading background jobs failed"),
        }
        tokio::select! {
            () = raptor.inner.stop.cancelled() => return,
            () = wake.notified() => {}
            () = tokio::time::sleep(POLL_INTERVAL) => {}
        }
    }
}

async fn claim(raptor: &Raptor) -> Result<Option<Job>> {
    let now = raptor.inner.clock.now();
    let mut tx = raptor.inner.store.begin().await?;
    let job = store::jobs::claim(&mut tx.conn(), now, LEASE_S).await?;
    tx.commit().await?;
    Ok(job)
}

/// Processes one job for as long as its lease is held.
async fn process(raptor: &Raptor, job: Job) {
    let done = tokio::select! {
        done = perform(raptor, &job) => done,
        () = store::aside(hold(raptor, &job)) => {
            tracing::info!(?job, "the database was down so long that another API may have taken over this job");
            return;
        }
    };
    let settled = match done {
        // The container is gone. Unless an earlier attempt that was cut off has reached the host, there is nothing to do.
        Err(Error::NotFound { .. }) if job.kind != Kind::Remove && job.attempts > 1 => {
            finish_gone(raptor, &job).await
        }
        Ok(()) | Err(Error::NotFound { .. }) => finish(raptor, &job).await,
        Err(error) => {
            tracing::debug!(error = %error.with_cause(), ?job, "a background job failed and will be retried");
            postpone(raptor, &job, &error.to_string()).await
        }
    };
    if let Err(error) = settled {
        warn_of!(raptor, error, ?job, "a background job's end was not recorded; it will run again");
    }
}

async fn perform(raptor: &Raptor, job: &Job) -> Result<()> {
    match job.kind {
        Kind::Declare => raptor.containers().sync(job.container_id).await,
        Kind::Start => start(raptor, job).await,
        Kind::Remove => remove(raptor, job).await,
    }
}

/// Keeps renewing the lease. Returns when it is lost or can't be renewed in time.
async fn hold(raptor: &Raptor, job: &Job) {
    let mut lease = Lease::from(Instant::now());
    loop {
        tokio::time::sleep_until(lease.next(Instant::now())).await;
        let asked = Instant::now();
        match tokio::time::timeout_at(lease.next(asked), renew(raptor, job)).await {
            Ok(Ok(true)) => lease = Lease::from(asked),
            Ok(Ok(false)) => return,
            Ok(Err(_)) | Err(_) if Instant::now() < lease.ends => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

/// How long the lease is held without a renewal.
struct Lease {
    ends: Instant,
}

impl Lease {
    /// A lease requested at `asked`. The database counts from a moment later.
    fn from(asked: Instant) -> Self {
        Self { ends: asked + Duration::from_secs(LEASE_S.unsigned_abs()) }
    }

    /// The deadline for anything that begins now: one renewal period, and never beyond the lease, when another replica may take
    /// over.
    fn next(&self, now: Instant) -> Instant {
        self.ends.min(now + RENEW_INTERVAL)
    }
}

async fn renew(raptor: &Raptor, job: &Job) -> Result<bool> {
    let mut tx = raptor.inner.store.begin().await?;
    let ours = store::jobs::renew(&mut tx.conn(), job, raptor.inner.clock.now(), LEASE_S).await?;
    tx.commit().await?;
    Ok(ours)
}

async fn start(raptor: &Raptor, job: &Job) -> Result<()> {
    raptor.containers().sync(job.container_id).await?;
    match raptor.inner.fleet.node(job.daemon_id)?.power(job.container_id, PowerAction::Start, "").await {
        // It has already been removed, or was declared again.
        Ok(()) | Err(NodeError::Refused(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn remove(raptor: &Raptor, job: &Job) -> Result<()> {
    raptor.inner.fleet.node(job.daemon_id)?.remove(job.container_id).await?;
    // Before this job's row goes, which is all that tells a second caller that somebody has it removed.
    raptor.inner.fleet.forget_stray(job.daemon_id, job.container_id);
    raptor.containers().forget(job.container_id).await
}

async fn finish(raptor: &Raptor, job: &Job) -> Result<()> {
    let mut tx = raptor.inner.store.begin().await?;
    store::jobs::finish(&mut tx.conn(), job).await?;
    tx.emit(Change::new(Subject::Declaration, Verb::Updated, job.container_id));
    tx.commit().await
}

async fn finish_gone(raptor: &Raptor, job: &Job) -> Result<()> {
    let mut tx = raptor.inner.store.begin().await?;
    store::jobs::finish(&mut tx.conn(), job).await?;
    let known = store::containers::find(&mut tx.conn(), job.container_id, None).await?;
    if known.is_none_or(|(container, _)| container.deleting) {
        raptor.containers().remove_again(&mut tx, job.daemon_id, job.container_id).await?;
    }
    tx.commit().await
}

async fn postpone(raptor: &Raptor, job: &Job, error: &str) -> Result<()> {
    let pause = 2_i64.saturating_pow(u32::try_from(job.attempts.clamp(0, 16)).unwrap_or(16)).min(MAX_PAUSE_S);
    let mut tx = raptor.inner.store.begin().await?;
    let until = raptor.inner.clock.now() + TimeDelta::seconds(pause);
    store::jobs::postpone(&mut tx.conn(), job, until, error).await?;
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_of_a_killed_api_is_taken_over_within_ten_seconds_and_one_late_beat_loses_none() {
        let lease = Duration::from_secs(LEASE_S.unsigned_abs());
        assert!(lease + POLL_INTERVAL < Duration::from_secs(10));
        assert!(RENEW_INTERVAL * 2 < lease);
    }

    #[test]
    fn a_job_that_is_not_renewed_is_let_go_when_its_lease_ends_and_not_a_moment_later() {
        let renewed = Instant::now();
        let lease = Lease::from(renewed);
        let ends = renewed + Duration::from_secs(LEASE_S.unsigned_abs());
        assert_eq!(lease.ends, ends);
        // If the database does not answer, attempts and pauses alternate, each up to its time limit.
        let (mut now, mut waits) = (renewed, 0);
        while now < lease.ends {
            now = lease.next(now);
            waits += 1;
            assert!(now <= ends);
        }
        assert_eq!((now, waits), (ends, 3));
        // One that begins shortly before the end is cut there, and one at the end does not wait at all.
        assert_eq!(lease.next(ends - Duration::from_millis(1)), ends);
        assert_eq!(lease.next(ends), ends);
        assert_eq!(lease.next(renewed), renewed + RENEW_INTERVAL);
    }
}
