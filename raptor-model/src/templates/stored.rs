//! Templates as they are kept: with their revisions, and what is known of where they came from.

use super::{Origin, Template};
use crate::{Error, Result, id::TemplateId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A template in the store.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredTemplate {
    /// Its id.
    pub id: TemplateId,
    /// Its small stable number.
    pub number: i64,
    /// The dialect that it was imported from.
    pub source_format: String,
    /// What it says.
    pub document: Template,
    /// Where it came from; none where nobody wrote it down.
    pub origin: Option<Origin>,
    /// What the last look at its source found; none where nobody has looked since its last import or update.
    pub source_check: Option<SourceCheck>,
    /// Grows with each change.
    pub revision: i64,
    /// When it was imported.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Containers that are made from it.
    pub container_count: i64,
    /// The columns of its record that can't be read. Without its document it has a name and nothing else: no container is made
    /// from it, and it is exported to nobody, until it is updated from a file.
    pub damaged: Vec<&'static str>,
}

impl StoredTemplate {
    /// The template, where its document could be read.
    ///
    /// # Errors
    /// [`Error::Conflict`] `damaged` with what to do.
    pub fn readable(self) -> Result<Self> {
        if !self.damaged.contains(&"document") {
            return Ok(self);
        }
        let message = format!(
            "The database's record of the template {} is damaged. Update it from a file, or restore it from a backup of the database.",
            self.document.name
        );
        Err(Error::conflict("damaged", message))
    }
}

impl StoredTemplate {
    /// Where a newer file is looked for: the place that the template came from; where that can't be fetched again, the address that
    /// its own file names as the one where it is published, if that is one of HTTPS. `raw_files` as for [`Origin::source_address`].
    #[must_use]
    pub fn source_address(&self, raw_files: &str) -> Option<String> {
        let origin = self.origin.as_ref().and_then(|origin| origin.source_address(raw_files));
        let published = || {
            let url = url::Url::parse(self.document.update_url.as_deref()?.trim()).ok()?;
            (url.scheme() == "https").then(|| url.into())
        };
        origin.or_else(published)
    }
}

/// One revision of a template.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = TemplateRevision))]
pub struct Revision {
    /// Number of the revision, counted from 1.
    pub revision: i64,
    /// Format of the file that it was imported from, such as `PTDL_v2`.
    pub source_format: String,
    /// Name of the user who imported it; empty if that was not recorded.
    pub made_by: String,
    /// When the revision was imported.
    pub created_at: DateTime<Utc>,
    /// How many containers use this revision.
    pub container_count: i64,
}

/// By what another server recognises a file that was fetched from it (RFC 9110, 8.8).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceVersion {
    /// `ETag`, as it was sent.
    pub etag: Option<String>,
    /// `Last-Modified`, as it was sent.
    pub last_modified: Option<String>,
}

/// What the last look at a template's source found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceCheck {
    /// When it was.
    pub checked_at: DateTime<Utc>,
    /// Whether the file there says something else than the file that the template was imported from.
    pub available: bool,
    /// SHA-256 of the file there, in lower-case hex digits; none where it was never read.
    pub sha256: Option<String>,
    /// By what the other server recognises that file.
    #[serde(default)]
    pub version: SourceVersion,
    /// Why it could not be read this time.
    pub problem: Option<String>,
}
