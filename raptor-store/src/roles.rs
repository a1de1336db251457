//! Roles.

use super::{
    Conn, name_key, on, referenced,
    stored::{RowReader, Text},
    unique,
};
use chrono::{DateTime, Utc};
use raptor_model::{
    Error, Result,
    authz::SystemSet,
    id::RoleId,
    roles::{Builtin, Role, RoleSummary},
};
use sqlx::types::Json;

#[derive(sqlx::FromRow)]
struct Row {
    id: RoleId,
    number: i64,
    name: String,
    description: String,
    permissions: Text,
    builtin: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Row> for Role {
    fn from(row: Row) -> Self {
        let mut words = RowReader::of("roles", row.id);
        let permissions = granted(&mut words, row.builtin.as_deref(), &row.permissions);
        let builtin = row.builtin.as_deref().and_then(Builtin::named);
        Self {
            id: row.id,
            number: row.number,
            name: row.name,
            description: row.description,
            permissions,
            builtin,
            created_at: row.created_at,
            updated_at: row.updated_at,
            damaged: !words.damaged().is_empty(),
        }
    }
}

/// The permissions of a role. Those of built-in roles come from this version; a damaged role grants nothing.
pub(crate) fn granted(words: &mut RowReader, builtin: Option<&str>, permissions: &Text) -> SystemSet {
    match builtin.map(Builtin::named) {
        Some(Some(builtin)) => builtin.permissions(),
        Some(None) => words.word("builtin", None, SystemSet::NONE),
        None => words.json("permissions", permissions, || SystemSet::NONE),
    }
}

pub async fn insert(c: &mut Conn<'_>, role: &Role) -> Result<i64> {
    on!(c, |c| sqlx::query_scalar(
        "INSERT INTO roles (id, name, name_key, description, permissions, builtin, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING number",
    )
    .bind(role.id)
    .bind(&role.name)
    .bind(name_key(&role.name))
    .bind(&role.description)
    .bind(Json(role.permissions))
    .bind(role.builtin.map(Builtin::name))
    .bind(role.created_at)
    .bind(role.updated_at)
    .fetch_one(c)
    .await)
    .map_err(|error| unique(error, || taken(&role.name)))
}

pub async fn find(c: &mut Conn<'_>, id: RoleId) -> Result<Option<Role>> {
    let row: Option<Row> =
        on!(c, |c| sqlx::query_as("SELECT * FROM roles WHERE id = $1").bind(id).fetch_optional(c).await)?;
    Ok(row.map(Role::from))
}

pub async fn builtin(c: &mut Conn<'_>, role: Builtin) -> Result<Option<Role>> {
    let row: Option<Row> = on!(c, |c| sqlx::query_as("SELECT * FROM roles WHERE builtin = $1")
        .bind(role.name())
        .fetch_optional(c)
        .await)?;
    Ok(row.map(Role::from))
}

/// All roles with the number of users of each, in the order in which they were made. There are never many.
pub async fn list(c: &mut Conn<'_>) -> Result<Vec<RoleSummary>> {
    #[derive(sqlx::FromRow)]
    struct Counted {
        #[sqlx(flatten)]
        role: Row,
        user_count: i64,
    }
    let rows: Vec<Counted> = on!(c, |c| sqlx::query_as(
        "SELECT roles.*, (SELECT COUNT(*) FROM users WHERE users.role_id = roles.id) AS user_count
         FROM roles ORDER BY number",
    )
    .fetch_all(c)
    .await)?;
    Ok(rows
        .into_iter()
        .map(|row| RoleSummary { role: row.role.into(), user_count: row.user_count })
        .collect())
}

pub async fn user_count(c: &mut Conn<'_>, id: RoleId) -> Result<i64> {
    Ok(on!(c, |c| sqlx::query_scalar("SELECT COUNT(*) FROM users WHERE role_id = $1")
        .bind(id)
        .fetch_one(c)
        .await)?)
}

pub async fn update(c: &mut Conn<'_>, role: &Role) -> Result<bool> {
    let done: Option<i64> = on!(c, |c| sqlx::query_scalar(
        "UPDATE roles SET name = $2, name_key = $3, description = $4, permissions = $5, updated_at = $6
         WHERE id = $1 AND builtin IS NULL RETURNING number",
    )
    .bind(role.id)
    .bind(&role.name)
    .bind(name_key(&role.name))
    .bind(&role.description)
    .bind(Json(role.permissions))
    .bind(role.updated_at)
    .fetch_optional(c)
    .await)
    .map_err(|error| unique(error, || taken(&role.name)))?;
    Ok(done.is_some())
}

pub async fn delete(c: &mut Conn<'_>, id: RoleId) -> Result<bool> {
    let done: Option<i64> = on!(c, |c| sqlx::query_scalar(
        "DELETE FROM roles WHERE id = $1 AND builtin IS NULL RETURNING number"
    )
    .bind(id)
    .fetch_optional(c)
    .await)
    .map_err(|error| {
        referenced(error, || Error::conflict("in_use", "Users have this role. Give them another role first."))
    })?;
    Ok(done.is_some())
}

/// Locks the administrator role until this transaction ends: others that count administrators wait.
pub async fn lock_admin(c: &mut Conn<'_>) -> Result<()> {
    on!(c, |c| sqlx::query("UPDATE roles SET updated_at = updated_at WHERE builtin = 'admin'")
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

fn taken(name: &str) -> Error {
    Error::conflict("name_taken", format!("There is already a role named {name}.")).with("name", name)
}
