//! Raptor's API server: thin routes over [`raptor_core`].

pub mod config;
mod created;
mod extract;
pub mod health;
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
    /// The origin of a panel that is served elsewhere, such as its development server.
    pub panel_origin: String,
    /// Whether the session cookie is for https only.
    pub secure_cookie: bool,
    /// Cancelled when the server is asked to end: streams, which would never end by themselves, end then.
    pub ending: CancellationToken,
    /// How many streams everybody has open.
    pub streams: Streams,
}

impl Deref for App {
    type Target = AppParts;
    fn deref(&self) -> &AppParts {
        &self.0
    }
}

impl App {
    /// The routes' state.
    #[must_use]
    pub fn new(raptor: Raptor, config: &config::Config) -> Self {
        Self(Arc::new(AppParts {
            raptor,
            trusted_proxies: config.trusted_proxies.clone(),
            panel_origin: config.app_url.origin().ascii_serialization(),
            secure_cookie: config.app_url.scheme() == "https",
            ending: CancellationToken::new(),
            streams: Streams::default(),
        }))
    }
}

/// All routes: the API under `/api/v1`, Swagger UI at `/swagger-ui`, the panel everywhere else. [`serve::run`] adds what holds for
/// all requests.
pub(crate) fn router(app: App) -> axum::Router {
    serve::routes(routes::api().split_for_parts().0, app)
}
