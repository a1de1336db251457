//! Users.

use crate::{
    App,
    created::Created,
    extract::{Caller, Json, Paging, Path, Query},
    problem::Answer,
    views::users::{NewPassword, User, UserPage},
};
use axum::{extract::State, http::StatusCode};
use raptor_core::{
    authz::actions::{CreateUser, DeleteUser, ListUsers, ReadUser, UpdateUser},
    id::{RoleId, UserId},
    users::{NewUser, UserChange, service::UserFilter},
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_users, create_user))
        .routes(routes!(get_user, update_user, delete_user))
        .routes(routes!(set_user_password))
        .routes(routes!(end_user_sessions))
}

/// Which users are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct UserQuery {
    /// Part of user name, e-mail address or name.
    search: Option<String>,
    /// Only users who have this role.
    role_id: Option<RoleId>,
}

/// Users by user name.
#[utoipa::path(get, path = "/api/v1/users", operation_id = "list_users", tag = "users",
    params(UserQuery, Paging), responses((status = 200, body = UserPage)))]
async fn list_users(
    State(app): State<App>,
    Caller(actor): Caller,
    Query(query): Query<UserQuery>,
    Query(paging): Query<Paging>,
) -> Answer<Json<UserPage>> {
    let permit = app.raptor.authz().allow::<ListUsers>(&actor)?;
    let filter = UserFilter { search: query.search, role_id: query.role_id };
    Ok(Json(app.raptor.users().list(permit, &filter, &paging.request()?).await?.into()))
}

/// Create a user.
///
/// A name or an e-mail address that is in use is refused with 409 `name_taken`.
#[utoipa::path(post, path = "/api/v1/users", operation_id = "create_user", tag = "users",
    request_body = NewUser, responses((status = 201, body = User)))]
async fn create_user(
    State(app): State<App>,
    Caller(actor): Caller,
    Json(body): Json<NewUser>,
) -> Answer<Created<User>> {
    let permit = app.raptor.authz().allow::<CreateUser>(&actor)?;
    let user: User = app.raptor.users().create(permit, body).await?.into();
    Ok(Created { location: format!("/api/v1/users/{}", user.id), body: user })
}

/// Get the account of a user.
#[utoipa::path(get, path = "/api/v1/users/{id}", operation_id = "get_user", tag = "users",
    params(("id" = UserId, Path)), responses((status = 200, body = User)))]
async fn get_user(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<UserId>,
) -> Answer<Json<User>> {
    let permit = app.raptor.authz().permit::<ReadUser>(&actor, id).await?;
    Ok(Json(app.raptor.users().get(permit).into()))
}

/// Change a user. Suspending one ends their sessions.
#[utoipa::path(put, path = "/api/v1/users/{id}", operation_id = "update_user", tag = "users",
    params(("id" = UserId, Path)), request_body = UserChange, responses((status = 200, body = User)))]
async fn update_user(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<UserId>,
    Json(body): Json<UserChange>,
) -> Answer<Json<User>> {
    let permit = app.raptor.authz().permit::<UpdateUser>(&actor, id).await?;
    Ok(Json(app.raptor.users().update(permit, body).await?.into()))
}

/// Delete a user who owns no containers.
///
/// While the user owns containers, the answer is 409 `has_containers`: give those to somebody else or delete them first.
#[utoipa::path(delete, path = "/api/v1/users/{id}", operation_id = "delete_user", tag = "users",
    params(("id" = UserId, Path)), responses((status = 204)))]
async fn delete_user(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<UserId>,
) -> Answer<StatusCode> {
    let permit = app.raptor.authz().permit::<DeleteUser>(&actor, id).await?;
    app.raptor.users().delete(permit).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Set a user's password and end their sessions.
#[utoipa::path(put, path = "/api/v1/users/{id}/password", operation_id = "set_user_password", tag = "users",
    params(("id" = UserId, Path)), request_body = NewPassword, responses((status = 204)))]
async fn set_user_password(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<UserId>,
    Json(body): Json<NewPassword>,
) -> Answer<StatusCode> {
    let permit = app.raptor.authz().permit::<UpdateUser>(&actor, id).await?;
    app.raptor.users().set_password(permit, body.password, body.password_change_required).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End all of a user's sessions.
#[utoipa::path(delete, path = "/api/v1/users/{id}/sessions", operation_id = "end_user_sessions", tag = "users",
    params(("id" = UserId, Path)), responses((status = 204)))]
async fn end_user_sessions(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<UserId>,
) -> Answer<StatusCode> {
    let permit = app.raptor.authz().permit::<UpdateUser>(&actor, id).await?;
    app.raptor.users().end_sessions(permit).await?;
    Ok(StatusCode::NO_CONTENT)
}
