//! Taking HTTP connections, for both programs: how many, and how long one may do nothing.
//!
//! A connection on which a request is being answered is never cut for being quiet, so that streams of events and sockets live as long
//! as both sides want. Cut are connections that send no request, or not all of it, and those that take nothing of what is sent.

mod connection;
mod places;
mod transport;

use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{Request, Response, StatusCode},
};
use connection::Clock;
pub use connection::Timed;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
pub use places::Place;
use places::Places;
use std::{
    convert::Infallible,
    io::ErrorKind,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::{Service, ServiceExt};
pub use transport::{Encrypted, Stream, Transport};

/// What connections may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How long the head of a request may take to come, from its first byte on.
    pub head: Duration,
    /// How long a connection may wait for its next request.
    pub idle: Duration,
    /// How long nothing may come of a body that is being read, and nothing be taken of what is being sent.
    pub still: Duration,
    /// Connections of one address at most; an IPv6 network of 64 bits counts as one.
    pub per_address: usize,
    /// Connections in all at most.
    pub in_all: usize,
    /// Proxies, for whose addresses neither the two numbers nor [`Limits::idle`] holds.
    pub exempt: Vec<IpNet>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(20),
            // Longer than programs keep a connection for their next request (reqwest: 90 s): they close first.
            idle: Duration::from_secs(120),
            still: Duration::from_secs(60),
            per_address: 1_000,
            in_all: 10_000,
            exempt: Vec::new(),
        }
    }
}

impl Limits {
    /// Those for the connections of everybody but these.
    #[must_use]
    pub fn but_for(exempt: Vec<IpNet>) -> Self {
        Self { exempt, ..Self::default() }
    }

    fn exempts(&self, ip: IpAddr) -> bool {
        self.exempt.iter().any(|network| network.contains(&ip))
    }
}

/// What is said to a connection that is one too many.
const TOO_MANY: &[u8] =
    b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 30\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
/// The pause after a connection that could not be taken, as without descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves until `end` is cancelled and every request that is under way then has been answered.
pub async fn serve<S>(
    listener: TcpListener,
    transport: Transport,
    service: S,
    limits: Limits,
    end: CancellationToken,
) where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
{
    let limits = Arc::new(limits);
    let places = Places::new(limits.per_address, limits.in_all);
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = end.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // A client that is gone already is no reason to wait.
                if !matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(PAUSE).await;
                }
                continue;
            }
        };
        let ip = peer.ip().to_canonical();
        let place = if limits.exempts(ip) { Ok(None) } else { places.take(ip).map(Some).ok_or(()) };
        let Ok(place) = place else {
            tracing::debug!(%ip, "one connection too many");
            // There is room for so little in the socket, or the client is gone.
            let _ = stream.try_write(TOO_MANY);
            continue;
        };
        let arrived = Arrived { stream, peer, place, transport: transport.clone() };
        connections.spawn(connection(arrived, service.clone(), limits.clone(), end.clone()));
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// A connection that was taken, of which nothing was read.
struct Arrived {
    stream: TcpStream,
    peer: SocketAddr,
    place: Option<Place>,
    transport: Transport,
}

async fn connection<S>(arrived: Arrived, service: S, limits: Arc<Limits>, end: CancellationToken)
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
{
    let Arrived { stream, peer, place, transport } = arrived;
    let _ = stream.set_nodelay(true);
    // A proxy keeps its connections for as long as it likes.
    let idle = place.is_some().then_some(limits.idle);
    let opening = transport.open(stream, idle, limits.head);
    let stream = match end.run_until_cancelled(opening).await {
        Some(Ok(stream)) => stream,
        Some(Err(error)) => {
            tracing::debug!(%error, %peer, "a connection was not opened");
            return;
        }
        None => return,
    };
    let encrypted = matches!(stream, Stream::Tls(_)).then_some(Encrypted);
    let clock = Clock::new(limits.head, idle);
    let io = TokioIo::new(Timed::new(stream, clock.clone(), limits.still, place));
    let still = limits.still;
    let answer = service_fn(move |request: Request<Incoming>| {
        let busy = clock.busy();
        let mut request = request.map(|body| Body::new(connection::Moving::new(body, still)));
        request.extensions_mut().insert(ConnectInfo(peer));
        if let Some(encrypted) = encrypted {
            request.extensions_mut().insert(encrypted);
        }
        let answering = service.clone().oneshot(request);
        async move {
            let response = answering.await?;
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                busy.for_good();
                return Ok(response);
            }
            Ok::<_, Infallible>(response.map(|body| connection::sent(body, busy)))
        }
    });
    // The clock of the connection does what this timer would do, and knows idle connections from slow ones.
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(None);
    let mut serving = pin!(http.serve_connection(io, answer).with_upgrades());
    let mut ended = pin!(end.cancelled());
    let mut ending = false;
    let served = loop {
        tokio::select! {
            served = serving.as_mut() => break served,
            () = ended.as_mut(), if !ending => {
                ending = true;
                serving.as_mut().graceful_shutdown();
            }
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, %peer, "a connection ended");
    }
}
