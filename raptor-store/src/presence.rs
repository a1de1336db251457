//! Detecting whether PostgreSQL answers.
//!
//! While all is well, nothing is probed. A request that takes longer than [`SUSPICIOUS`] triggers a probe over a separate
//! connection; once the database is known to be down, all requests fail at once until it is back.

use super::open::cause;
use raptor_model::{Result, error::database_unavailable};
use sqlx::{Connection, PgConnection, PgPool, postgres::PgConnectOptions};
use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};

/// A request that takes longer may be waiting for a database that is down.
const SUSPICIOUS: Duration = Duration::from_millis(600);
/// How long the database may take to answer a probe.
const PROBE_TIMEOUT: Duration = Duration::from_millis(800);
/// How long a request may continue once the database is known to be silent: most fail by themselves by then, with a better error.
const GRACE: Duration = Duration::from_millis(300);
/// The pause between two probes while the database is down.
const RETRY: Duration = Duration::from_millis(250);

tokio::task_local! {
    /// How many operations within [`Presence::unless_silent`] are currently waiting for something other than the database.
    static ELSEWHERE: Arc<AtomicUsize>;
}

/// Marks work that doesn't need the database: [`Presence::unless_silent`] does not cancel it.
pub async fn elsewhere<T>(doing: impl Future<Output = T>) -> T {
    let _guard = ELSEWHERE.try_with(|count| ElsewhereGuard::in_(count.clone())).ok();
    doing.await
}

/// Counts one such operation until it is dropped.
struct ElsewhereGuard(Arc<AtomicUsize>);

impl ElsewhereGuard {
    fn in_(count: Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for ElsewhereGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The state of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It answers, or nothing suggests otherwise.
    Up,
    /// It refuses connections, which the operating system reports at once.
    Down,
    /// Nothing comes back: a request would hang for minutes.
    Silent,
}

/// The known state of one PostgreSQL server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Presence(Arc<Inner>);

struct Inner {
    state: watch::Sender<State>,
    doubt: Notify,
}

impl Presence {
    /// Watches the server behind `pool` until the pool is closed.
    pub(crate) fn of(pool: &PgPool) -> Self {
        let presence = Self(Arc::new(Inner { state: watch::Sender::new(State::Up), doubt: Notify::new() }));
        let (watching, pool) = (presence.clone(), pool.clone());
        tokio::spawn(async move {
            let options = pool.connect_options();
            let _ = pool.close_event().do_until(watching.watch(&options)).await;
        });
        presence
    }

    /// Requests a probe.
    pub(crate) fn doubt(&self) {
        self.0.doubt.notify_one();
    }

    /// Runs something that needs the database, and fails once the database is known to be down.
    pub(crate) async fn with<T>(&self, doing: impl Future<Output = T>) -> Result<T> {
        let mut state = self.0.state.subscribe();
        if *state.borrow_and_update() != State::Up {
            return Err(database_unavailable());
        }
        let mut doing = pin!(doing);
        loop {
            tokio::select! {
                biased;
                done = &mut doing => return Ok(done),
                _ = state.wait_for(|state| *state != State::Up) => return Err(database_unavailable()),
                () = sleep(SUSPICIOUS) => self.doubt(),
            }
        }
    }

    /// Runs something that may be waiting for the database, and cancels it if the database falls silent. Work marked with
    /// [`elsewhere`] is not cancelled; whatever needs the database after it fails at once.
    pub(crate) async fn unless_silent<T>(&self, doing: impl Future<Output = T>) -> Result<T> {
        let waits = Arc::new(AtomicUsize::new(0));
        let mut doing = pin!(ELSEWHERE.scope(waits.clone(), doing));
        let mut state = self.0.state.subscribe();
        loop {
            tokio::select! {
                biased;
                done = &mut doing => return Ok(done),
                _ = state.wait_for(|state| *state == State::Silent) => {}
                () = sleep(SUSPICIOUS) => {
                    self.doubt();
                    continue;
                }
            }
            if let Ok(done) = timeout(GRACE, &mut doing).await {
                return Ok(done);
            }
            if waits.load(Ordering::Acquire) == 0 {
                return Err(database_unavailable());
            }
        }
    }

    async fn watch(self, options: &PgConnectOptions) {
        let mut connection = None;
        loop {
            self.0.doubt.notified().await;
            while let Some((state, why)) = ask(&mut connection, options).await {
                if self.0.state.send_replace(state) == State::Up {
                    tracing::error!(why, "the database is down; requests that need it fail until it is back");
                }
                sleep(RETRY).await;
            }
            if self.0.state.send_replace(State::Up) != State::Up {
                tracing::info!("the database is back");
            }
        }
    }
}

/// Probes the database over a connection that is kept. Returns `None` if it answers, otherwise its state and the cause.
async fn ask(connection: &mut Option<PgConnection>, options: &PgConnectOptions) -> Option<(State, String)> {
    let asked = timeout(PROBE_TIMEOUT, async {
        // The kept connection may have been lost since the last probe.
        if let Some(mut kept) = connection.take()
            && kept.ping().await.is_ok()
        {
            *connection = Some(kept);
            return Ok(());
        }
        *connection = Some(PgConnection::connect_with(options).await?);
        Ok(())
    });
    match asked.await {
        Ok(Ok(())) => None,
        Ok(Err(sqlx::Error::Database(told))) if !told.code().is_some_and(|code| code.starts_with("57P")) => {
            // Too many connections or a changed password: the database is there, though.
            None
        }
        Ok(Err(error)) => Some((State::Down, cause(&error))),
        Err(_) => Some((State::Silent, "it does not respond".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_is_away_is_told_within_two_seconds() {
        assert!(SUSPICIOUS + PROBE_TIMEOUT + GRACE + RETRY < Duration::from_secs(2));
    }
}
