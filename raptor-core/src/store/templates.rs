//! Templates in the store.

use super::{Conn, like_pattern, name_key, on, referenced};
use crate::{
    Error, Result,
    id::TemplateId,
    paging::{Page, PageRequest},
    templates::{Template, service::StoredTemplate},
};
use chrono::{DateTime, Utc};
use sqlx::types::Json;

#[derive(sqlx::FromRow)]
struct Row {
    id: TemplateId,
    number: i64,
    source_format: String,
    document: Json<Template>,
    revision: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    container_count: i64,
}

impl From<Row> for StoredTemplate {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            number: row.number,
            source_format: row.source_format,
            document: row.document.0,
            revision: row.revision,
            created_at: row.created_at,
            updated_at: row.updated_at,
            container_count: row.container_count,
        }
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT t.id, t.number, t.source_format, t.document, t.revision, t.created_at, t.updated_at,
                    (SELECT COUNT(*) FROM containers c WHERE c.template_id = t.id) AS container_count
             FROM templates t ",
            $rest
        )
    };
}

pub(crate) async fn insert(c: &mut Conn<'_>, template: &StoredTemplate) -> Result<i64> {
    let document = &template.document;
    Ok(on!(c, |c| {
        sqlx::query_scalar(
        "INSERT INTO templates (id, name, name_key, author, description, source_format, document, revision, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) RETURNING number",
    )
    .bind(template.id)
    .bind(&document.name)
    .bind(name_key(&document.name))
    .bind(&document.author)
    .bind(&document.description)
    .bind(&template.source_format)
    .bind(Json(document))
    .bind(template.revision)
    .bind(template.created_at)
    .fetch_one(c)
    .await
    })?)
}

pub(crate) async fn find(c: &mut Conn<'_>, id: TemplateId) -> Result<Option<StoredTemplate>> {
    let row: Option<Row> =
        on!(c, |c| sqlx::query_as(select!("WHERE t.id = $1")).bind(id).fetch_optional(c).await)?;
    Ok(row.map(StoredTemplate::from))
}

/// Templates by name.
pub(crate) async fn list(
    c: &mut Conn<'_>,
    search: Option<&str>,
    page: &PageRequest,
) -> Result<Page<StoredTemplate>> {
    let after = page.after::<(String, TemplateId)>()?;
    let rows: Vec<Row> = on!(c, |c| sqlx::query_as(select!(
        "WHERE ($1 IS NULL OR t.name_key LIKE $1 ESCAPE '\\' OR LOWER(t.description) LIKE $1 ESCAPE '\\')
           AND ($2 IS NULL OR (t.name_key, t.id) > ($2, $3))
         ORDER BY t.name_key, t.id LIMIT $4"
    ))
    .bind(search.map(like_pattern))
    .bind(after.as_ref().map(|(name, _)| name.clone()))
    .bind(after.as_ref().map(|(_, id)| *id))
    .bind(page.fetch())
    .fetch_all(c)
    .await)?;
    let total = if page.with_total {
        Some(on!(c, |c| {
            sqlx::query_scalar(
            "SELECT COUNT(*) FROM templates t
             WHERE ($1 IS NULL OR t.name_key LIKE $1 ESCAPE '\\' OR LOWER(t.description) LIKE $1 ESCAPE '\\')"
        )
        .bind(search.map(like_pattern))
        .fetch_one(c)
        .await
        })?)
    } else {
        None
    };
    let items = rows.into_iter().map(StoredTemplate::from).collect();
    Ok(page.cut(items, total, |template: &StoredTemplate| (name_key(&template.document.name), template.id)))
}

pub(crate) async fn delete(c: &mut Conn<'_>, id: TemplateId) -> Result<bool> {
    let done: Option<i64> =
        on!(c, |c| sqlx::query_scalar("DELETE FROM templates WHERE id = $1 RETURNING number")
            .bind(id)
            .fetch_optional(c)
            .await)
        .map_err(|error| {
            referenced(error, || {
                Error::conflict("in_use", "Containers are made from this template. Delete them first.")
            })
        })?;
    Ok(done.is_some())
}
