//! The catalogue of what can be chosen to run: where it comes from.

use chrono::{DateTime, Utc};

/// Where the catalogue comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueSource {
    /// The address that a newer one is fetched from; none for the one that comes with Raptor.
    pub url: Option<String>,
    /// SHA-256 of the file that was fetched; none for the one that comes with Raptor.
    pub sha256: Option<String>,
    /// When it was fetched.
    pub fetched_at: Option<DateTime<Utc>>,
    /// Grows by one with each change.
    pub revision: i64,
}

impl CatalogueSource {
    /// Whether it is the catalogue that comes with Raptor.
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        self.sha256.is_none()
    }
}
