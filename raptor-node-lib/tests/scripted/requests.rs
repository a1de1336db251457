//! What a supervisor does for a request is logged within it, from the message on until it is done.

use crate::world::World;
use raptor_model::containers::lifecycle::Phase;
use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};
use tracing::{Instrument, info_span, level_filters::LevelFilter};
use tracing_subscriber::fmt::MakeWriter;

/// What is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Self;
    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

impl Log {
    /// The lines that say `what`.
    fn of(&self, what: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| line.contains(what)).map(str::to_owned).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_done_for_a_request_carries_its_id_until_it_is_done_and_nothing_else_does() {
    // While a process has only one subscriber, `tracing` takes the first thread that reaches a span or event for the only one: a test of
    // another thread, which logs nothing, would switch it off for all.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(LevelFilter::DEBUG)
        .with_writer(log.clone())
        .finish();
    let _kept = tracing::subscriber::set_default(subscriber);
    let world = World::new(|_| {}).await;
    world.start().instrument(info_span!("request", id = "first-7")).await;
    world.phase(Phase::Running).await;
    let within = |id: &str| format!("request{{id=\"{id}\"}}:container{{id={}}}", world.id);
    // In the supervisor itself, and in the task that it has begun.
    for what in ["effect=Boot", "the start has ended"] {
        let lines = log.of(what);
        assert!(lines.len() == 1 && lines[0].contains(&within("first-7")), "{what}: {lines:?}");
    }

    // A crash a minute later, and the start that follows from it, are nobody's request.
    crate::world::pass(60).await;
    world.engine.exit(world.id, 1);
    world
        .until("it was started again", |status| status.crashes.is_some() && status.phase == Phase::Running)
        .await;
    let lines = log.of("effect=Boot");
    assert!(lines.len() == 2 && !lines[1].contains("request{"), "{lines:?}");
    assert!(lines[1].contains(&format!("container{{id={}}}", world.id)), "{lines:?}");

    world.stop().instrument(info_span!("request", id = "second-8")).await;
    world.phase(Phase::Offline).await;
    let lines = log.of("effect=AskToStop");
    assert!(lines.len() == 1 && lines[0].contains(&within("second-8")), "{lines:?}");
    let lines = log.of("effect=Ended");
    assert!(lines.last().unwrap().contains(&within("second-8")), "the end that was asked for: {lines:?}");
}
