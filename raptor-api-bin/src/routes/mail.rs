//! The state of mail, and users' preferences.

use crate::{
    App,
    extract::{Caller, Json, Paging, Query},
    problem::Answer,
    views::mail::{MailPage, MailState, MailTest, Notices},
};
use axum::{extract::State, http::StatusCode};
use raptor_core::authz::actions::{ReadMail, TestMail};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(get_mail_state))
        .routes(routes!(list_mails))
        .routes(routes!(test_mail))
        .routes(routes!(get_notices, update_notices))
}

/// Which mails are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct MailQuery {
    /// Only those that wait or were given up.
    #[serde(default)]
    unsent: bool,
}

/// Whether mail is set up, and what became of it.
#[utoipa::path(get, path = "/api/v1/settings/mail", operation_id = "get_mail_state", tag = "settings",
    responses((status = 200, body = MailState)))]
async fn get_mail_state(State(app): State<App>, Caller(actor): Caller) -> Answer<Json<MailState>> {
    let permit = app.raptor.authz().allow::<ReadMail>(&actor)?;
    Ok(Json(app.raptor.mail().state(permit).await?.into()))
}

/// The mails of the last 30 days, the newest first, without what they said.
#[utoipa::path(get, path = "/api/v1/settings/mail/mails", operation_id = "list_mails", tag = "settings",
    params(MailQuery, Paging), responses((status = 200, body = MailPage)))]
async fn list_mails(
    State(app): State<App>,
    Caller(actor): Caller,
    Query(query): Query<MailQuery>,
    Query(paging): Query<Paging>,
) -> Answer<Json<MailPage>> {
    let permit = app.raptor.authz().allow::<ReadMail>(&actor)?;
    Ok(Json(app.raptor.mail().list(permit, query.unsent, &paging.request()?).await?.into()))
}

/// Send a message to the caller's own address, and wait for what the mail server says.
#[utoipa::path(post, path = "/api/v1/settings/mail/test", operation_id = "test_mail", tag = "settings",
    responses((status = 200, body = MailTest)))]
async fn test_mail(State(app): State<App>, Caller(actor): Caller) -> Answer<Json<MailTest>> {
    let permit = app.raptor.authz().allow::<TestMail>(&actor)?;
    Ok(Json(MailTest { sent_to: app.raptor.mail().test(permit).await? }))
}

/// Which mails the caller wants.
#[utoipa::path(get, path = "/api/v1/account/notices", operation_id = "get_notices", tag = "account",
    responses((status = 200, body = Notices)))]
async fn get_notices(State(app): State<App>, Caller(actor): Caller) -> Answer<Json<Notices>> {
    Ok(Json(Notices { access: app.raptor.mail().access_notices(&actor).await? }))
}

/// Decide which mails the caller wants.
#[utoipa::path(put, path = "/api/v1/account/notices", operation_id = "update_notices", tag = "account",
    request_body = Notices, responses((status = 204)))]
async fn update_notices(
    State(app): State<App>,
    Caller(actor): Caller,
    Json(body): Json<Notices>,
) -> Answer<StatusCode> {
    app.raptor.mail().set_access_notices(&actor, body.access).await?;
    Ok(StatusCode::NO_CONTENT)
}
