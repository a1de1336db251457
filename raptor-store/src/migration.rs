//! Migrating a database to this version's tables, and the errors when that fails.

use super::{
    Conn, on,
    open::{cause, unavailable},
};
use raptor_model::{Error, Result};
use sqlx::{PgPool, migrate::MigrateError};

pub(crate) static SQLITE: sqlx::migrate::Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: sqlx::migrate::Migrator = sqlx::migrate!("migrations/postgres");

/// SQLSTATE `insufficient_privilege`.
const NOT_ALLOWED: &str = "42501";

/// Migrates a PostgreSQL database, connected as `role`. Keeps the notice that the migrations table already exists out of the log.
pub(crate) async fn postgres(pool: &PgPool, role: &str) -> Result<()> {
    let mut connection = pool.acquire().await?;
    sqlx::query("SET client_min_messages TO warning").execute(&mut *connection).await?;
    let migrated = POSTGRES.run(&mut *connection).await;
    sqlx::query("RESET client_min_messages").execute(&mut *connection).await?;
    migrated.map_err(|error| refusal(error, Some(role)))
}

/// Checks that the tables are those of this version: an older backup may have been restored, or a newer Raptor may have started.
///
/// # Errors
/// [`Error::Unavailable`] `database_outdated`, or that the database does not answer.
pub async fn check(c: &mut Conn<'_>) -> Result<()> {
    let ours = SQLITE.iter().map(|migration| migration.version).max();
    let theirs: Option<i64> =
        on!(c, |c| sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations WHERE success")
            .fetch_one(c)
            .await)?;
    if theirs == ours {
        return Ok(());
    }
    Err(Error::Unavailable {
        code: "database_outdated",
        message: "The tables of the database belong to another version of Raptor. Restart this server with the newest version.".into(),
    })
}

/// The error for a failed migration: the cause and how to fix it. `role` is the PostgreSQL role that we connect as.
pub(crate) fn refusal(error: MigrateError, role: Option<&str>) -> Error {
    let message = match error {
        MigrateError::VersionMissing(version) | MigrateError::VersionTooNew(version, _) => format!(
            "This database was made by a newer Raptor (it has migration {version}). Start that version again, or restore the copy of the database from before the upgrade."
        ),
        MigrateError::VersionMismatch(version) => format!(
            "This database was made by another build of Raptor: its migration {version} is not the one that this build has. Start that build again, or restore the copy of the database from before the upgrade."
        ),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            return failed(error, role);
        }
        other => format!("The database could not be migrated: {other}."),
    };
    unavailable(message)
}

fn failed(error: sqlx::Error, role: Option<&str>) -> Error {
    let not_allowed =
        error.as_database_error().and_then(|told| told.code()).is_some_and(|code| code == NOT_ALLOWED);
    if let Some(role) = role.filter(|_| not_allowed) {
        let role = role.replace('"', "\"\"");
        return unavailable(format!(
            "The role can't create tables in this database ({}). Have the owner of the database run: GRANT USAGE, CREATE ON SCHEMA public TO \"{role}\";",
            cause(&error)
        ));
    }
    let why = cause(&error);
    match Error::from(error) {
        // Already explains the state of the disk and how to fix it.
        told @ Error::Unavailable { .. } => told,
        _ => unavailable(format!("The database could not be migrated: {why}.")),
    }
}
