//! Connections over real TCP.
#![expect(clippy::unwrap_used, reason = "tests")]

use axum::{
    Router,
    body::{Body, Bytes},
    response::Response,
    routing::{get, post},
};
use raptor_config::http::{Limits, serve};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// Longer than every limit of [`short`].
const LATER: Duration = Duration::from_millis(1_500);
const PATIENCE: Duration = Duration::from_secs(20);

fn short() -> Limits {
    let brief = Duration::from_millis(400);
    Limits { head: brief, idle: brief, still: brief, per_address: 4, in_all: 6, exempt: Vec::new() }
}

async fn quiet() -> Response {
    tokio::time::sleep(LATER).await;
    Response::new(Body::from("late"))
}

/// An answer without an end, as large as nobody takes at once.
async fn endless() -> Response {
    let piece = Bytes::from(vec![b'x'; 64 * 1024]);
    let pieces = futures_util::stream::repeat_with(move || Ok::<_, std::convert::Infallible>(piece.clone()));
    Response::new(Body::from_stream(pieces))
}

/// Says something, and nothing more for long.
async fn events() -> Response {
    let first = futures_util::stream::once(async { Ok::<_, std::convert::Infallible>("one;") });
    let second = futures_util::stream::once(async {
        tokio::time::sleep(LATER).await;
        Ok("two;")
    });
    Response::new(Body::from_stream(futures_util::StreamExt::chain(first, second)))
}

async fn begin(limits: Limits) -> (SocketAddr, CancellationToken) {
    let router = Router::new()
        .route("/", get(async || "hello"))
        .route("/quiet", get(quiet))
        .route("/endless", get(endless))
        .route("/events", get(events))
        .route("/body", post(async |body: Bytes| body.len().to_string()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, end) = (listener.local_addr().unwrap(), CancellationToken::new());
    tokio::spawn(serve(listener, router, limits, end.clone()));
    (address, end)
}

async fn connect(address: SocketAddr, words: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(words.as_bytes()).await.unwrap();
    stream
}

/// Everything that comes until the server closes, which it has to do.
async fn until_closed(mut stream: TcpStream) -> String {
    let mut all = Vec::new();
    // A reset is an end as well.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut all)).await.unwrap();
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test]
async fn a_connection_that_sends_no_request_or_not_all_of_it_is_cut() {
    let (address, _) = begin(short()).await;
    assert_eq!(until_closed(connect(address, "").await).await, "");
    assert_eq!(until_closed(connect(address, "GET / HTTP/1.1\r\nX: ").await).await, "");
    // One byte now and then keeps nothing alive.
    let mut slow = connect(address, "GET / HTTP/1.1\r\nX: ").await;
    let dripping = async {
        while slow.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, dripping).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_was_answered_and_asks_no_more_is_cut() {
    let (address, _) = begin(short()).await;
    let mut stream = connect(address, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert_eq!(until_closed(stream).await.matches("hello").count(), 2);
}

#[tokio::test]
async fn a_body_that_stands_still_is_given_up_and_one_that_moves_is_not() {
    let (address, _) = begin(short()).await;
    let head = "POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: 20\r\n\r\n";
    let told = until_closed(connect(address, &format!("{head}0123456789")).await).await;
    assert!(told.starts_with("HTTP/1.1 4"), "{told}");
    let mut slow = connect(address, head).await;
    for _ in 0..20 {
        slow.write_all(b"x").await.unwrap();
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    let told = until_closed(slow).await;
    assert!(told.starts_with("HTTP/1.1 200") && told.ends_with("20"), "{told}");
}

#[tokio::test]
async fn an_answer_of_which_nothing_is_taken_is_given_up() {
    let (address, end) = begin(short()).await;
    let stream = connect(address, "GET /endless HTTP/1.1\r\nhost: a\r\n\r\n").await;
    tokio::time::sleep(LATER).await;
    // What the kernel kept is there, and then the end.
    timeout(PATIENCE, until_closed(stream)).await.unwrap();
    end.cancel();
}

#[tokio::test]
async fn a_request_that_takes_long_and_a_stream_that_is_quiet_are_not_cut() {
    let (address, _) = begin(short()).await;
    let told = until_closed(connect(address, "GET /quiet HTTP/1.1\r\nhost: a\r\n\r\n").await).await;
    assert!(told.ends_with("late"), "{told}");
    let told = until_closed(connect(address, "GET /events HTTP/1.1\r\nhost: a\r\n\r\n").await).await;
    assert!(told.contains("one;") && told.contains("two;"), "{told}");
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_gets_its_place_back() {
    let (address, _) = begin(Limits { idle: PATIENCE, ..short() }).await;
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut stream = connect(address, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        held.push(stream);
    }
    let told = until_closed(connect(address, "").await).await;
    assert!(told.starts_with("HTTP/1.1 429") && told.contains("retry-after"), "{told}");
    held.pop();
    let again = async {
        loop {
            let told = until_closed(connect(address, "GET / HTTP/1.0\r\n\r\n").await).await;
            if told.starts_with("HTTP/1.0 200") || told.starts_with("HTTP/1.1 200") {
                return;
            }
        }
    };
    timeout(PATIENCE, again).await.unwrap();
}

#[tokio::test]
async fn a_trusted_proxy_has_as_many_as_it_wants_and_keeps_them() {
    let exempt = vec!["127.0.0.0/8".parse().unwrap()];
    let (address, _) = begin(Limits { exempt, ..short() }).await;
    let mut held = Vec::new();
    for _ in 0..10 {
        held.push(connect(address, "").await);
    }
    tokio::time::sleep(LATER).await;
    for mut stream in held {
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        assert!(until_closed(stream).await.ends_with("hello"));
    }
}

#[tokio::test]
async fn at_the_end_what_is_under_way_is_answered_and_idle_connections_are_closed() {
    let (address, end) = begin(Limits { idle: PATIENCE * 2, ..short() }).await;
    let idle = connect(address, "").await;
    let asked = connect(address, "GET /quiet HTTP/1.1\r\nhost: a\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    end.cancel();
    assert!(until_closed(asked).await.ends_with("late"));
    assert_eq!(until_closed(idle).await, "");
}

#[test]
fn the_limits_are_those_that_are_documented() {
    let limits = Limits::default();
    let seconds = [limits.head, limits.idle, limits.still].map(|limit| limit.as_secs());
    assert_eq!((seconds, limits.per_address, limits.in_all), ([20, 120, 60], 1_000, 10_000));
}
