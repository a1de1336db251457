use super::*;
use crate::{
    daemons::simulated::SimulatedHost,
    node::{
        ConsoleExport, ContainerSpec, Download, HostMessage, NodeEvent, PowerAction,
        files::{Body, FileAnswer, FileContent, FileRead, FileWrite, Scoped},
        requests::{Handler, Request},
    },
};
use async_trait::async_trait;
use futures_util::future::join_all;
use std::time::Duration;
use tokio::sync::Semaphore;

struct World {
    host: SimulatedHost,
    /// The node as the link holds it.
    node: std::sync::OnceLock<Arc<dyn Node>>,
    streams: Streams,
    id: ContainerId,
}

const ALL: LiveParts = LiveParts { console: true, stats: true };

impl World {
    async fn new() -> Self {
        let host = SimulatedHost::default();
        let id = ContainerId::generate();
        let spec: ContainerSpec = serde_json::from_value(serde_json::json!({
            "id": id, "revision": 1, "name": "x", "image": "x", "startup": "", "environment": {},
            "limits": crate::containers::Limits::default(), "ports": [], "done": [], "strip_ansi": false,
            "stop": { "type": "docker" }, "stop_timeout_ms": 1_000, "config_files": [], "suspended": false,
        }))
        .unwrap();
        host.declare(spec).await.unwrap();
        Self { host, node: std::sync::OnceLock::new(), streams: Streams::default(), id }
    }

    fn node(&self) -> &Arc<dyn Node> {
        self.node.get_or_init(|| Arc::new(self.host.clone()))
    }

    async fn view(&self, since: Since, parts: LiveParts) -> Viewer {
        self.streams.view(self.node().clone(), self.id, since, parts).await.unwrap()
    }

    fn print(&self, numbers: std::ops::Range<u64>) {
        self.host.print(self.id, numbers.map(|number| format!("line {number}"))).unwrap();
    }
}

/// The next frame, which has to exist.
async fn next(viewer: &mut Viewer) -> SharedFrame {
    tokio::time::timeout(Duration::from_secs(20), viewer.next()).await.unwrap().unwrap()
}

/// Lines and gaps up to line `last`, as ranges of numbers and whether they are lines.
async fn until(viewer: &mut Viewer, last: u64) -> Vec<(u64, u64, bool)> {
    let mut seen = Vec::new();
    loop {
        match &*next(viewer).await {
            LiveFrame::Lines { lines } => {
                assert!(lines.windows(2).all(|pair| pair[0].seq + 1 == pair[1].seq), "in order");
                seen.push((lines[0].seq, lines[lines.len() - 1].seq, true));
            }
            LiveFrame::Gap { from, next } => seen.push((*from, next - 1, false)),
            _ => continue,
        }
        if seen.last().is_some_and(|(_, to, _)| *to >= last) {
            assert!(seen.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0), "no hole: {seen:?}");
            return seen;
        }
    }
}

#[tokio::test]
async fn all_viewers_share_one_stream_from_the_host_and_one_encoding() {
    let world = World::new().await;
    let before = world.host.viewers(world.id).unwrap();
    let opened = join_all((0..10).map(|_| world.view(Since::Tail(200), ALL)));
    let mut viewers = opened.await;
    assert_eq!(world.host.viewers(world.id).unwrap(), before + 1);
    world.print(1..4);
    let mut encoded = Vec::new();
    for viewer in &mut viewers {
        loop {
            let frame = next(viewer).await;
            if let LiveFrame::Lines { lines } = &*frame {
                assert_eq!(lines.len(), 3);
                encoded.push(frame.json());
                break;
            }
        }
    }
    assert!(
        encoded.iter().all(|json| json.as_ptr() == encoded[0].as_ptr()),
        "the same bytes, not equal ones"
    );
    assert!(encoded[0].starts_with(br#"{"type":"lines","lines":[{"seq":1,"#), "{:?}", encoded[0]);
    drop(viewers);
    tokio::time::timeout(Duration::from_secs(20), async {
        while world.host.viewers(world.id).unwrap() > before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn whoever_comes_later_gets_the_past_and_then_what_all_get_without_a_hole() {
    let world = World::new().await;
    world.print(1..701);
    let mut first = world.view(Since::Tail(1), ALL).await;
    assert_eq!(until(&mut first, 700).await, [(700, 700, true)]);
    world.print(701..901);
    until(&mut first, 900).await;
    for (since, from) in [
        (Since::After(0), 1),
        (Since::After(650), 651),
        (Since::After(800), 801),
        (Since::Tail(900), 1),
        (Since::Tail(300), 601),
        (Since::Tail(50), 851),
    ] {
        let mut viewer = world.view(since, ALL).await;
        let seen = until(&mut viewer, 900).await;
        assert_eq!(seen[0].0, from, "{since:?}: {seen:?}");
        assert!(seen.iter().all(|(_, _, lines)| *lines), "{since:?}: {seen:?}");
        while !matches!(&*next(&mut viewer).await, LiveFrame::CaughtUp) {}
    }
    let mut only_new = world.view(Since::Tail(0), ALL).await;
    while !matches!(&*next(&mut only_new).await, LiveFrame::CaughtUp) {}
    world.print(901..902);
    assert_eq!(until(&mut only_new, 901).await, [(901, 901, true)]);
    assert_eq!(until(&mut first, 901).await, [(901, 901, true)]);
}

#[tokio::test]
async fn whoever_looks_after_the_daemon_was_changed_sees_the_new_one_though_others_look_at_the_old_one() {
    let mut world = World::new().await;
    let _old = world.view(Since::Tail(0), ALL).await;
    let other = World::new().await;
    let spec = world.host.declared(world.id).await.unwrap();
    other.host.declare(spec).await.unwrap();
    world.node = std::sync::OnceLock::from(other.node().clone());
    let before = other.host.viewers(world.id).unwrap();
    let _new = world.view(Since::Tail(0), ALL).await;
    assert_eq!(other.host.viewers(world.id).unwrap(), before + 1);
}

#[tokio::test]
async fn a_viewer_that_reads_slowly_holds_up_nobody_and_is_told_what_it_missed() {
    let world = World::new().await;
    let mut slow = world.view(Since::Tail(0), ALL).await;
    let mut quick = world.view(Since::Tail(0), ALL).await;
    for round in 0..50 {
        world.print(round * 200 + 1..round * 200 + 201);
        until(&mut quick, (round + 1) * 200).await;
    }
    {
        let stream = world.streams.stream(world.node(), world.id);
        let state = stream.state();
        assert!(state.bytes <= KEPT_BYTES, "{} bytes are kept", state.bytes);
    }
    // The host keeps the last 1,000 lines.
    let seen = until(&mut slow, 10_000).await;
    let missed: u64 = seen.iter().filter(|(_, _, lines)| !lines).map(|(from, to, _)| to - from + 1).sum();
    assert_eq!(seen[0].0, 1, "{seen:?}");
    assert!((1..=9_000).contains(&missed), "{missed} lines: {seen:?}");
}

#[tokio::test]
async fn a_viewer_that_falls_behind_in_a_burst_misses_nothing_and_takes_a_bounded_amount_of_memory() {
    let world = World::new().await;
    let kept = || world.streams.stream(world.node(), world.id).state().bytes;
    let mut slow = world.view(Since::Tail(0), ALL).await;
    let mut quick = world.view(Since::Tail(0), ALL).await;
    while !matches!(&*next(&mut slow).await, LiveFrame::CaughtUp) {}
    for round in 0..50 {
        world.print(round * 200 + 1..round * 200 + 201);
        until(&mut quick, (round + 1) * 200).await;
    }
    assert!(kept() > KEPT_BYTES, "{} bytes are kept", kept());
    // The host keeps the last 1,000 lines only.
    let seen = until(&mut slow, 10_000).await;
    assert!(seen.iter().all(|(_, _, lines)| *lines), "{seen:?}");
    world.print(10_001..10_002);
    until(&mut quick, 10_001).await;
    assert!(kept() <= KEPT_BYTES, "{} bytes are kept", kept());

    until(&mut slow, 10_001).await;
    let long = "x".repeat(4_096);
    for round in 0..50 {
        world.host.print(world.id, std::iter::repeat_n(long.clone(), 50)).unwrap();
        until(&mut quick, 10_001 + (round + 1) * 50).await;
    }
    assert!((KEPT_BYTES..=BACKLOG_BYTES).contains(&kept()), "{} bytes are kept", kept());
    drop(slow);
    world.print(12_502..12_503);
    until(&mut quick, 12_502).await;
    assert!(kept() <= KEPT_BYTES, "{} bytes are kept", kept());
}

#[tokio::test]
async fn nobody_is_sent_a_part_that_was_not_asked_for_though_others_look_at_it() {
    let host = SimulatedHost::builder().stats_every(Duration::from_millis(20)).build();
    let world = World { host, ..World::new().await };
    let spec = serde_json::json!({
        "id": world.id, "revision": 1, "name": "x", "image": "x", "startup": "", "environment": {},
        "limits": crate::containers::Limits::default(), "ports": [], "done": [], "strip_ansi": false,
        "stop": { "type": "docker" }, "stop_timeout_ms": 1_000, "config_files": [], "suspended": false,
    });
    world.host.declare(serde_json::from_value(spec).unwrap()).await.unwrap();
    let mut all = world.view(Since::Tail(10), ALL).await;
    let mut blind = world.view(Since::Tail(10), LiveParts { console: false, stats: false }).await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    let (mut lines, mut stats) = (false, false);
    while !(lines && stats) {
        match &*next(&mut all).await {
            LiveFrame::Lines { .. } => lines = true,
            LiveFrame::Stats { .. } => stats = true,
            _ => {}
        }
    }
    world.host.power(world.id, PowerAction::Stop, "").await.unwrap();
    loop {
        match &*next(&mut blind).await {
            LiveFrame::Status { status } if status.last_exit.is_some() => break,
            LiveFrame::Status { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

/// A host whose answers to questions for lines are on their way until they are let through.
struct SlowAnswers {
    host: SimulatedHost,
    /// How many answers are on their way.
    waiting: watch::Sender<usize>,
    let_through: Semaphore,
}

#[async_trait]
impl<R: Request> Handler<R> for SlowAnswers
where
    SimulatedHost: Handler<R>,
{
    async fn handle(&self, target: R::Target, request: R) -> Result<R::Answer, NodeError> {
        let answer = self.host.handle(target, request).await;
        self.waiting.send_modify(|waiting| *waiting += 1);
        let _permit = self.let_through.acquire().await.unwrap();
        answer
    }
}

#[async_trait]
impl Node for SlowAnswers {
    async fn live(
        &self,
        id: ContainerId,
        since: Since,
        parts: LiveParts,
    ) -> Result<BoxStream<'static, LiveFrame>, NodeError> {
        self.host.live(id, since, parts).await
    }

    async fn events(&self) -> Result<BoxStream<'static, NodeEvent>, NodeError> {
        unreachable!()
    }

    async fn tell(&self, _: HostMessage) -> Result<(), NodeError> {
        unreachable!()
    }

    async fn export_console(&self, _: ContainerId, _: ConsoleExport) -> Result<Download, NodeError> {
        unreachable!()
    }

    async fn read_file(&self, _: ContainerId, _: Scoped<FileRead>) -> Result<FileContent, NodeError> {
        unreachable!()
    }

    async fn write_file(
        &self,
        _: ContainerId,
        _: Scoped<FileWrite>,
        _: Body,
    ) -> Result<FileAnswer, NodeError> {
        unreachable!()
    }
}

#[tokio::test]
async fn lines_that_the_stream_drops_while_the_host_answers_are_no_gap() {
    let mut world = World::new().await;
    let slow = Arc::new(SlowAnswers {
        host: world.host.clone(),
        waiting: watch::Sender::new(0),
        let_through: Semaphore::new(0),
    });
    world.node = std::sync::OnceLock::from(slow.clone() as Arc<dyn Node>);
    // There is no line yet, and that is what the host says of its past.
    let mut viewer = world.view(Since::After(0), ALL).await;
    let seen = tokio::spawn(async move { until(&mut viewer, 900).await });
    slow.waiting.subscribe().wait_for(|waiting| *waiting == 1).await.unwrap();
    // Before its answer arrives, more is printed than the stream keeps, and the host has all of it.
    let long = (1..=900).map(|number| format!("line {number} {}", "x".repeat(500)));
    world.host.print(world.id, long).unwrap();
    let stream = world.streams.stream(world.node(), world.id);
    let mut changed = stream.changed.subscribe();
    while stream.state().lines.back().is_none_or(|newest| newest.last < 900) {
        changed.changed().await.unwrap();
    }
    assert!(stream.state().lines.front().unwrap().first > 1, "the stream has dropped the first lines");
    slow.let_through.add_permits(1_000);
    let seen = tokio::time::timeout(Duration::from_secs(20), seen).await.unwrap().unwrap();
    assert!(seen.iter().all(|(_, _, lines)| *lines), "no gap: {seen:?}");
    assert_eq!(seen[0].0, 1);
}
