//! Signing in and out.

use crate::{
    App,
    extract::{AnyCaller, From, Json, SESSION_COOKIE},
    problem::Answer,
    views::account::{Account, PasswordReset, ResetRequest, SessionToken, SignIn},
};
use axum::{extract::State, http::StatusCode};
use axum_extra::extract::{
    CookieJar,
    cookie::{Cookie, SameSite},
};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(sign_in))
        .routes(routes!(sign_out))
        .routes(routes!(request_password_reset))
        .routes(routes!(reset_password))
}

fn cookie(app: &App, token: String) -> Cookie<'static> {
    Cookie::build((SESSION_COOKIE, token))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(app.secure_cookie)
        .build()
}

/// Begin a session. Sets the panel's cookie and answers with the same token for programs.
///
/// Send the token as `Authorization: Bearer …` with every other request. `login` is a user name or an e-mail address. After
/// repeated failures for an account or from an address, the answer is 429 `throttled` with `Retry-After`, even for the right
/// password.
#[utoipa::path(post, path = "/api/v1/auth/sign-in", operation_id = "sign_in", tag = "auth", security(()),
    request_body = SignIn, responses((status = 200, body = SessionToken)))]
async fn sign_in(
    State(app): State<App>,
    From(origin): From,
    jar: CookieJar,
    Json(body): Json<SignIn>,
) -> Answer<(CookieJar, Json<SessionToken>)> {
    let signed_in = app.raptor.auth().sign_in(&body.login, body.password, origin).await?;
    let mut cookie = cookie(&app, signed_in.token.clone());
    let seconds = (signed_in.session.expires_at - signed_in.session.created_at).num_seconds();
    cookie.set_max_age(time::Duration::seconds(seconds));
    let account = Account::new(signed_in.user, &signed_in.actor);
    let body = SessionToken { token: signed_in.token, expires_at: signed_in.session.expires_at, account };
    Ok((jar.add(cookie), Json(body)))
}

/// End the caller's session, at once and everywhere.
#[utoipa::path(post, path = "/api/v1/auth/sign-out", operation_id = "sign_out", tag = "auth", responses((status = 204)))]
async fn sign_out(
    State(app): State<App>,
    AnyCaller(actor): AnyCaller,
    jar: CookieJar,
) -> Answer<(CookieJar, StatusCode)> {
    app.raptor.auth().sign_out(&actor).await?;
    Ok((jar.remove(cookie(&app, String::new())), StatusCode::NO_CONTENT))
}

/// Ask for a mail with a link for a new password. Answers the same whether there is such an account.
#[utoipa::path(post, path = "/api/v1/auth/password-reset", operation_id = "request_password_reset", tag = "auth", security(()),
    request_body = ResetRequest, responses((status = 202)))]
async fn request_password_reset(
    State(app): State<App>,
    From(origin): From,
    Json(body): Json<ResetRequest>,
) -> Answer<StatusCode> {
    app.raptor.auth().request_reset(&body.login, &origin).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Set a new password with the token of such a link, and end all sessions of the account.
#[utoipa::path(post, path = "/api/v1/auth/password-reset/complete", operation_id = "reset_password", tag = "auth", security(()),
    request_body = PasswordReset, responses((status = 204)))]
async fn reset_password(
    State(app): State<App>,
    From(origin): From,
    Json(body): Json<PasswordReset>,
) -> Answer<StatusCode> {
    app.raptor.auth().reset_password(&body.token, body.new_password, &origin).await?;
    Ok(StatusCode::NO_CONTENT)
}
