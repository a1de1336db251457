//! The HTTP server of both programs, with limits on the number of connections and on how long they may be inactive.
//!
//! A connection on which a request is being answered is never closed for being idle, so event streams and sockets live as long as
//! both sides want. Connections are closed that send no request or an incomplete one, or that don't read what is sent to them.

mod connection;
mod slots;
mod transport;

use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{Request, Response, StatusCode},
};
use connection::IdleTimer;
pub use connection::TimedStream;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
pub use slots::ConnectionSlot;
use slots::ConnectionSlots;
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

/// Limits on connections.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How long a request's head may take to arrive, counted from its first byte.
    pub head: Duration,
    /// How long a connection may be idle between two requests.
    pub idle: Duration,
    /// How long a body that is being read may make no progress, and how long a client may read nothing of a response.
    pub still: Duration,
    /// Most connections per address. An IPv6 /64 network counts as one address.
    pub per_address: usize,
    /// Most connections in total.
    pub in_all: usize,
    /// Proxies. Neither the connection counts nor [`Limits::idle`] apply to their addresses.
    pub exempt: Vec<IpNet>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(20),
            // Longer than clients keep an idle connection (reqwest: 90 s), so that they close it first.
            idle: Duration::from_secs(120),
            still: Duration::from_secs(60),
            per_address: 1_000,
            in_all: 10_000,
            exempt: Vec::new(),
        }
    }
}

impl Limits {
    /// The default limits, with these networks exempt.
    #[must_use]
    pub fn exempting(exempt: Vec<IpNet>) -> Self {
        Self { exempt, ..Self::default() }
    }

    fn exempts(&self, ip: IpAddr) -> bool {
        self.exempt.iter().any(|network| network.contains(&ip))
    }
}

/// Sent to a connection beyond the limits.
const TOO_MANY: &[u8] =
    b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 30\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
/// The pause after a failed `accept`, e.g. when file descriptors have run out.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves until `end` is cancelled and all requests in progress have been answered.
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
    let slots = ConnectionSlots::new(limits.per_address, limits.in_all);
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = end.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // The client has already gone, which is no reason to pause.
                if !matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) {
                    tracing::warn!(%error, "accepting a connection failed");
                    tokio::time::sleep(PAUSE).await;
                }
                continue;
            }
        };
        let ip = peer.ip().to_canonical();
        let slot = if limits.exempts(ip) { Ok(None) } else { slots.take(ip).map(Some).ok_or(()) };
        let Ok(slot) = slot else {
            tracing::debug!(%ip, "refused a connection over the limit");
            // So few bytes always fit into the socket's buffer, unless the client is gone.
            let _ = stream.try_write(TOO_MANY);
            continue;
        };
        let accepted = Accepted { stream, peer, slot, transport: transport.clone() };
        connections.spawn(connection(accepted, service.clone(), limits.clone(), end.clone()));
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// An accepted connection of which nothing has been read.
struct Accepted {
    stream: TcpStream,
    peer: SocketAddr,
    slot: Option<ConnectionSlot>,
    transport: Transport,
}

async fn connection<S>(accepted: Accepted, service: S, limits: Arc<Limits>, end: CancellationToken)
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
{
    let Accepted { stream, peer, slot, transport } = accepted;
    let _ = stream.set_nodelay(true);
    // A proxy may keep idle connections for as long as it likes.
    let idle = slot.is_some().then_some(limits.idle);
    let opening = transport.open(stream, idle, limits.head);
    let stream = match end.run_until_cancelled(opening).await {
        Some(Ok(stream)) => stream,
        Some(Err(error)) => {
            tracing::debug!(%error, %peer, "opening a connection failed");
            return;
        }
        None => return,
    };
    let encrypted = matches!(stream, Stream::Tls(_)).then_some(Encrypted);
    let timer = IdleTimer::new(limits.head, idle);
    let io = TokioIo::new(TimedStream::new(stream, timer.clone(), limits.still, slot));
    let still = limits.still;
    let answer = service_fn(move |request: Request<Incoming>| {
        let busy = timer.busy();
        let mut request = request.map(|body| Body::new(connection::TimedBody::new(body, still)));
        request.extensions_mut().insert(ConnectInfo(peer));
        if let Some(encrypted) = encrypted {
            request.extensions_mut().insert(encrypted);
        }
        let answering = service.clone().oneshot(request);
        async move {
            let response = answering.await?;
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                busy.disable();
                return Ok(response);
            }
            Ok::<_, Infallible>(response.map(|body| connection::sent(body, busy)))
        }
    });
    // The connection's own timer does what hyper's would, and tells idle connections from slow ones.
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
        tracing::debug!(%error, %peer, "a connection failed");
    }
}
