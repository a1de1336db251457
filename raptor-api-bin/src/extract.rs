//! Extractors for requests. Whatever they reject is answered with a [`Problem`].

mod query;

pub use query::Query;
pub use raptor_server::extract::{Json, Path};

use crate::{App, Problem};
use axum::{
    body::Bytes,
    extract::{ConnectInfo, FromRequest, FromRequestParts, Request},
    http::{HeaderMap, Method, StatusCode, header, request::Parts},
};
use axum_extra::extract::CookieJar;
use chrono::DateTime;
use futures_util::StreamExt;
use raptor_core::{
    auth::Origin,
    authz::Actor,
    node::files::Body,
    paging::{MAX_LIMIT, PageRequest},
};
use raptor_server::authorization::token;
use serde::Deserialize;
use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
};
use utoipa::IntoParams;

/// The panel's session cookie.
pub const SESSION_COOKIE: &str = "raptor_session";
/// A header that cross-origin pages can't send without a preflight: its presence proves that our panel made the request.
pub const CSRF_HEADER: &str = "x-raptor-csrf";
/// Until when a request may be carried out, by the API's clock (RFC 3339). After a connection was stalled, requests may arrive
/// that nobody waits for any more.
pub const NOT_AFTER_HEADER: &str = "x-raptor-not-after";
pub const TOO_LATE: &str = "too_late";
pub const TOO_LATE_DETAIL: &str = "This came too late: the connection was interrupted. Nothing was done.";

/// A body as a stream. Without a limit of its own: the handler enforces one.
pub struct Streamed(pub Body);

impl<S: Send + Sync> FromRequest<S> for Streamed {
    type Rejection = Infallible;
    async fn from_request(request: Request, _: &S) -> Result<Self, Infallible> {
        let pieces = request.into_body().into_data_stream();
        Ok(Self(pieces.map(|piece| piece.map_err(std::io::Error::other)).boxed()))
    }
}

/// A complete body.
pub struct Whole(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Whole {
    type Rejection = Problem;
    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Ok(Self(Bytes::from_request(request, state).await?))
    }
}

/// Which page of a list is wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// Items on one page, 1 to 100; 50 unless given.
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// Whether `total` is wanted.
    pub with_total: Option<bool>,
}

impl Paging {
    /// The page as the services take it.
    ///
    /// # Errors
    /// If the limit is out of range.
    pub fn request(self) -> Result<PageRequest, Problem> {
        let limit = self.limit.unwrap_or(50);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(raptor_core::Error::invalid("limit", "Use 1 to 100.")
                .because("range")
                .with("min", 1)
                .with("max", 100)
                .into());
        }
        Ok(PageRequest { limit, cursor: self.cursor, with_total: self.with_total.unwrap_or(false) })
    }
}

/// The origin of the request.
pub struct From(pub Origin);

impl FromRequestParts<App> for From {
    type Rejection = std::convert::Infallible;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
        let user_agent =
            parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).map(str::to_owned);
        Ok(Self(Origin { ip: peer.map(|peer| client(peer, &parts.headers, app)), user_agent }))
    }
}

/// The last address in `X-Forwarded-For` that isn't a trusted proxy's; the peer's address if the peer isn't a trusted proxy.
fn client(peer: IpAddr, headers: &HeaderMap, app: &App) -> IpAddr {
    let trusted = |ip: &IpAddr| app.trusted_proxies.iter().any(|network| network.contains(ip));
    if !trusted(&peer) {
        return peer;
    }
    let forwarded: Vec<IpAddr> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|ip| ip.trim().parse::<IpAddr>().ok())
        .map(|ip| ip.to_canonical())
        .collect();
    forwarded.iter().rev().find(|ip| !trusted(ip)).or(forwarded.first()).copied().unwrap_or(peer)
}

/// The authenticated caller: by bearer token, or by the panel's cookie with proof that the panel made the request.
pub struct Caller(pub Actor);

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let (token, origin) = shown(parts, app).await?;
        Ok(Self(app.raptor.auth().authenticate(&token, &origin).await?))
    }
}

/// Like [`Caller`], but also a user who has to choose a new password first.
pub struct AnyCaller(pub Actor);

impl FromRequestParts<App> for AnyCaller {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let (token, origin) = shown(parts, app).await?;
        Ok(Self(app.raptor.auth().authenticate_to_change_password(&token, &origin).await?))
    }
}

/// The token in the request, and the request's origin.
async fn shown(parts: &mut Parts, app: &App) -> Result<(String, Origin), Problem> {
    let Ok(From(origin)) = From::from_request_parts(parts, app).await;
    in_time(parts, app)?;
    if let Some(token) = token(&parts.headers, "bearer") {
        return Ok((token.to_owned(), origin));
    }
    let cookie = CookieJar::from_headers(&parts.headers).get(SESSION_COOKIE).map(|c| c.value().to_owned());
    let token = cookie.ok_or_else(|| {
        Problem::from(raptor_core::Error::Unauthenticated(
            "Sign in, or send a token as `Authorization: Bearer`.",
        ))
    })?;
    same_origin(parts, app)?;
    Ok((token, origin))
}

/// Rejects a request whose [`NOT_AFTER_HEADER`] has passed.
fn in_time(parts: &Parts, app: &App) -> Result<(), Problem> {
    let Some(limit) = parts.headers.get(NOT_AFTER_HEADER) else { return Ok(()) };
    let limit = limit.to_str().ok().and_then(|limit| DateTime::parse_from_rfc3339(limit).ok());
    match limit {
        _ if matches!(parts.method, Method::GET | Method::HEAD) => Ok(()),
        Some(limit) if limit < app.raptor.clock().now() => {
            Err(Problem::new(StatusCode::CONFLICT, TOO_LATE, TOO_LATE_DETAIL))
        }
        Some(_) => Ok(()),
        None => {
            let detail = "X-Raptor-Not-After is a time such as 2026-01-31T12:00:00Z.";
            Err(raptor_core::Error::invalid(NOT_AFTER_HEADER, detail).into())
        }
    }
}

/// Rejects a request that another site may have made a browser send with our cookie.
fn same_origin(parts: &Parts, app: &App) -> Result<(), Problem> {
    let refuse = |why: &str| Err(Problem::new(StatusCode::FORBIDDEN, "csrf", why));
    let is_socket = parts.headers.contains_key(header::SEC_WEBSOCKET_KEY);
    let reading = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS) && !is_socket;
    if reading {
        return Ok(());
    }
    if let Some(origin) = parts.headers.get(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or_default();
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let own = origin.split_once("://").is_some_and(|(_, authority)| authority == host);
        if !own && app.panel_origin.as_deref() != Some(origin) {
            return refuse("This request came from another site.");
        }
    } else if is_socket {
        return refuse("A browser names its origin when it opens a socket. Programs send a bearer token.");
    }
    // Browsers can't add headers to WebSocket requests; there the `Origin` header is the proof.
    if !is_socket && !parts.headers.contains_key(CSRF_HEADER) {
        return refuse("Send the header `X-Raptor-CSRF: 1` with the cookie, or use a bearer token.");
    }
    Ok(())
}
