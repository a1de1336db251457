//! Everything around the routes: layers, listening and graceful shutdown.

mod fail_fast;
mod origin;
mod request_id;
mod short_ids;

use crate::{App, config::Config, extract, openapi::openapi, panel, problem, routes};
use anyhow::bail;
use axum::{
    Router,
    extract::Request,
    http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header},
    response::Response,
    routing::get,
};
use fail_fast::FailFastLayer;
use origin::WithOrigin;
use raptor_core::Raptor;
use raptor_server::{
    http::{self, Limits, Transport},
    openapi::PAGE_POLICY,
    process::shutdown_signal,
};
use request_id::RequestIdLayer;
use short_ids::ShortIds;
use std::{convert::Infallible, pin::pin, time::Duration};
use tokio::net::TcpListener;
use tower::{Service, ServiceBuilder};
use tower_http::{
    compression::{
        CompressionLayer,
        predicate::{Predicate, SizeAbove},
    },
    cors::{AllowOrigin, CorsLayer},
    set_header::SetResponseHeaderLayer,
};
use utoipa_swagger_ui::SwaggerUi;

/// How long requests in progress may take after a shutdown was requested.
const DRAIN: Duration = Duration::from_secs(10);

/// Responses up to this size in bytes are not compressed: they fit into one packet.
const SHORT: u16 = 1_024;
const SHRINKING: [&str; 7] = [
    "application/json",
    "application/problem+json",
    "application/manifest+json",
    "text/html",
    "text/css",
    "text/javascript",
    "image/svg+xml",
];

/// API, Swagger UI and panel, with the layers that apply to every request.
pub(crate) fn full_service(app: App) -> impl Served {
    let router = Router::new()
        .merge(SwaggerUi::new("/swagger-ui").external_url_unchecked("/api/v1/openapi.json", openapi()))
        .layer(fixed(header::CONTENT_SECURITY_POLICY, PAGE_POLICY))
        .fallback(panel::serve)
        // Only for what browsers show as pages, which API responses are not.
        .layer(fixed(header::REFERRER_POLICY, "same-origin"))
        .layer(fixed(header::X_FRAME_OPTIONS, "DENY"))
        .merge(crate::health::routes())
        .merge(crate::metrics::routes())
        .merge(routes::api().split_for_parts().0);
    around(router, app)
}

/// The API without Swagger UI and panel, with the layers that apply to every request.
pub(crate) fn api_only(app: App) -> impl Served {
    let document = get(|| async { axum::Json(openapi()) });
    let router = routes::api().split_for_parts().0.route("/api/v1/openapi.json", document);
    around(router.fallback(problem::unknown_path), app)
}

/// A service that responds to every request, on a connection or within another program's router.
pub(crate) trait Served:
    Service<Request, Response = Response, Error = Infallible, Future: Send + 'static>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Served for S where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// Whether a response benefits from compression. Not if it is already compressed, such as fonts, or is a container's file; and
/// events must be sent at once.
fn shrinks(_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    !headers.contains_key(header::CONTENT_DISPOSITION) && is_text(kind)
}

fn is_text(kind: &str) -> bool {
    SHRINKING.contains(&kind.split(';').next().unwrap_or_default())
}

/// Whether `size` bytes of this content type are worth compressing.
pub(crate) fn is_compressible(kind: &str, size: usize) -> bool {
    size > usize::from(SHORT) && is_text(kind)
}

/// The layers that apply to every request. Around the router rather than in it, since a router boxes its layers for each
/// request.
fn around(router: Router<App>, app: App) -> impl Served {
    let router = router
        .method_not_allowed_fallback(problem::wrong_method)
        .layer(CompressionLayer::new().compress_when(SizeAbove::new(SHORT).and(shrinks)))
        .with_state(app.clone());
    let panel_origin = app.panel_origin.as_ref().and_then(|origin| origin.parse::<HeaderValue>().ok());
    // Without a configured origin, no cross-origin request is allowed.
    let allowed = panel_origin.map_or_else(|| AllowOrigin::list([]), AllowOrigin::exact);
    let cors = CorsLayer::new()
        .allow_origin(allowed)
        .allow_credentials(true)
        // The response doesn't depend on the request's origin, so there is no `Vary` header.
        .vary([])
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            HeaderName::from_static(extract::CSRF_HEADER),
            HeaderName::from_static(extract::NOT_AFTER_HEADER),
        ]);
    let present = FailFastLayer(app.raptor.clone());
    ServiceBuilder::new()
        .layer(RequestIdLayer(app.clone()))
        .layer(WithOrigin(cors))
        .layer(present)
        .layer(ShortIds(app))
        .service(router)
}

fn fixed(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

/// Refuses to start if others can reach this server and somebody could sign in with the default password.
///
/// # Errors
/// One sentence with the ways to fix it.
pub async fn refuse_default_password(raptor: &Raptor, config: &Config) -> anyhow::Result<()> {
    let address = config.reached_on();
    if address.to_canonical().is_loopback() {
        return Ok(());
    }
    match raptor.users().with_default_password().await? {
        None => Ok(()),
        Some(username) => bail!(
            "{username} still has the default password, and this server can be reached at {address}, so it does not start. Set ADMIN_PASSWORD to another password, or start with an address of this machine only (BIND_ADDRESS=127.0.0.1 with Compose), sign in and choose one."
        ),
    }
}

/// Serves until Ctrl-C or SIGTERM, then ends streams and lets requests in progress finish.
pub async fn run(listener: TcpListener, app: App) {
    let ending = app.ending.clone();
    let limits = Limits::exempting(app.trusted_proxies.clone());
    let service = full_service(app);
    let mut serving = pin!(http::serve(listener, Transport::Plain, service, limits, ending.clone()));
    tokio::select! {
        () = &mut serving => return,
        () = shutdown_signal() => ending.cancel(),
    }
    if tokio::time::timeout(DRAIN, serving).await.is_err() {
        tracing::info!("some requests did not end in time");
    }
}
