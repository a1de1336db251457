//! Roles.

use crate::{
    App,
    created::Created,
    extract::{Caller, Json, Path},
    problem::Answer,
    views::roles::{Role, RoleList},
};
use axum::{extract::State, http::StatusCode};
use raptor_core::{
    authz::actions::{CreateRole, DeleteRole, ListRoles, ReadRole, UpdateRole},
    id::RoleId,
    roles::{RoleDraft, RoleSummary},
};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_roles, create_role)).routes(routes!(
        get_role,
        update_role,
        delete_role
    ))
}

/// List all roles with their permissions.
#[utoipa::path(get, path = "/api/v1/roles", operation_id = "list_roles", tag = "roles",
    responses((status = 200, body = RoleList)))]
async fn list_roles(State(app): State<App>, Caller(actor): Caller) -> Answer<Json<RoleList>> {
    let permit = app.raptor.authz().allow::<ListRoles>(&actor)?;
    let roles = app.raptor.roles().list(permit).await?;
    Ok(Json(RoleList { items: roles.into_iter().map(Role::from).collect() }))
}

/// Create a role with a name and permissions.
#[utoipa::path(post, path = "/api/v1/roles", operation_id = "create_role", tag = "roles",
    request_body = RoleDraft, responses((status = 201, body = Role)))]
async fn create_role(
    State(app): State<App>,
    Caller(actor): Caller,
    Json(body): Json<RoleDraft>,
) -> Answer<Created<Role>> {
    let permit = app.raptor.authz().allow::<CreateRole>(&actor)?;
    let role = app.raptor.roles().create(permit, body).await?;
    let location = format!("/api/v1/roles/{}", role.id);
    Ok(Created { location, body: RoleSummary { role, user_count: 0 }.into() })
}

/// Get a role with its permissions.
#[utoipa::path(get, path = "/api/v1/roles/{id}", operation_id = "get_role", tag = "roles",
    params(("id" = RoleId, Path)), responses((status = 200, body = Role)))]
async fn get_role(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<RoleId>,
) -> Answer<Json<Role>> {
    let permit = app.raptor.authz().permit::<ReadRole>(&actor, id).await?;
    Ok(Json(app.raptor.roles().get(permit).await?.into()))
}

/// Change a role. Whoever has it is affected at once.
#[utoipa::path(put, path = "/api/v1/roles/{id}", operation_id = "update_role", tag = "roles",
    params(("id" = RoleId, Path)), request_body = RoleDraft, responses((status = 200, body = Role)))]
async fn update_role(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<RoleId>,
    Json(body): Json<RoleDraft>,
) -> Answer<Json<Role>> {
    let permit = app.raptor.authz().permit::<UpdateRole>(&actor, id).await?;
    Ok(Json(app.raptor.roles().update(permit, body).await?.into()))
}

/// Delete a role that nobody has.
#[utoipa::path(delete, path = "/api/v1/roles/{id}", operation_id = "delete_role", tag = "roles",
    params(("id" = RoleId, Path)), responses((status = 204)))]
async fn delete_role(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<RoleId>,
) -> Answer<StatusCode> {
    let permit = app.raptor.authz().permit::<DeleteRole>(&actor, id).await?;
    app.raptor.roles().delete(permit).await?;
    Ok(StatusCode::NO_CONTENT)
}
