//! History: flooded consoles, and measurements.

use crate::world::{ECHO, PATIENCE, World, docker};
use futures_util::{StreamExt, TryStreamExt};
use raptor_model::{
    containers::lifecycle::Phase,
    node::{
        ConsoleExport, ConsoleSearch, Handler, LineKind, LiveFrame, LiveParts, Node, PowerAction, Since,
        StatsRange,
        requests::{ContainerStatsQuery, SystemStatsQuery},
    },
};
use std::time::{Duration, Instant};

const LINES: u64 = 100_000;
/// Prints 100,000 lines as fast as it can after it receives a line.
const FLOOD: &str = r#"/bin/sh -c 'echo ready; read go; /bin/busybox awk '\''BEGIN { for (i = 1; i <= 100000; i++) printf "line %06d of a burst\n", i }'\''; read end'"#;

async fn text(world: &World, export: ConsoleExport) -> String {
    let pieces: Vec<_> =
        world.host.export_console(world.id, export).await.unwrap().try_collect().await.unwrap();
    String::from_utf8(pieces.concat()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn searches_and_downloads_during_a_flood_hold_nobody_up_and_lose_nothing() {
    if !docker() {
        return;
    }
    let world = World::new(FLOOD, |_| {}).await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.phase(Phase::Running).await;
    let live = world.host.live(world.id, Since::After(0), LiveParts { console: true, stats: false });
    let mut live = live.await.unwrap();
    world.host.command(world.id, "go", "").await.unwrap();
    let reader = async {
        let (mut next, mut output) = (1, 0);
        while output < LINES {
            match live.next().await.unwrap() {
                LiveFrame::Lines { lines } => {
                    for line in lines {
                        assert_eq!(line.seq, next);
                        next += 1;
                        if line.kind == LineKind::Output && line.text.starts_with("line ") {
                            output += 1;
                            assert!(line.text.starts_with(&format!("line {output:06} ")), "{line:?}");
                        }
                    }
                }
                LiveFrame::Gap { from, next } => unreachable!("lines {from} to {next} are missing"),
                _ => {}
            }
        }
    };
    let (mut searches, mut slowest) = (0_u64, Duration::ZERO);
    let asker = async {
        while searches < LINES {
            let begun = Instant::now();
            let search =
                ConsoleSearch { text: Some("7777 of".into()), limit: 100, ..ConsoleSearch::default() };
            let found = world.host.handle(world.id, search).await.unwrap();
            slowest = slowest.max(begun.elapsed());
            searches += 1;
            assert!(found.hits.iter().all(|hit| hit.text.contains("7777 of")));
            // A download by a slow reader runs at the same time.
            let export = ConsoleExport { gzip: true, ..ConsoleExport::default() };
            let mut download = world.host.export_console(world.id, export).await.unwrap();
            let _ = download.try_next().await.unwrap();
        }
    };
    tokio::select! {
        () = reader => {}
        () = asker => {}
        () = tokio::time::sleep(PATIENCE * 3) => unreachable!("the flood did not arrive"),
    }
    assert!(searches > 0);
    assert!(slowest < Duration::from_secs(30), "a search took {slowest:?}");

    world.host.power(world.id, PowerAction::Kill, "").await.unwrap();
    world.phase(Phase::Offline).await;
    // All lines can be read and found while it is offline.
    let mut search = ConsoleSearch {
        text: Some(r"^line \d\d7777 ".into()),
        regex: true,
        oldest_first: true,
        limit: 100,
        ..ConsoleSearch::default()
    };
    let mut numbers = Vec::new();
    loop {
        let found = world.host.handle(world.id, search.clone()).await.unwrap();
        numbers.extend(found.hits.iter().map(|hit| hit.text[5..11].to_owned()));
        search.cursor = found.next;
        if search.cursor.is_none() {
            break;
        }
    }
    let wanted: Vec<String> = (0..10).map(|i| format!("0{i}7777")).collect();
    assert_eq!(numbers, wanted);
    let text = text(&world, ConsoleExport::default()).await;
    let printed = text.lines().filter(|line| line.starts_with("line "));
    assert_eq!(printed.count() as u64, LINES);
}

#[tokio::test]
async fn measurements_outlive_the_daemon_and_go_with_the_container() {
    if !docker() {
        return;
    }
    let mut world = World::new(ECHO, |_| {}).await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.phase(Phase::Running).await;
    let measured = async |world: &World| {
        let history =
            world.host.handle(world.id, ContainerStatsQuery { range: StatsRange::Hour }).await.unwrap();
        assert_eq!(history.memory_bytes.avg.len(), 360);
        history.memory_bytes.max.into_iter().flatten().collect::<Vec<f64>>()
    };
    let deadline = Instant::now() + PATIENCE;
    while measured(&world).await.is_empty() {
        assert!(Instant::now() < deadline, "nothing was measured");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    world.restart_daemon().await;
    let kept = measured(&world).await;
    assert!(!kept.is_empty() && kept.iter().all(|bytes| *bytes > 0.0), "{kept:?}");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let host = world.host.handle((), SystemStatsQuery { range: StatsRange::Day }).await.unwrap();
        if host.memory_bytes.avg.iter().flatten().any(|bytes| *bytes > 1e6) {
            break;
        }
        assert!(Instant::now() < deadline, "the host was not measured");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    world.host.remove(world.id).await.unwrap();
    assert!(!world.base.join(".raptor").join(world.id.to_string()).exists());
    assert!(world.host.handle(world.id, ContainerStatsQuery { range: StatsRange::Hour }).await.is_err());
}

#[tokio::test]
async fn memory_is_what_a_container_cannot_give_back_and_the_page_cache_stands_beside_it() {
    if !docker() {
        return;
    }
    const MIB: u64 = 1024 * 1024;
    // After a second read, pages count as recently used, but can still be reclaimed.
    let reads = "sh -c 'dd if=/dev/zero of=big bs=1M count=100 2>/dev/null; sync; cat big big >/dev/null; echo ready; read line'";
    let world = World::new(reads, |spec| spec.limits.memory_mib = 256).await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.phase(Phase::Running).await;
    let parts = LiveParts { console: false, stats: true };
    let mut live = world.host.live(world.id, Since::Tail(0), parts).await.unwrap();
    loop {
        let frame = tokio::time::timeout(PATIENCE, live.next()).await.expect("no measurement").unwrap();
        if let LiveFrame::Stats { stats } = frame
            && stats.memory_cache_bytes >= 95 * MIB
        {
            assert!(stats.memory_bytes < 40 * MIB, "{stats:?}");
            break;
        }
    }
}
