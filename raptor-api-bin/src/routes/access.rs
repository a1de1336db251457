//! Access to a container, and its activity.

use crate::{
    App,
    extract::{Caller, Json, Paging, Path, Query},
    problem::Answer,
    views::{access::AccessGrant, activity::ActivityPage},
};
use axum::{extract::State, http::StatusCode};
use raptor_core::{
    authz::actions::{GrantAccess, ReadAccess, ReadContainerActivity, RevokeAccess, UpdateAccess},
    containers::access::{AccessChange, AccessList},
    id::{ContainerId, UserId},
};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_access, grant_access))
        .routes(routes!(update_access, revoke_access))
        .routes(routes!(list_container_activity))
}

/// Everybody with access, the owner first.
#[utoipa::path(get, path = "/api/v1/containers/{id}/access", operation_id = "list_access", tag = "access",
    params(("id" = ContainerId, Path)), responses((status = 200, body = AccessList)))]
async fn list_access(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
) -> Answer<Json<AccessList>> {
    let permit = app.raptor.authz().permit::<ReadAccess>(&actor, id).await?;
    Ok(Json(app.raptor.containers().access(permit).await?))
}

/// Give somebody access; no more than the caller has.
///
/// The user is named by user name or e-mail address.
#[utoipa::path(post, path = "/api/v1/containers/{id}/access", operation_id = "grant_access", tag = "access",
    params(("id" = ContainerId, Path)), request_body = AccessGrant, responses((status = 204)))]
async fn grant_access(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Json(body): Json<AccessGrant>,
) -> Answer<StatusCode> {
    let permit = app.raptor.authz().permit::<GrantAccess>(&actor, id).await?;
    let AccessGrant { user, level, permissions, denied_files } = body;
    app.raptor.containers().grant(permit, &user, AccessChange { level, permissions, denied_files }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Change the level or the permissions of somebody's access to a container.
#[utoipa::path(put, path = "/api/v1/containers/{id}/access/{user_id}", operation_id = "update_access", tag = "access",
    params(("id" = ContainerId, Path), ("user_id" = UserId, Path)), request_body = AccessChange,
    responses((status = 204)))]
async fn update_access(
    State(app): State<App>,
    Caller(actor): Caller,
    Path((id, user)): Path<(ContainerId, UserId)>,
    Json(body): Json<AccessChange>,
) -> Answer<StatusCode> {
    let permit = app.raptor.authz().permit::<UpdateAccess>(&actor, id).await?;
    app.raptor.containers().change_access(permit, user, body).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take somebody's access away, at once.
#[utoipa::path(delete, path = "/api/v1/containers/{id}/access/{user_id}", operation_id = "revoke_access", tag = "access",
    params(("id" = ContainerId, Path), ("user_id" = UserId, Path)), responses((status = 204)))]
async fn revoke_access(
    State(app): State<App>,
    Caller(actor): Caller,
    Path((id, user)): Path<(ContainerId, UserId)>,
) -> Answer<StatusCode> {
    let permit = app.raptor.authz().permit::<RevokeAccess>(&actor, id).await?;
    app.raptor.containers().revoke(permit, user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What was done to the container, the newest first.
#[utoipa::path(get, path = "/api/v1/containers/{id}/activity", operation_id = "list_container_activity", tag = "access",
    params(("id" = ContainerId, Path), Paging), responses((status = 200, body = ActivityPage)))]
async fn list_container_activity(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Query(paging): Query<Paging>,
) -> Answer<Json<ActivityPage>> {
    let permit = app.raptor.authz().permit::<ReadContainerActivity>(&actor, id).await?;
    Ok(Json(app.raptor.containers().activity(permit, &paging.request()?).await?.into()))
}
