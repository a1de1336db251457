//! Live events: the same as server-sent events, for programs, and over WebSocket, for the panel. Browsers open at most six
//! connections to an HTTP/1.1 server for all tabs together; WebSockets don't count.

use crate::{
    App,
    extract::{Caller, Query},
    problem::{Answer, Problem},
    streams::{Beats, HEARTBEAT_INTERVAL, StreamSlot, WRITE_TIMEOUT},
};
use axum::{
    extract::{
        State,
        ws::{
            CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code,
            rejection::WebSocketUpgradeRejection,
        },
    },
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response, Sse, sse::Event},
};
use chrono::{DateTime, Utc};
use futures_util::{SinkExt, Stream, StreamExt};
use raptor_core::{
    id::{ContainerId, DaemonId},
    live::{Follower, FollowerEvent, MAX_WATCHED, Measurements, Position},
    store::{Subject, Verb},
};
use serde::{Deserialize, Serialize};
use std::{convert::Infallible, time::Duration};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

/// The pause after which a browser reconnects a stream of server-sent events that broke.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// The largest message that a browser may send, in bytes: what it watches.
const MAX_MESSAGE: usize = 8 * 1024;
/// Messages that one socket may send in a second.
const MESSAGES_A_SECOND: u32 = 20;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(stream_events)).routes(routes!(live_events))
}

/// One event. After a break, a stream goes on from the `event_id` that was received last.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum EventFrame {
    /// Something in the store changed.
    Change {
        /// The id of this event. A stream that is opened with it goes on with what came after.
        event_id: String,
        /// The kind of thing that changed.
        subject: Subject,
        /// What happened to it.
        verb: Verb,
        /// Its id; of `declaration` and `access` the container's, of `job` and of several allocations the daemon's.
        id: Uuid,
    },
    /// The states of containers have changed. Server-sent events report new measurements in the same way.
    Live {
        /// The id of this event. A stream that is opened with it goes on with what came after.
        event_id: String,
        /// The containers, each once.
        ids: Vec<ContainerId>,
    },
    /// New measurements of watched containers, only of those whose values have changed. `rows`, `cpu_percent` and
    /// `memory_bytes` have one entry for each of them, in the same order.
    Stats {
        /// The id of this event. A stream that is opened with it goes on with what came after.
        event_id: String,
        /// The `watch` that the client sent.
        watch: u64,
        /// Indexes into the `ids` of that `watch`, from 0.
        rows: Vec<usize>,
        /// CPU usage of each; 100 is one full core.
        cpu_percent: Vec<f64>,
        /// Memory usage of each in bytes, excluding page cache.
        memory_bytes: Vec<u64>,
    },
    /// The connection to a daemon or the load of its host has changed.
    Daemon {
        /// The id of this event. A stream that is opened with it goes on with what came after.
        event_id: String,
        /// The id of the daemon, as in `GET /daemons`.
        id: DaemonId,
    },
    /// Changes were missed and are no longer kept: load again everything that you show.
    Resync {
        /// The id of this event. A stream that is opened with it goes on with what came after.
        event_id: String,
    },
    /// The connection is alive. Sent at once, and then every two seconds.
    Beat {
        /// The id of this event. A stream that is opened with it goes on with what came after.
        event_id: String,
        /// The time on the API's clock, in UTC.
        time: DateTime<Utc>,
    },
}

impl EventFrame {
    fn new(news: FollowerEvent, position: Position) -> Self {
        let event_id = position.to_string();
        match news {
            FollowerEvent::Change(change) => {
                Self::Change { event_id, subject: change.subject, verb: change.verb, id: change.id }
            }
            FollowerEvent::Live(ids) => Self::Live { event_id, ids },
            FollowerEvent::Measured(measured) => Self::stats(event_id, measured),
            FollowerEvent::Daemon(id) => Self::Daemon { event_id, id },
            // After something that this version has no frame for, listeners look again.
            _ => Self::Resync { event_id },
        }
    }

    fn stats(event_id: String, measured: Measurements) -> Self {
        let Measurements { number, rows, .. } = measured;
        Self::Stats {
            event_id,
            watch: number,
            cpu_percent: rows.iter().map(|row| row.used.cpu_percent).collect(),
            memory_bytes: rows.iter().map(|row| row.used.memory_bytes).collect(),
            rows: rows.into_iter().map(|row| row.row).collect(),
        }
    }

    fn beat(app: &App, position: Position) -> Self {
        Self::Beat { event_id: position.to_string(), time: app.raptor.clock().now() }
    }

    /// The frame as a server-sent event, which has its kind and its id in fields of their own. None where it is no JSON object.
    fn event(self) -> Option<Event> {
        let mut data = serde_json::to_value(self).ok()?;
        let fields = data.as_object_mut()?;
        let (kind, id) = (fields.remove("type")?, fields.remove("event_id")?);
        Event::default().event(kind.as_str()?).id(id.as_str()?).json_data(data).ok()
    }
}

/// The position in the stream that an event's id stands for. An id that stands for none, such as one of another process, becomes a
/// position that is no longer kept, which is answered by `resync`.
fn position(id: &str) -> Position {
    id.parse().unwrap_or_default()
}

/// Everything that changes, as server-sent events: `change` when something in the store changed, `live` with the ids of containers
/// whose state or measurements are new, `daemon` with the id of a daemon whose link or load is, `beat` every two seconds. Each only
/// about what the caller may see. A request with `Last-Event-ID` is told what it missed, or `resync` where that is no longer known.
#[utoipa::path(get, path = "/api/v1/events", operation_id = "stream_events", tag = "events",
    responses((status = 200, body = String, content_type = "text/event-stream")))]
async fn stream_events(
    State(app): State<App>,
    Caller(actor): Caller,
    headers: HeaderMap,
) -> Answer<impl IntoResponse> {
    let ending = app.ending.clone();
    let slot = app.streams.take(&actor)?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty());
    let follower = app.raptor.follow(actor, last.map(position));
    let begin = futures_util::stream::iter([Ok(Event::default().retry(AGAIN_AFTER))]);
    let events = begin.chain(events(app, follower, slot)).take_until(ending.cancelled_owned());
    // Otherwise nginx buffers events until it has a full block.
    Ok(([("x-accel-buffering", "no")], Sse::new(events)))
}

/// The events of one caller for as long as their session lasts, with a `beat` every [`HEARTBEAT_INTERVAL`].
///
/// They are collected by a task of their own, at most one ahead of the reader: a response body isn't polled while its reader is slow,
/// and would keep a database connection for as long.
fn events(
    app: App,
    mut follower: Follower,
    slot: Option<StreamSlot>,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let (sender, receiver) = mpsc::channel(1);
    let collecting = async move {
        let mut beats = tokio::time::interval(HEARTBEAT_INTERVAL);
        loop {
            let frame = tokio::select! {
                _ = beats.tick() => EventFrame::beat(&app, follower.position()),
                news = follower.next() => match news {
                    Some(news) => EventFrame::new(news, follower.position()),
                    None => return,
                },
            };
            if let Some(event) = frame.event()
                && sender.send(Ok(event)).await.is_err()
            {
                return;
            }
        }
    };
    let collecting = AbortOnDropHandle::new(tokio::spawn(collecting.in_current_span()));
    let reading = (receiver, collecting, slot);
    futures_util::stream::unfold(
        reading,
        |mut reading| async move { Some((reading.0.recv().await?, reading)) },
    )
}

/// A message that a client may send on the WebSocket of events.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum EventRequest {
    /// Subscribes to the measurements of these containers, replacing the previous subscription.
    Watch {
        /// A number chosen by the client. `stats` frames repeat it.
        watch: u64,
        /// Up to 100 ids. Containers that the caller may not see are ignored.
        ids: Vec<ContainerId>,
    },
}

/// Where the stream begins.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct EventsQuery {
    /// The `event_id` of the last event that was received: the stream goes on with what came after. Without it, it begins now.
    after: Option<String>,
}

/// The same events over WebSocket, as text frames with the JSON of an `EventFrame`. To receive measurements, send
/// `{"type":"watch","watch":1,"ids":["…"]}` with up to 100 container ids; each message replaces the one before. `stats` frames repeat
/// its number and cover the containers for which the caller has `stats.read`.
#[utoipa::path(get, path = "/api/v1/events/live", operation_id = "live_events", tag = "events", params(EventsQuery),
    responses((status = 101, description = "WebSocket of EventFrame")), extensions(("x-websocket-frame" = json!("EventFrame"))))]
async fn live_events(
    State(app): State<App>,
    Caller(actor): Caller,
    Query(query): Query<EventsQuery>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Answer<Response> {
    let upgrade = upgrade.map_err(|_| {
        Problem::new(StatusCode::UPGRADE_REQUIRED, "upgrade_required", "Open this address as a WebSocket.")
    })?;
    let slot = app.streams.take(&actor)?;
    let mut follower = app.raptor.follow(actor, query.after.as_deref().map(position));
    follower.watch(0, Vec::new());
    let upgrade = upgrade.max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE);
    Ok(upgrade.on_upgrade(async move |socket| {
        tell(&app, socket, follower).await;
        drop(slot);
    }))
}

/// Does what the client asks for, or says why the socket ends.
fn take(heard: &Message, follower: &mut Follower) -> Result<(), &'static str> {
    let text = match heard {
        Message::Text(text) => text,
        Message::Binary(_) => return Err("send text"),
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) => return Ok(()),
    };
    match serde_json::from_str(text) {
        Ok(EventRequest::Watch { watch, ids }) if ids.len() <= MAX_WATCHED => {
            follower.watch(watch, ids);
            Ok(())
        }
        Ok(EventRequest::Watch { .. }) => Err("watch 100 containers at most"),
        Err(_) => Err("this message is not understood"),
    }
}

/// Sends events over a socket until the session or the process ends, the other side leaves, sends too much, or is too slow
/// ([`WRITE_TIMEOUT`]).
async fn tell(app: &App, socket: WebSocket, mut follower: Follower) {
    let (mut sink, mut source) = socket.split();
    let mut beats = Beats::new();
    let mut sent = 0;
    let (code, reason) = loop {
        let frame = tokio::select! {
            there = beats.next() => {
                sent = 0;
                if !there {
                    return;
                }
                let _ = tokio::time::timeout(WRITE_TIMEOUT, sink.feed(Message::Ping(axum::body::Bytes::new()))).await;
                EventFrame::beat(app, follower.position())
            }
            news = follower.next() => match news {
                Some(news) => EventFrame::new(news, follower.position()),
                None => break (close_code::POLICY, "your session has ended"),
            },
            heard = source.next() => {
                let Some(Ok(heard)) = heard else { return };
                beats.heard();
                sent += 1;
                if sent > MESSAGES_A_SECOND * 2 {
                    break (close_code::POLICY, "too many messages");
                }
                match take(&heard, &mut follower) {
                    Ok(()) => continue,
                    Err(reason) => break (close_code::POLICY, reason),
                }
            }
            () = app.ending.cancelled() => break (close_code::RESTART, "Raptor is being restarted"),
        };
        let Ok(text) = serde_json::to_string(&frame) else { continue };
        match tokio::time::timeout(WRITE_TIMEOUT, sink.send(Message::text(text))).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return,
            Err(_) => break (close_code::AGAIN, "too slow"),
        }
    };
    let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
    let _ = tokio::time::timeout(Duration::from_secs(1), sink.send(close)).await;
}
