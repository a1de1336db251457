//! Sessions.

use super::{
    Conn, on,
    roles::granted,
    stored::{RowReader, Text},
};
use chrono::{DateTime, Utc};
use raptor_model::{
    Result,
    id::{RoleId, SessionId, UserId},
    sessions::Session,
};

#[derive(sqlx::FromRow)]
struct Row {
    id: SessionId,
    user_id: UserId,
    ip: Option<String>,
    user_agent: Option<String>,
    created_at: DateTime<Utc>,
    last_seen_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

impl From<Row> for Session {
    fn from(row: Row) -> Self {
        let Row { id, user_id, ip, user_agent, created_at, last_seen_at, expires_at } = row;
        Self {
            id,
            user_id,
            ip: ip.and_then(|ip| RowReader::of("sessions", id).word("ip", ip.parse().ok().map(Some), None)),
            user_agent,
            created_at,
            last_seen_at,
            expires_at,
        }
    }
}

pub async fn insert(c: &mut Conn<'_>, session: &Session) -> Result<()> {
    on!(c, |c| sqlx::query(
        "INSERT INTO sessions (id, user_id, ip, user_agent, created_at, last_seen_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(session.id)
    .bind(session.user_id)
    .bind(session.ip.map(|ip| ip.to_string()))
    .bind(&session.user_agent)
    .bind(session.created_at)
    .bind(session.last_seen_at)
    .bind(session.expires_at)
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

/// What authenticates a request: the session, its user and the user's role, read in one row.
pub struct Live {
    pub expires_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
    pub user_id: UserId,
    pub username: String,
    pub suspended: bool,
    pub role_id: RoleId,
    pub grants: raptor_model::authz::SystemSet,
}

pub async fn live(c: &mut Conn<'_>, id: SessionId) -> Result<Option<Live>> {
    #[derive(sqlx::FromRow)]
    struct Joined {
        expires_at: DateTime<Utc>,
        last_seen_at: DateTime<Utc>,
        user_id: UserId,
        username: String,
        suspended: bool,
        role_id: RoleId,
        permissions: Text,
        builtin: Option<String>,
    }
    let row: Option<Joined> = on!(c, |c| {
        sqlx::query_as(
        "SELECT sessions.expires_at, sessions.last_seen_at, users.id AS user_id, users.username, users.suspended, users.role_id,
                roles.permissions, roles.builtin
         FROM sessions JOIN users ON users.id = sessions.user_id JOIN roles ON roles.id = users.role_id
         WHERE sessions.id = $1",
    )
    .bind(id)
    .fetch_optional(c)
    .await
    })?;
    let read = |row: Joined| Live {
        expires_at: row.expires_at,
        last_seen_at: row.last_seen_at,
        user_id: row.user_id,
        username: row.username,
        suspended: row.suspended,
        role_id: row.role_id,
        grants: granted(&mut RowReader::of("roles", row.role_id), row.builtin.as_deref(), &row.permissions),
    };
    Ok(row.map(read))
}

/// The user's sessions that have not expired, newest first.
pub async fn of_user(c: &mut Conn<'_>, user: UserId, now: DateTime<Utc>) -> Result<Vec<Session>> {
    let rows: Vec<Row> = on!(c, |c| sqlx::query_as(
        "SELECT * FROM sessions WHERE user_id = $1 AND expires_at > $2 ORDER BY created_at DESC"
    )
    .bind(user)
    .bind(now)
    .fetch_all(c)
    .await)?;
    Ok(rows.into_iter().map(Session::from).collect())
}

/// Deletes one of the user's sessions. Returns whether it existed.
pub async fn delete(c: &mut Conn<'_>, user: UserId, id: SessionId) -> Result<bool> {
    let done: Option<SessionId> =
        on!(c, |c| sqlx::query_scalar("DELETE FROM sessions WHERE id = $1 AND user_id = $2 RETURNING id")
            .bind(id)
            .bind(user)
            .fetch_optional(c)
            .await)?;
    Ok(done.is_some())
}

/// Deletes all of the user's sessions except `keep`, and returns their ids.
pub async fn delete_of_user(
    c: &mut Conn<'_>,
    user: UserId,
    keep: Option<SessionId>,
) -> Result<Vec<SessionId>> {
    Ok(on!(c, |c| sqlx::query_scalar(
        "DELETE FROM sessions WHERE user_id = $1 AND ($2 IS NULL OR id <> $2) RETURNING id"
    )
    .bind(user)
    .bind(keep)
    .fetch_all(c)
    .await)?)
}

/// Deletes everybody's sessions, and returns how many there were.
pub async fn delete_all(c: &mut Conn<'_>) -> Result<usize> {
    let ids: Vec<SessionId> =
        on!(c, |c| sqlx::query_scalar("DELETE FROM sessions RETURNING id").fetch_all(c).await)?;
    Ok(ids.len())
}

pub async fn delete_expired(c: &mut Conn<'_>, now: DateTime<Utc>) -> Result<u64> {
    let ids: Vec<SessionId> =
        on!(c, |c| sqlx::query_scalar("DELETE FROM sessions WHERE expires_at <= $1 RETURNING id")
            .bind(now)
            .fetch_all(c)
            .await)?;
    Ok(ids.len() as u64)
}

pub async fn touch(c: &mut Conn<'_>, id: SessionId, at: DateTime<Utc>) -> Result<()> {
    on!(c, |c| sqlx::query("UPDATE sessions SET last_seen_at = $2 WHERE id = $1")
        .bind(id)
        .bind(at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}
