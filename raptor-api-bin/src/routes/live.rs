//! What happens, as it happens: a container's stream over WebSocket, and everything else as server-sent events.

use crate::{
    App,
    extract::{Caller, Path, Query},
    problem::{Answer, Problem},
    streams::Seat,
};
use axum::{
    extract::{
        State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code},
    },
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::{SinkExt, Stream, StreamExt, stream::BoxStream};
use raptor_core::{
    authz::{Actor, ContainerPermission, ContainerSet, SystemPermission, actions::SendCommand},
    containers::service::{ContainerFilter, Sort},
    id::ContainerId,
    live::LiveEvent,
    node::{LiveFrame, Since},
    paging::PageRequest,
    store::{Change, Subject},
};
use serde::Deserialize;
use std::{
    collections::HashSet,
    convert::Infallible,
    time::{Duration, Instant},
};
use tokio::sync::broadcast::error::RecvError;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

/// A browser that takes no frame for so long is let go.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);
const PING_EVERY: Duration = Duration::from_secs(15);
/// Commands that one socket may send in a second.
const COMMANDS_A_SECOND: u32 = 10;
/// Messages of any kind that one socket may send in a second: more are a flood, which ends it.
const MESSAGES_A_SECOND: u32 = 100;
/// The largest message that a browser may send, in bytes.
const MAX_MESSAGE: usize = 32 * 1024;
/// How often measurements are told to one listener at most.
const STATS_EVERY: Duration = Duration::from_secs(1);
/// After which a browser whose stream of events broke asks for it again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(live_container)).routes(routes!(stream_events))
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

/// What a client may send on the socket.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Request {
    /// A line for the container's standard input.
    Command {
        /// The line.
        command: String,
    },
}

/// A container's console, state and measurements over WebSocket. Text frames are JSON of `LiveFrame`; the client may send
/// `{"type":"command","command":"…"}`.
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
    let (permissions, live) = app.raptor.containers().live(&actor, id, since).await?;
    let upgrade = upgrade.map_err(|_| {
        Problem::new(
            axum::http::StatusCode::UPGRADE_REQUIRED,
            "upgrade_required",
            "Open this address as a WebSocket.",
        )
    })?;
    let seat = app.streams.take(&actor)?;
    let talk = Talk { app, actor, id, permissions };
    let upgrade = upgrade.max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE);
    Ok(upgrade.on_upgrade(async move |socket| {
        talk.run(socket, live).await;
        drop(seat);
    }))
}

/// One socket.
struct Talk {
    app: App,
    actor: Actor,
    id: ContainerId,
    permissions: ContainerSet,
}

impl Talk {
    async fn run(self, socket: WebSocket, mut live: BoxStream<'static, LiveFrame>) {
        let mut changes = self.app.raptor.store().feed().subscribe();
        let (mut sink, mut source) = socket.split();
        let mut ping = tokio::time::interval(PING_EVERY);
        let (mut window, mut sent) = (Instant::now(), 0);
        let (code, reason) = loop {
            let message = tokio::select! {
                frame = live.next() => match frame.map(|frame| serde_json::to_string(&frame)) {
                    Some(Ok(text)) => Message::text(text),
                    _ => break (close_code::RESTART, "the daemon went away"),
                },
                asked = source.next() => {
                    let Some(Ok(asked)) = asked else { return };
                    if window.elapsed() >= Duration::from_secs(1) {
                        (window, sent) = (Instant::now(), 0);
                    }
                    sent += 1;
                    let answer = match asked {
                        _ if sent > MESSAGES_A_SECOND => break (close_code::POLICY, "too many messages"),
                        Message::Text(_) if sent > COMMANDS_A_SECOND => {
                            Some(problem("throttled", "You send commands too quickly."))
                        }
                        Message::Text(text) => self.heed(&text).await,
                        _ => None,
                    };
                    match answer.map(|frame| serde_json::to_string(&frame)) {
                        Some(Ok(text)) => Message::text(text),
                        _ => continue,
                    }
                }
                () = self.app.ending.cancelled() => break (close_code::RESTART, "Raptor is being restarted"),
                _ = ping.tick() => Message::Ping(axum::body::Bytes::new()),
                change = changes.recv() => match self.still_allowed(&change).await {
                    true => continue,
                    false => break (close_code::POLICY, "your access has changed"),
                },
            };
            match tokio::time::timeout(WRITE_PATIENCE, sink.send(message)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) => break (close_code::AGAIN, "too slow"),
            }
        };
        let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
        let _ = tokio::time::timeout(Duration::from_secs(1), sink.send(close)).await;
    }

    async fn heed(&self, text: &str) -> Option<LiveFrame> {
        let Ok(Request::Command { command }) = serde_json::from_str(text) else {
            return Some(problem("invalid", r#"Send {"type":"command","command":"…"}."#));
        };
        let sent = async {
            let permit = self.app.raptor.authz().permit::<SendCommand>(&self.actor, self.id).await?;
            self.app.raptor.containers().command(permit, &command).await
        };
        sent.await.err().map(|error| problem(error.code(), &error.to_string()))
    }

    /// Whether this change leaves the caller with what this socket was opened for.
    async fn still_allowed(&self, change: &Result<Change, RecvError>) -> bool {
        let concerns = match change {
            Ok(change) => match change.subject {
                Subject::Session | Subject::User | Subject::Role => true,
                Subject::Container | Subject::Access => change.id == self.id.as_uuid(),
                _ => false,
            },
            Err(RecvError::Lagged(_)) => true,
            Err(RecvError::Closed) => return false,
        };
        if !concerns {
            return true;
        }
        let raptor = &self.app.raptor;
        // The role may be another by now: it is looked up anew with the session.
        let Ok(Some(actor)) = raptor.auth().renewed(&self.actor).await else { return false };
        let now = raptor.containers().get(&actor, self.id).await.map(|(visible, _, _)| visible.permissions);
        let needed = [ContainerPermission::ConsoleRead, ContainerPermission::StatsRead];
        now.is_ok_and(|now| {
            needed.iter().all(|part| now.contains(*part) || !self.permissions.contains(*part))
        })
    }
}

fn problem(code: &str, message: &str) -> LiveFrame {
    LiveFrame::Problem { code: code.to_owned(), message: message.to_owned() }
}

/// Everything that changes, as server-sent events: `change` when something in the store changed, `live` with the ids of
/// containers whose state or measurements are new, `daemon` with the id of a daemon whose link or load is. Each only about what
/// the caller may see.
#[utoipa::path(get, path = "/api/v1/events", operation_id = "stream_events", tag = "events",
    responses((status = 200, body = String, content_type = "text/event-stream")))]
async fn stream_events(State(app): State<App>, Caller(actor): Caller) -> Answer<impl IntoResponse> {
    let ending = app.ending.clone();
    let seat = app.streams.take(&actor)?;
    let begin = futures_util::stream::iter([Ok(Event::default().retry(AGAIN_AFTER))]);
    Ok(Sse::new(begin.chain(events(app, actor, seat)).take_until(ending.cancelled_owned()))
        .keep_alive(KeepAlive::default()))
}

fn events(app: App, actor: Actor, seat: Option<Seat>) -> impl Stream<Item = Result<Event, Infallible>> {
    let changes = app.raptor.store().feed().subscribe();
    let live = app.raptor.live_events();
    let listener =
        Listener { app, actor, visible: None, pending: HashSet::new(), told: Instant::now(), _seat: seat };
    futures_util::stream::unfold(
        (listener, changes, live),
        |(mut listener, mut changes, mut live)| async move {
            loop {
                let event = tokio::select! {
                    change = changes.recv() => listener.change(change).await?,
                    event = live.recv() => listener.live(event).await,
                    () = tokio::time::sleep_until((listener.told + STATS_EVERY).into()), if !listener.pending.is_empty() => listener.flush(),
                };
                if let Some(event) = event {
                    return Some((Ok(event), (listener, changes, live)));
                }
            }
        },
    )
}

/// One listener of the feed.
struct Listener {
    app: App,
    actor: Actor,
    /// The containers that a caller without rights over all may see; none until needed.
    visible: Option<HashSet<ContainerId>>,
    pending: HashSet<ContainerId>,
    told: Instant,
    _seat: Option<Seat>,
}

impl Listener {
    /// None ends the stream.
    async fn change(&mut self, change: Result<Change, RecvError>) -> Option<Option<Event>> {
        let change = match change {
            Ok(change) => change,
            Err(RecvError::Lagged(_)) => return Some(Some(Event::default().event("resync").data("{}"))),
            Err(RecvError::Closed) => return None,
        };
        if matches!(change.subject, Subject::Session | Subject::User | Subject::Role) {
            self.actor = self.app.raptor.auth().renewed(&self.actor).await.ok().flatten()?;
        }
        if matches!(change.subject, Subject::Container | Subject::Access) {
            self.visible = None;
        }
        let grants = self.actor.grants();
        let seen = match change.subject {
            Subject::Container | Subject::Declaration | Subject::Access => true,
            Subject::User => grants.contains(SystemPermission::UsersRead),
            Subject::Role => grants.contains(SystemPermission::RolesRead),
            Subject::Daemon => grants.contains(SystemPermission::DaemonsRead),
            Subject::Allocation => grants.contains(SystemPermission::AllocationsRead),
            Subject::Template => grants.contains(SystemPermission::TemplatesRead),
            Subject::Registry => grants.contains(SystemPermission::DaemonsRead),
            Subject::Mail => grants.contains(SystemPermission::SettingsRead),
            Subject::Session | Subject::Job => false,
        };
        let of_containers =
            matches!(change.subject, Subject::Container | Subject::Declaration | Subject::Access);
        if !seen || (of_containers && !self.may_see(change.id.into()).await) {
            return Some(None);
        }
        Some(Event::default().event("change").json_data(change).ok())
    }

    async fn live(&mut self, event: Result<LiveEvent, RecvError>) -> Option<Event> {
        match event.ok()? {
            LiveEvent::Daemon(id) if self.actor.grants().contains(SystemPermission::DaemonsRead) => {
                Event::default().event("daemon").json_data(serde_json::json!({ "id": id })).ok()
            }
            LiveEvent::Daemon(_) => None,
            LiveEvent::Containers(ids) => {
                for id in ids.iter() {
                    if self.may_see(*id).await {
                        self.pending.insert(*id);
                    }
                }
                if self.told.elapsed() >= STATS_EVERY { self.flush() } else { None }
            }
        }
    }

    fn flush(&mut self) -> Option<Event> {
        self.told = Instant::now();
        let ids: Vec<ContainerId> = self.pending.drain().collect();
        if ids.is_empty() {
            return None;
        }
        Event::default().event("live").json_data(serde_json::json!({ "ids": ids })).ok()
    }

    async fn may_see(&mut self, id: ContainerId) -> bool {
        if self.actor.grants().contains(SystemPermission::ContainersRead) {
            return true;
        }
        if self.visible.is_none() {
            self.visible = self.mine().await;
        }
        self.visible.as_ref().is_some_and(|visible| visible.contains(&id))
    }

    async fn mine(&self) -> Option<HashSet<ContainerId>> {
        let filter = ContainerFilter { mine: true, sort: Sort::Oldest, ..ContainerFilter::default() };
        let mut page = PageRequest { limit: raptor_core::paging::MAX_LIMIT, ..PageRequest::default() };
        let mut ids = HashSet::new();
        loop {
            let found = self.app.raptor.containers().list(&self.actor, &filter, &page).await.ok()?;
            ids.extend(found.items.iter().map(|listed| listed.container.id));
            match found.next {
                Some(next) => page.cursor = Some(next),
                None => return Some(ids),
            }
        }
    }
}
