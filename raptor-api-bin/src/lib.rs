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

/// What the routes share. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<AppParts>);

/// The parts of [`App`].
pub struct AppParts {
    /// Everything that can be done.
    pub raptor: Raptor,
    /// Proxies whose X-Forwarded-For is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The origin of a panel that is served elsewhere, such as its development server, where one is trusted.
    pub panel_origin: Option<String>,
    /// Whether the session cookie is for https only.
    pub secure_cookie: bool,
    /// Cancelled when the server is asked to end: streams, which would never end by themselves, end then.
    pub ending: CancellationToken,
    /// How many streams everybody has open.
    pub streams: Streams,
    /// What is counted for `/metrics`.
    pub metrics: Metrics,
    /// Who shows it may read `/metrics`; nobody may where there is none.
    pub metrics_token: Option<String>,
}

impl Deref for App {
    type Target = AppParts;
    fn deref(&self) -> &AppParts {
        &self.0
    }
}

impl App {
    /// The routes' state, as `config` has it.
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
    /// No proxy is trusted, no other origin, the cookie is for http as well, and `/metrics` is off.
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

/// All that Raptor serves: the API under `/api/v1`, Swagger UI at `/swagger-ui`, the panel everywhere else. Another Axum program
/// has it beside routes of its own, which come first:
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
/// The panel's addresses begin at the root, so it is not for a prefix; [`api`] is. Callers' addresses, which the sign-in limits
/// and the activity log need, are known where the program is served with `into_make_service_with_connect_info::<SocketAddr>()`.
/// Open streams end when [`AppParts::ending`] is cancelled, which is for the program to do before it waits for its connections.
pub fn router(app: App) -> axum::Router {
    axum::Router::new().fallback_service(serve::everything(app))
}

/// The API alone, under `/api/v1`, for a program that has it beneath a prefix: `Router::new().nest_service("/raptor",
/// raptor_api::api(app))`. As for [`router`] otherwise.
pub fn api(app: App) -> axum::Router {
    axum::Router::new().fallback_service(serve::api_alone(app))
}
