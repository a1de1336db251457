use sqlx::{PgConnection, SqliteConnection};

/// A borrowed connection to either engine. Opaque outside of this crate.
pub enum Conn<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}
