//! Raptor's API server: thin routes over [`raptor_core`].

pub mod config;
mod created;
mod extract;
pub mod health;
pub mod keys;
mod metrics;
mod openapi;
mod panel;
mod problem;
mod routes;
pub mod serve;
mod streams;
pub mod up;
mod views;

pub use openapi::openapi;
pub use problem::Problem;

use ipnet::IpNet;
use metrics::Metrics;
use raptor_core::Raptor;
use std::{ops::Deref, sync::Arc};
use streams::Streams;
use tokio_util::sync::CancellationToken;

/// The state of the routes. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<AppParts>);

/// The parts of [`App`].
pub struct AppParts {
    /// The handle to all services.
    pub raptor: Raptor,
    /// Proxies whose `X-Forwarded-For` header is trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// The trusted origin of a panel that is served elsewhere, such as a development server.
    pub panel_origin: Option<String>,
    /// Whether the session cookie is sent over HTTPS only.
    pub secure_cookie: bool,
    /// Cancelled on shutdown, to end streams, which would otherwise never end.
    pub ending: CancellationToken,
    /// The open streams of each user.
    pub streams: Streams,
    /// Counters for `/metrics`.
    pub metrics: Metrics,
    /// The token required for `/metrics`; without one, `/metrics` is off.
    pub metrics_token: Option<String>,
}

impl Deref for App {
    type Target = AppParts;
    fn deref(&self) -> &AppParts {
        &self.0
    }
}

impl App {
    /// The state according to `config`.
    #[must_use]
    pub fn new(raptor: Raptor, config: &config::Config) -> Self {
        Self::from(AppParts {
            trusted_proxies: config.trusted_proxies.clone(),
            panel_origin: config.panel_origin(),
            secure_cookie: config.app_url.as_ref().is_some_and(|url| url.scheme() == "https"),
            metrics_token: config.metrics_token.as_ref().map(|token| token.expose().to_owned()),
            ..AppParts::new(raptor)
        })
    }
}

impl AppParts {
    /// The defaults: no trusted proxy or origin, a cookie that is also sent over HTTP, and no `/metrics`.
    #[must_use]
    pub fn new(raptor: Raptor) -> Self {
        Self {
            raptor,
            trusted_proxies: Vec::new(),
            panel_origin: None,
            secure_cookie: false,
            ending: CancellationToken::new(),
            streams: Streams::default(),
            metrics: Metrics::default(),
            metrics_token: None,
        }
    }
}

impl From<AppParts> for App {
    fn from(parts: AppParts) -> Self {
        Self(Arc::new(parts))
    }
}

/// Everything that Raptor serves: the API under `/api/v1`, Swagger UI at `/swagger-ui`, and the panel everywhere else. Another
/// Axum program can serve it beside its own routes, which take precedence:
///
/// ```
/// use axum::{Router, routing::get};
/// use raptor_api::{App, AppParts};
///
/// fn program(raptor: raptor_core::Raptor) -> Router {
///     let app = App::from(AppParts { secure_cookie: true, ..AppParts::new(raptor) });
///     Router::new().route("/imprint", get(|| async { "Example Ltd." })).fallback_service(raptor_api::router(app))
/// }
/// ```
///
/// The panel's URLs begin at the root, so this router can't be nested under a prefix; [`api`] can. The sign-in limits and the
/// activity log need callers' addresses: serve the program with `into_make_service_with_connect_info::<SocketAddr>()`. Open
/// streams end when [`AppParts::ending`] is cancelled; do so before waiting for connections to close.
pub fn router(app: App) -> axum::Router {
    axum::Router::new().fallback_service(serve::full_service(app))
}

/// Only the API, under `/api/v1`, which can be nested under a prefix: `Router::new().nest_service("/raptor",
/// raptor_api::api(app))`. Otherwise like [`router`].
pub fn api(app: App) -> axum::Router {
    axum::Router::new().fallback_service(serve::api_only(app))
}
