//! Users' public SSH keys.

use super::{Conn, on, unique};
use chrono::{DateTime, Utc};
use raptor_model::{
    Error, Result,
    id::{SshKeyId, UserId},
    sshkeys::SshKey,
};

#[derive(sqlx::FromRow)]
struct Row {
    id: SshKeyId,
    user_id: UserId,
    name: String,
    algorithm: String,
    fingerprint: String,
    public_key: String,
    created_at: DateTime<Utc>,
    last_used_at: Option<DateTime<Utc>>,
}

impl From<Row> for SshKey {
    fn from(row: Row) -> Self {
        let Row { id, user_id, name, algorithm, fingerprint, public_key, created_at, last_used_at } = row;
        Self { id, user_id, name, algorithm, fingerprint, public_key, created_at, last_used_at }
    }
}

pub async fn insert(c: &mut Conn<'_>, key: &SshKey) -> Result<()> {
    on!(c, |c| sqlx::query(
        "INSERT INTO ssh_keys (id, user_id, name, algorithm, fingerprint, public_key, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(key.id)
    .bind(key.user_id)
    .bind(&key.name)
    .bind(&key.algorithm)
    .bind(&key.fingerprint)
    .bind(&key.public_key)
    .bind(key.created_at)
    .execute(c)
    .await
    .map(drop))
    .map_err(|error| unique(error, || Error::conflict("key_exists", "This key is already in your account.")))
}

/// The user's keys, newest first.
pub async fn of_user(c: &mut Conn<'_>, user: UserId) -> Result<Vec<SshKey>> {
    let rows: Vec<Row> =
        on!(c, |c| sqlx::query_as("SELECT * FROM ssh_keys WHERE user_id = $1 ORDER BY id DESC")
            .bind(user)
            .fetch_all(c)
            .await)?;
    Ok(rows.into_iter().map(SshKey::from).collect())
}

pub async fn find_by_fingerprint(
    c: &mut Conn<'_>,
    user: UserId,
    fingerprint: &str,
) -> Result<Option<SshKey>> {
    let row: Option<Row> =
        on!(c, |c| sqlx::query_as("SELECT * FROM ssh_keys WHERE user_id = $1 AND fingerprint = $2")
            .bind(user)
            .bind(fingerprint)
            .fetch_optional(c)
            .await)?;
    Ok(row.map(SshKey::from))
}

pub async fn count(c: &mut Conn<'_>, user: UserId) -> Result<i64> {
    Ok(on!(c, |c| sqlx::query_scalar("SELECT COUNT(*) FROM ssh_keys WHERE user_id = $1")
        .bind(user)
        .fetch_one(c)
        .await)?)
}

/// Deletes one of the user's keys, and returns it.
pub async fn delete(c: &mut Conn<'_>, user: UserId, id: SshKeyId) -> Result<Option<SshKey>> {
    let row: Option<Row> =
        on!(c, |c| sqlx::query_as("DELETE FROM ssh_keys WHERE id = $1 AND user_id = $2 RETURNING *")
            .bind(id)
            .bind(user)
            .fetch_optional(c)
            .await)?;
    Ok(row.map(SshKey::from))
}

pub async fn touch(c: &mut Conn<'_>, id: SshKeyId, at: DateTime<Utc>) -> Result<()> {
    on!(c, |c| sqlx::query("UPDATE ssh_keys SET last_used_at = $2 WHERE id = $1")
        .bind(id)
        .bind(at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}
