//! The daemon's protocol: HTTPS with a certificate derived from the shared key, unless configured otherwise.

use crate::{
    config::{Config, Tls},
    guard::Authenticated,
};
use anyhow::{Context, bail};
use axum::{
    Router,
    extract::Request,
    middleware::{self, Next},
    response::Response,
};
use raptor_server::http::{Encrypted, Transport};
use std::{
    fs, io,
    net::IpAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// A file below the base folder. It exists once plain HTTP is refused.
const MARKER: &str = ".raptor/https-only";

/// The path at which the API opens its link. Nobody else does.
const LINK: &str = "/api/v1/link";
/// The minimum time between two log lines about refused certificates.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Lets a daemon of an earlier version, whose API may be old as well, use HTTP until that API has connected over HTTPS once.
///
/// A new daemon never uses HTTP.
pub struct Upgrade {
    plain: Arc<AtomicBool>,
    mark: PathBuf,
}

/// The transport, and the upgrade to apply to requests. Call this before the host is built, which creates the folder that
/// identifies a daemon of an earlier version.
///
/// # Errors
/// If a certificate or its private key can't be used.
pub fn of(config: &Config, key: &str) -> anyhow::Result<(Transport, Option<Upgrade>)> {
    let mark = config.sftp_base_path.join(MARKER);
    let there = config.sftp_base_path.join(".raptor/instance").exists();
    let strict = || Some(Upgrade { plain: Arc::default(), mark: mark.clone() });
    match (&config.daemon_tls_cert, &config.daemon_tls_key) {
        (Some(chain), Some(private)) => {
            let tls = raptor_tls::server_with(chain, private);
            let tls = tls.context("DAEMON_TLS_CERT and DAEMON_TLS_KEY can't be used")?;
            return Ok((Transport::tls(tls), strict()));
        }
        (None, None) => {}
        _ => {
            bail!("Set DAEMON_TLS_CERT and DAEMON_TLS_KEY together: neither works without the other.")
        }
    }
    if config.daemon_tls == Tls::Off {
        // A new daemon does not count as an earlier version, even once this is no longer set.
        return Ok((Transport::Plain, strict().filter(|_| !there)));
    }
    let earlier = there && !mark.exists();
    let plain = Arc::new(AtomicBool::new(earlier));
    let tls = Arc::new(raptor_tls::server(key)?);
    let transport = Transport::Tls { config: tls, plain: plain.clone(), refused: log_refused };
    Ok((transport, Some(Upgrade { plain, mark })))
}

/// Logs that an API has another key, once a minute.
fn log_refused(from: IpAddr) {
    static TOLD: Mutex<Option<Instant>> = Mutex::new(None);
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if told.is_none_or(|told| told.elapsed() >= LOG_INTERVAL) {
        *told = Some(Instant::now());
        tracing::warn!(%from, "a client refused this daemon's certificate: probably an API with another key than DAEMON_API_KEY");
    }
}

impl Upgrade {
    /// Records that a new daemon only uses HTTPS. Call this once the host is built.
    pub fn settle(&self) {
        if self.plain.load(Ordering::Relaxed) {
            tracing::warn!(
                "plain HTTP is accepted until the API connects over HTTPS: upgrade raptor-api. Behind a proxy with a certificate, set DAEMON_TLS=off."
            );
        } else {
            self.keep();
        }
    }

    /// `router`, which refuses plain HTTP once the API has opened its link over HTTPS. Other clients with the key, such as
    /// Prometheus, don't show how the API connects.
    pub fn over(self: Arc<Self>, router: Router) -> Router {
        router.layer(middleware::from_fn(move |request, next| self.clone().watch(request, next)))
    }

    async fn watch(self: Arc<Self>, request: Request, next: Next) -> Response {
        let encrypted = request.extensions().get::<Encrypted>().is_some() && request.uri().path() == LINK;
        let response = next.run(request).await;
        let authenticated = response.extensions().get::<Authenticated>().is_some();
        if encrypted && authenticated && self.plain.swap(false, Ordering::Relaxed) {
            tracing::info!("the API has connected over HTTPS: plain HTTP is refused from now on");
            self.keep();
        }
        response
    }

    fn keep(&self) {
        let kept = match fs::exists(&self.mark) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => fs::write(&self.mark, ""),
        };
        if let Err(error) = kept.or_else(missing_is_fine) {
            tracing::warn!(%error, file = %self.mark.display(), "recording that plain HTTP is refused failed");
        }
    }
}

/// If the folder's disk is not mounted, the host reports that.
fn missing_is_fine(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
