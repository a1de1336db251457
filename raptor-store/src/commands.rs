//! The history of console commands.

use super::{Conn, on};
use chrono::{DateTime, Utc};
use raptor_model::{
    Result,
    containers::Command,
    id::{CommandId, ContainerId, UserId},
    paging::{Page, PageRequest},
};

#[derive(sqlx::FromRow)]
struct Row {
    id: CommandId,
    container_id: ContainerId,
    user_id: Option<UserId>,
    sent_by: String,
    command: String,
    at: DateTime<Utc>,
}

impl From<Row> for Command {
    fn from(row: Row) -> Self {
        let Row { id, container_id, user_id, sent_by, command, at } = row;
        Self { id, container_id, user_id, sent_by, command, at }
    }
}

pub async fn insert(c: &mut Conn<'_>, command: &Command) -> Result<()> {
    on!(c, |c| sqlx::query(
        "INSERT INTO container_commands (id, container_id, user_id, sent_by, command, at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(command.id)
    .bind(command.container_id)
    .bind(command.user_id)
    .bind(&command.sent_by)
    .bind(&command.command)
    .bind(command.at)
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

/// Deletes all but the container's newest `kept` commands.
pub async fn prune(c: &mut Conn<'_>, id: ContainerId, kept: u32) -> Result<()> {
    on!(c, |c| sqlx::query(
        "DELETE FROM container_commands
         WHERE container_id = $1
           AND id <= (SELECT id FROM container_commands WHERE container_id = $1
                      ORDER BY id DESC LIMIT 1 OFFSET $2)",
    )
    .bind(id)
    .bind(i64::from(kept))
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

/// One page of a container's commands, newest first.
pub async fn list(
    c: &mut Conn<'_>,
    id: ContainerId,
    by: Option<UserId>,
    page: &PageRequest,
) -> Result<Page<Command>> {
    let before = page.after::<CommandId>()?;
    let rows: Vec<Row> = on!(c, |c| sqlx::query_as(
        "SELECT * FROM container_commands
         WHERE container_id = $1 AND ($2 IS NULL OR user_id = $2) AND ($3 IS NULL OR id < $3)
         ORDER BY id DESC LIMIT $4",
    )
    .bind(id)
    .bind(by)
    .bind(before)
    .bind(page.fetch())
    .fetch_all(c)
    .await)?;
    let total = if page.with_total {
        Some(on!(c, |c| sqlx::query_scalar(
            "SELECT COUNT(*) FROM container_commands
             WHERE container_id = $1 AND ($2 IS NULL OR user_id = $2)",
        )
        .bind(id)
        .bind(by)
        .fetch_one(c)
        .await)?)
    } else {
        None
    };
    Ok(page.cut(rows.into_iter().map(Command::from).collect(), total, |command| command.id))
}
