use sqlx::{PgConnection, SqliteConnection};

/// A borrowed connection of either engine. Other crates can't name it.
pub enum Conn<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}
