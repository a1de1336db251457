//! Opening a store: connect, lock, migrate.

use super::{Db, Feed, Store, keys, migration, presence::Presence, reserve};
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

/// How long a caller waits for a connection, and a SQLite writer for the one before it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection may have been idle and is still taken for a working one.
const QUIET: Duration = Duration::from_secs(1);

/// How much of a SQLite file is read where the system has it, in bytes. A connection forgets all pages with each commit of
/// another one, and would ask for every one of them again.
const MAPPED: u32 = 1 << 30;

/// What SQLite makes beside the database, in bytes: its index of the log (32 KiB), and the log's beginning.
const BESIDE: usize = 64 * 1024;

/// Connections to PostgreSQL at most, where its server admits so many that they are no burden.
const POOL: u32 = 20;

/// What connections to PostgreSQL are called there (`application_name`), unless the URL says otherwise.
const NAME: &str = "raptor";
/// What a store that is opened for maintenance adds to that name.
pub(crate) const ALONE: &str = "-maintenance";
/// How many characters of that name then stay: PostgreSQL keeps 63 in all.
pub(crate) const NAME_ROOM: i32 = 63 - 12;
const _: () = assert!(ALONE.len() == 12, "NAME_ROOM has its length");

impl Store {
    /// Opens `url` (`sqlite://path`, `sqlite::memory:` or `postgres://…`), creates the SQLite file where it is missing, and
    /// migrates under a lock.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a URL of another kind, [`Error::Unavailable`] with what is in the way otherwise.
    pub async fn open(url: &str) -> Result<Self> {
        Self::open_with(url, None).await
    }

    /// As [`Store::open`], with so many connections to PostgreSQL at most, 2 or more. Unless given they are 20, and fewer where
    /// that is more than half of what the server admits.
    ///
    /// # Errors
    /// As [`Store::open`], and [`Error::Invalid`] for more connections than the server admits.
    pub async fn open_with(url: &str, connections: Option<u32>) -> Result<Self> {
        Self::open_as(url, connections, false).await
    }

    /// As [`Store::open`], for a program that changes the store while no API is running and is not to be taken for one. Beside
    /// a running API nothing is changed, so the tables are not migrated either.
    ///
    /// # Errors
    /// As [`Store::open`], and [`Error::Conflict`] `api_running`.
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
            PgConnectOptions::from_str(url).ok().filter(|_| !is_torn(url)).ok_or_else(not_postgres)?;
        let name = options.get_application_name().unwrap_or(NAME).to_owned();
        let options = match alone {
            true => options.application_name(&format!("{NAME}{ALONE}")),
            false => options.application_name(&name),
        };
        // A pool would try again until its patience ends, and then not say what was in the way.
        let probed = match tokio::time::timeout(PATIENCE, Server::ask(&options, &name)).await {
            Ok(probed) => probed.map_err(|error| cause(&error)),
            Err(_) => Err("it does not answer".to_owned()),
        };
        let why = |why: String| unavailable(format!("PostgreSQL at DATABASE_URL does not let us in: {why}."));
        let server = probed.map_err(why)?;
        server.check_encoding()?;
        let options = match alone {
            true => options.application_name(&format!("{}{ALONE}", server.name)),
            false => options,
        };
        let pool = PgPoolOptions::new()
            .max_connections(server.connections(connections)?)
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
        Ok(Self { db: Db::Postgres(pool, presence), feed, _lock: None })
    }

    async fn open_sqlite(url: &str) -> Result<Self> {
        let options = SqliteConnectOptions::from_str(url)
            .map_err(|error| Error::invalid("DATABASE_URL", format!("This is not a SQLite URL: {error}")))?
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .pragma("mmap_size", MAPPED.to_string())
            // PostgreSQL's, by bytes: `LOWER(x COLLATE "C")` means the same on both.
            .collation("C", str::cmp)
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
            // A file does not hang up; and a caller that gives up during the test takes the connection with it, which in memory
            // is the database.
            .test_before_acquire(false)
            .after_release(|connection, _| Box::pin(has_no_transaction(connection)))
            .connect_with(options.clone())
            .await
            .map_err(|error| not_opened(options.get_filename(), error))?;
        migration::SQLITE.run(&pool).await.map_err(|error| migration::refusal(error, None))?;
        if !in_memory {
            reserve::keep(&pool).await?;
        }
        Ok(Self { db: Db::Sqlite(pool), feed: Feed::local(), _lock: lock })
    }
}

fn not_postgres() -> Error {
    Error::invalid(
        "DATABASE_URL",
        "This is not a PostgreSQL URL. Use postgres://user:password@host:5432/database. In the password, write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23 and % as %25.",
    )
}

/// Whether the password of `url` ends it too early: one with `/`, `?` or `#` leaves an `@` where no host can follow any more.
fn is_torn(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let path = tail.split('?').next().unwrap_or_default();
    path.contains('@') || (!authority.is_empty() && !authority.contains('@') && tail.contains('@'))
}

/// What a PostgreSQL server says of itself.
struct Server {
    encoding: String,
    role: String,
    /// Connections that somebody like us may have in all.
    admits: u32,
    /// What it keeps of the name of an API's connections, as far as there is room before [`ALONE`].
    name: String,
}

impl Server {
    async fn ask(options: &PgConnectOptions, name: &str) -> Result<Self, sqlx::Error> {
        let mut connection = PgConnection::connect_with(options).await?;
        // A setting that is local is gone with the statement.
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
        .bind(NAME_ROOM)
        .fetch_one(&mut connection)
        .await?;
        connection.close().await?;
        Ok(Self { encoding, role, admits: u32::try_from(admits.max(1)).unwrap_or(u32::MAX), name })
    }

    /// Other encodings can't hold every name.
    fn check_encoding(&self) -> Result<()> {
        if self.encoding == "UTF8" {
            return Ok(());
        }
        Err(unavailable(format!(
            "The database at DATABASE_URL has the encoding {}; Raptor needs UTF8. Make one with: CREATE DATABASE raptor ENCODING 'UTF8' TEMPLATE template0;",
            self.encoding
        )))
    }

    /// How many connections we use at most. One of them listens to changes, so it takes two.
    fn connections(&self, wanted: Option<u32>) -> Result<u32> {
        let admits = self.admits;
        match wanted {
            None => Ok(POOL.min(admits / 2).max(2)),
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

/// Whether a connection that comes back may be given out again. SQLite ends a transaction by itself where the disk is full or
/// fails; the driver then takes it for open for ever, and refuses to begin another one.
async fn has_no_transaction<C: Connection>(connection: &mut C) -> Result<bool, sqlx::Error> {
    if connection.is_in_transaction() {
        // What was dropped is undone only now.
        connection.ping().await?;
    }
    Ok(!connection.is_in_transaction())
}

fn not_opened(path: &Path, error: sqlx::Error) -> Error {
    let path = path.display();
    let told = error.to_string();
    match Error::from(error) {
        Error::Unavailable { code: code @ ("storage_full" | "storage_read_only"), message } => {
            Error::Unavailable { code, message: format!("The SQLite file {path} can't be opened. {message}") }
        }
        Error::Unavailable { code: "storage_failed", .. } => unavailable(format!(
            "The SQLite file {path} can't be opened: {told}. Check DATABASE_URL, the disk, and the rights on the folder; a damaged file has to be replaced by a copy from before."
        )),
        _ => unavailable(format!(
            "The SQLite file {path} can't be opened: {told}. Check DATABASE_URL and the rights on its folder."
        )),
    }
}

/// Why a file or folder can't be written, with what mends it.
fn not_written(path: &Path, error: &std::io::Error) -> Error {
    let path = path.display();
    unavailable(match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            format!("{path} can't be written: its disk is full. Free some room there, then start again.")
        }
        ErrorKind::ReadOnlyFilesystem => format!(
            "{path} can't be written: its file system is read-only, as the system makes it after a fault. Look at the system's log, mount it for writing, then start again."
        ),
        _ => format!("{path} can't be written ({error}). Check DATABASE_URL and the rights on its folder."),
    })
}

/// The server's own words, or the innermost cause: "Connection refused" rather than "error communicating with database".
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
    Error::Unavailable { code: "database_unavailable", message }
}

/// Makes the file where it is missing, for nobody else to read: it holds hashes of passwords. SQLite gives the files beside it
/// the same rights.
fn make(database: &Path) -> std::io::Result<()> {
    private(database).map(drop)
}

/// Opens a file for writing, and makes it where it is missing, with rights for its owner only.
fn private(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// SQLite's changes are told inside one process only, so a second process on the same file would answer from stale caches.
fn lock(database: &Path) -> Result<File> {
    if let Some(folder) = database.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| not_written(folder, &error))?;
    }
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    // Its owner's alone: anyone who can open it can lock it, and so keep Raptor from starting.
    let file = private(Path::new(&path)).map_err(|error| not_written(Path::new(&path), &error))?;
    #[cfg(unix)]
    // Earlier versions made it readable; where it is somebody else's file, it stays as it is.
    let _ = file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600));
    file.try_lock().map_err(|_| {
        unavailable(format!(
            "Another Raptor uses {}. Stop it, or set DATABASE_URL (with `up`: DATA_DIR) to another place.",
            database.display()
        ))
    })?;
    make(database).and_then(|()| probe(&file)).map_err(|error| not_written(database, &error))?;
    Ok(file)
}

/// Makes sure of room for what SQLite makes beside the database when it opens it. Without that it reports a failing disk.
fn probe(mut lock: &File) -> std::io::Result<()> {
    let written = lock.write_all(&[0; BESIDE]).and_then(|()| lock.sync_data());
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
            assert!(message.contains("does not let us in"), "{url}: {message}");
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

    /// Lets the database's file take so many pages more, by all connections that are open; they are idle afterwards.
    async fn cramped(store: &Store, pages: i64) {
        let Db::Sqlite(pool) = &store.db else { unreachable!() };
        let mut connections = vec![pool.acquire().await.unwrap()];
        // One that was just given back, or is being closed, is not idle at once.
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
            // As soon as there is room: the connection that was refused is not given out again.
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
