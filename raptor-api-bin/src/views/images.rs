//! Which images containers may use, on the wire.

use serde::Deserialize;
use utoipa::ToSchema;

/// A new list of allowed images.
//
// Differs from the domain's: patterns that were not checked yet.
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
