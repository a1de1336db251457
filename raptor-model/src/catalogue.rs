//! The source of the catalogue of programs to choose from.

use chrono::{DateTime, Utc};

/// The source of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueSource {
    /// The address that a newer one is fetched from; `None` for the built-in one.
    pub url: Option<String>,
    /// SHA-256 of the fetched file; `None` for the built-in one.
    pub sha256: Option<String>,
    pub fetched_at: Option<DateTime<Utc>>,
    /// Incremented with each change.
    pub revision: i64,
}

impl CatalogueSource {
    /// Whether it is the built-in catalogue.
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        self.sha256.is_none()
    }
}
