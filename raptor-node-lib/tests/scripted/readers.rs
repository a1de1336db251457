//! Those who look at a console.

use crate::world::{World, pass};
use futures_util::{FutureExt, StreamExt, stream::BoxStream};
use raptor_model::{
    containers::lifecycle::Phase,
    node::{LiveFrame, LiveParts, Node, Since},
};

const LINES: u64 = 60_000;

async fn open(world: &World) -> BoxStream<'static, LiveFrame> {
    let parts = LiveParts { console: true, stats: false };
    world.host.live(world.id, Since::After(0), parts).await.unwrap()
}

/// The lines that a reader is given now, with those that it is told to be missing, in their order.
fn given(live: &mut BoxStream<'static, LiveFrame>) -> Vec<(u64, Option<String>)> {
    let mut given = Vec::new();
    while let Some(Some(frame)) = live.next().now_or_never() {
        match frame {
            LiveFrame::Lines { lines } => {
                given.extend(lines.into_iter().map(|line| (line.seq, Some(line.text))));
            }
            LiveFrame::Gap { from, next } => given.extend((from..next).map(|seq| (seq, None))),
            _ => {}
        }
    }
    given
}

#[tokio::test(start_paused = true)]
async fn a_live_reader_that_stands_still_holds_up_nobody_and_is_told_what_it_missed() {
    let world = World::running(|_| {}).await;
    let mut still = open(&world).await;
    let mut reads = open(&world).await;
    let mut read = Vec::new();
    for number in 0..LINES {
        world.engine.print(world.id, &format!("line {number} {}", "x".repeat(600)));
        if number % 500 == 0 {
            pass(1).await;
            read.extend(given(&mut reads));
        }
    }
    pass(5).await;
    read.extend(given(&mut reads));
    let last = format!("line {} ", LINES - 1);
    assert!(read.last().unwrap().1.as_ref().unwrap().starts_with(&last), "who reads has all by now");
    let missed = read.iter().filter(|(_, text)| text.is_none()).count();
    assert_eq!(missed, 0, "and misses none because another one stands still");
    assert!(read.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0), "each once and in order");

    // The container's supervisor is not held up either.
    world.stop().await;
    world.phase(Phase::Offline).await;

    let mut late = Vec::new();
    while late.last().is_none_or(|(seq, _)| *seq < read.last().unwrap().0) {
        let before = late.len();
        late.extend(given(&mut still));
        if late.len() == before {
            pass(1).await;
        }
    }
    assert!(
        late.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0),
        "each line, or that it is missing, once and in order"
    );
    let texts = |rows: &[(u64, Option<String>)], seq: u64| {
        rows.iter().find(|(found, _)| *found == seq).unwrap().1.clone()
    };
    let (seq, text) = late.iter().rev().find(|(_, text)| text.is_some()).unwrap();
    assert!(text.is_some() && texts(&late, *seq) == *text);
}
