//! Which images containers may use, on the wire.

use raptor_core::images;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which images containers may use beside those of their templates.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImagePolicy {
    /// Patterns such as `ghcr.io/pterodactyl/yolks:*`. A `*` at the end stands for anything, elsewhere for anything without `/`,
    /// `:` and `@`; a pattern without a tag means every version. Images that are on the host already match only patterns that
    /// begin with `~`.
    pub patterns: Vec<String>,
    /// Whether people who may change a container's image, but don't manage all containers, may choose from the list as well.
    pub for_owners: bool,
    /// Grows by one with each change.
    pub revision: i64,
}

impl From<images::ImagePolicy> for ImagePolicy {
    fn from(policy: images::ImagePolicy) -> Self {
        let images::ImagePolicy { patterns, for_owners, revision } = policy;
        Self {
            patterns: patterns.iter().map(|pattern| pattern.text().to_owned()).collect(),
            for_owners,
            revision,
        }
    }
}

/// A new list of allowed images.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ImagePolicyUpdate {
    /// At most 500 patterns, as in the answer.
    pub patterns: Vec<String>,
    /// Whether people who may change a container's image, but don't manage all containers, may choose from the list as well.
    pub for_owners: bool,
    /// The revision that was changed. Where it is no longer the newest, nothing changes and the answer is 409
    /// `changed_meanwhile`.
    pub revision: i64,
}
