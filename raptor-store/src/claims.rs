//! Which hosts within API processes are run by a process that lives.
//!
//! Several processes can use one PostgreSQL database. Each holds an advisory lock, shared, for every host that it runs, on a
//! connection of its own. The database releases them when the process ends, in whatever way. Only one process can use a SQLite
//! database, and it knows what it runs.

use super::{Conn, Db, Store};
use raptor_model::{Result, id::DaemonId};
use sqlx::{Connection, PgConnection, PgPool, postgres::PgConnectOptions};
use std::{sync::Arc, time::Duration};
use tokio::sync::Mutex;

/// How often the connection is checked. Without it, the locks are lost.
const CHECK_EVERY: Duration = Duration::from_secs(5);
/// How long the database may take to answer a check.
const PATIENCE: Duration = Duration::from_secs(5);

/// The claims of one process. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Claims(Arc<Mutex<Option<Claimed>>>);

struct Claimed {
    /// `None` after it was lost.
    connection: Option<PgConnection>,
    hosts: Vec<DaemonId>,
}

/// The key of a host's lock: the random half of its id.
fn key(id: DaemonId) -> i64 {
    let [_, _, _, _, _, _, _, _, random @ ..] = *id.as_uuid().as_bytes();
    i64::from_be_bytes(random)
}

impl Store {
    /// Claims a host for this process until the store is closed or the process ends. Several processes can claim the same host.
    /// Waits for a transaction that deletes it (see [`lock_unclaimed`]), so check afterwards that it is still there.
    ///
    /// # Errors
    /// [`raptor_model::Error::Unavailable`] when the database does not answer.
    pub async fn claim(&self, id: DaemonId) -> Result<()> {
        let Db::Postgres(pool, _) = &self.db else { return Ok(()) };
        let mut claimed = self.claims.0.lock().await;
        if let Some(claimed) = claimed.as_mut() {
            claimed.hosts.push(id);
            return Ok(claimed.hold(&pool.connect_options(), Some(id)).await?);
        }
        let mut first = Claimed { connection: None, hosts: vec![id] };
        first.hold(&pool.connect_options(), Some(id)).await?;
        *claimed = Some(first);
        tokio::spawn(self.claims.clone().keep(pool.clone()));
        Ok(())
    }
}

impl Claims {
    /// Takes the locks again whenever the connection was lost, until the pool is closed.
    async fn keep(self, pool: PgPool) {
        let options = pool.connect_options();
        let checking = async {
            let mut turn = tokio::time::interval(CHECK_EVERY);
            loop {
                turn.tick().await;
                let Some(claimed) = &mut *self.0.lock().await else { return };
                let checked = tokio::time::timeout(PATIENCE, claimed.hold(&options, None)).await;
                if !matches!(checked, Ok(Ok(()))) {
                    claimed.connection = None;
                }
            }
        };
        let _ = pool.close_event().do_until(checking).await;
    }

    /// Gives up all claims. They are gone when this returns.
    pub(crate) async fn give_up(&self) {
        let Some(Claimed { connection: Some(mut connection), .. }) = self.0.lock().await.take() else {
            return;
        };
        let given_up = async {
            sqlx::query("SELECT pg_advisory_unlock_all()").execute(&mut connection).await?;
            connection.close().await
        };
        // If the database does not answer, the locks end with the connection.
        let _ = tokio::time::timeout(PATIENCE, given_up).await;
    }
}

impl Claimed {
    /// Locks `host` on the connection, or all hosts on a new one if the connection is lost.
    async fn hold(&mut self, options: &PgConnectOptions, host: Option<DaemonId>) -> sqlx::Result<()> {
        if let Some(connection) = &mut self.connection
            && connection.ping().await.is_ok()
        {
            return match host {
                Some(host) => lock(connection, host).await,
                None => Ok(()),
            };
        }
        self.connection = None;
        let mut connection = PgConnection::connect_with(options).await?;
        // A machine that lost its power does not say so: the database finds out within half a minute.
        sqlx::query(
            "SELECT set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false),
                    set_config('tcp_keepalives_count', '4', false)",
        )
        .execute(&mut connection)
        .await?;
        for host in &self.hosts {
            lock(&mut connection, *host).await?;
        }
        self.connection = Some(connection);
        Ok(())
    }
}

async fn lock(connection: &mut PgConnection, host: DaemonId) -> sqlx::Result<()> {
    sqlx::query("SELECT pg_advisory_lock_shared($1)").bind(key(host)).execute(connection).await.map(drop)
}

/// Locks a host against being claimed until this transaction ends. Returns false if a process has claimed it, this one or another.
/// Always true on SQLite.
pub async fn lock_unclaimed(c: &mut Conn<'_>, id: DaemonId) -> Result<bool> {
    let Conn::Postgres(c) = c else { return Ok(true) };
    Ok(sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)").bind(key(id)).fetch_one(&mut **c).await?)
}
