//! Logins for image registries.

use crate::{
    App,
    extract::{Caller, Json, Path},
    problem::Answer,
    views::runtime::{RegistryDraft, RegistryList},
};
use axum::{extract::State, http::StatusCode};
use raptor_core::{
    authz::actions::{DeleteRegistry, ListRegistries, SaveRegistry},
    id::RegistryId,
    registries::Registry,
};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_registries, save_registry)).routes(routes!(delete_registry))
}

/// All logins for registries, without their passwords.
#[utoipa::path(get, path = "/api/v1/registries", operation_id = "list_registries", tag = "registries",
    responses((status = 200, body = RegistryList)))]
async fn list_registries(State(app): State<App>, Caller(actor): Caller) -> Answer<Json<RegistryList>> {
    let permit = app.raptor.authz().allow::<ListRegistries>(&actor)?;
    let items = app.raptor.registries().list(permit).await?;
    Ok(Json(RegistryList { items }))
}

/// Add the login for a registry, or replace the one that is there. It is used for images of exactly this host.
#[utoipa::path(put, path = "/api/v1/registries", operation_id = "save_registry", tag = "registries",
    request_body = RegistryDraft, responses((status = 200, body = Registry)))]
async fn save_registry(
    State(app): State<App>,
    Caller(actor): Caller,
    Json(body): Json<RegistryDraft>,
) -> Answer<Json<Registry>> {
    let permit = app.raptor.authz().allow::<SaveRegistry>(&actor)?;
    let RegistryDraft { host, username, password } = body;
    Ok(Json(app.raptor.registries().save(permit, &host, &username, &password).await?))
}

/// Remove a login for a registry.
#[utoipa::path(delete, path = "/api/v1/registries/{id}", operation_id = "delete_registry", tag = "registries",
    params(("id" = RegistryId, Path)), responses((status = 204)))]
async fn delete_registry(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<RegistryId>,
) -> Answer<StatusCode> {
    let permit = app.raptor.authz().permit::<DeleteRegistry>(&actor, id).await?;
    app.raptor.registries().delete(permit).await?;
    Ok(StatusCode::NO_CONTENT)
}
