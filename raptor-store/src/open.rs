//! Opening a store: connect, lock, migrate.

use super::{Db, Feed, Store, claims::Claims, keys, migration, presence::Presence, reserve};
use raptor_model::{Error, Result};
use sqlx::{
    Connection, PgConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{
    fs::File,
    io::{ErrorKind, Write},
    path::Path,
    str::FromStr,
    sync::Arc,
    time::Duration,
};

/// How long a caller waits for a connection, and a SQLite writer for the previous one.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that was used this recently is handed out without a test.
const TRUSTED_AFTER_USE: Duration = Duration::from_secs(1);

/// How much of a SQLite file is memory-mapped, in bytes. Without it a connection drops its page cache with every commit of
/// another connection and reads every page again.
const MMAP_BYTES: u32 = 1 << 30;

/// Bytes that SQLite creates beside the database: the index of its log (32 KiB) and the start of the log.
const SIDE_FILES_BYTES: usize = 64 * 1024;

/// Most connections to PostgreSQL, unless that is more than half of what the server admits.
const MAX_CONNECTIONS: u32 = 20;

/// `application_name` of connections to PostgreSQL, unless the URL sets another.
const APPLICATION_NAME: &str = "raptor";
/// Appended to that name by a store that is opened for maintenance.
pub(crate) const MAINTENANCE_SUFFIX: &str = "-maintenance";
/// How many characters of the name remain before that suffix: PostgreSQL stores 63 in all.
pub(crate) const MAX_NAME_LENGTH: i32 = 63 - 12;
const _: () = assert!(MAINTENANCE_SUFFIX.len() == 12, "MAX_NAME_LENGTH has its length");

impl Store {
    /// Opens `url` (`sqlite://path`, `sqlite::memory:` or `postgres://…`), creates the SQLite file if it is missing, and migrates
    /// under a lock.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an unsupported URL, otherwise [`Error::Unavailable`] with the cause.
    pub async fn open(url: &str) -> Result<Self> {
        Self::open_with(url, None).await
    }

    /// Like [`Store::open`], with at most this many connections to PostgreSQL, 2 or more. The default is 20, or half of what the
    /// server admits if that is less.
    ///
    /// # Errors
    /// Those of [`Store::open`], and [`Error::Invalid`] for more connections than the server admits.
    pub async fn open_with(url: &str, connections: Option<u32>) -> Result<Self> {
        Self::open_as(url, connections, false).await
    }

    /// Like [`Store::open`], for a program that changes the store while no API is running. Such a program is not mistaken for
    /// an API. While an API is running nothing is changed, not even the tables.
    ///
    /// # Errors
    /// Those of [`Store::open`], and [`Error::Conflict`] `api_running`.
    pub async fn open_for_maintenance(url: &str) -> Result<Self> {
        Self::open_as(url, None, true).await
    }

    async fn open_as(url: &str, connections: Option<u32>, alone: bool) -> Result<Self> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Self::open_postgres(url, connections, alone).await
        } else if url.starts_with("sqlite:") {
            Self::open_sqlite(url).await
        } else {
            Err(Error::invalid(
                "DATABASE_URL",
                "Use sqlite://path/to/file.db or postgres://user:password@host/database.",
            ))
        }
    }

    async fn open_postgres(url: &str, connections: Option<u32>, alone: bool) -> Result<Self> {
        let options =
            PgConnectOptions::from_str(url).ok().filter(|_| !is_cut_short(url)).ok_or_else(not_postgres)?;
        let name = options.get_application_name().unwrap_or(APPLICATION_NAME).to_owned();
        let options = match alone {
            true => options.application_name(&format!("{APPLICATION_NAME}{MAINTENANCE_SUFFIX}")),
            false => options.application_name(&name),
        };
        // A pool would retry until its timeout and then not report the cause.
        let probed = match tokio::time::timeout(ACQUIRE_TIMEOUT, Server::ask(&options, &name)).await {
            Ok(probed) => probed.map_err(|error| cause(&error)),
            Err(_) => Err("it does not respond".to_owned()),
        };
        let why =
            |why: String| unavailable(format!("Connecting to PostgreSQL at DATABASE_URL failed: {why}."));
        let server = probed.map_err(why)?;
        server.check_encoding()?;
        let options = match alone {
            true => options.application_name(&format!("{}{MAINTENANCE_SUFFIX}", server.name)),
            false => options,
        };
        let pool = PgPoolOptions::new()
            .max_connections(server.connections(connections)?)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // A connection that was used a moment ago needs no round trip to find out whether it still works.
            .test_before_acquire(false)
            .before_acquire(|connection, known| {
                Box::pin(async move {
                    if known.idle_for > TRUSTED_AFTER_USE {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .after_release(|connection, _| Box::pin(has_no_transaction(connection)))
            .connect_with(options)
            .await
            .map_err(|error| why(cause(&error)))?;
        if alone {
            keys::refuse_apis(&mut *pool.acquire().await?).await?;
        }
        migration::postgres(&pool, &server.role).await?;
        let presence = Presence::of(&pool);
        let feed = Feed::shared(pool.clone(), presence.clone());
        Ok(Self { db: Db::Postgres(pool, presence), feed, claims: Claims::default(), _lock: None })
    }

    async fn open_sqlite(url: &str) -> Result<Self> {
        let options = SqliteConnectOptions::from_str(url)
            .map_err(|error| Error::invalid("DATABASE_URL", format!("This is not a SQLite URL: {error}")))?
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .pragma("mmap_size", MMAP_BYTES.to_string())
            // Compares bytes like PostgreSQL's `C`, so that `LOWER(x COLLATE "C")` means the same on both.
            .collation("C", str::cmp)
            .busy_timeout(ACQUIRE_TIMEOUT);
        let in_memory = url.contains(":memory:");
        let lock = if in_memory { None } else { Some(Arc::new(lock(options.get_filename())?)) };
        // Each connection to an in-memory database would get a database of its own.
        let pool = SqlitePoolOptions::new()
            .max_connections(if in_memory { 1 } else { 8 })
            .min_connections(u32::from(in_memory))
            .idle_timeout(if in_memory { None } else { Some(Duration::from_secs(300)) })
            .max_lifetime(None)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // A file does not hang up. And a caller that is cancelled during the test takes the connection with it, which for an
            // in-memory database means the database.
            .test_before_acquire(false)
            .after_release(|connection, _| Box::pin(has_no_transaction(connection)))
            .connect_with(options.clone())
            .await
            .map_err(|error| not_opened(options.get_filename(), error))?;
        migration::SQLITE.run(&pool).await.map_err(|error| migration::refusal(error, None))?;
        if !in_memory {
            reserve::keep(&pool).await?;
        }
        Ok(Self { db: Db::Sqlite(pool), feed: Feed::local(), claims: Claims::default(), _lock: lock })
    }
}

fn not_postgres() -> Error {
    Error::invalid(
        "DATABASE_URL",
        "This is not a PostgreSQL URL. Use postgres://user:password@host:5432/database. In the password, write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23 and % as %25.",
    )
}

/// Whether an unescaped `/`, `?` or `#` in the password cuts `url` short: an `@` is left where no host can follow.
fn is_cut_short(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let path = tail.split('?').next().unwrap_or_default();
    path.contains('@') || (!authority.is_empty() && !authority.contains('@') && tail.contains('@'))
}

/// What a PostgreSQL server reports about itself.
struct Server {
    encoding: String,
    role: String,
    /// Connections that a role like ours may open in all.
    admits: u32,
    /// What the server stores of the name of an API's connections, shortened to leave room for [`MAINTENANCE_SUFFIX`].
    name: String,
}

impl Server {
    async fn ask(options: &PgConnectOptions, name: &str) -> Result<Self, sqlx::Error> {
        let mut connection = PgConnection::connect_with(options).await?;
        // `SET LOCAL` outside of a transaction ends with the statement.
        let (encoding, role, admits, name): (String, String, i64, String) = sqlx::query_as(
            "SELECT current_setting('server_encoding'), current_user::text,
                    least(current_setting('max_connections')::bigint
                              - current_setting('superuser_reserved_connections')::bigint
                              - coalesce(current_setting('reserved_connections', true), '0')::bigint,
                          (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user),
                          (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database())),
                    left(set_config('application_name', $1, true), $2)",
        )
        .bind(name)
        .bind(MAX_NAME_LENGTH)
        .fetch_one(&mut connection)
        .await?;
        connection.close().await?;
        Ok(Self { encoding, role, admits: u32::try_from(admits.max(1)).unwrap_or(u32::MAX), name })
    }

    /// Requires UTF-8: other encodings can't store every name.
    fn check_encoding(&self) -> Result<()> {
        if self.encoding == "UTF8" {
            return Ok(());
        }
        Err(unavailable(format!(
            "The database at DATABASE_URL has the encoding {}; Raptor needs UTF8. Create one with: CREATE DATABASE raptor ENCODING 'UTF8' TEMPLATE template0;",
            self.encoding
        )))
    }

    /// How many connections to use at most. One of them listens for changes, so the minimum is two.
    fn connections(&self, wanted: Option<u32>) -> Result<u32> {
        let admits = self.admits;
        match wanted {
            None => Ok(MAX_CONNECTIONS.min(admits / 2).max(2)),
            Some(wanted) if wanted > admits => Err(Error::invalid(
                "DATABASE_POOL",
                format!(
                    "DATABASE_POOL is {wanted}, and PostgreSQL admits {admits} connections of this role. Set it to {admits} at most, or raise max_connections there."
                ),
            )),
            Some(wanted) => Ok(wanted.max(2)),
        }
    }
}

/// Whether a returned connection may be reused. SQLite rolls back a transaction by itself when the disk is full or fails; the
/// driver then believes that it is still open and refuses to begin another.
async fn has_no_transaction<C: Connection>(connection: &mut C) -> Result<bool, sqlx::Error> {
    if connection.is_in_transaction() {
        // The driver rolls back a dropped transaction with the next statement, which this is.
        connection.ping().await?;
    }
    Ok(!connection.is_in_transaction())
}

fn not_opened(path: &Path, error: sqlx::Error) -> Error {
    let path = path.display();
    let told = error.to_string();
    match Error::from(error) {
        Error::Unavailable { code: code @ ("storage_full" | "storage_read_only"), message } => {
            Error::unavailable(code, format!("The SQLite file {path} can't be opened. {message}"))
        }
        Error::Unavailable { code: "storage_failed", .. } => unavailable(format!(
            "The SQLite file {path} can't be opened: {told}. Check DATABASE_URL, the disk, and the permissions of the folder; restore a damaged file from a backup."
        )),
        _ => unavailable(format!(
            "The SQLite file {path} can't be opened: {told}. Check DATABASE_URL and the permissions of its folder."
        )),
    }
}

/// The error for a file or folder that can't be written, with how to fix it.
fn not_written(path: &Path, error: &std::io::Error) -> Error {
    let path = path.display();
    unavailable(match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            format!("{path} can't be written: its disk is full. Free some space there, then start again.")
        }
        ErrorKind::ReadOnlyFilesystem => format!(
            "{path} can't be written: its file system is read-only, which Linux does after an I/O error. Check the kernel's log, remount it for writing, then start again."
        ),
        _ => format!(
            "{path} can't be written ({error}). Check DATABASE_URL and the permissions of its folder."
        ),
    })
}

/// The server's message, or the innermost cause: "Connection refused" rather than "error communicating with database".
pub(crate) fn cause(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(refused) => refused.message().to_owned(),
        other => innermost(other),
    }
}

fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

pub(crate) fn unavailable(message: String) -> Error {
    Error::Unavailable { code: "database_unavailable", message: message.into() }
}

/// Creates the database file if it is missing, readable by its owner only: it holds password hashes. SQLite gives the files
/// beside it the same permissions.
fn make(database: &Path) -> std::io::Result<()> {
    private(database).map(drop)
}

/// Opens a file for writing, and creates it with permissions for its owner only if it is missing.
fn private(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Takes the process lock. SQLite's change feed stays within one process, so a second one would answer from stale caches.
fn lock(database: &Path) -> Result<File> {
    if let Some(folder) = database.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| not_written(folder, &error))?;
    }
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    // Readable by its owner only: anyone who can open it can lock it and so keep Raptor from starting.
    let file = private(Path::new(&path)).map_err(|error| not_written(Path::new(&path), &error))?;
    #[cfg(unix)]
    // Earlier versions created it readable by others; if it belongs to another user, it stays as it is.
    let _ = file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600));
    file.try_lock().map_err(|_| {
        unavailable(format!(
            "Another Raptor uses {}. Stop it, or point DATABASE_URL (with `up`: DATA_DIR) elsewhere.",
            database.display()
        ))
    })?;
    make(database).and_then(|()| probe(&file)).map_err(|error| not_written(database, &error))?;
    Ok(file)
}

/// Checks that there is room for the files that SQLite creates when it opens the database. Without room it reports an I/O error.
fn probe(mut lock: &File) -> std::io::Result<()> {
    let written = lock.write_all(&[0; SIDE_FILES_BYTES]).and_then(|()| lock.sync_data());
    lock.set_len(0)?;
    written
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
        for file in ["raptor.db", "raptor.db-wal", "raptor.db.lock"] {
            let mode = std::fs::metadata(folder.path().join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{file} has {mode:o}");
        }
        store.close().await;
    }

    #[tokio::test]
    async fn a_password_that_has_to_be_encoded_is_told_how() {
        for password in ["a/b", "1?b", "1#b", "a@b/c", "a?b", "a#b"] {
            let url = format!("postgres://raptor:hunter{password}@127.0.0.1:1/raptor");
            let message = Store::open(&url).await.err().unwrap().to_string();
            assert!(
                message.contains("write @ as %40") && !message.contains("hunter"),
                "{password}: {message}"
            );
        }
        for url in [
            "postgres://raptor:a%2Fb@127.0.0.1:1/raptor",
            "postgres://raptor:a@b@127.0.0.1:1/raptor",
            "postgres:///raptor?host=/nowhere&user=a@b",
            "postgresql://127.0.0.1:1/raptor?sslmode=prefer",
        ] {
            let message = Store::open(url).await.err().unwrap().to_string();
            assert!(message.contains("Connecting to PostgreSQL at DATABASE_URL failed"), "{url}: {message}");
        }
    }

    #[tokio::test]
    async fn a_database_that_is_away_is_said_at_once_with_the_cause() {
        let begun = std::time::Instant::now();
        let error = Store::open("postgres://raptor:hunter22@127.0.0.1:1/raptor").await.err().unwrap();
        let message = error.to_string();
        assert!(message.contains("refused") && !message.contains("hunter22"), "{message}");
        assert!(begun.elapsed() < Duration::from_secs(5));
    }

    /// Limits the database file to this many more pages, on all open connections, which are idle afterwards.
    async fn cramped(store: &Store, pages: i64) {
        let Db::Sqlite(pool) = &store.db else { unreachable!() };
        let mut connections = vec![pool.acquire().await.unwrap()];
        // A connection that was just returned, or is being closed, is not idle at once.
        while connections.len() < pool.size() as usize {
            match pool.try_acquire() {
                Some(connection) => connections.push(connection),
                None => tokio::task::yield_now().await,
            }
        }
        for connection in &mut connections {
            let now: i64 =
                sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut **connection).await.unwrap();
            let limit = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {}", now + pages));
            sqlx::query(limit).execute(&mut **connection).await.unwrap();
        }
        drop(connections);
        while pool.num_idle() < pool.size() as usize {
            tokio::task::yield_now().await;
        }
    }

    async fn write(store: &Store, bytes: i64) -> Result<()> {
        let mut tx = store.begin().await?;
        let insert = sqlx::query("INSERT INTO attempts (digest, free_at_us) VALUES (randomblob($1), 1)");
        match tx.conn() {
            crate::Conn::Sqlite(connection) => insert.bind(bytes).execute(connection).await?,
            crate::Conn::Postgres(_) => unreachable!(),
        };
        tx.commit().await
    }

    #[tokio::test]
    async fn a_disk_that_was_full_for_a_moment_breaks_no_later_write() {
        let folder = tempfile::tempdir().unwrap();
        let store =
            Store::open(&format!("sqlite://{}", folder.path().join("raptor.db").display())).await.unwrap();
        for _ in 0..3 {
            cramped(&store, 0).await;
            let refused = write(&store, 32 << 20).await.unwrap_err();
            assert_eq!(refused.code(), "storage_full", "{refused}");
            assert!(refused.to_string().contains("Nothing was changed"), "{refused}");
            // Works as soon as there is room: the connection that failed is not reused.
            write(&store, 100).await.unwrap();
        }
        store.close().await;
    }

    #[tokio::test]
    async fn a_full_disk_leaves_room_for_small_changes() {
        let folder = tempfile::tempdir().unwrap();
        let store =
            Store::open(&format!("sqlite://{}", folder.path().join("raptor.db").display())).await.unwrap();
        cramped(&store, 0).await;
        for _ in 0..1_000 {
            write(&store, 500).await.unwrap();
        }
        store.close().await;
    }
}
