//! Logins for image registries.

use super::{Conn, on};
use chrono::{DateTime, Utc};
use raptor_model::{Result, id::RegistryId, registries::Registry};

#[derive(sqlx::FromRow)]
struct Row {
    id: RegistryId,
    host: String,
    username: String,
    password_sealed: Vec<u8>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Row> for (Registry, Vec<u8>) {
    fn from(row: Row) -> Self {
        let Row { id, host, username, password_sealed, created_at, updated_at } = row;
        (Registry { id, host, username, created_at, updated_at }, password_sealed)
    }
}

/// All logins with their sealed passwords, ordered by host. Not paged: there are a handful.
pub async fn list(c: &mut Conn<'_>) -> Result<Vec<(Registry, Vec<u8>)>> {
    let rows: Vec<Row> = on!(c, |c| sqlx::query_as(
        "SELECT id, host, username, password_sealed, created_at, updated_at FROM registries ORDER BY host"
    )
    .fetch_all(c)
    .await)?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Adds or replaces the login of a host, and returns what is stored.
pub async fn save(c: &mut Conn<'_>, registry: &Registry, sealed: &[u8]) -> Result<Registry> {
    let row: Row = on!(c, |c| {
        sqlx::query_as(
        "INSERT INTO registries (id, host, username, password_sealed, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $5)
         ON CONFLICT (host) DO UPDATE SET username = excluded.username, password_sealed = excluded.password_sealed,
                                          updated_at = excluded.updated_at
         RETURNING id, host, username, password_sealed, created_at, updated_at"
    )
    .bind(registry.id)
    .bind(&registry.host)
    .bind(&registry.username)
    .bind(sealed)
    .bind(registry.created_at)
    .fetch_one(c)
    .await
    })?;
    Ok(<(Registry, Vec<u8>)>::from(row).0)
}

pub async fn delete(c: &mut Conn<'_>, id: RegistryId) -> Result<bool> {
    let done: Option<RegistryId> =
        on!(c, |c| sqlx::query_scalar("DELETE FROM registries WHERE id = $1 RETURNING id")
            .bind(id)
            .fetch_optional(c)
            .await)?;
    Ok(done.is_some())
}
