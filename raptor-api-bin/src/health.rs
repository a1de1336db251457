//! Health checks: the endpoints for monitoring, and `raptor-api health`, which calls them.

use crate::{App, problem::Answer};
use anyhow::{Context, bail};
use axum::{Router, extract::State, http::header, response::IntoResponse, routing::get};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Time limit for the response.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How much of the response is read: its first line is enough.
const FIRST_LINE: u64 = 64;

/// `/healthz` responds if the process works, whatever else is wrong; restart it if it doesn't. `/readyz` responds with success
/// if the process can serve requests. Neither needs a session or reveals anything else.
pub(crate) fn routes() -> Router<App> {
    Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz))
}

async fn healthz() -> impl IntoResponse {
    well("ok\n")
}

async fn readyz(State(app): State<App>) -> Answer<impl IntoResponse> {
    app.raptor.ready().await?;
    Ok(well("ready\n"))
}

fn well(word: &'static str) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "no-store"), (header::CONTENT_TYPE, "text/plain; charset=utf-8")], word)
}

/// Checks the server that listens on `addr`.
///
/// # Errors
/// If it does not respond within five seconds, or is not ready.
pub async fn ask(addr: SocketAddr) -> anyhow::Result<()> {
    let asked = tokio::time::timeout(TIMEOUT, status(own_address(addr))).await;
    match asked.context("the server did not answer within 5 seconds")?? {
        line if line.contains(" 200 ") => Ok(()),
        line => bail!("the server is not ready: {}", line.lines().next().unwrap_or_default()),
    }
}

/// Sends a minimal HTTP request: the server is on this machine and speaks plain HTTP.
async fn status(addr: SocketAddr) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(addr).await.with_context(|| format!("nothing answers at {addr}"))?;
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(FIRST_LINE).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The address at which a server that listens on all addresses is reached from its own machine.
fn own_address(mut addr: SocketAddr) -> SocketAddr {
    match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => addr.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => addr.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    addr
}
