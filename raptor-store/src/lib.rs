//! The only SQL of Raptor: one set of statements for two engines.
//!
//! A query's text exists once wherever SQLite and PostgreSQL agree (`$1`, `RETURNING`, `ON CONFLICT`, UUIDs, UTC microseconds,
//! JSON). Reads take a [`Reader`], writes a [`Tx`]; both lend a [`Conn`] to the statements in the files beside this one.

pub mod activity;
pub mod allocations;
pub mod attempts;
pub mod catalogue;
pub mod commands;
pub mod container_list;
pub mod containers;
pub mod daemons;
pub mod images;
pub mod jobs;
pub mod keys;
pub mod mails;
pub mod registries;
pub mod rights;
pub mod roles;
pub mod sessions;
pub mod ssh_keys;
pub mod templates;
pub mod users;

mod cache;
pub mod claims;
mod conn;
mod container_search;
mod feed;
mod held;
pub mod migration;
mod open;
mod presence;
mod reserve;
mod stored;
mod traced;
mod warnings;

pub use cache::{Cache, Invalidation};
pub use conn::Conn;
pub use feed::{Change, Subject, Verb};
pub use feed::{Feed, FeedEvent};
pub use held::{aside, assert_none_held};
pub use presence::elsewhere;
pub use warnings::Warnings;

use claims::Claims;
use held::Held;
use presence::Presence;
use raptor_model::Result;
use sqlx::{PgPool, Postgres, Sqlite, SqlitePool, Transaction, pool::PoolConnection};
use std::sync::Arc;

/// Evaluates one expression with whichever engine's connection `$conn` holds, as `$c`; each query on it has a span.
macro_rules! on {
    ($conn:expr, |$c:ident| $body:expr) => {
        match $conn {
            $crate::Conn::Sqlite(connection) => {
                let $c = $crate::traced::Traced(&mut **connection);
                $body
            }
            $crate::Conn::Postgres(connection) => {
                let $c = $crate::traced::Traced(&mut **connection);
                $body
            }
        }
    };
}
pub(crate) use on;

/// Runs an empty query, to check that the database answers.
pub async fn ping(c: &mut Conn<'_>) -> Result<()> {
    let _: i32 = on!(c, |c| sqlx::query_scalar("SELECT 1").fetch_one(c).await)?;
    Ok(())
}

#[derive(Clone)]
enum Db {
    Sqlite(SqlitePool),
    Postgres(PgPool, Presence),
}

/// An open store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    db: Db,
    feed: Feed,
    claims: Claims,
    // Held while the store is open: only one process can use a SQLite database.
    _lock: Option<Arc<std::fs::File>>,
}

/// A connection for reading.
pub struct Reader {
    inner: ReaderInner,
    _held: Held,
}

enum ReaderInner {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

/// A transaction. Dropping it without a commit rolls it back.
pub struct Tx {
    inner: TxInner,
    changes: Vec<Change>,
    feed: Feed,
    held: Held,
}

enum TxInner {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Store {
    /// A connection for reading.
    ///
    /// # Errors
    /// [`raptor_model::Error::Unavailable`] when the database does not answer.
    pub async fn read(&self) -> Result<Reader> {
        let inner = match &self.db {
            Db::Sqlite(pool) => ReaderInner::Sqlite(pool.acquire().await?),
            Db::Postgres(pool, presence) => ReaderInner::Postgres(presence.with(pool.acquire()).await??),
        };
        Ok(Reader { inner, _held: Held::new() })
    }

    /// Begins a transaction that may write.
    ///
    /// # Errors
    /// [`raptor_model::Error::Unavailable`] when the database does not answer.
    pub async fn begin(&self) -> Result<Tx> {
        let inner = match &self.db {
            // SQLite has one writer: taking its lock at once avoids the failure to upgrade a read lock later.
            Db::Sqlite(pool) => TxInner::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?),
            Db::Postgres(pool, presence) => TxInner::Postgres(presence.with(pool.begin()).await??),
        };
        Ok(Tx { inner, changes: Vec::new(), feed: self.feed.clone(), held: Held::new() })
    }

    /// Runs `doing`, which may be waiting for the database. If the database stops answering, `doing` is dropped within two
    /// seconds, except while it is inside of [`elsewhere`].
    ///
    /// # Errors
    /// [`raptor_model::Error::Unavailable`] `database_unavailable`.
    pub async fn unless_silent<T>(&self, doing: impl Future<Output = T>) -> Result<T> {
        match &self.db {
            Db::Sqlite(_) => Ok(doing.await),
            Db::Postgres(_, presence) => presence.unless_silent(doing).await,
        }
    }

    /// The feed of committed changes, of this process and of other replicas.
    #[must_use]
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Whether the database is PostgreSQL.
    #[must_use]
    pub fn is_postgres(&self) -> bool {
        matches!(self.db, Db::Postgres(..))
    }

    /// Waits for connections in use, then closes all of them.
    pub async fn close(&self) {
        self.claims.give_up().await;
        match &self.db {
            Db::Sqlite(pool) => pool.close().await,
            Db::Postgres(pool, _) => pool.close().await,
        }
    }
}

impl Reader {
    pub fn conn(&mut self) -> Conn<'_> {
        match &mut self.inner {
            ReaderInner::Sqlite(connection) => Conn::Sqlite(connection),
            ReaderInner::Postgres(connection) => Conn::Postgres(connection),
        }
    }
}

impl Tx {
    pub fn conn(&mut self) -> Conn<'_> {
        match &mut self.inner {
            TxInner::Sqlite(tx) => Conn::Sqlite(tx),
            TxInner::Postgres(tx) => Conn::Postgres(tx),
        }
    }

    /// Publishes `change` on the feed once the transaction is committed.
    pub fn emit(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Commits, then publishes the changes.
    ///
    /// # Errors
    /// If this fails, nothing was written.
    pub async fn commit(mut self) -> Result<()> {
        match self.inner {
            TxInner::Sqlite(tx) => tx.commit().await?,
            TxInner::Postgres(mut tx) => {
                for payload in self.feed.payloads(&self.changes) {
                    sqlx::query("SELECT pg_notify($1, $2)")
                        .bind(feed::CHANNEL)
                        .bind(payload)
                        .execute(&mut *tx)
                        .await?;
                }
                tx.commit().await?;
            }
        }
        drop(self.held);
        self.feed.publish(self.changes.drain(..));
        Ok(())
    }
}

/// The key under which names are compared without regard to case.
#[must_use]
pub fn name_key(name: &str) -> String {
    name.trim().to_lowercase()
}

/// A `LIKE` pattern (with `ESCAPE '\'`) that matches `text` anywhere, lower-cased and escaped.
#[must_use]
pub fn like_pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for character in text.trim().to_lowercase().chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// Whether the database refuses the values themselves (PostgreSQL's classes 22 and 23; SQLite's constraints, types and sizes), so
/// that a retry is pointless.
pub fn refuses_content(error: &raptor_model::Error) -> bool {
    let raptor_model::Error::Internal(cause) = error else {
        return matches!(error, raptor_model::Error::Invalid { .. });
    };
    let Some(sqlx::Error::Database(told)) = cause.downcast_ref::<sqlx::Error>() else { return false };
    told.code().is_some_and(|code| match code.len() {
        5 => code.starts_with("22") || code.starts_with("23"),
        _ => code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 18..=20)),
    })
}

/// Maps a unique violation to `conflict`; every other error stays as it is.
pub fn unique(error: sqlx::Error, conflict: impl FnOnce() -> raptor_model::Error) -> raptor_model::Error {
    match &error {
        sqlx::Error::Database(database) if database.is_unique_violation() => conflict(),
        _ => error.into(),
    }
}

/// Maps a foreign key violation to `conflict`; every other error stays as it is.
pub fn referenced(error: sqlx::Error, conflict: impl FnOnce() -> raptor_model::Error) -> raptor_model::Error {
    match &error {
        sqlx::Error::Database(database) if database.is_foreign_key_violation() => conflict(),
        _ => error.into(),
    }
}
