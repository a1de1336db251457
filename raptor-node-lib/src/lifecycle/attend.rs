//! Staying with a process: reading what it writes, writing what it is told, and noticing its end.

use super::{Ground, boot::Started, supervisor::Msg};
use crate::{
    console::{Console, Decoder},
    runtime::{Ended, Found, RuntimeError},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use raptor_core::{id::ContainerId, templates::DoneRules};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// Output without a line end is shown as it is after so long.
const PROMPT_AFTER: Duration = Duration::from_millis(50);
/// How often the engine is asked again when it did not answer.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(1);
/// How long the last output may take to arrive after the end.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Stays with one process.
pub(super) struct Attendant {
    pub(super) ground: Arc<Ground>,
    pub(super) id: ContainerId,
    pub(super) console: Arc<Console>,
    /// The newest line before this run.
    pub(super) after_line: u64,
    pub(super) done: DoneRules,
    pub(super) tell: mpsc::Sender<Msg>,
}

impl Attendant {
    /// Stays until the process has ended and all it wrote is in the console, then tells so. `started` is the process where
    /// this daemon started it; without, one that an earlier daemon started is joined.
    pub(super) async fn attend(self, mut started: Option<Started>, mut input: mpsc::Receiver<Bytes>) {
        let ended = loop {
            let joined = match started.take() {
                Some(started) => Some(started),
                None => self.rejoin().await,
            };
            let Some(Started { output, mut stdin }) = joined else { break self.until_ended().await };
            let reader = tokio::spawn(read(self.reading(), output));
            let mut waiting = std::pin::pin!(self.ground.docker.wait(self.id));
            loop {
                tokio::select! {
                    _ = &mut waiting => break,
                    Some(bytes) = input.recv() => {
                        // A process that is gone is noticed by the other branch.
                        let _ = stdin.write(&bytes).await;
                    }
                }
            }
            let found = self.found().await;
            if let Found::Running = found {
                // The engine went away and came back; the process is still there.
                reader.abort();
                let _ = reader.await;
                continue;
            }
            let _ = tokio::time::timeout(LAST_WORDS, reader).await;
            break end_of(found);
        };
        let _ = self.tell.send(Msg::Exited(ended)).await;
    }

    fn reading(&self) -> Reading {
        Reading {
            consumed: self.console.consumed_since(self.after_line),
            ground: self.ground.clone(),
            console: self.console.clone(),
            done: self.done.clone(),
            tell: self.tell.clone(),
        }
    }

    /// The output from where the console has it; none when the container is gone.
    async fn rejoin(&self) -> Option<Started> {
        loop {
            let consumed = self.console.consumed_since(self.after_line);
            match self.ground.docker.rejoin(self.id, consumed).await {
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
        if let Ok(output) = self.ground.docker.replay(self.id, consumed).await {
            let _ = tokio::time::timeout(LAST_WORDS, read(self.reading(), output.boxed())).await;
        }
    }

    async fn until_ended(&self) -> Ended {
        loop {
            match self.found().await {
                Found::Running => {
                    let _ = self.ground.docker.wait(self.id).await;
                }
                found => return end_of(found),
            }
        }
    }

    /// Only the engine's word counts. One that does not answer is asked again.
    async fn found(&self) -> Found {
        loop {
            match self.ground.docker.inspect(self.id).await {
                Ok(found) => return found,
                Err(_) => tokio::time::sleep(ASK_AGAIN).await,
            }
        }
    }
}

fn end_of(found: Found) -> Ended {
    match found {
        Found::Ended(ended) => ended,
        Found::Missing | Found::Running => Ended { code: -1, out_of_memory: false },
    }
}

struct Reading {
    ground: Arc<Ground>,
    console: Arc<Console>,
    consumed: u64,
    done: DoneRules,
    tell: mpsc::Sender<Msg>,
}

/// Turns output into console lines until it ends, and looks for the line that says that the process is ready.
async fn read(reading: Reading, mut output: BoxStream<'static, Bytes>) {
    let Reading { ground, console, consumed, done, tell } = reading;
    let mut done = Some(done);
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
        console.output(ground.clock.now(), lines);
        if ready {
            done = None;
            let _ = tell.send(Msg::Ready).await;
        }
        unshown = decoder.has_partial();
    }
    console.output(ground.clock.now(), decoder.finish().into_iter().collect());
    console.set_partial("");
}
