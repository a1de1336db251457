//! A client of Raptor's API, generated from its OpenAPI document, and what the API itself asks its daemons with.
//!
//! ```no_run
//! # use raptor_client::api::{query::ListContainers, types::NewContainer};
//! # async fn example(template: raptor_client::api::types::TemplateId) -> Result<(), Box<dyn std::error::Error>> {
//! let client = raptor_client::api_client("https://panel.example.com", "token from signing in")?;
//! let made = client.create_container(&NewContainer { start: Some(true), ..NewContainer::new("Game", template) }).await?;
//! println!("{}", made.short_id);
//! let found = client.list_containers(ListContainers { search: Some("game"), ..Default::default() }).await?;
//! for container in &found.items {
//!     println!("{}", container.name);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Arguments stand in the order of the path and then of the alphabet, the body last; `None` leaves out a parameter. The feature `api`
//! is the client of the API, on unless you switch it off. What can be asked of a daemon is in `raptor_model::node::requests`;
//! [`DaemonClient`] only sends it. For a client of a daemon in another language there is `raptor-daemon-bin/openapi.json`.

#[cfg(feature = "api")]
#[rustfmt::skip]
pub mod api;
mod content;
mod observer;
mod request;
mod socket;

pub use content::{ABOUT, Content};
pub use observer::Observer;
pub use request::{DaemonClient, ForRequest, Input, Patience, REQUEST_ID, for_request, request_id};
pub use reqwest::{Method, StatusCode};
pub use socket::{Outbox, SocketError, connect};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use std::{sync::OnceLock, time::Duration};

/// How long a client waits: for the whole answer of a daemon, for the head and each further part of an answer of the API.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a client was not made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The token holds characters that no header may.
    #[error("the token holds characters that can't be sent")]
    Token,
    /// The HTTP client can't be set up.
    #[error("the HTTP client can't be set up: {0}")]
    Http(#[from] reqwest::Error),
    /// TLS can't be set up.
    #[error(transparent)]
    Tls(#[from] raptor_tls::Error),
}

/// How a server proves over TLS that it is the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// With a certificate for its name, signed by an authority that this system trusts.
    Authorities,
    /// With the key pair that is derived from a daemon's API key ([`raptor_tls`]); its name does not matter.
    Key,
}

/// A client of the API at `base` (`https://panel.example.com`), with a token from `sign_in`; an empty one is not sent.
///
/// # Errors
/// [`ClientError`].
#[cfg(feature = "api")]
pub fn api_client(base: &str, token: &str) -> Result<api::Client, ClientError> {
    observed_api_client(base, token, Observer::default())
}

/// [`api_client`] with an `observer` that is called with the operation and status of each answer.
///
/// # Errors
/// [`ClientError`].
#[cfg(feature = "api")]
pub fn observed_api_client(base: &str, token: &str, observer: Observer) -> Result<api::Client, ClientError> {
    // A limit for the whole answer would break off downloads that take longer.
    let http = http_with(token, Trust::Authorities, |client| client.read_timeout(PATIENCE))?;
    Ok(api::Client::new_with_client(base.trim_end_matches('/'), http, observer))
}

fn http_with(
    token: &str,
    trust: Trust,
    set: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
) -> Result<reqwest::Client, ClientError> {
    // Fails when it is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut headers = HeaderMap::new();
    if !token.is_empty() {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| ClientError::Token)?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    let client = reqwest::Client::builder()
        .default_headers(headers)
        .connect_timeout(Duration::from_secs(5))
        .tls_backend_preconfigured(tls(token, trust)?);
    Ok(set(client).build()?)
}

fn tls(token: &str, trust: Trust) -> Result<rustls::ClientConfig, ClientError> {
    match trust {
        Trust::Authorities => Ok(authorities()),
        Trust::Key => Ok(raptor_tls::client(token)?),
    }
}

/// Whom the system trusts is read once, not by each client anew, which would take milliseconds and memory.
fn authorities() -> rustls::ClientConfig {
    static TLS: OnceLock<rustls::ClientConfig> = OnceLock::new();
    let made = TLS.get_or_init(|| {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
    });
    made.clone()
}
