//! Whether PostgreSQL answers.
//!
//! Nobody asks while all goes well. What takes longer than [`SUSPICIOUS`] has it asked over a connection of its own; once it is known
//! to be away, everybody is told so at once until it is back.

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

/// What takes longer may be waiting for a database that is away.
const SUSPICIOUS: Duration = Duration::from_millis(600);
/// How long the database may take to say that it is there.
const PATIENCE: Duration = Duration::from_millis(800);
/// How long a request may go on once the database is known to be silent: most then end by themselves, and say more.
const GRACE: Duration = Duration::from_millis(300);
/// The pause between two questions while it is away.
const RETRY: Duration = Duration::from_millis(250);

tokio::task_local! {
    /// How much the work under [`Presence::unless_silent`] waits for that has nothing to do with the database.
    static ELSEWHERE: Arc<AtomicUsize>;
}

/// Does something that needs no answer of the database: [`Presence::unless_silent`] does not give it up.
pub async fn elsewhere<T>(doing: impl Future<Output = T>) -> T {
    let _waits = ELSEWHERE.try_with(|count| Waits::in_(count.clone())).ok();
    doing.await
}

/// One thing that is waited for, until it is dropped.
struct Waits(Arc<AtomicUsize>);

impl Waits {
    fn in_(count: Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// How the database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It answers, or nobody has had reason to doubt it.
    There,
    /// It refuses connections, which the system reports at once.
    Gone,
    /// Nothing comes back: a request would wait for minutes.
    Silent,
}

/// What is known of one PostgreSQL. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Presence(Arc<Inner>);

struct Inner {
    state: watch::Sender<State>,
    doubt: Notify,
}

impl Presence {
    /// Of the server behind `pool`, as long as that is open.
    pub(crate) fn of(pool: &PgPool) -> Self {
        let presence =
            Self(Arc::new(Inner { state: watch::Sender::new(State::There), doubt: Notify::new() }));
        let (watching, pool) = (presence.clone(), pool.clone());
        tokio::spawn(async move {
            let options = pool.connect_options();
            let _ = pool.close_event().do_until(watching.watch(&options)).await;
        });
        presence
    }

    /// Has the database asked whether it is there.
    pub(crate) fn doubt(&self) {
        self.0.doubt.notify_one();
    }

    /// Waits for something that needs the database, as long as that is there.
    pub(crate) async fn with<T>(&self, doing: impl Future<Output = T>) -> Result<T> {
        let mut state = self.0.state.subscribe();
        if *state.borrow_and_update() != State::There {
            return Err(database_unavailable());
        }
        let mut doing = pin!(doing);
        loop {
            tokio::select! {
                biased;
                done = &mut doing => return Ok(done),
                _ = state.wait_for(|state| *state != State::There) => return Err(database_unavailable()),
                () = sleep(SUSPICIOUS) => self.doubt(),
            }
        }
    }

    /// Waits for something that may be waiting for an answer of the database, unless that has fallen silent. What is
    /// [`elsewhere`] then is waited for: all that needs the database afterwards is refused at once.
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
                if self.0.state.send_replace(state) == State::There {
                    tracing::error!(
                        why,
                        "the database is away; requests that need it are refused until it is back"
                    );
                }
                sleep(RETRY).await;
            }
            if self.0.state.send_replace(State::There) != State::There {
                tracing::info!("the database is back");
            }
        }
    }
}

/// Asks the database whether it is there, over a connection that is kept. None where it is; else how it is, and why.
async fn ask(connection: &mut Option<PgConnection>, options: &PgConnectOptions) -> Option<(State, String)> {
    let asked = timeout(PATIENCE, async {
        // One that was kept may have been lost while nobody looked.
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
            // It has no room for one more, or asks for another password: it answers.
            None
        }
        Ok(Err(error)) => Some((State::Gone, cause(&error))),
        Err(_) => Some((State::Silent, "it does not answer".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_is_away_is_told_within_two_seconds() {
        assert!(SUSPICIOUS + PATIENCE + GRACE + RETRY < Duration::from_secs(2));
    }
}
