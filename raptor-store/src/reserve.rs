//! Room that a SQLite file keeps for itself, so that people can sign in, stop and delete while its disk is full.
//!
//! A change is first appended to the file beside it (the write-ahead log) and later copied into pages of the file itself. SQLite
//! uses both again rather than giving room back, so both are grown once: the log to more than the pages after which SQLite begins
//! it anew, and the file by free pages. On file systems that never write in place (btrfs, ZFS) this is no promise.

use sqlx::SqlitePool;

/// Free pages that the file has at least when it is opened; SQLite begins its log anew after 1,000.
const PAGES: i64 = 1_100;

/// Makes sure of the room. A disk that is full already has none to give, which is no reason not to start.
///
/// # Errors
/// When the file can't be read.
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
        tracing::warn!(%error, "the database keeps no room for the time when its disk is full");
        // SQLite has undone it, or will when the connection is closed.
        connection.close().await?;
    }
    Ok(())
}
