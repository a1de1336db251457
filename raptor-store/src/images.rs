//! The list of allowed images.

use super::{
    Conn, on,
    stored::{RowReader, Text},
};
use raptor_model::{
    Result,
    id::{ContainerId, DaemonId},
    images::ImagePolicy,
};
use sqlx::types::Json;
use uuid::Uuid;

/// The list of allowed images. A damaged pattern matches nothing.
pub async fn policy(c: &mut Conn<'_>) -> Result<ImagePolicy> {
    let (patterns, for_owners, revision): (Text, bool, i64) =
        on!(c, |c| sqlx::query_as("SELECT patterns, for_owners, revision FROM image_policy WHERE id = 1")
            .fetch_one(c)
            .await)?;
    let patterns: Vec<String> =
        RowReader::of("image_policy", Uuid::nil()).json("patterns", &patterns, Vec::new);
    let readable: Vec<String> = patterns
        .into_iter()
        .filter(|pattern| raptor_model::images::Pattern::parse(pattern, "patterns").is_ok())
        .collect();
    ImagePolicy::checked(&readable, for_owners, revision)
}

/// Replaces the list if its stored revision is still that of `policy`. Returns the new revision, or `None` if it is another.
pub async fn update(c: &mut Conn<'_>, policy: &ImagePolicy) -> Result<Option<i64>> {
    Ok(on!(c, |c| sqlx::query_scalar(
        "UPDATE image_policy SET patterns = $1, for_owners = $2, revision = revision + 1
         WHERE id = 1 AND revision = $3 RETURNING revision"
    )
    .bind(Json(&policy.patterns))
    .bind(policy.for_owners)
    .bind(policy.revision)
    .fetch_optional(c)
    .await)?)
}

/// The containers whose image was not chosen by somebody who manages all containers: their ids, daemons and images.
pub async fn without_approval(c: &mut Conn<'_>) -> Result<Vec<(ContainerId, DaemonId, String)>> {
    Ok(on!(c, |c| {
        sqlx::query_as(
        "SELECT id, daemon_id, image FROM containers WHERE image_allowed_by IS NULL AND NOT deleting ORDER BY id"
    )
    .fetch_all(c)
    .await
    })?)
}
