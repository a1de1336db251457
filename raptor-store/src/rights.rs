//! The rights that two users have on the same containers.

use super::{Conn, containers::AccessRights, on, stored::Text};
use raptor_model::{
    Result,
    id::{ContainerId, UserId},
};

#[derive(sqlx::FromRow)]
struct Row {
    id: ContainerId,
    name: String,
    owner_id: UserId,
    level: Option<String>,
    permissions: Option<Text>,
    denied_files: Option<Text>,
    other_level: Option<String>,
    other_permissions: Option<Text>,
    other_denied_files: Option<Text>,
}

/// A container that a user owns or has access to.
#[derive(Debug)]
pub struct SharedContainer {
    pub name: String,
    /// Whether the user owns it.
    pub owned: bool,
    /// The user's rights.
    pub held: AccessRights,
    /// The other user's rights, as owner or by access; `None` if they have none.
    pub other: Option<AccessRights>,
}

/// Every container that `user` owns or has access to, with the rights of `other` on it.
pub async fn shared(c: &mut Conn<'_>, user: UserId, other: Option<UserId>) -> Result<Vec<SharedContainer>> {
    let rows: Vec<Row> = on!(c, |c| {
        sqlx::query_as(
        "SELECT c.id, c.name, c.owner_id, mine.level, mine.permissions, mine.denied_files, other.level AS other_level,
                other.permissions AS other_permissions, other.denied_files AS other_denied_files
         FROM containers c
         LEFT JOIN container_access mine ON mine.container_id = c.id AND mine.user_id = $1
         LEFT JOIN container_access other ON other.container_id = c.id AND other.user_id = $2
         WHERE c.owner_id = $1 OR c.id IN (SELECT container_id FROM container_access WHERE user_id = $1)
         ORDER BY c.name_key",
    )
    .bind(user)
    .bind(other)
    .fetch_all(c)
    .await
    })?;
    let split = |row: Row| {
        let owned = row.owner_id == user;
        let by_access = AccessRights::by_access(
            row.id,
            row.level.as_deref(),
            row.permissions.as_ref(),
            row.denied_files.as_ref(),
        );
        let held = if owned { Some(AccessRights::owner()) } else { by_access };
        let other = if other == Some(row.owner_id) {
            Some(AccessRights::owner())
        } else {
            AccessRights::by_access(
                row.id,
                row.other_level.as_deref(),
                row.other_permissions.as_ref(),
                row.other_denied_files.as_ref(),
            )
        };
        Some(SharedContainer { name: row.name, owned, held: held?, other })
    };
    Ok(rows.into_iter().filter_map(split).collect())
}
