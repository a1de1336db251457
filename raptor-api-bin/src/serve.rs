//! Everything around the routes: layers, listening, and ending well.

use crate::{App, extract, openapi::openapi, panel};
use anyhow::{Context, bail};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderName, HeaderValue, Method, Request, header},
};
use std::{io::ErrorKind, net::SocketAddr, time::Duration};
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_http::{
    compression::CompressionLayer,
    cors::CorsLayer,
    limit::RequestBodyLimitLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
    set_header::SetResponseHeaderLayer,
    trace::TraceLayer,
};
use utoipa_swagger_ui::SwaggerUi;

/// The largest request body in bytes; uploads have routes and limits of their own.
const MAX_BODY: usize = 4 * 1024 * 1024;
/// How long requests that are under way may take once the server is asked to end.
const DRAIN: Duration = Duration::from_secs(10);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(crate) fn layers(routes: Router<App>, unlimited: Router<App>, app: App) -> Router {
    let cors = CorsLayer::new()
        .allow_origin(app.panel_origin.parse().unwrap_or(HeaderValue::from_static("null")))
        .allow_credentials(true)
        // One fixed origin is named to everybody, so that nothing varies.
        .vary([])
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            HeaderName::from_static(extract::CSRF_HEADER),
        ]);
    let trace = TraceLayer::new_for_http().make_span_with(|request: &Request<_>| {
        // The path alone: a query may hold what no log should.
        let id = request.headers().get(&REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
        tracing::debug_span!("request", method = %request.method(), path = request.uri().path(), id)
    });
    let fixed = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    // One stack for all: the router would box each layer by itself, for each request.
    let around = ServiceBuilder::new()
        .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
        .layer(trace)
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(cors);
    Router::new()
        .merge(SwaggerUi::new("/swagger-ui").url("/api/v1/openapi.json", openapi()))
        .fallback(panel::serve)
        .layer(CompressionLayer::new())
        // What browsers show as pages; the API's answers are none.
        .layer(fixed(header::REFERRER_POLICY, "same-origin"))
        .layer(fixed(header::X_FRAME_OPTIONS, "DENY"))
        .merge(routes)
        .layer(RequestBodyLimitLayer::new(MAX_BODY))
        .merge(unlimited.layer(DefaultBodyLimit::disable()))
        .with_state(app)
        .layer(around)
}

/// Takes the address, or says in a sentence why not.
///
/// # Errors
/// When the port is taken, needs more rights, or the address is not this machine's.
pub async fn listen(addr: SocketAddr) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(addr).await {
        Ok(listener) => Ok(listener),
        Err(error) => match error.kind() {
            ErrorKind::AddrInUse => bail!(
                "Port {} is taken by another program. Stop that one, or set API_ADDR to another address, such as API_ADDR={}:{}.",
                addr.port(),
                addr.ip(),
                addr.port().checked_add(1).unwrap_or(3000)
            ),
            ErrorKind::PermissionDenied => {
                bail!("Port {} needs more rights. Set API_ADDR to a port above 1023.", addr.port())
            }
            ErrorKind::AddrNotAvailable => bail!(
                "{} is no address of this machine. Set API_ADDR to one that is, or to 0.0.0.0.",
                addr.ip()
            ),
            _ => Err(error).with_context(|| format!("API_ADDR {addr} can't be used")),
        },
    }
}

/// Serves until Ctrl-C or SIGTERM, then ends the streams and lets requests that are under way finish.
///
/// # Errors
/// When the listener fails.
pub async fn run(listener: TcpListener, app: App) -> anyhow::Result<()> {
    let ending = app.ending.clone();
    let router = crate::router(app);
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let (begin, begun) = tokio::sync::oneshot::channel();
    let server = axum::serve(listener, service).with_graceful_shutdown(async move {
        asked_to_end().await;
        ending.cancel();
        let _ = begin.send(());
    });
    tokio::select! {
        served = server.into_future() => served.context("serving failed"),
        () = async { let _ = begun.await; tokio::time::sleep(DRAIN).await } => {
            tracing::info!("some requests did not end in time");
            Ok(())
        }
    }
}

async fn asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminate => {}
    }
}
