//! Users.

use super::{Conn, like_pattern, name_key, on, referenced, unique};
use chrono::{DateTime, Utc};
use raptor_model::{
    Error, Result,
    id::{RoleId, UserId},
    paging::{Page, PageRequest},
    users::User,
};

#[derive(sqlx::FromRow)]
struct Row {
    id: UserId,
    number: i64,
    username: String,
    email: String,
    name: Option<String>,
    role_id: RoleId,
    role_name: String,
    suspended: bool,
    password_change_required: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    last_seen_at: Option<DateTime<Utc>>,
    container_count: i64,
}

impl From<Row> for User {
    fn from(row: Row) -> Self {
        let Row { id, number, username, email, name, role_id, role_name, .. } = row;
        let Row {
            suspended,
            password_change_required,
            created_at,
            updated_at,
            last_seen_at,
            container_count,
            ..
        } = row;
        Self {
            id,
            number,
            username,
            email,
            name,
            role_id,
            role_name,
            suspended,
            password_change_required,
            created_at,
            updated_at,
            last_seen_at,
            container_count,
        }
    }
}

/// The columns of [`Row`], for every statement that reads users.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT users.id, users.number, users.username, users.email, users.name, users.role_id, roles.name AS role_name,
                    users.suspended, users.password_change_required, users.created_at, users.updated_at, users.last_seen_at,
                    (SELECT COUNT(*) FROM containers WHERE containers.owner_id = users.id) AS container_count
             FROM users JOIN roles ON roles.id = users.role_id ",
            $rest
        )
    };
}

pub async fn insert(c: &mut Conn<'_>, user: &User, password_hash: &str) -> Result<i64> {
    on!(c, |c| sqlx::query_scalar(
        "INSERT INTO users (id, username, username_key, email, email_key, name, password_hash, role_id, suspended,
                            password_change_required, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11) RETURNING number",
    )
    .bind(user.id)
    .bind(&user.username)
    .bind(name_key(&user.username))
    .bind(&user.email)
    .bind(name_key(&user.email))
    .bind(&user.name)
    .bind(password_hash)
    .bind(user.role_id)
    .bind(user.suspended)
    .bind(user.password_change_required)
    .bind(user.created_at)
    .fetch_one(c)
    .await)
    .map_err(|error| unique(error, taken))
}

pub async fn find(c: &mut Conn<'_>, id: UserId) -> Result<Option<User>> {
    let row: Option<Row> =
        on!(c, |c| sqlx::query_as(select!("WHERE users.id = $1")).bind(id).fetch_optional(c).await)?;
    Ok(row.map(User::from))
}

/// Finds a user by user name or e-mail address, without regard to case.
pub async fn find_by_login(c: &mut Conn<'_>, login: &str) -> Result<Option<User>> {
    let row: Option<Row> = on!(c, |c| {
        sqlx::query_as(select!(
        "WHERE users.username_key = $1 OR users.email_key = $1 ORDER BY users.username_key = $1 DESC LIMIT 1"
    ))
    .bind(name_key(login))
    .fetch_optional(c)
    .await
    })?;
    Ok(row.map(User::from))
}

pub async fn password_hash(c: &mut Conn<'_>, id: UserId) -> Result<Option<String>> {
    Ok(on!(c, |c| sqlx::query_scalar("SELECT password_hash FROM users WHERE id = $1")
        .bind(id)
        .fetch_optional(c)
        .await)?)
}

/// Locks the account until this transaction ends: others that change what belongs to it wait.
pub async fn lock(c: &mut Conn<'_>, id: UserId) -> Result<()> {
    on!(c, |c| sqlx::query("UPDATE users SET updated_at = updated_at WHERE id = $1")
        .bind(id)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// The user's login epoch, which is incremented whenever all of their sessions and tokens are revoked.
pub async fn login_epoch(c: &mut Conn<'_>, id: UserId) -> Result<i64> {
    let epoch: Option<i64> = on!(c, |c| sqlx::query_scalar("SELECT login_epoch FROM users WHERE id = $1")
        .bind(id)
        .fetch_optional(c)
        .await)?;
    Ok(epoch.unwrap_or(i64::MAX))
}

pub async fn next_login_epoch(c: &mut Conn<'_>, id: UserId) -> Result<()> {
    on!(c, |c| sqlx::query("UPDATE users SET login_epoch = login_epoch + 1 WHERE id = $1")
        .bind(id)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

pub async fn set_password_hash(c: &mut Conn<'_>, id: UserId, hash: &str, at: DateTime<Utc>) -> Result<()> {
    on!(c, |c| sqlx::query("UPDATE users SET password_hash = $2, updated_at = $3 WHERE id = $1")
        .bind(id)
        .bind(hash)
        .bind(at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Sets whether the user has to choose a new password before doing anything else.
pub async fn require_password_change(c: &mut Conn<'_>, id: UserId, required: bool) -> Result<()> {
    on!(c, |c| sqlx::query("UPDATE users SET password_change_required = $2 WHERE id = $1")
        .bind(id)
        .bind(required)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Up to 100 users who have to choose a new password.
pub async fn password_change_required(c: &mut Conn<'_>) -> Result<Vec<UserId>> {
    Ok(on!(c, |c| sqlx::query_scalar(
        "SELECT id FROM users WHERE password_change_required AND NOT suspended ORDER BY number LIMIT 100"
    )
    .fetch_all(c)
    .await)?)
}

/// The number of users.
pub async fn count(c: &mut Conn<'_>) -> Result<i64> {
    Ok(on!(c, |c| sqlx::query_scalar("SELECT COUNT(*) FROM users").fetch_one(c).await)?)
}

/// Replaces the password hash if it is still `old`. Returns whether it was.
pub async fn replace_password_hash(
    c: &mut Conn<'_>,
    id: UserId,
    (old, new): (&str, &str),
    at: DateTime<Utc>,
) -> Result<bool> {
    let done: Option<i64> = on!(c, |c| {
        sqlx::query_scalar(
        "UPDATE users SET password_hash = $3, updated_at = $4 WHERE id = $1 AND password_hash = $2 RETURNING number"
    )
    .bind(id)
    .bind(old)
    .bind(new)
    .bind(at)
    .fetch_optional(c)
    .await
    })?;
    Ok(done.is_some())
}

pub async fn update(c: &mut Conn<'_>, user: &User) -> Result<bool> {
    let done: Option<i64> = on!(c, |c| sqlx::query_scalar(
        "UPDATE users SET username = $2, username_key = $3, email = $4, email_key = $5, name = $6, role_id = $7,
                          suspended = $8, updated_at = $9
         WHERE id = $1 RETURNING number",
    )
    .bind(user.id)
    .bind(&user.username)
    .bind(name_key(&user.username))
    .bind(&user.email)
    .bind(name_key(&user.email))
    .bind(&user.name)
    .bind(user.role_id)
    .bind(user.suspended)
    .bind(user.updated_at)
    .fetch_optional(c)
    .await)
    .map_err(|error| unique(error, taken))?;
    Ok(done.is_some())
}

/// Updates what users can change about themselves; not their role or suspension.
pub async fn update_profile(c: &mut Conn<'_>, user: &User) -> Result<()> {
    on!(c, |c| sqlx::query(
        "UPDATE users SET username = $2, username_key = $3, email = $4, email_key = $5, name = $6, updated_at = $7 WHERE id = $1",
    )
    .bind(user.id)
    .bind(&user.username)
    .bind(name_key(&user.username))
    .bind(&user.email)
    .bind(name_key(&user.email))
    .bind(&user.name)
    .bind(user.updated_at)
    .execute(c)
    .await
    .map(drop))
    .map_err(|error| unique(error, taken))
}

/// Records when the user was last active. Emits no change, since nothing depends on it.
pub async fn touch(c: &mut Conn<'_>, id: UserId, at: DateTime<Utc>) -> Result<()> {
    on!(c, |c| sqlx::query("UPDATE users SET last_seen_at = $2 WHERE id = $1")
        .bind(id)
        .bind(at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

pub async fn delete(c: &mut Conn<'_>, id: UserId) -> Result<bool> {
    let done: Option<i64> =
        on!(c, |c| sqlx::query_scalar("DELETE FROM users WHERE id = $1 RETURNING number")
            .bind(id)
            .fetch_optional(c)
            .await)
        .map_err(|error| {
            referenced(error, || {
                Error::conflict(
                    "has_containers",
                    "This user owns containers. Delete them or give them to somebody else first.",
                )
            })
        })?;
    Ok(done.is_some())
}

/// The number of administrators who can sign in.
pub async fn admin_count(c: &mut Conn<'_>) -> Result<i64> {
    Ok(on!(c, |c| {
        sqlx::query_scalar(
        "SELECT COUNT(*) FROM users JOIN roles ON roles.id = users.role_id WHERE roles.builtin = 'admin' AND NOT users.suspended"
    )
    .fetch_one(c)
    .await
    })?)
}

/// Narrows a list of users. A `None` field does not filter.
#[derive(Clone, Debug, Default)]
pub struct UserFilter {
    /// Part of the user name, e-mail address or name, without regard to case.
    pub search: Option<String>,
    pub role_id: Option<RoleId>,
}

/// One page of users, ordered by user name.
pub async fn list(c: &mut Conn<'_>, filter: &UserFilter, page: &PageRequest) -> Result<Page<User>> {
    let pattern = filter.search.as_deref().map(like_pattern);
    let after = page.after::<(String, UserId)>()?;
    let rows: Vec<Row> = on!(c, |c| sqlx::query_as(select!(
        "WHERE ($1 IS NULL OR users.username_key LIKE $1 ESCAPE '\\' OR users.email_key LIKE $1 ESCAPE '\\'
                OR LOWER(users.name) LIKE $1 ESCAPE '\\')
           AND ($2 IS NULL OR users.role_id = $2)
           AND ($3 IS NULL OR (users.username_key, users.id) > ($3, $4))
         ORDER BY users.username_key, users.id LIMIT $5"
    ))
    .bind(pattern.clone())
    .bind(filter.role_id)
    .bind(after.as_ref().map(|(name, _)| name.clone()))
    .bind(after.as_ref().map(|(_, id)| *id))
    .bind(page.fetch())
    .fetch_all(c)
    .await)?;
    let total = if page.with_total {
        Some(on!(c, |c| sqlx::query_scalar(
            "SELECT COUNT(*) FROM users
             WHERE ($1 IS NULL OR username_key LIKE $1 ESCAPE '\\' OR email_key LIKE $1 ESCAPE '\\'
                    OR LOWER(name) LIKE $1 ESCAPE '\\')
               AND ($2 IS NULL OR role_id = $2)",
        )
        .bind(pattern)
        .bind(filter.role_id)
        .fetch_one(c)
        .await)?)
    } else {
        None
    };
    let users = rows.into_iter().map(User::from).collect();
    Ok(page.cut(users, total, |user: &User| (name_key(&user.username), user.id)))
}

fn taken() -> Error {
    Error::conflict("name_taken", "Somebody already has this user name or e-mail address.")
}
