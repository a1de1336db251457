//! Staying with a process: reading what it writes, writing what it is told, and noticing its end.

use super::{
    HostContext,
    reading::{Known, Reading},
    supervisor::Msg,
};
use crate::{
    console::Console,
    runtime::{Attached, Ended, Found, RuntimeError},
};
use bytes::Bytes;
use raptor_model::{node::LineKind, templates::DoneRules};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// How often the engine is asked again when it did not answer.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(1);
/// How long the last output may take to arrive after the end.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How often, and after which pause each time, the engine is asked whether a process that was killed had outgrown its memory.
const MEMORY_TRIES: u32 = 15;
const MEMORY_PAUSE: Duration = Duration::from_millis(100);

/// A line for a process.
#[derive(Debug)]
pub(super) struct Typed {
    /// With its line end.
    pub(super) bytes: Bytes,
    /// Whether it asks the process to stop: then its arrival is told.
    pub(super) stop: bool,
}

/// How a process was found to have ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) ended: Ended,
    /// Whether it ended with its host or engine, or was taken away, through no fault of its own.
    pub(super) interrupted: bool,
    /// Whether the engine was told to end it: by us, or by a person on the host.
    pub(super) by_hand: bool,
}

/// Stays with one process.
pub(super) struct Attendant {
    pub(super) context: Arc<HostContext>,
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
    pub(super) async fn attend(self, mut started: Option<Attached>, mut input: mpsc::Receiver<Typed>) -> End {
        // Whether this daemon has not seen it run.
        let mut late = started.is_none();
        // A command that the engine took with it when it ended is given again to the same process, never to the next.
        let mut unsent: Option<Typed> = None;
        loop {
            let joined = match started.take() {
                Some(started) => Some((started, Known::default())),
                None => self.rejoin().await,
            };
            let Some((Attached { output, mut stdin }, known)) = joined else {
                let (found, left) = self.until_ended().await;
                return self.end_of(found, late, left).await;
            };
            // The engine lets one join what has ended.
            late = late && !matches!(self.context.engine.inspect(&self.name).await, Ok(Found::Running));
            // Ends with us: two readers would write every line twice.
            let reader = AbortOnDropHandle::new(tokio::spawn(self.reading(known).read(output)));
            let mut waiting = std::pin::pin!(self.context.engine.wait(&self.name));
            let mut stop = false;
            let waited = loop {
                if let Some(typed) = unsent.take() {
                    stop = typed.stop;
                    if stdin.write(typed.bytes).await.is_err() {
                        // The process or the engine has gone, or the engine has only closed the way in.
                        break tokio::time::timeout(ASK_AGAIN, &mut waiting).await.ok();
                    }
                    if stop {
                        let _ = self.tell.send(Msg::StopDelivered).await;
                    }
                }
                tokio::select! {
                    waited = &mut waiting => break Some(waited),
                    Some(typed) = input.recv() => unsent = Some(typed),
                }
            };
            let (found, left) = self.found().await;
            if let Found::Running = found {
                // The engine went away and came back; the process is still there, and what it had begun to write comes again.
                reader.abort();
                let _ = reader.await;
                unsent = stdin.undelivered().map(|bytes| Typed { bytes, stop });
                if unsent.as_ref().is_some_and(|typed| typed.stop) {
                    let _ = self.tell.send(Msg::StopLost).await;
                }
                continue;
            }
            if let Ok(Ok(unfinished)) = tokio::time::timeout(LAST_WORDS, reader).await {
                self.finish(unfinished);
            }
            let left = left || matches!(waited, Some(Err(RuntimeError::Away(_))));
            return self.end_of(found, late, left).await;
        }
    }

    fn reading(&self, known: Known) -> Reading {
        Reading {
            known,
            context: self.context.clone(),
            console: self.console.clone(),
            kind: self.kind,
            done: self.done.clone(),
            tell: self.tell.clone(),
        }
    }

    /// Keeps the last line of an output that has ended.
    fn finish(&self, unfinished: Option<(String, u64)>) {
        self.console.output(self.context.clock.now(), self.kind, unfinished.into_iter().collect());
    }

    /// The output again from shortly before where the console has it; none when the container is gone.
    async fn rejoin(&self) -> Option<(Attached, Known)> {
        loop {
            let known = Known::of(&self.console, self.after_line);
            match self.context.engine.rejoin(&self.name, known.from).await {
                Ok(attached) => return Some((attached, known)),
                Err(RuntimeError::NotFound) => return None,
                Err(RuntimeError::Refused(_)) => {
                    // An ended container has no way in any more, but its last words are still there.
                    self.last_words(known).await;
                    return None;
                }
                Err(RuntimeError::Away(_)) => tokio::time::sleep(ASK_AGAIN).await,
            }
        }
    }

    async fn last_words(&self, known: Known) {
        let Ok(output) = self.context.engine.replay(&self.name, known.from).await else { return };
        let reading = self.reading(known).read(output);
        if let Ok(unfinished) = tokio::time::timeout(LAST_WORDS, reading).await {
            self.finish(unfinished);
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
            left = matches!(self.context.engine.wait(&self.name).await, Err(RuntimeError::Away(_)));
        }
    }

    /// Only the engine's word counts. One that does not answer is asked again; the second value tells that it was away.
    async fn found(&self) -> (Found, bool) {
        let mut away = false;
        loop {
            match self.context.engine.inspect(&self.name).await {
                Ok(found) => return (found, away),
                Err(_) => {
                    away = true;
                    tokio::time::sleep(ASK_AGAIN).await;
                }
            }
        }
    }

    /// The kernel tells the engine of a lack of memory beside the end of the process, and on a busy host after it: an end by
    /// SIGKILL that nobody asked for is asked about again.
    async fn with_memory(&self, mut ended: Ended) -> Ended {
        for _ in 0..MEMORY_TRIES {
            if ended.code != 137 || ended.out_of_memory {
                break;
            }
            tokio::time::sleep(MEMORY_PAUSE).await;
            match self.context.engine.inspect(&self.name).await {
                Ok(Found::Ended(now)) => ended = now,
                _ => break,
            }
        }
        ended
    }

    /// What ended with the engine, or with the host, is not to blame. Of what ended before this daemon came, an end by a
    /// signal that nobody here sent says so. What is gone altogether was taken away. What the engine was told to end is neither.
    async fn end_of(&self, found: Found, late: bool, left: bool) -> End {
        let by_hand = !left
            && !self.other_boot
            && self.context.engine.ended_by_hand(&self.name, self.context.clock.now()).await;
        match found {
            Found::Ended(ended) => {
                let ended = if by_hand { ended } else { self.with_memory(ended).await };
                let by_signal = matches!(ended.code, 137 | 143);
                let interrupted = !by_hand && (left || (late && (self.other_boot || by_signal)));
                End { ended, interrupted: interrupted && !ended.out_of_memory, by_hand }
            }
            Found::Missing | Found::Created | Found::Running => {
                End { ended: Ended { code: -1, out_of_memory: false }, interrupted: !by_hand, by_hand }
            }
        }
    }
}
