//! Which images containers may use.

use crate::{
    App,
    extract::{Caller, Json},
    problem::Answer,
    views::images::ImagePolicyUpdate,
};
use axum::extract::State;
use raptor_core::{
    authz::actions::{ReadImagePolicy, UpdateImagePolicy},
    images::ImagePolicy,
};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get_image_policy, update_image_policy))
}

/// Which images containers may use beside those of their templates.
#[utoipa::path(get, path = "/api/v1/image-policy", operation_id = "get_image_policy", tag = "images",
    responses((status = 200, body = ImagePolicy)))]
async fn get_image_policy(State(app): State<App>, Caller(actor): Caller) -> Answer<Json<ImagePolicy>> {
    let permit = app.raptor.authz().allow::<ReadImagePolicy>(&actor)?;
    Ok(Json(app.raptor.images().policy(permit).await?))
}

/// Replace the list of allowed images. Containers that run go on; the list is checked at each start.
#[utoipa::path(put, path = "/api/v1/image-policy", operation_id = "update_image_policy", tag = "images",
    request_body = ImagePolicyUpdate, responses((status = 200, body = ImagePolicy)))]
async fn update_image_policy(
    State(app): State<App>,
    Caller(actor): Caller,
    Json(body): Json<ImagePolicyUpdate>,
) -> Answer<Json<ImagePolicy>> {
    let permit = app.raptor.authz().allow::<UpdateImagePolicy>(&actor)?;
    let ImagePolicyUpdate { patterns, for_owners, revision } = body;
    Ok(Json(app.raptor.images().update(permit, &patterns, for_owners, revision).await?))
}
