//! Templates as they are stored, with their revisions and origins.

use super::{Origin, Template};
use crate::{Error, Result, id::TemplateId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A stored template.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredTemplate {
    pub id: TemplateId,
    /// A short number that never changes, counted from 1.
    pub number: i64,
    /// The format that it was imported from, e.g. `PTDL_v2`.
    pub source_format: String,
    /// The template's content at this revision.
    pub document: Template,
    /// Where it came from; `None` if unknown.
    pub origin: Option<Origin>,
    /// The result of the last check of its source; `None` if it was not checked since the last import or update.
    pub source_check: Option<SourceCheck>,
    /// Incremented with each change.
    pub revision: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// The number of containers that use it.
    pub container_count: i64,
    /// The columns of its record that are damaged. Without its document it has nothing but a name: no container can be created
    /// from it and it can't be exported until it is updated from a file.
    pub damaged: Vec<&'static str>,
}

impl StoredTemplate {
    /// The template, if its document is readable.
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
    /// Where to look for a newer file: the template's origin, or if that can't be fetched again, the HTTPS address that its own
    /// file names as its place of publication. `raw_files` as for [`Origin::source_address`].
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

/// What identifies the version of a file on another server (RFC 9110, section 8.8).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceVersion {
    /// The `ETag` header.
    pub etag: Option<String>,
    /// The `Last-Modified` header.
    pub last_modified: Option<String>,
}

/// The result of the last check of a template's source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceCheck {
    pub checked_at: DateTime<Utc>,
    /// Whether the file there differs from the one that the template was imported from.
    pub available: bool,
    /// SHA-256 of the file there, as lower-case hex digits; `None` if it was never read.
    pub sha256: Option<String>,
    /// The version of that file according to its server.
    #[serde(default)]
    pub version: SourceVersion,
    /// Why it could not be read this time.
    pub problem: Option<String>,
}
