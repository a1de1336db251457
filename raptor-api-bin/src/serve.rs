//! Everything around the routes: layers, listening, and ending well.

mod named;
mod origin;
mod present;
mod short;

use crate::{App, config::Config, extract, openapi::openapi, panel, problem};
use anyhow::{Context, bail};
use axum::{
    Router,
    http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header},
    response::Response,
};
use named::NamedLayer;
use origin::WithOrigin;
use present::PresentLayer;
use raptor_config::{
    http::{self, Limits, Transport},
    openapi::PAGE_POLICY,
};
use raptor_core::Raptor;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use short::ShortIds;
use std::{convert::Infallible, io::ErrorKind, net::SocketAddr, pin::pin, time::Duration};
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

/// How long requests that are under way may take once the server is asked to end.
const DRAIN: Duration = Duration::from_secs(10);

/// Answers up to this size go as they are, in bytes: they fit into one packet.
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

/// Swagger UI and the panel beside the API's routes.
pub(crate) fn routes(api: Router<App>, app: App) -> Router {
    Router::new()
        .merge(SwaggerUi::new("/swagger-ui").external_url_unchecked("/api/v1/openapi.json", openapi()))
        .layer(fixed(header::CONTENT_SECURITY_POLICY, PAGE_POLICY))
        .fallback(panel::serve)
        // What browsers show as pages; the API's answers are none.
        .layer(fixed(header::REFERRER_POLICY, "same-origin"))
        .layer(fixed(header::X_FRAME_OPTIONS, "DENY"))
        .merge(crate::health::routes())
        .merge(api)
        .method_not_allowed_fallback(problem::wrong_method)
        .layer(CompressionLayer::new().compress_when(SizeAbove::new(SHORT).and(shrinks)))
        .with_state(app)
}

/// Whether an answer gets smaller by compressing it: not what is packed already, such as fonts, and not files of containers. Events
/// have to leave at once.
fn shrinks(_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    !headers.contains_key(header::CONTENT_DISPOSITION) && is_text(kind)
}

fn is_text(kind: &str) -> bool {
    SHRINKING.contains(&kind.split(';').next().unwrap_or_default())
}

/// Whether `size` bytes of this content type are worth compressing.
pub(crate) fn gets_smaller(kind: &str, size: usize) -> bool {
    size > usize::from(SHORT) && is_text(kind)
}

/// What holds for every request. Around the router, not in it: a router boxes its layers anew for each request.
fn around(
    router: Router,
    app: App,
    panel_origin: Option<HeaderValue>,
) -> impl Service<axum::extract::Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send
{
    // Without one, no page of another origin is let in.
    let allowed = panel_origin.map_or_else(|| AllowOrigin::list([]), AllowOrigin::exact);
    let cors = CorsLayer::new()
        .allow_origin(allowed)
        .allow_credentials(true)
        // One fixed origin is named to everybody, so that nothing varies.
        .vary([])
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            HeaderName::from_static(extract::CSRF_HEADER),
            HeaderName::from_static(extract::NOT_AFTER_HEADER),
        ]);
    let present = PresentLayer(app.raptor.clone());
    ServiceBuilder::new()
        .layer(NamedLayer)
        .layer(WithOrigin(cors))
        .layer(present)
        .layer(ShortIds(app))
        .service(router)
}

fn fixed(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

/// Lets this process have as many files open as it may: each browser and each daemon has its own. The usual limit of 1,024 is
/// there for programs that use `select`.
pub fn allow_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
    {
        tracing::debug!(%error, "the number of open files stays limited");
    }
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

/// Refuses to start where others reach this server and somebody could sign in with the password that everybody knows.
///
/// # Errors
/// One sentence with the ways out.
pub async fn refuse_default_password(raptor: &Raptor, config: &Config) -> anyhow::Result<()> {
    let address = config.reached_on();
    if address.to_canonical().is_loopback() {
        return Ok(());
    }
    match raptor.users().with_default_password().await? {
        None => Ok(()),
        Some(username) => bail!(
            "{username} still has the default password, and this server is reached on {address}, so it does not start. Set ADMIN_PASSWORD to another password, or start with an address of this machine only (BIND_ADDRESS=127.0.0.1 with Compose), sign in and choose one."
        ),
    }
}

/// Serves until Ctrl-C or SIGTERM, then ends the streams and lets requests that are under way finish.
pub async fn run(listener: TcpListener, app: App) {
    let ending = app.ending.clone();
    let panel_origin = app.panel_origin.as_ref().and_then(|origin| origin.parse().ok());
    let limits = Limits::but_for(app.trusted_proxies.clone());
    let service = around(crate::router(app.clone()), app, panel_origin);
    let mut serving = pin!(http::serve(listener, Transport::Plain, service, limits, ending.clone()));
    tokio::select! {
        () = &mut serving => return,
        () = asked_to_end() => ending.cancel(),
    }
    if tokio::time::timeout(DRAIN, serving).await.is_err() {
        tracing::info!("some requests did not end in time");
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
