//! The caller's own account.

use crate::{
    App,
    created::Created,
    extract::{AnyCaller, Caller, Json, Paging, Path, Query},
    problem::Answer,
    views::{
        account::{Account, AccountUpdate, PasswordChange, SessionList, SshKeyDraft, SshKeyList},
        activity::ActivityPage,
    },
};
use axum::{extract::State, http::StatusCode};
use raptor_core::{
    auth::service::AccountChange,
    id::{SessionId, SshKeyId},
    sshkeys::SshKey,
};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(get_account, update_account))
        .routes(routes!(change_password))
        .routes(routes!(list_sessions, end_other_sessions))
        .routes(routes!(end_session))
        .routes(routes!(list_ssh_keys, add_ssh_key))
        .routes(routes!(delete_ssh_key))
        .routes(routes!(list_account_activity))
}

/// Get the caller's own account, with its permissions.
#[utoipa::path(get, path = "/api/v1/account", operation_id = "get_account", tag = "account",
    responses((status = 200, body = Account)))]
async fn get_account(State(app): State<App>, AnyCaller(actor): AnyCaller) -> Answer<Json<Account>> {
    Ok(Json(Account::new(app.raptor.auth().account(&actor).await?, &actor)))
}

/// Change the caller's account.
#[utoipa::path(put, path = "/api/v1/account", operation_id = "update_account", tag = "account",
    request_body = AccountUpdate, responses((status = 200, body = Account)))]
async fn update_account(
    State(app): State<App>,
    Caller(actor): Caller,
    Json(body): Json<AccountUpdate>,
) -> Answer<Json<Account>> {
    let change = AccountChange { username: body.username, email: body.email, name: body.name };
    let user = app.raptor.auth().update_account(&actor, change, body.current_password).await?;
    Ok(Json(Account::new(user, &actor)))
}

/// Change the caller's password and end their other sessions.
#[utoipa::path(put, path = "/api/v1/account/password", operation_id = "change_password", tag = "account",
    request_body = PasswordChange, responses((status = 204)))]
async fn change_password(
    State(app): State<App>,
    AnyCaller(actor): AnyCaller,
    Json(body): Json<PasswordChange>,
) -> Answer<StatusCode> {
    app.raptor.auth().change_password(&actor, body.current_password, body.new_password).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List the sessions of the caller's account.
#[utoipa::path(get, path = "/api/v1/account/sessions", operation_id = "list_sessions", tag = "account",
    responses((status = 200, body = SessionList)))]
async fn list_sessions(State(app): State<App>, Caller(actor): Caller) -> Answer<Json<SessionList>> {
    Ok(Json(SessionList::new(app.raptor.auth().sessions(&actor).await?, &actor)))
}

/// End all of the caller's sessions but this one.
#[utoipa::path(delete, path = "/api/v1/account/sessions", operation_id = "end_other_sessions", tag = "account",
    responses((status = 204)))]
async fn end_other_sessions(State(app): State<App>, Caller(actor): Caller) -> Answer<StatusCode> {
    app.raptor.auth().end_other_sessions(&actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End one of the caller's sessions.
#[utoipa::path(delete, path = "/api/v1/account/sessions/{id}", operation_id = "end_session", tag = "account",
    params(("id" = SessionId, Path)), responses((status = 204)))]
async fn end_session(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<SessionId>,
) -> Answer<StatusCode> {
    app.raptor.auth().end_session(&actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The caller's public keys for SFTP.
#[utoipa::path(get, path = "/api/v1/account/ssh-keys", operation_id = "list_ssh_keys", tag = "account",
    responses((status = 200, body = SshKeyList)))]
async fn list_ssh_keys(State(app): State<App>, Caller(actor): Caller) -> Answer<Json<SshKeyList>> {
    let keys = app.raptor.ssh_keys().list(&actor).await?;
    let notice = app.raptor.ssh_keys().notice(&actor).await?;
    Ok(Json(SshKeyList { items: keys, notice }))
}

/// Add a public key for SFTP.
#[utoipa::path(post, path = "/api/v1/account/ssh-keys", operation_id = "add_ssh_key", tag = "account",
    request_body = SshKeyDraft, responses((status = 201, body = SshKey)))]
async fn add_ssh_key(
    State(app): State<App>,
    Caller(actor): Caller,
    Json(body): Json<SshKeyDraft>,
) -> Answer<Created<SshKey>> {
    let key = app.raptor.ssh_keys().add(&actor, body.name.as_deref(), &body.public_key).await?;
    Ok(Created { location: format!("/api/v1/account/ssh-keys/{}", key.id), body: key })
}

/// Delete a public key. SFTP sessions that were begun with it end at once.
#[utoipa::path(delete, path = "/api/v1/account/ssh-keys/{id}", operation_id = "delete_ssh_key", tag = "account",
    params(("id" = SshKeyId, Path)), responses((status = 204)))]
async fn delete_ssh_key(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<SshKeyId>,
) -> Answer<StatusCode> {
    app.raptor.ssh_keys().delete(&actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What the caller did, the newest first.
#[utoipa::path(get, path = "/api/v1/account/activity", operation_id = "list_account_activity", tag = "account",
    params(Paging), responses((status = 200, body = ActivityPage)))]
async fn list_account_activity(
    State(app): State<App>,
    Caller(actor): Caller,
    Query(paging): Query<Paging>,
) -> Answer<Json<ActivityPage>> {
    Ok(Json(app.raptor.activity().own(&actor, &paging.request()?).await?.into()))
}
