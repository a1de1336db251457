//! Tests over real TCP connections.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    response::Response,
    routing::{get, post},
};
use futures_util::StreamExt;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use raptor_server::http::{Limits, TimedStream, Transport, serve};
use std::{
    convert::Infallible,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::watch,
};
use tokio_util::sync::CancellationToken;

const LIMIT: Duration = Duration::from_secs(2);
/// Time limit for everything that a test waits for.
const PATIENCE: Duration = Duration::from_secs(20);

fn short() -> Limits {
    Limits { head: LIMIT, idle: LIMIT, still: LIMIT, per_address: 4, in_all: 6, exempt: Vec::new() }
}

/// What the handlers have observed so far.
#[derive(Clone, Default)]
struct Seen {
    /// Requests to `/quiet` in progress.
    quiet: usize,
    /// Bytes of request bodies received.
    body: usize,
    /// Endless responses whose clients have gone.
    given_up: usize,
}

/// State shared by the handlers and the test.
#[derive(Clone)]
struct Stage {
    seen: watch::Sender<Seen>,
    /// Releases `/quiet` and `/events`.
    goes_on: watch::Sender<bool>,
}

/// Records when it is dropped.
struct Held(Stage);

impl Stage {
    async fn until_it_goes_on(&self) {
        // Fails only if the test has ended.
        let _ = self.goes_on.subscribe().wait_for(|goes_on| *goes_on).await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.seen.send_modify(|seen| seen.given_up += 1);
    }
}

/// A response without end, larger than the kernel's buffers.
fn endless(stage: Stage) -> Response {
    let piece = Bytes::from(vec![b'x'; 64 * 1024]);
    let held = Held(stage);
    let pieces = futures_util::stream::repeat_with(move || {
        let _held = &held;
        Ok::<_, Infallible>(piece.clone())
    });
    Response::new(Body::from_stream(pieces))
}

/// Sends one event, and the rest when the test releases it.
fn events(stage: Stage) -> Response {
    let first = futures_util::stream::once(async { Ok::<_, Infallible>("one;") });
    let second = futures_util::stream::once(async move {
        stage.until_it_goes_on().await;
        Ok("two;")
    });
    Response::new(Body::from_stream(first.chain(second)))
}

/// Counts the bytes of a body; 400 if it is cut off.
async fn count(stage: Stage, body: Body) -> Result<String, axum::http::StatusCode> {
    let mut pieces = body.into_data_stream();
    let mut all = 0;
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| axum::http::StatusCode::BAD_REQUEST)?;
        all += piece.len();
        stage.seen.send_modify(|seen| seen.body = all);
    }
    Ok(all.to_string())
}

/// Upgrades the connection to another protocol and holds it until the test releases it.
fn taken_over(stage: Stage, mut request: Request) -> Response {
    let upgrade = request.extensions_mut().remove::<OnUpgrade>().unwrap();
    tokio::spawn(async move {
        let parts = upgrade.await.unwrap().downcast::<TokioIo<TimedStream>>().unwrap();
        let _held = parts.io.into_inner().into_parts();
        stage.until_it_goes_on().await;
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let named = [(header::CONNECTION, "upgrade"), (header::UPGRADE, "test")];
    response.headers_mut().extend(named.map(|(name, value)| (name, HeaderValue::from_static(value))));
    response
}

fn router(stage: &Stage) -> Router {
    let [quiet, long, events_of, body, taken] = std::array::from_fn(|_| stage.clone());
    Router::new()
        .route("/", get(async || "hello"))
        .route(
            "/quiet",
            get(async move || {
                quiet.seen.send_modify(|seen| seen.quiet += 1);
                quiet.until_it_goes_on().await;
                "late"
            }),
        )
        .route("/endless", get(async move || endless(long)))
        .route("/events", get(async move || events(events_of)))
        .route("/taken", get(async move |request: Request| taken_over(taken, request)))
        .route("/body", post(async move |sent: Body| count(body, sent).await))
}

struct Server {
    address: SocketAddr,
    end: CancellationToken,
    stage: Stage,
}

impl Server {
    fn begin(limits: Limits) -> Self {
        let stage = Stage { seen: watch::Sender::default(), goes_on: watch::Sender::default() };
        let (end, router) = (CancellationToken::new(), router(&stage));
        let (told, address) = mpsc::channel();
        let ending = end.clone();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                told.send(listener.local_addr().unwrap()).unwrap();
                serve(listener, Transport::Plain, router, limits, ending).await;
            });
        });
        Self { address: address.recv().unwrap(), end, stage }
    }

    /// Returns once a connection that was opened now and stays silent has been closed: by then every limit of [`short`]
    /// has passed.
    fn cuts_a_witness(&self) {
        assert_eq!(until_closed(self.connect("")), "");
    }

    /// Opens a connection and sends `words`.
    fn connect(&self, words: &str) -> TcpStream {
        self.connect_from("127.0.0.1", words)
    }

    /// The same from another loopback address.
    fn connect_from(&self, ip: &str, words: &str) -> TcpStream {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connecting = async {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(SocketAddr::new(ip.parse().unwrap(), 0)).unwrap();
            socket.connect(self.address).await.unwrap().into_std().unwrap()
        };
        let mut stream: TcpStream = runtime.block_on(connecting);
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(words.as_bytes()).unwrap();
        stream
    }

    /// Waits until the handlers' observations match.
    fn sees(&self, what: &str, met: impl Fn(&Seen) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !met(&self.stage.seen.borrow()) {
            assert!(Instant::now() < deadline, "not seen: {what}");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Everything received until the server closes the connection, which it has to do.
fn until_closed(mut stream: TcpStream) -> String {
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("still open after {all:?}"),
        // A reset counts as closed.
        Ok(_) | Err(_) => String::from_utf8_lossy(&all).into_owned(),
    }
}

/// Reads until `end` was received.
fn read_to(stream: &mut TcpStream, end: &str) -> String {
    let (mut all, mut byte) = (String::new(), [0]);
    while !all.ends_with(end) {
        stream.read_exact(&mut byte).unwrap();
        all.push(byte[0].into());
    }
    all
}

const HELLO: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

#[test]
fn a_connection_that_sends_no_request_or_not_all_of_it_is_cut() {
    let server = Server::begin(short());
    assert_eq!(until_closed(server.connect("")), "");
    assert_eq!(until_closed(server.connect("GET / HTTP/1.1\r\nX: ")), "");
    // An occasional byte doesn't keep a connection alive.
    let mut slow = server.connect("GET / HTTP/1.1\r\nX: ");
    let deadline = Instant::now() + PATIENCE;
    while slow.write_all(b"x").is_ok() {
        assert!(Instant::now() < deadline, "kept alive by single bytes");
        thread::sleep(LIMIT / 20);
    }
}

#[test]
fn a_connection_that_was_answered_and_asks_no_more_is_cut() {
    let server = Server::begin(short());
    let mut stream = server.connect(HELLO);
    read_to(&mut stream, "hello");
    stream.write_all(HELLO.as_bytes()).unwrap();
    read_to(&mut stream, "hello");
    assert_eq!(until_closed(stream), "");
}

#[test]
fn a_body_that_stands_still_is_given_up_and_one_that_moves_is_not() {
    let server = Server::begin(short());
    let head = "POST /body HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 1000000\r\n\r\n";
    let told = until_closed(server.connect(&format!("{head}0123456789")));
    assert!(told.starts_with("HTTP/1.1 400"), "{told}");
    let slow = server.connect(head);
    thread::scope(|scope| {
        let witness = scope.spawn(|| server.cuts_a_witness());
        let mut sent = 0;
        while !witness.is_finished() {
            (&slow).write_all(b"x").unwrap();
            sent += 1;
            thread::sleep(LIMIT / 100);
        }
        (&slow).write_all(&vec![b'x'; 1_000_000 - sent]).unwrap();
    });
    let told = until_closed(slow);
    assert!(told.starts_with("HTTP/1.1 200") && told.ends_with("1000000"), "{told}");
}

#[test]
fn an_answer_of_which_nothing_is_taken_is_given_up() {
    let server = Server::begin(short());
    let stream = server.connect("GET /endless HTTP/1.1\r\nhost: a\r\n\r\n");
    server.sees("the end of the answer", |seen| seen.given_up == 1);
    // What the kernel had buffered is received, and then the end.
    until_closed(stream);
}

#[test]
fn a_request_that_takes_long_and_a_stream_that_is_quiet_are_not_cut() {
    let server = Server::begin(short());
    let asked = server.connect("GET /quiet HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    let mut stream = server.connect("GET /events HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    server.sees("the request", |seen| seen.quiet == 1);
    read_to(&mut stream, "one;");
    server.cuts_a_witness();
    server.stage.goes_on.send_replace(true);
    let told = until_closed(asked);
    assert!(told.ends_with("late"), "{told}");
    let told = until_closed(stream);
    assert!(told.contains("two;"), "{told}");
}

#[test]
fn an_address_has_so_many_connections_and_gets_its_place_back() {
    let server = Server::begin(Limits { idle: PATIENCE * 2, ..short() });
    let mut held: Vec<_> = (0..4).map(|_| server.connect(HELLO)).collect();
    for stream in &mut held {
        read_to(stream, "hello");
    }
    let told = until_closed(server.connect(""));
    assert!(told.starts_with("HTTP/1.1 429") && told.contains("retry-after"), "{told}");
    held.pop();
    let deadline = Instant::now() + PATIENCE;
    while !until_closed(server.connect("GET / HTTP/1.0\r\n\r\n")).contains(" 200 ") {
        assert!(Instant::now() < deadline, "the place was not given back");
    }
}

#[test]
fn a_connection_that_became_another_protocols_counts_until_it_is_closed() {
    let server = Server::begin(Limits { idle: PATIENCE * 2, ..short() });
    let take = "GET /taken HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: test\r\n\r\n";
    let mut held: Vec<_> = (0..4).map(|_| server.connect(take)).collect();
    for stream in &mut held {
        assert!(read_to(stream, "\r\n\r\n").starts_with("HTTP/1.1 101"));
    }
    // The four upgraded connections are no longer HTTP's, and still count against the limit.
    // A request from another address is answered.
    assert!(until_closed(server.connect_from("127.0.0.2", "GET / HTTP/1.0\r\n\r\n")).ends_with("hello"));
    let told = until_closed(server.connect(""));
    assert!(told.starts_with("HTTP/1.1 429"), "{told}");
    server.stage.goes_on.send_replace(true);
    let deadline = Instant::now() + PATIENCE;
    while !until_closed(server.connect("GET / HTTP/1.0\r\n\r\n")).contains(" 200 ") {
        assert!(Instant::now() < deadline, "the places were not given back");
    }
}

#[test]
fn a_trusted_proxy_has_as_many_as_it_wants_and_keeps_them() {
    let server = Server::begin(Limits { exempt: vec!["127.0.0.2/32".parse().unwrap()], ..short() });
    let mut held: Vec<_> = (0..10).map(|_| server.connect_from("127.0.0.2", HELLO)).collect();
    for stream in &mut held {
        read_to(stream, "hello");
    }
    server.cuts_a_witness();
    for mut stream in held {
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        assert!(until_closed(stream).ends_with("hello"));
    }
}

#[test]
fn at_the_end_what_is_under_way_is_answered_and_idle_connections_are_closed() {
    let server = Server::begin(Limits { idle: PATIENCE * 2, ..short() });
    let idle = server.connect("");
    let asked = server.connect("GET /quiet HTTP/1.1\r\nhost: a\r\n\r\n");
    server.sees("the request", |seen| seen.quiet == 1);
    server.end.cancel();
    assert_eq!(until_closed(idle), "");
    server.stage.goes_on.send_replace(true);
    assert!(until_closed(asked).ends_with("late"));
}

#[test]
fn the_limits_are_those_that_are_documented() {
    let limits = Limits::default();
    let seconds = [limits.head, limits.idle, limits.still].map(|limit| limit.as_secs());
    assert_eq!((seconds, limits.per_address, limits.in_all), ([20, 120, 60], 1_000, 10_000));
}
