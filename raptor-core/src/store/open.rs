//! Opening a store: connect, lock, migrate.

use super::{Db, Feed, Store};
use crate::{Error, Result};
use sqlx::{
    Connection, PgConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{fs::File, path::Path, str::FromStr, sync::Arc, time::Duration};

static SQLITE: sqlx::migrate::Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: sqlx::migrate::Migrator = sqlx::migrate!("migrations/postgres");

/// How long a caller waits for a connection, and a SQLite writer for the one before it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection may have been idle and is still taken for a working one.
const QUIET: Duration = Duration::from_secs(1);

/// How much of a SQLite file is read where the system has it, in bytes. A connection forgets all pages with each commit of
/// another one, and would ask for every one of them again.
const MAPPED: u32 = 1 << 30;

impl Store {
    /// Opens `url` (`sqlite://path`, `sqlite::memory:` or `postgres://…`), creates the SQLite file where it is missing, and
    /// migrates under a lock.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a URL of another kind, [`Error::Unavailable`] with what is in the way otherwise.
    pub async fn open(url: &str) -> Result<Self> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Self::open_postgres(url).await
        } else if url.starts_with("sqlite:") {
            Self::open_sqlite(url).await
        } else {
            Err(Error::invalid(
                "DATABASE_URL",
                "Use sqlite://path/to/file.db or postgres://user:password@host/database.",
            ))
        }
    }

    async fn open_postgres(url: &str) -> Result<Self> {
        let options = PgConnectOptions::from_str(url).map_err(|_| {
            Error::invalid(
                "DATABASE_URL",
                "This is not a PostgreSQL URL. Use postgres://user:password@host:5432/database.",
            )
        })?;
        // A pool would try again until its patience ends, and then not say what was in the way.
        let probe = tokio::time::timeout(PATIENCE, PgConnection::connect_with(&options)).await;
        let probed = match probe {
            Ok(probed) => probed.map_err(|error| cause(&error)),
            Err(_) => Err("it does not answer".to_owned()),
        };
        let why = |why: String| unavailable(format!("PostgreSQL at DATABASE_URL does not let us in: {why}."));
        probed.map_err(why)?.close().await.map_err(|error| why(cause(&error)))?;
        let pool = PgPoolOptions::new()
            .max_connections(20)
            .acquire_timeout(PATIENCE)
            // What was in use a moment ago needs no round trip to find out whether it still works.
            .test_before_acquire(false)
            .before_acquire(|connection, known| {
                Box::pin(async move {
                    if known.idle_for > QUIET {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_with(options)
            .await
            .map_err(|error| why(cause(&error)))?;
        POSTGRES
            .run(&pool)
            .await
            .map_err(|error| unavailable(format!("The migration of the database failed: {error}")))?;
        let feed = Feed::shared(pool.clone());
        Ok(Self { db: Db::Postgres(pool), feed, _lock: None })
    }

    async fn open_sqlite(url: &str) -> Result<Self> {
        let options = SqliteConnectOptions::from_str(url)
            .map_err(|error| Error::invalid("DATABASE_URL", format!("This is not a SQLite URL: {error}")))?
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .pragma("mmap_size", MAPPED.to_string())
            .busy_timeout(PATIENCE);
        let in_memory = url.contains(":memory:");
        let lock = if in_memory { None } else { Some(Arc::new(lock(options.get_filename())?)) };
        // Each connection to a database in memory would be a database of its own.
        let pool = SqlitePoolOptions::new()
            .max_connections(if in_memory { 1 } else { 8 })
            .min_connections(u32::from(in_memory))
            .idle_timeout(if in_memory { None } else { Some(Duration::from_secs(300)) })
            .max_lifetime(None)
            .acquire_timeout(PATIENCE)
            .connect_with(options.clone())
            .await
            .map_err(|error| {
                unavailable(format!(
                    "The SQLite file {} can't be opened: {error}. Check DATABASE_URL and the rights on its folder.",
                    options.get_filename().display()
                ))
            })?;
        SQLITE
            .run(&pool)
            .await
            .map_err(|error| unavailable(format!("The migration of the database failed: {error}")))?;
        Ok(Self { db: Db::Sqlite(pool), feed: Feed::local(), _lock: lock })
    }
}

/// The server's own words, or the innermost cause: "Connection refused" rather than "error communicating with database".
fn cause(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(refused) => refused.message().to_owned(),
        other => innermost(other),
    }
}

fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

fn unavailable(message: String) -> Error {
    Error::Unavailable { code: "database_unavailable", message }
}

/// Makes the file where it is missing, for nobody else to read: it holds hashes of passwords. SQLite gives the files beside it
/// the same rights.
fn make(database: &Path) -> std::io::Result<()> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(database).map(drop)
}

/// SQLite's changes are told inside one process only, so a second process on the same file would answer from stale caches.
fn lock(database: &Path) -> Result<File> {
    if let Some(folder) = database.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| {
            unavailable(format!(
                "The folder {} can't be made ({error}). Check DATABASE_URL.",
                folder.display()
            ))
        })?;
    }
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(|error| {
        unavailable(format!(
            "{} can't be written ({error}). Check DATABASE_URL and the rights on its folder.",
            Path::new(&path).display()
        ))
    })?;
    file.try_lock().map_err(|_| {
        unavailable(format!(
            "Another Raptor uses {}. Stop it, or set DATABASE_URL (with `up`: DATA_DIR) to another place.",
            database.display()
        ))
    })?;
    make(database).map_err(|error| {
        unavailable(format!(
            "{} can't be written ({error}). Check DATABASE_URL and the rights on its folder.",
            database.display()
        ))
    })?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[tokio::test]
    async fn the_database_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("raptor.db");
        let store = Store::open(&format!("sqlite://{}", path.display())).await.unwrap();
        for file in ["raptor.db", "raptor.db-wal"] {
            let mode = std::fs::metadata(folder.path().join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{file} has {mode:o}");
        }
        store.close().await;
    }

    #[tokio::test]
    async fn a_database_that_is_away_is_said_at_once_with_the_cause() {
        let begun = std::time::Instant::now();
        let error = Store::open("postgres://raptor:hunter22@127.0.0.1:1/raptor").await.err().unwrap();
        let message = error.to_string();
        assert!(message.contains("refused") && !message.contains("hunter22"), "{message}");
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}
