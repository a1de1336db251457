//! Templates and their revisions.

use super::{
    Conn, like_pattern, name_key, on, referenced,
    stored::{RowReader, Text},
};
use chrono::{DateTime, Utc};
use raptor_model::{
    Error, Result,
    id::TemplateId,
    paging::{Page, PageRequest},
    templates::{Origin, Revision, SourceCheck, StoredTemplate, Template, origin::RAW_FILES},
};
use sqlx::types::Json;
use std::collections::HashMap;

#[derive(sqlx::FromRow)]
struct Row {
    id: TemplateId,
    number: i64,
    name: String,
    author: String,
    description: String,
    source_format: String,
    document: Text,
    origin: Option<Text>,
    source_check: Option<Text>,
    revision: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    container_count: i64,
}

impl From<Row> for StoredTemplate {
    fn from(row: Row) -> Self {
        let mut words = RowReader::of("templates", row.id);
        let Row { name, author, description, .. } = row;
        let document =
            words.json("document", &row.document, || Template::unreadable(name, author, description));
        let origin = words.maybe("origin", row.origin.as_ref());
        // A copy of what the source says, which is fetched again; damage in it is not shown.
        let mut copies = RowReader::of("templates", row.id);
        let source_check = copies.maybe("source_check", row.source_check.as_ref());
        Self {
            id: row.id,
            number: row.number,
            source_format: row.source_format,
            document,
            origin,
            source_check,
            damaged: words.damaged(),
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
            "SELECT t.id, t.number, t.name, t.author, t.description, t.source_format, t.document, t.origin, t.source_check, t.revision, t.created_at,
                    t.updated_at,
                    (SELECT COUNT(*) FROM containers c WHERE c.template_id = t.id) AS container_count
             FROM templates t ",
            $rest
        )
    };
}

pub async fn insert(c: &mut Conn<'_>, template: &StoredTemplate, made_by: &str) -> Result<i64> {
    let document = &template.document;
    let number = on!(c, |c| {
        sqlx::query_scalar(
        "INSERT INTO templates (id, name, name_key, author, description, source_format, document, revision, source_uuid,
                                created_at, updated_at, origin, source_address)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11, $12) RETURNING number",
    )
    .bind(template.id)
    .bind(&document.name)
    .bind(name_key(&document.name))
    .bind(&document.author)
    .bind(&document.description)
    .bind(&template.source_format)
    .bind(Json(document))
    .bind(template.revision)
    .bind(&document.uuid)
    .bind(template.created_at)
    .bind(template.origin.as_ref().map(Json))
    .bind(source_address(template))
    .fetch_one(c)
    .await
    })?;
    keep_revision(c, template, made_by).await?;
    Ok(number)
}

/// Stores `template` as its newest revision, if the stored one is still the revision before. Returns whether it was.
pub async fn revise(c: &mut Conn<'_>, template: &StoredTemplate, made_by: &str) -> Result<bool> {
    let document = &template.document;
    let done: Option<i64> = on!(c, |c| {
        sqlx::query_scalar(
        "UPDATE templates SET name = $2, name_key = $3, author = $4, description = $5, source_format = $6, document = $7,
                revision = $8, source_uuid = $9, updated_at = $10, origin = $11, source_address = $12,
                source_check = $13, source_checked_at = $14
         WHERE id = $1 AND revision = $8 - 1 RETURNING revision",
    )
    .bind(template.id)
    .bind(&document.name)
    .bind(name_key(&document.name))
    .bind(&document.author)
    .bind(&document.description)
    .bind(&template.source_format)
    .bind(Json(document))
    .bind(template.revision)
    .bind(&document.uuid)
    .bind(template.updated_at)
    .bind(template.origin.as_ref().map(Json))
    .bind(source_address(template))
    .bind(template.source_check.as_ref().map(Json))
    .bind(template.source_check.as_ref().map(|check| check.checked_at))
    .fetch_optional(c)
    .await
    })?;
    if done.is_none() {
        return Ok(false);
    }
    keep_revision(c, template, made_by).await?;
    Ok(true)
}

async fn keep_revision(c: &mut Conn<'_>, template: &StoredTemplate, made_by: &str) -> Result<()> {
    on!(c, |c| {
        sqlx::query(
            "INSERT INTO template_revisions (template_id, revision, source_format, document, made_by, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(template.id)
        .bind(template.revision)
        .bind(&template.source_format)
        .bind(Json(&template.document))
        .bind(made_by)
        .bind(template.updated_at)
        .execute(c)
        .await
        .map(drop)
    })?;
    Ok(())
}

/// The template as of one of its revisions.
///
/// # Errors
/// [`Error::Conflict`] `damaged` if that revision can't be read.
pub async fn revision(c: &mut Conn<'_>, id: TemplateId, revision: i64) -> Result<Option<Template>> {
    let document: Option<Text> = on!(c, |c| sqlx::query_scalar(
        "SELECT document FROM template_revisions WHERE template_id = $1 AND revision = $2"
    )
    .bind(id)
    .bind(revision)
    .fetch_optional(c)
    .await)?;
    let Some(document) = document else { return Ok(None) };
    let mut words = RowReader::of("template_revisions", id);
    let read = words.json("document", &document, || None);
    read.map(Some).ok_or_else(|| {
        let message = format!(
            "The database's record of revision {revision} of this template is damaged. Restore it from a backup of the database, or \
             use another revision."
        );
        Error::conflict("damaged", message)
    })
}

/// All revisions of a template, newest first.
pub async fn revisions(c: &mut Conn<'_>, id: TemplateId) -> Result<Vec<Revision>> {
    let rows: Vec<(i64, String, String, DateTime<Utc>, i64)> = on!(c, |c| {
        sqlx::query_as(
        "SELECT r.revision, r.source_format, r.made_by, r.created_at,
                (SELECT COUNT(*) FROM containers c WHERE c.template_id = r.template_id AND c.template_revision = r.revision)
         FROM template_revisions r WHERE r.template_id = $1 ORDER BY r.revision DESC LIMIT 500"
    )
    .bind(id)
    .fetch_all(c)
    .await
    })?;
    let revision = |(revision, source_format, made_by, created_at, container_count)| Revision {
        revision,
        source_format,
        made_by,
        created_at,
        container_count,
    };
    Ok(rows.into_iter().map(revision).collect())
}

/// Blocks other imports until this transaction ends, so that the set of templates doesn't change under it.
pub async fn lock(c: &mut Conn<'_>) -> Result<()> {
    match c {
        // SQLite's write transactions exclude each other anyway.
        Conn::Sqlite(_) => {}
        Conn::Postgres(c) => {
            sqlx::query("LOCK TABLE templates IN SHARE ROW EXCLUSIVE MODE").execute(&mut **c).await?;
        }
    }
    Ok(())
}

/// Templates that `document` from `origin` may be another version of, oldest first, at most 50: those from the same address; if
/// there are none, those with the same id of their makers; if there are none, those with the same name and author, where at most
/// one of both has such an id.
pub async fn similar(c: &mut Conn<'_>, document: &Template, origin: &Origin) -> Result<Vec<StoredTemplate>> {
    if let Some(address) = origin.source_address(RAW_FILES) {
        let rows: Vec<Row> =
            on!(c, |c| sqlx::query_as(select!("WHERE t.source_address = $1 ORDER BY t.number LIMIT 50"))
                .bind(address)
                .fetch_all(c)
                .await)?;
        if !rows.is_empty() {
            return Ok(rows.into_iter().map(StoredTemplate::from).collect());
        }
    }
    let uuid = document.uuid.as_deref().filter(|uuid| !uuid.is_empty());
    if let Some(uuid) = uuid {
        let rows: Vec<Row> =
            on!(c, |c| sqlx::query_as(select!("WHERE t.source_uuid = $1 ORDER BY t.number LIMIT 50"))
                .bind(uuid)
                .fetch_all(c)
                .await)?;
        if !rows.is_empty() {
            return Ok(rows.into_iter().map(StoredTemplate::from).collect());
        }
    }
    // Authors are compared in Rust: the engines lower-case text differently.
    let named: Vec<(TemplateId, Option<String>, Option<String>)> = on!(c, |c| sqlx::query_as(
        "SELECT id, author, source_uuid FROM templates WHERE name_key = $1 ORDER BY number"
    )
    .bind(name_key(&document.name))
    .fetch_all(c)
    .await)?;
    let author = name_key(&document.author);
    let is_alike = |theirs: Option<&str>, their_uuid: Option<&str>| {
        name_key(theirs.unwrap_or_default()) == author
            && (uuid.is_none() || their_uuid.is_none_or(str::is_empty))
    };
    let named = named
        .into_iter()
        .filter(|(_, theirs, their_uuid)| is_alike(theirs.as_deref(), their_uuid.as_deref()))
        .map(|(id, ..)| id);
    let mut found = Vec::new();
    for id in named.take(50) {
        found.extend(find(c, id).await?);
    }
    Ok(found)
}

/// Stores a template's origin.
pub async fn set_origin(c: &mut Conn<'_>, template: &StoredTemplate) -> Result<()> {
    on!(c, |c| {
        sqlx::query("UPDATE templates SET origin = $2, source_address = $3, source_check = NULL, source_checked_at = NULL WHERE id = $1")
            .bind(template.id)
            .bind(template.origin.as_ref().map(Json))
            .bind(source_address(template))
            .execute(c)
            .await
            .map(drop)
    })?;
    Ok(())
}

/// Claims the template whose source was checked longest ago, before `due`, and records `now` as its last check.
pub async fn claim_source(
    c: &mut Conn<'_>,
    due: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Option<TemplateId>> {
    Ok(on!(c, |c| {
        sqlx::query_scalar(
        "UPDATE templates SET source_checked_at = $2
         WHERE id = (SELECT id FROM templates
                     WHERE source_address IS NOT NULL AND (source_checked_at IS NULL OR source_checked_at < $1)
                     ORDER BY source_checked_at IS NOT NULL, source_checked_at, number LIMIT 1)
           AND (source_checked_at IS NULL OR source_checked_at < $1)
         RETURNING id"
    )
    .bind(due)
    .bind(now)
    .fetch_optional(c)
    .await
    })?)
}

/// Up to 100 templates without a source address, ordered by number and starting after `after`.
pub async fn without_source(c: &mut Conn<'_>, after: i64) -> Result<Vec<StoredTemplate>> {
    let rows: Vec<Row> = on!(c, |c| sqlx::query_as(select!(
        "WHERE t.source_address IS NULL AND t.number > $1 ORDER BY t.number LIMIT 100"
    ))
    .bind(after)
    .fetch_all(c)
    .await)?;
    Ok(rows.into_iter().map(StoredTemplate::from).collect())
}

/// Sets the source address of a template that has none and has not been revised since it was read. Returns whether it was set.
pub async fn fill_source(c: &mut Conn<'_>, template: &StoredTemplate) -> Result<bool> {
    let Some(address) = source_address(template) else { return Ok(false) };
    let done: Option<i64> = on!(c, |c| {
        sqlx::query_scalar(
            "UPDATE templates SET source_address = $3
             WHERE id = $1 AND revision = $2 AND source_address IS NULL RETURNING number",
        )
        .bind(template.id)
        .bind(template.revision)
        .bind(address)
        .fetch_optional(c)
        .await
    })?;
    Ok(done.is_some())
}

/// Stores the result of a check of the template's source.
pub async fn set_source_check(c: &mut Conn<'_>, id: TemplateId, check: &SourceCheck) -> Result<()> {
    on!(c, |c| {
        sqlx::query("UPDATE templates SET source_check = $2, source_checked_at = $3 WHERE id = $1")
            .bind(id)
            .bind(Json(check))
            .bind(check.checked_at)
            .execute(c)
            .await
            .map(drop)
    })?;
    Ok(())
}

fn source_address(template: &StoredTemplate) -> Option<String> {
    template.source_address(RAW_FILES)
}

/// The oldest template with exactly this content. A template with the same makers' id may differ: anybody can write such an id.
pub async fn find_same(c: &mut Conn<'_>, document: &Template) -> Result<Option<StoredTemplate>> {
    let rows: Vec<Row> =
        on!(c, |c| sqlx::query_as(select!("WHERE t.name_key = $1 ORDER BY t.number LIMIT 100"))
            .bind(name_key(&document.name))
            .fetch_all(c)
            .await)?;
    let mut templates = rows.into_iter().map(StoredTemplate::from);
    Ok(templates.find(|template| template.damaged.is_empty() && template.document == *document))
}

pub async fn find(c: &mut Conn<'_>, id: TemplateId) -> Result<Option<StoredTemplate>> {
    let row: Option<Row> =
        on!(c, |c| sqlx::query_as(select!("WHERE t.id = $1")).bind(id).fetch_optional(c).await)?;
    Ok(row.map(StoredTemplate::from))
}

/// One page of templates, ordered by name.
pub async fn list(
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
    // The cursor is the column that the page is sorted by, which stays readable even if the document is damaged.
    let keys: HashMap<TemplateId, String> = rows.iter().map(|row| (row.id, name_key(&row.name))).collect();
    let items = rows.into_iter().map(StoredTemplate::from).collect();
    let key = |template: &StoredTemplate| keys.get(&template.id).cloned().unwrap_or_default();
    Ok(page.cut(items, total, |template: &StoredTemplate| (key(template), template.id)))
}

pub async fn delete(c: &mut Conn<'_>, id: TemplateId) -> Result<bool> {
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
