//! Staying with a process: reading what it writes, writing what it is told, and noticing its end.

use super::{Ground, boot::Started, supervisor::Msg};
use crate::{
    console::{Console, Decoder},
    runtime::{Ended, Found, RuntimeError},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use raptor_core::{node::LineKind, templates::DoneRules};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// Output without a line end is shown as it is after so long.
const PROMPT_AFTER: Duration = Duration::from_millis(50);
/// How often the engine is asked again when it did not answer.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(1);
/// How long the last output may take to arrive after the end.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How a process was found to have ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) ended: Ended,
    /// Whether it ended with its host or engine, or was taken away, through no fault of its own.
    pub(super) interrupted: bool,
}

/// Stays with one process.
pub(super) struct Attendant {
    pub(super) ground: Arc<Ground>,
    /// The engine's name of the container.
    pub(super) name: String,
    pub(super) console: Arc<Console>,
    /// Whose lines these are.
    pub(super) kind: LineKind,
    /// The newest line before this run.
    pub(super) after_line: u64,
    /// Whether the host was restarted since the process was started.
    pub(super) other_boot: bool,
    /// Which output says that it is ready, where somebody wants to know.
    pub(super) done: Option<DoneRules>,
    pub(super) tell: mpsc::Sender<Msg>,
}

impl Attendant {
    /// Stays until the process has ended and all it wrote is in the console. `started` is the process where this daemon
    /// started it; without, one that an earlier daemon started is joined.
    pub(super) async fn attend(self, mut started: Option<Started>, mut input: mpsc::Receiver<Bytes>) -> End {
        // Whether this daemon has not seen it run.
        let mut late = started.is_none();
        loop {
            let joined = match started.take() {
                Some(started) => Some(started),
                None => self.rejoin().await,
            };
            let Some(Started { output, mut stdin }) = joined else {
                let (found, left) = self.until_ended().await;
                return self.end_of(found, late, left);
            };
            // The engine lets one join what has ended.
            late = late && !matches!(self.ground.docker.inspect(&self.name).await, Ok(Found::Running));
            // Ends with us: two readers would write every line twice.
            let reader = AbortOnDropHandle::new(tokio::spawn(read(self.reading(), output)));
            let mut waiting = std::pin::pin!(self.ground.docker.wait(&self.name));
            let waited = loop {
                tokio::select! {
                    waited = &mut waiting => break waited,
                    Some(bytes) = input.recv() => {
                        // A process that is gone is noticed by the other branch.
                        let _ = stdin.write(&bytes).await;
                    }
                }
            };
            let (found, left) = self.found().await;
            if let Found::Running = found {
                // The engine went away and came back; the process is still there.
                reader.abort();
                let _ = reader.await;
                continue;
            }
            let _ = tokio::time::timeout(LAST_WORDS, reader).await;
            return self.end_of(found, late, left || matches!(waited, Err(RuntimeError::Away(_))));
        }
    }

    fn reading(&self) -> Reading {
        Reading {
            consumed: self.console.consumed_since(self.after_line),
            ground: self.ground.clone(),
            console: self.console.clone(),
            kind: self.kind,
            done: self.done.clone(),
            tell: self.tell.clone(),
        }
    }

    /// The output from where the console has it; none when the container is gone.
    async fn rejoin(&self) -> Option<Started> {
        loop {
            let consumed = self.console.consumed_since(self.after_line);
            match self.ground.docker.rejoin(&self.name, consumed).await {
                Ok((output, stdin)) => return Some(Started { output: output.boxed(), stdin }),
                Err(RuntimeError::NotFound) => return None,
                Err(RuntimeError::Refused(_)) => {
                    // An ended container has no way in any more, but its last words are still there.
                    self.last_words(consumed).await;
                    return None;
                }
                Err(RuntimeError::Away(_)) => tokio::time::sleep(ASK_AGAIN).await,
            }
        }
    }

    async fn last_words(&self, consumed: u64) {
        if let Ok(output) = self.ground.docker.replay(&self.name, consumed).await {
            let _ = tokio::time::timeout(LAST_WORDS, read(self.reading(), output.boxed())).await;
        }
    }

    /// How it ended, and whether the engine was away meanwhile.
    async fn until_ended(&self) -> (Found, bool) {
        let mut left = false;
        loop {
            let (found, away) = self.found().await;
            left |= away;
            if found != Found::Running {
                return (found, left);
            }
            left = matches!(self.ground.docker.wait(&self.name).await, Err(RuntimeError::Away(_)));
        }
    }

    /// Only the engine's word counts. One that does not answer is asked again; the second value tells that it was away.
    async fn found(&self) -> (Found, bool) {
        let mut away = false;
        loop {
            match self.ground.docker.inspect(&self.name).await {
                Ok(found) => return (found, away),
                Err(_) => {
                    away = true;
                    tokio::time::sleep(ASK_AGAIN).await;
                }
            }
        }
    }

    /// What ended with the engine, or with the host, is not to blame. Of what ended before this daemon came, an end by a
    /// signal that nobody here sent says so. What is gone altogether was taken away.
    fn end_of(&self, found: Found, late: bool, left: bool) -> End {
        match found {
            Found::Ended(ended) => {
                let by_signal = matches!(ended.code, 137 | 143);
                let interrupted = left || (late && (self.other_boot || by_signal));
                End { ended, interrupted: interrupted && !ended.out_of_memory }
            }
            Found::Missing | Found::Created | Found::Running => {
                End { ended: Ended { code: -1, out_of_memory: false }, interrupted: true }
            }
        }
    }
}

struct Reading {
    ground: Arc<Ground>,
    console: Arc<Console>,
    kind: LineKind,
    consumed: u64,
    done: Option<DoneRules>,
    tell: mpsc::Sender<Msg>,
}

/// Turns output into console lines until it ends, and looks for the line that says that the process is ready.
async fn read(reading: Reading, mut output: BoxStream<'static, Bytes>) {
    let Reading { ground, console, kind, consumed, mut done, tell } = reading;
    let mut decoder = Decoder::at(consumed);
    let mut unshown = false;
    loop {
        let chunk = match unshown {
            false => output.next().await,
            true => match tokio::time::timeout(PROMPT_AFTER, output.next()).await {
                Ok(chunk) => chunk,
                Err(_) => {
                    console.set_partial(&decoder.partial());
                    unshown = false;
                    continue;
                }
            },
        };
        let Some(chunk) = chunk else { break };
        let lines = decoder.feed(&chunk);
        let ready = done.as_ref().is_some_and(|done| lines.iter().any(|(line, _)| done.matches(line)));
        if !lines.is_empty() {
            console.set_partial("");
        }
        console.output(ground.clock.now(), kind, lines);
        if ready {
            done = None;
            let _ = tell.send(Msg::Ready).await;
        }
        unshown = decoder.has_partial();
    }
    console.output(ground.clock.now(), kind, decoder.finish().into_iter().collect());
    console.set_partial("");
}
