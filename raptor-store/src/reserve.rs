//! Space that a SQLite file reserves for itself, so that people can sign in, stop and delete while the disk is full.
//!
//! A change is first appended to the write-ahead log and later copied into pages of the file itself. SQLite reuses both rather
//! than returning space, so both are grown once: the log beyond the number of pages after which SQLite restarts it, and the
//! file by free pages. File systems that never write in place (btrfs, ZFS) give no guarantee.

use sqlx::SqlitePool;

/// Free pages that the file has at least when it is opened. SQLite restarts its log after 1,000 pages.
const PAGES: i64 = 1_100;

/// Reserves the space. A full disk has none to reserve, which is no reason to refuse to start.
///
/// # Errors
/// If the file can't be read.
pub(crate) async fn keep(pool: &SqlitePool) -> Result<(), sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let free: i64 = sqlx::query_scalar("PRAGMA freelist_count").fetch_one(&mut *connection).await?;
    if free >= PAGES {
        return Ok(());
    }
    let page: i64 = sqlx::query_scalar("PRAGMA page_size").fetch_one(&mut *connection).await?;
    let grown = sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "BEGIN IMMEDIATE; CREATE TABLE reserve (room BLOB); INSERT INTO reserve VALUES (zeroblob({})); DROP TABLE reserve; COMMIT;",
        PAGES * page
    )));
    if let Err(error) = grown.execute(&mut *connection).await {
        tracing::warn!(%error, "could not reserve space for the time when the disk is full");
        // SQLite has rolled it back, or will when the connection is closed.
        connection.close().await?;
    }
    Ok(())
}
