//! All values that are sealed with `APP_KEY`, and the canaries that tell whether a key is the right one.

use super::{
    Conn, on,
    open::{MAINTENANCE_SUFFIX, MAX_NAME_LENGTH},
};
use raptor_model::{Error, Result};
use sqlx::PgConnection;
use std::{collections::HashMap, fmt, time::Duration};
use uuid::Uuid;

/// How often to check for a running API before refusing, with a pause after each check.
const ATTEMPTS: usize = 5;
const PAUSE: Duration = Duration::from_millis(100);

/// The owner of a sealed value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A daemon's key. That of this process's own host is never used.
    Daemon { id: Uuid, name: String, local: bool },
    /// The password for a registry.
    Registry { host: String },
    /// A mail that has not been sent yet.
    Mail { id: Uuid, recipient: Option<String> },
}

impl Owner {
    /// The associated data that the value is sealed with.
    pub fn context(&self) -> &[u8] {
        match self {
            Self::Daemon { id, .. } | Self::Mail { id, .. } => id.as_bytes(),
            Self::Registry { host } => host.as_bytes(),
        }
    }

    /// Whether this is the key of this process's own host. It unlocks nothing, so losing it does no harm.
    pub fn is_own_host(&self) -> bool {
        matches!(self, Self::Daemon { local: true, .. })
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Daemon { name, .. } => write!(f, "the key of the daemon {name:?}"),
            Self::Registry { host } => write!(f, "the password for the registry {host}"),
            Self::Mail { recipient: Some(recipient), .. } => write!(f, "an unsent mail to {recipient}"),
            Self::Mail { recipient: None, .. } => write!(f, "an unsent mail"),
        }
    }
}

/// A sealed value and its owner.
pub struct Sealed {
    pub owner: Owner,
    pub value: Vec<u8>,
}

/// Every sealed value in the store.
pub async fn sealed(c: &mut Conn<'_>) -> Result<Vec<Sealed>> {
    let daemons: Vec<(Uuid, String, bool, Vec<u8>)> =
        on!(c, |c| sqlx::query_as("SELECT id, name, local, key_sealed FROM daemons ORDER BY name_key")
            .fetch_all(c)
            .await)?;
    let registries: Vec<(String, Vec<u8>)> =
        on!(c, |c| sqlx::query_as("SELECT host, password_sealed FROM registries ORDER BY host")
            .fetch_all(c)
            .await)?;
    let mails: Vec<(Uuid, Option<String>, Vec<u8>)> = on!(c, |c| sqlx::query_as(
        "SELECT id, recipient, sealed FROM mails WHERE sealed IS NOT NULL ORDER BY id"
    )
    .fetch_all(c)
    .await)?;
    let daemons = daemons
        .into_iter()
        .map(|(id, name, local, value)| Sealed { owner: Owner::Daemon { id, name, local }, value });
    let registries =
        registries.into_iter().map(|(host, value)| Sealed { owner: Owner::Registry { host }, value });
    let mails = mails
        .into_iter()
        .map(|(id, recipient, value)| Sealed { owner: Owner::Mail { id, recipient }, value });
    Ok(daemons.chain(registries).chain(mails).collect())
}

/// Replaces an owner's sealed value.
pub async fn reseal(c: &mut Conn<'_>, owner: &Owner, value: &[u8]) -> Result<()> {
    let statement = match owner {
        Owner::Daemon { .. } => "UPDATE daemons SET key_sealed = $2 WHERE id = $1",
        Owner::Registry { .. } => "UPDATE registries SET password_sealed = $2 WHERE host = $1",
        Owner::Mail { .. } => "UPDATE mails SET sealed = $2 WHERE id = $1",
    };
    on!(c, |c| {
        let query = sqlx::query(statement);
        let query = match owner {
            Owner::Daemon { id, .. } | Owner::Mail { id, .. } => query.bind(id),
            Owner::Registry { host } => query.bind(host),
        };
        query.bind(value).execute(c).await.map(drop)
    })?;
    Ok(())
}

/// All canaries, keyed by the name of the key's setting.
pub async fn canaries(c: &mut Conn<'_>) -> Result<HashMap<String, Vec<u8>>> {
    let rows: Vec<(String, Vec<u8>)> =
        on!(c, |c| sqlx::query_as("SELECT name, canary FROM key_canaries").fetch_all(c).await)?;
    Ok(rows.into_iter().collect())
}

/// Stores a canary unless there is one. Waits for a transaction that stores one at the same time.
pub async fn add_canary(c: &mut Conn<'_>, name: &str, canary: &[u8]) -> Result<()> {
    on!(c, |c| sqlx::query(
        "INSERT INTO key_canaries (name, canary) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING"
    )
    .bind(name)
    .bind(canary)
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

/// Replaces a canary.
pub async fn replace_canary(c: &mut Conn<'_>, name: &str, canary: &[u8]) -> Result<()> {
    on!(c, |c| sqlx::query(
        "INSERT INTO key_canaries (name, canary) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET canary = excluded.canary"
    )
    .bind(name)
    .bind(canary)
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

/// Blocks every API that starts from reading the canaries until the transaction of `c` ends, and checks that none is running
/// (recognised by `application_name`). Does nothing on SQLite, which only one process can open.
///
/// # Errors
/// [`Error::Conflict`] `api_running`.
pub async fn exclude_apis(c: &mut Conn<'_>) -> Result<()> {
    let Conn::Postgres(c) = c else { return Ok(()) };
    sqlx::query("LOCK TABLE key_canaries IN ACCESS EXCLUSIVE MODE").execute(&mut **c).await?;
    refuse_apis(c).await
}

/// Checks that no API is connected to the database of `c`, which is a maintenance connection.
///
/// # Errors
/// [`Error::Conflict`] `api_running`.
pub(crate) async fn refuse_apis(c: &mut PgConnection) -> Result<()> {
    for _ in 0..ATTEMPTS {
        // Within a transaction PostgreSQL repeats the first answer unless told otherwise.
        sqlx::query("SELECT pg_stat_clear_snapshot()").execute(&mut *c).await?;
        // Names are compared as the server stores them: truncated, and with characters that aren't ASCII replaced.
        let running: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name <> current_setting('application_name')
                 AND left(application_name, $1) || $2 = current_setting('application_name')",
        )
        .bind(MAX_NAME_LENGTH)
        .bind(MAINTENANCE_SUFFIX)
        .fetch_one(&mut *c)
        .await?;
        if running == 0 {
            return Ok(());
        }
        // The server takes a moment to notice that a program has ended.
        tokio::time::sleep(PAUSE).await;
    }
    Err(Error::conflict(
        "api_running",
        "A raptor-api is running on this database. Stop all of them, run this again, and start them with the new key.",
    ))
}
