//! The catalogue: its source, and which templates were imported from it.

use super::{Conn, on, templates};
use chrono::{DateTime, Utc};
use raptor_model::{Result, catalogue::CatalogueSource, id::TemplateId, templates::StoredTemplate};

/// A template that was imported from a catalogue entry.
pub struct Imported {
    pub entry_id: String,
    pub template_id: TemplateId,
}

pub async fn source(c: &mut Conn<'_>) -> Result<CatalogueSource> {
    let (url, sha256, fetched_at, revision) = on!(c, |c| {
        sqlx::query_as("SELECT url, sha256, fetched_at, revision FROM catalogue_source WHERE id = 1")
            .fetch_one(c)
            .await
    })?;
    Ok(CatalogueSource { url, sha256, fetched_at, revision })
}

/// The fetched catalogue file, if the source's revision is still `revision`.
pub async fn document(c: &mut Conn<'_>, revision: i64) -> Result<Option<String>> {
    let found: Option<Option<String>> = on!(c, |c| {
        sqlx::query_scalar("SELECT document FROM catalogue_source WHERE id = 1 AND revision = $1")
            .bind(revision)
            .fetch_optional(c)
            .await
    })?;
    Ok(found.flatten())
}

/// Replaces the catalogue and its source, if the stored revision is still that of `source`. Returns whether it was.
pub async fn replace(c: &mut Conn<'_>, source: &CatalogueSource, document: Option<&str>) -> Result<bool> {
    let done: Option<i64> = on!(c, |c| {
        sqlx::query_scalar(
            "UPDATE catalogue_source SET url = $1, sha256 = $2, fetched_at = $3, document = $4, revision = revision + 1
             WHERE id = 1 AND revision = $5 RETURNING revision",
        )
        .bind(&source.url)
        .bind(&source.sha256)
        .bind(source.fetched_at)
        .bind(document)
        .bind(source.revision)
        .fetch_optional(c)
        .await
    })?;
    Ok(done.is_some())
}

/// The templates that were imported from the catalogue and still exist.
pub async fn imports(c: &mut Conn<'_>) -> Result<Vec<Imported>> {
    let rows: Vec<(String, TemplateId)> = on!(c, |c| {
        sqlx::query_as("SELECT entry_id, template_id FROM catalogue_imports ORDER BY entry_id")
            .fetch_all(c)
            .await
    })?;
    Ok(rows.into_iter().map(|(entry_id, template_id)| Imported { entry_id, template_id }).collect())
}

/// The template that was imported from an entry, and the SHA-256 of the file it was imported from.
pub async fn present(c: &mut Conn<'_>, entry: &str) -> Result<Option<(StoredTemplate, String)>> {
    let found: Option<(TemplateId, String)> = on!(c, |c| {
        sqlx::query_as("SELECT template_id, sha256 FROM catalogue_imports WHERE entry_id = $1")
            .bind(entry)
            .fetch_optional(c)
            .await
    })?;
    let Some((id, sha256)) = found else { return Ok(None) };
    Ok(templates::find(c, id).await?.map(|template| (template, sha256)))
}

/// Records which template was imported from an entry. Returns false if a template was already recorded.
pub async fn insert(
    c: &mut Conn<'_>,
    entry: &str,
    template: TemplateId,
    sha256: &str,
    at: DateTime<Utc>,
) -> Result<bool> {
    let done: Option<String> = on!(c, |c| {
        sqlx::query_scalar(
            "INSERT INTO catalogue_imports (entry_id, template_id, sha256, imported_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (entry_id) DO NOTHING RETURNING entry_id",
        )
        .bind(entry)
        .bind(template)
        .bind(sha256)
        .bind(at)
        .fetch_optional(c)
        .await
    })?;
    Ok(done.is_some())
}

/// Records that an entry's template was updated from a newer file.
pub async fn reimport(c: &mut Conn<'_>, entry: &str, sha256: &str) -> Result<()> {
    on!(c, |c| {
        sqlx::query("UPDATE catalogue_imports SET sha256 = $2 WHERE entry_id = $1")
            .bind(entry)
            .bind(sha256)
            .execute(c)
            .await
            .map(drop)
    })?;
    Ok(())
}
