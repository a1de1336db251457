//! The audit trail in the store.

use super::{
    Conn, like_pattern, on,
    stored::{RowReader, Text},
};
use chrono::{DateTime, Utc};
use raptor_model::{
    Result,
    activity::{Activity, ActivityFilter, ActorKind},
    id::{ActivityId, ContainerId},
    nul,
    paging::{Page, PageRequest},
};
use sqlx::types::Json;
use uuid::Uuid;

#[derive(sqlx::FromRow)]
struct Row {
    id: ActivityId,
    at: DateTime<Utc>,
    actor_kind: String,
    actor_id: Option<Uuid>,
    actor_name: String,
    action: String,
    subject_kind: String,
    subject_id: Option<Uuid>,
    subject_name: String,
    container_id: Option<ContainerId>,
    ip: Option<String>,
    detail: Text,
}

impl From<Row> for Activity {
    fn from(row: Row) -> Self {
        let mut words = RowReader::of("activity", row.id);
        let ip = row.ip.and_then(|ip| words.word("ip", ip.parse().ok().map(Some), None));
        let detail = words.json("detail", &row.detail, || serde_json::json!({}));
        Self {
            id: row.id,
            at: row.at,
            actor_kind: match row.actor_kind.as_str() {
                "user" => ActorKind::User,
                "daemon" => ActorKind::Daemon,
                _ => ActorKind::System,
            },
            actor_id: row.actor_id,
            actor_name: row.actor_name,
            action: row.action,
            subject_kind: row.subject_kind,
            subject_id: row.subject_id,
            subject_name: row.subject_name,
            container_id: row.container_id,
            ip,
            detail,
        }
    }
}

pub async fn insert(c: &mut Conn<'_>, activity: &Activity) -> Result<()> {
    // Hosts report what they did in their own words, which may hold NUL bytes.
    let detail = nul::replaced_in(activity.detail.clone());
    on!(c, |c| {
        sqlx::query(
        "INSERT INTO activity (id, at, actor_kind, actor_id, actor_name, action, subject_kind, subject_id, subject_name,
                               container_id, ip, detail)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(activity.id)
    .bind(activity.at)
    .bind(activity.actor_kind.name())
    .bind(activity.actor_id)
    .bind(&activity.actor_name)
    .bind(&activity.action)
    .bind(&activity.subject_kind)
    .bind(activity.subject_id)
    .bind(&activity.subject_name)
    .bind(activity.container_id)
    .bind(activity.ip.map(|ip| ip.to_string()))
    .bind(Json(&detail))
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(())
}

/// Whether an activity with this id is already stored.
pub async fn exists(c: &mut Conn<'_>, id: ActivityId) -> Result<bool> {
    let found: Option<i64> =
        on!(c, |c| sqlx::query_scalar("SELECT CAST(1 AS BIGINT) FROM activity WHERE id = $1")
            .bind(id)
            .fetch_optional(c)
            .await)?;
    Ok(found.is_some())
}

/// The pattern of the actions of a kind.
fn kind_pattern(kind: &str) -> String {
    let pattern = like_pattern(&format!("{kind}."));
    pattern.strip_prefix('%').unwrap_or(&pattern).to_owned()
}

/// One page of the activity that matches `filter`, newest first.
pub async fn list(c: &mut Conn<'_>, filter: &ActivityFilter, page: &PageRequest) -> Result<Page<Activity>> {
    let before = page.after::<ActivityId>()?;
    let rows: Vec<Row> = on!(c, |c| sqlx::query_as(
        "SELECT * FROM activity
         WHERE ($1 IS NULL OR actor_id = $1)
           AND ($2 IS NULL OR container_id = $2)
           AND ($3 IS NULL OR action = $3)
           AND ($4 IS NULL OR LOWER(actor_name) LIKE $4 ESCAPE '\\' OR LOWER(subject_name) LIKE $4 ESCAPE '\\'
                OR action LIKE $4 ESCAPE '\\')
           AND ($5 IS NULL OR action LIKE $5 ESCAPE '\\')
           AND ($6 IS NULL OR at >= $6)
           AND ($7 IS NULL OR at < $7)
           AND ($8 IS NULL OR id < $8)
         ORDER BY id DESC LIMIT $9",
    )
    .bind(filter.actor_id)
    .bind(filter.container_id)
    .bind(&filter.action)
    .bind(filter.search.as_deref().map(like_pattern))
    .bind(filter.kind.as_deref().map(kind_pattern))
    .bind(filter.from)
    .bind(filter.until)
    .bind(before)
    .bind(page.fetch())
    .fetch_all(c)
    .await)?;
    let total = if page.with_total {
        Some(on!(c, |c| {
            sqlx::query_scalar(
            "SELECT COUNT(*) FROM activity
             WHERE ($1 IS NULL OR actor_id = $1)
               AND ($2 IS NULL OR container_id = $2)
               AND ($3 IS NULL OR action = $3)
               AND ($4 IS NULL OR LOWER(actor_name) LIKE $4 ESCAPE '\\' OR LOWER(subject_name) LIKE $4 ESCAPE '\\'
                    OR action LIKE $4 ESCAPE '\\')
               AND ($5 IS NULL OR action LIKE $5 ESCAPE '\\')
               AND ($6 IS NULL OR at >= $6)
               AND ($7 IS NULL OR at < $7)",
        )
        .bind(filter.actor_id)
        .bind(filter.container_id)
        .bind(&filter.action)
        .bind(filter.search.as_deref().map(like_pattern))
        .bind(filter.kind.as_deref().map(kind_pattern))
        .bind(filter.from)
        .bind(filter.until)
        .fetch_one(c)
        .await
        })?)
    } else {
        None
    };
    let items = rows.into_iter().map(Activity::from).collect();
    Ok(page.cut(items, total, |activity: &Activity| activity.id))
}
