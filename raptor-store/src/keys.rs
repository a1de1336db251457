//! Everything in the store that is sealed under `APP_KEY`, and the canaries that tell one key from another.

use super::{
    Conn, on,
    open::{ALONE, NAME_ROOM},
};
use raptor_model::{Error, Result};
use sqlx::PgConnection;
use std::{collections::HashMap, fmt, time::Duration};
use uuid::Uuid;

/// How many times a running API is looked for before it is believed, and the pause after each.
const LOOKS: usize = 5;
const PAUSE: Duration = Duration::from_millis(100);

/// Whose secret a sealed value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The key of a daemon. That of this process's own host is never used.
    Daemon { id: Uuid, name: String, local: bool },
    /// The password for a registry.
    Registry { host: String },
    /// A mail that was not sent yet.
    Mail { id: Uuid, recipient: Option<String> },
}

impl Owner {
    /// What the value is bound to.
    pub fn context(&self) -> &[u8] {
        match self {
            Self::Daemon { id, .. } | Self::Mail { id, .. } => id.as_bytes(),
            Self::Registry { host } => host.as_bytes(),
        }
    }

    /// Whether this is the key of this process's own host. It opens nothing, so nothing is lost with it.
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

/// A sealed value.
pub struct Sealed {
    pub owner: Owner,
    pub value: Vec<u8>,
}

/// Every sealed value.
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

/// Replaces a sealed value.
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

/// All canaries, by the name of their key's setting.
pub async fn canaries(c: &mut Conn<'_>) -> Result<HashMap<String, Vec<u8>>> {
    let rows: Vec<(String, Vec<u8>)> =
        on!(c, |c| sqlx::query_as("SELECT name, canary FROM key_canaries").fetch_all(c).await)?;
    Ok(rows.into_iter().collect())
}

/// Writes a canary unless there is one. Somebody who writes one at the same time is waited for.
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

/// Writes a canary in place of the one that is there.
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

/// Keeps every API that starts from reading the canaries until the transaction of `c` ends, and makes sure that none is running
/// (`application_name` tells them from others). SQLite belongs to one process anyway.
///
/// # Errors
/// [`Error::Conflict`] `api_running`.
pub async fn keep_apis_out(c: &mut Conn<'_>) -> Result<()> {
    let Conn::Postgres(c) = c else { return Ok(()) };
    sqlx::query("LOCK TABLE key_canaries IN ACCESS EXCLUSIVE MODE").execute(&mut **c).await?;
    refuse_apis(c).await
}

/// Makes sure that no API is connected to the database of `c`, which is a connection for maintenance.
///
/// # Errors
/// [`Error::Conflict`] `api_running`.
pub(crate) async fn refuse_apis(c: &mut PgConnection) -> Result<()> {
    for _ in 0..LOOKS {
        // Within a transaction what was seen first is shown again.
        sqlx::query("SELECT pg_stat_clear_snapshot()").execute(&mut *c).await?;
        // The names as the server keeps them: it cuts long ones, and replaces what is not ASCII.
        let running: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name <> current_setting('application_name')
                 AND left(application_name, $1) || $2 = current_setting('application_name')",
        )
        .bind(NAME_ROOM)
        .bind(ALONE)
        .fetch_one(&mut *c)
        .await?;
        if running == 0 {
            return Ok(());
        }
        // The server takes a moment to see that a program has ended.
        tokio::time::sleep(PAUSE).await;
    }
    Err(Error::conflict(
        "api_running",
        "A raptor-api is running on this database. Stop all of them, run this again, and start them with the new key.",
    ))
}
