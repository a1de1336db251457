//! A container's console, state and statistics over WebSocket.

use crate::{
    App,
    extract::{Caller, Path, Query, TOO_LATE, TOO_LATE_DETAIL},
    problem::{Answer, Problem},
    streams::{Beats, WRITE_TIMEOUT},
};
use axum::{
    extract::{
        State,
        ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code},
    },
    response::Response,
};
use chrono::{DateTime, Utc};
use futures_util::{SinkExt, StreamExt};
use raptor_core::{
    Error,
    authz::{
        Actor, Revoked,
        actions::{SeeContainer, SendCommand},
    },
    containers::service::LiveStream,
    id::ContainerId,
    live::SharedFrame,
    node::{LiveFrame, Since},
};
use serde::Deserialize;
use std::{
    future::ready,
    pin::pin,
    time::{Duration, Instant},
};
use tokio_stream::wrappers::ReceiverStream;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Commands that one socket may send in a second.
const COMMANDS_A_SECOND: u32 = 10;
/// Messages of any kind that one socket may send in a second: more are a flood, which ends it.
const MESSAGES_A_SECOND: u32 = 100;
/// The largest message that a browser may send, in bytes.
const MAX_MESSAGE: usize = 32 * 1024;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(live_container))
}

/// Where the stream begins.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct LiveQuery {
    /// After the console line with this number.
    after: Option<u64>,
    /// With so many console lines of the past; 200 unless `after` is given.
    tail: Option<u32>,
}

/// A message that a client may send on the WebSocket of a container.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum LiveRequest {
    /// Sends a line to the container's standard input.
    Command {
        /// One line of at most 4,096 bytes.
        command: String,
        /// A number chosen by the client. `accepted` or `problem` repeats it; without it, only a failure is answered.
        command_id: Option<u64>,
        /// The time on the API's clock after which the command is refused, in UTC: a connection that was dead for a while may
        /// still deliver it.
        not_after: Option<DateTime<Utc>>,
    },
}

/// A container's console, state and measurements over WebSocket. Text frames are JSON of `LiveFrame`; a `beat` comes every two
/// seconds. The client may send `LiveRequest`, such as `{"type":"command","command":"…","command_id":1,"not_after":"2026-01-31T12:00:00Z"}`: it is answered
/// by `accepted` or `problem` with the same `command_id`, and refused after the time in `not_after`. Both are optional.
#[utoipa::path(get, path = "/api/v1/containers/{id}/live", operation_id = "live_container", tag = "containers",
    params(("id" = ContainerId, Path), LiveQuery), responses((status = 101, description = "WebSocket of LiveFrame")),
    extensions(("x-websocket-frame" = json!("LiveFrame"))))]
async fn live_container(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Query(query): Query<LiveQuery>,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Answer<Response> {
    let since = query.after.map_or(Since::Tail(query.tail.unwrap_or(200).min(10_000)), Since::After);
    let permit = app.raptor.authz().permit::<SeeContainer>(&actor, id).await?;
    let live = app.raptor.containers().live(permit, since).await?;
    let upgrade = upgrade.map_err(|_| {
        Problem::new(
            axum::http::StatusCode::UPGRADE_REQUIRED,
            "upgrade_required",
            "Open this address as a WebSocket.",
        )
    })?;
    let slot = app.streams.take(&actor)?;
    let live_socket = LiveSocket { app, actor, id };
    let upgrade = upgrade.max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE);
    Ok(upgrade.on_upgrade(async move |socket| {
        live_socket.run(socket, live).await;
        drop(slot);
    }))
}

/// One socket.
struct LiveSocket {
    app: App,
    actor: Actor,
    id: ContainerId,
}

impl LiveSocket {
    async fn run(self, socket: WebSocket, live: LiveStream) {
        let LiveStream { mut frames, mut revoked, .. } = live;
        let (mut sink, mut source) = socket.split();
        let mut beats = Beats::new();
        let (mut window, mut sent) = (Instant::now(), 0);
        // Commands run one at a time and in the background: a daemon that does not answer must not make the connection look
        // dead.
        let (orders, waiting) = tokio::sync::mpsc::channel(COMMANDS_A_SECOND as usize);
        let mut answers = pin!(ReceiverStream::new(waiting).then(|text| self.answer(text)).filter_map(ready));
        let (code, reason) = loop {
            let frame = tokio::select! {
                frame = frames.next() => match frame {
                    Some(frame) => frame,
                    None => break (close_code::RESTART, "the daemon went away"),
                },
                Some(answer) = answers.next() => SharedFrame::new(answer),
                asked = source.next() => {
                    let Some(Ok(asked)) = asked else { return };
                    beats.heard();
                    if window.elapsed() >= Duration::from_secs(1) {
                        (window, sent) = (Instant::now(), 0);
                    }
                    sent += 1;
                    match asked {
                        _ if sent > MESSAGES_A_SECOND => break (close_code::POLICY, "too many messages"),
                        Message::Text(text) if sent > COMMANDS_A_SECOND => SharedFrame::new(throttled(&text)),
                        Message::Text(text) => match orders.try_send(text) {
                            Ok(()) => continue,
                            Err(full) => SharedFrame::new(throttled(&full.into_inner())),
                        },
                        _ => continue,
                    }
                }
                revoked = &mut revoked => match revoked {
                    Revoked::Session => break (close_code::POLICY, "your session has ended"),
                    _ => break (close_code::POLICY, "your access has changed"),
                },
                () = self.app.ending.cancelled() => break (close_code::RESTART, "Raptor is being restarted"),
                there = beats.next() => {
                    if !there {
                        return;
                    }
                    let ping = Message::Ping(axum::body::Bytes::new());
                    let _ = tokio::time::timeout(WRITE_TIMEOUT, sink.feed(ping)).await;
                    SharedFrame::new(LiveFrame::Beat { time: self.app.raptor.clock().now() })
                }
            };
            let Ok(text) = Utf8Bytes::try_from(frame.json()) else { continue };
            match tokio::time::timeout(WRITE_TIMEOUT, sink.send(Message::Text(text))).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) => break (close_code::AGAIN, "too slow"),
            }
        };
        let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
        let _ = tokio::time::timeout(Duration::from_secs(1), sink.send(close)).await;
    }

    /// None where nobody asked what became of it.
    async fn answer(&self, text: Utf8Bytes) -> Option<LiveFrame> {
        let Ok(LiveRequest::Command { command, command_id, not_after }) = serde_json::from_str(&text) else {
            return Some(problem("invalid", r#"Send {"type":"command","command":"…"}."#, None));
        };
        let sent = async {
            if not_after.is_some_and(|limit| limit < self.app.raptor.clock().now()) {
                return Err(Error::conflict(TOO_LATE, TOO_LATE_DETAIL));
            }
            let raptor = &self.app.raptor;
            // The socket stays open for everyone who may still read; what they may send depends on their current permissions.
            let actor = raptor.auth().renewed(&self.actor).await?;
            let actor = actor.ok_or(Error::Unauthenticated("This session has ended. Sign in again."))?;
            let permit = raptor.authz().permit::<SendCommand>(&actor, self.id).await?;
            raptor.containers().command(permit, &command).await
        };
        match sent.await {
            Ok(()) => command_id.map(|command_id| LiveFrame::Accepted { command_id }),
            Err(error) => Some(problem(error.code(), &error.to_string(), command_id)),
        }
    }
}

fn problem(code: &str, message: &str, command_id: Option<u64>) -> LiveFrame {
    LiveFrame::Problem { code: code.to_owned(), message: message.to_owned(), command_id }
}

fn throttled(text: &str) -> LiveFrame {
    let command_id = match serde_json::from_str(text) {
        Ok(LiveRequest::Command { command_id, .. }) => command_id,
        _ => None,
    };
    problem("throttled", "You are sending commands too quickly.", command_id)
}
