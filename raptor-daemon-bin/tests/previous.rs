//! What a daemon of the landing before said, replayed to the API's side of the conversation: it has to understand all of it.
#![expect(clippy::unwrap_used, reason = "tests")]

use axum::{
    Router,
    body::Bytes,
    extract::{
        State,
        ws::{Message, WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, TryStreamExt};
use raptor_core::{
    containers::lifecycle::{Phase, Refused},
    daemons::{Transport, remote::RemoteNode},
    id::ContainerId,
    node::{
        ConsoleExport, ConsoleSearch, ContainerSpec, FilePath, Handler, LineKind, LiveFrame, LiveParts, Node,
        NodeError, NodeEvent, PowerAction, Since, StatsRange,
        files::{FileRead, FileRequest, FileWrite, Scoped},
        requests::{CancelInstall, CleaningRequest, ContainerStatsQuery, RegistryLogins, SystemStatsQuery},
    },
};
use serde::Deserialize;
use serde_json::Value;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// A conversation as `fixtures/record.mjs` wrote it down.
#[derive(Deserialize)]
struct Recording {
    container: ContainerId,
    spec: ContainerSpec,
    exchanges: Vec<Exchange>,
    sockets: Vec<Socket>,
}

#[derive(Clone, Deserialize)]
struct Exchange {
    method: String,
    path: String,
    body: Option<Value>,
    status: u16,
    #[serde(rename = "type")]
    kind: Option<String>,
    answer: String,
}

#[derive(Clone, Deserialize)]
struct Socket {
    path: String,
    frames: Vec<String>,
}

/// What is still to be asked, and what was asked that was not recorded.
#[derive(Default)]
struct Replay {
    exchanges: Mutex<Vec<Exchange>>,
    sockets: Vec<Socket>,
    strange: Mutex<Vec<String>>,
}

fn recorded(text: &str) -> Recording {
    serde_json::from_str(text).unwrap()
}

/// Whether `sent` says all that was recorded. It may say more: a daemon ignores what it does not know. When an order ends is no
/// part of the recording.
fn says(sent: &Value, recorded: &Value) -> bool {
    let Value::Object(fields) = recorded else { return sent == recorded };
    fields.iter().all(|(name, value)| match name.as_str() {
        "not_after" => sent.get(name).is_some(),
        _ => sent.get(name).is_some_and(|sent| says(sent, value)),
    })
}

async fn replay(
    State(replay): State<Arc<Replay>>,
    method: Method,
    uri: Uri,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    body: Bytes,
) -> Response {
    let path = uri.path_and_query().unwrap().as_str().trim_start_matches("/api/v1").to_owned();
    if let Ok(upgrade) = upgrade {
        let Some(socket) = replay.sockets.iter().find(|socket| socket.path == path).cloned() else {
            replay.strange.lock().unwrap().push(path);
            return StatusCode::NOT_IMPLEMENTED.into_response();
        };
        return upgrade.on_upgrade(async move |mut peer| {
            for frame in socket.frames {
                peer.send(Message::text(frame)).await.unwrap();
            }
            let _ = peer.send(Message::Close(None)).await;
        });
    }
    let sent: Option<Value> = (!body.is_empty()).then(|| serde_json::from_slice(&body).unwrap());
    let same = |one: &Exchange| {
        one.method == method.as_str()
            && one.path == path
            && match (&sent, &one.body) {
                (Some(sent), Some(recorded)) => says(sent, recorded),
                (None, None) => true,
                _ => false,
            }
    };
    let mut exchanges = replay.exchanges.lock().unwrap();
    let Some(at) = exchanges.iter().position(same) else {
        replay.strange.lock().unwrap().push(format!("{method} {path} {sent:?}"));
        return StatusCode::NOT_IMPLEMENTED.into_response();
    };
    let Exchange { status, kind, answer, .. } = exchanges.remove(at);
    let kind = kind.map(|kind| [(header::CONTENT_TYPE, kind)]);
    (StatusCode::from_u16(status).unwrap(), kind, answer).into_response()
}

/// A daemon that answers as recorded, and the API's way to it.
async fn met(recording: &Recording) -> (Arc<Replay>, RemoteNode) {
    let replaying = Arc::new(Replay {
        exchanges: Mutex::new(recording.exchanges.clone()),
        sockets: recording.sockets.clone(),
        strange: Mutex::default(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = Router::new().fallback(replay).with_state(replaying.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let node = RemoteNode::new("127.0.0.1", port, Transport::Plain, "key".into()).unwrap();
    (replaying, node)
}

#[tokio::test]
async fn all_that_the_daemon_of_the_landing_before_says_is_understood() {
    let recording = recorded(include_str!("fixtures/f51ca2c.json"));
    let (replaying, node) = met(&recording).await;
    let id = recording.container;
    let frames_of = |at: usize| recording.sockets[at].frames.len();

    let events: Vec<NodeEvent> = node.events().await.unwrap().collect().await;
    assert_eq!(events.len(), frames_of(0), "each frame is understood: {events:?}");
    assert!(matches!(&events[0], NodeEvent::Snapshot { system, .. } if system.spoken().unwrap() == 3));
    let phases: Vec<Phase> = events
        .iter()
        .filter_map(|event| match event {
            NodeEvent::Status { status } => Some(status.phase),
            _ => None,
        })
        .collect();
    for phase in [Phase::Starting, Phase::Running, Phase::Stopping, Phase::Offline] {
        assert!(phases.contains(&phase), "{phases:?}");
    }
    assert!(matches!(events.last(), Some(NodeEvent::Removed { id: removed }) if *removed == id));

    node.handle((), RegistryLogins { items: Vec::new() }).await.unwrap();
    assert_eq!(node.declare(recording.spec.clone()).await.unwrap().phase, Phase::Offline);
    assert_eq!(node.declared(id).await.unwrap(), recording.spec);
    node.power(id, PowerAction::Start, "paula").await.unwrap();
    node.command(id, "hi", "paula").await.unwrap();
    let parts = LiveParts { console: true, stats: true };
    let live: Vec<LiveFrame> = node.live(id, Since::Tail(100), parts).await.unwrap().collect().await;
    assert_eq!(live.len(), frames_of(1), "{live:?}");
    assert!(live.iter().any(|frame| matches!(frame, LiveFrame::Stats { .. })));
    assert_eq!(node.containers().await.unwrap()[0].phase, Phase::Running);
    let lines = node.console(id, None, 100).await.unwrap();
    assert!(
        lines.iter().any(|line| line.kind == LineKind::Output && line.text == "you said hi"),
        "{lines:?}"
    );
    let search = ConsoleSearch { text: Some("you said".into()), limit: 50, ..ConsoleSearch::default() };
    assert_eq!(node.handle(id, search).await.unwrap().hits.len(), 1);
    let export = node.export_console(id, ConsoleExport::default()).await.unwrap();
    let text: Vec<Bytes> = export.try_collect().await.unwrap();
    assert!(String::from_utf8(text.concat()).unwrap().contains("you said hi"));
    let range = StatsRange::Hour;
    assert_eq!(node.handle(id, ContainerStatsQuery { range }).await.unwrap().range, range);
    assert_eq!(node.handle((), SystemStatsQuery { range }).await.unwrap().range, range);
    node.power(id, PowerAction::Stop, "paula").await.unwrap();
    let refused = node.power(id, PowerAction::Stop, "paula").await.unwrap_err();
    assert!(matches!(refused, NodeError::Refused(Refused::Offline)), "{refused:?}");
    let refused = node.handle(id, CancelInstall).await.unwrap_err();
    assert!(matches!(refused, NodeError::Refused(_)), "{refused:?}");
    node.handle((), CleaningRequest { unused_s: 86_400 }).await.unwrap();
    node.remove(id).await.unwrap();
    assert!(matches!(node.declared(id).await.unwrap_err(), NodeError::NotFound));

    // Files are promised between equal versions only: that daemon is not even asked.
    let request = Scoped { request: FileRequest::ListTrash, denied: Vec::new() };
    let refused = node.handle(id, request).await.unwrap_err();
    assert!(matches!(refused, NodeError::Outdated { theirs: 3, .. }), "{refused:?}");
    assert!(refused.to_string().contains("Upgrade raptor-daemon on that host"), "{refused}");
    let request = Scoped { request: FileRead::Unpacked { path: FilePath::ROOT }, denied: Vec::new() };
    assert!(matches!(node.read_file(id, request).await, Err(NodeError::Outdated { .. })));
    let write = FileWrite::Piece { upload: uuid::Uuid::nil(), offset: 0 };
    let body = futures_util::stream::empty().boxed();
    let written = node.write_file(id, Scoped { request: write, denied: Vec::new() }, body).await;
    assert!(matches!(written, Err(NodeError::Outdated { .. })));

    assert_eq!(*replaying.strange.lock().unwrap(), Vec::<String>::new(), "what that daemon was never asked");
    let left: Vec<_> = replaying.exchanges.lock().unwrap().iter().map(|one| one.path.clone()).collect();
    assert_eq!(left, Vec::<String>::new(), "all that was recorded is asked");
}
