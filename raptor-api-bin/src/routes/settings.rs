//! Public settings.

use crate::{
    App,
    extract::Json,
    problem::Answer,
    views::{account::PublicSettings, roles::PermissionList},
};
use axum::{extract::State, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(get_settings))
        .routes(routes!(get_health))
        .routes(routes!(list_permissions))
}

/// What anybody may know of this Raptor.
#[utoipa::path(get, path = "/api/v1/settings", operation_id = "get_settings", tag = "settings", security(()),
    responses((status = 200, body = PublicSettings)))]
async fn get_settings(State(app): State<App>) -> Json<PublicSettings> {
    Json(PublicSettings::new(app.raptor.mail().is_set_up()))
}

/// Whether this server can do its work: 204 if its database answers, 503 `database_unavailable` if not. For load balancers and
/// health checks.
#[utoipa::path(get, path = "/api/v1/health", operation_id = "get_health", tag = "settings", security(()),
    responses((status = 204)))]
async fn get_health(State(app): State<App>) -> Answer<StatusCode> {
    app.raptor.health().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// All permissions that there are, with what they let somebody do.
#[utoipa::path(get, path = "/api/v1/permissions", operation_id = "list_permissions", tag = "roles", security(()),
    responses((status = 200, body = PermissionList)))]
async fn list_permissions() -> Json<PermissionList> {
    Json(PermissionList::new())
}
