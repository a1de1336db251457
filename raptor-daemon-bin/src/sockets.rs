//! Streams over WebSocket.

use crate::routes::Shared;
use axum::{
    Router,
    extract::{
        State,
        ws::{
            CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code,
            rejection::WebSocketUpgradeRejection,
        },
    },
    http::StatusCode,
    response::Response,
    routing::get,
};
use futures_util::{SinkExt, StreamExt, stream::BoxStream};
use raptor_model::{
    id::ContainerId,
    node::{
        HostMessage,
        requests::{LinkRequest, LiveQuery, Route},
        tolerant::{self, Noticed, Understood, UnknownPart},
    },
};
use raptor_server::{
    extract::{Path, Query},
    problem::{Answer, Problem},
};
use serde::Serialize;
use std::time::Duration;

/// An API that accepts no frame for this long is disconnected; it reconnects automatically.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// The API considers a connection dead after five seconds of silence, so four pings in a row must be late before a working one
/// is cut.
const PING_INTERVAL: Duration = Duration::from_secs(1);
/// An API that sends nothing for this long, not even the answer to a ping, is considered gone. This is longer than the API's
/// own limit: while it waits for its database, up to ten seconds, or for a browser on a slow connection, it reads nothing and
/// answers no pings.
const PEER_TIMEOUT: Duration = Duration::from_secs(15);

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route(LiveQuery::OPERATION.path, get(live_container))
        .route(LinkRequest::OPERATION.path, get(link))
}

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

fn upgraded(upgrade: Upgrade) -> Answer<WebSocketUpgrade> {
    upgrade.map_err(|_| {
        Problem::new(StatusCode::UPGRADE_REQUIRED, "upgrade_required", "Open this address as a WebSocket.")
    })
}

async fn live_container(
    State(node): State<Shared>,
    Path(id): Path<ContainerId>,
    Query(query): Query<LiveQuery>,
    upgrade: Upgrade,
) -> Answer<Response> {
    let live = node.live(id, query.since(), query.parts()).await?;
    Ok(upgraded(upgrade)?.on_upgrade(move |socket| send_all(socket, live, None)))
}

async fn link(State(node): State<Shared>, upgrade: Upgrade) -> Answer<Response> {
    let upgrade = upgraded(upgrade)?;
    let events = node.events().await?;
    Ok(upgrade.on_upgrade(move |socket| send_all(socket, events, Some(node))))
}

/// Sends all items until either side ends, and passes incoming messages to `node`. The stream waits while the peer is slow, so
/// nothing is buffered here.
async fn send_all<T: Serialize>(socket: WebSocket, mut items: BoxStream<'static, T>, node: Option<Shared>) {
    let (mut sink, mut source) = socket.split();
    let mut ping = tokio::time::interval(PING_INTERVAL);
    let mut heard_at = tokio::time::Instant::now();
    let noticed = Noticed::default();
    let code = loop {
        let message = tokio::select! {
            item = items.next() => match item.map(|item| serde_json::to_string(&item)) {
                Some(Ok(text)) => Message::text(text),
                _ => break close_code::RESTART,
            },
            _ = ping.tick() => match heard_at.elapsed() < PEER_TIMEOUT {
                true => Message::Ping(axum::body::Bytes::new()),
                false => return,
            },
            heard = source.next() => match heard {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(Message::Text(text))) => {
                    heard_at = tokio::time::Instant::now();
                    hear(node.as_ref(), &noticed, &text).await;
                    continue;
                }
                Some(Ok(_)) => {
                    heard_at = tokio::time::Instant::now();
                    continue;
                }
            },
        };
        match tokio::time::timeout(WRITE_TIMEOUT, sink.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return,
            Err(_) => break close_code::AGAIN,
        }
    };
    let close = Message::Close(Some(CloseFrame { code, reason: "".into() }));
    let _ = tokio::time::timeout(Duration::from_secs(1), sink.send(close)).await;
}

async fn hear(node: Option<&Shared>, noticed: &Noticed, text: &str) {
    let Some(node) = node else { return };
    let Understood { value, mut left_out, .. } = tolerant::read(text.as_bytes());
    left_out.extend(value.as_ref().err().map(UnknownPart::message::<HostMessage>));
    for left_out in left_out.iter().filter(|left_out| noticed.is_new(left_out)) {
        tracing::warn!(
            %left_out,
            "the API said something that this version does not understand, and it is left out; is the API newer?"
        );
    }
    let Ok(message) = value else { return };
    if let Err(error) = node.tell(message).await {
        tracing::warn!(%error, "a message of the API could not be processed");
    }
}
