//! Attending a process: reading its output, writing its input, and noticing its end.

use super::{
    HostContext,
    reading::{OutputReader, ReplayFilter},
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

/// The pause before an engine that did not answer is asked again.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(1);
/// How long the last output may take to arrive after the end of the process.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How often, and with which pause, the engine is asked whether a killed process had run out of memory.
const MEMORY_TRIES: u32 = 15;
const MEMORY_PAUSE: Duration = Duration::from_millis(100);

/// A line for the standard input of a process.
#[derive(Debug)]
pub(super) struct InputLine {
    /// Includes the line end.
    pub(super) bytes: Bytes,
    /// Whether it is the stop command, whose delivery is reported.
    pub(super) stop: bool,
}

/// How a process ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) ended: Ended,
    /// Whether it ended with its host or engine, or was removed: not its own fault.
    pub(super) interrupted: bool,
    /// Whether the engine was told to end it, by the daemon or by a person on the host.
    pub(super) by_hand: bool,
}

/// Attends one process.
pub(super) struct ProcessMonitor {
    pub(super) context: Arc<HostContext>,
    /// The engine's name of the container.
    pub(super) name: String,
    pub(super) console: Arc<Console>,
    /// The kind of its output lines.
    pub(super) kind: LineKind,
    /// The number of the newest line before this run.
    pub(super) after_line: u64,
    /// Whether the host was restarted since the process was started.
    pub(super) other_boot: bool,
    /// Which output means that it is ready, if that is still to be determined.
    pub(super) done: Option<DoneRules>,
    pub(super) messages: mpsc::Sender<Msg>,
}

impl ProcessMonitor {
    /// Runs until the process has ended and all its output is in the console. `started` is the process if this daemon started
    /// it; `None` joins one that an earlier daemon started.
    pub(super) async fn run(
        self,
        mut started: Option<Attached>,
        mut input: mpsc::Receiver<InputLine>,
    ) -> End {
        // Whether this daemon did not see the process running.
        let mut late = started.is_none();
        // A command that got lost when the engine went down is sent again to the same process, never to the next one.
        let mut unsent: Option<InputLine> = None;
        loop {
            let joined = match started.take() {
                Some(started) => Some((started, ReplayFilter::default())),
                None => self.rejoin().await,
            };
            let Some((Attached { output, mut stdin }, known)) = joined else {
                let (found, left) = self.until_ended().await;
                return self.end_of(found, late, left).await;
            };
            // The engine also attaches to processes that have ended.
            late = late && !matches!(self.context.engine.inspect(&self.name).await, Ok(Found::Running));
            // Aborted on drop: two readers would write every line twice.
            let reader = AbortOnDropHandle::new(tokio::spawn(self.reading(known).read(output)));
            let mut waiting = std::pin::pin!(self.context.engine.wait(&self.name));
            let mut stop = false;
            let waited = loop {
                if let Some(typed) = unsent.take() {
                    stop = typed.stop;
                    if stdin.write(typed.bytes).await.is_err() {
                        // The process or the engine is gone, or the engine has only closed the input.
                        break tokio::time::timeout(ASK_AGAIN, &mut waiting).await.ok();
                    }
                    if stop {
                        let _ = self.messages.send(Msg::StopDelivered).await;
                    }
                }
                tokio::select! {
                    waited = &mut waiting => break Some(waited),
                    Some(typed) = input.recv() => unsent = Some(typed),
                }
            };
            let (found, left) = self.found().await;
            if let Found::Running = found {
                // The engine was restarted; the process still runs, and output since the start of an unfinished line is
                // replayed.
                reader.abort();
                let _ = reader.await;
                unsent = stdin.undelivered().map(|bytes| InputLine { bytes, stop });
                if unsent.as_ref().is_some_and(|typed| typed.stop) {
                    let _ = self.messages.send(Msg::StopLost).await;
                }
                continue;
            }
            let left = left || matches!(waited, Some(Err(RuntimeError::Away(_))));
            if left && found != Found::Missing {
                // The output broke off with the engine. What was written since is still there.
                reader.abort();
                let _ = reader.await;
                self.last_words(ReplayFilter::of(&self.console, self.after_line)).await;
            } else if let Ok(Ok(unfinished)) = tokio::time::timeout(LAST_WORDS, reader).await {
                self.finish(unfinished);
            }
            return self.end_of(found, late, left).await;
        }
    }

    fn reading(&self, known: ReplayFilter) -> OutputReader {
        OutputReader {
            known,
            context: self.context.clone(),
            console: self.console.clone(),
            kind: self.kind,
            done: self.done.clone(),
            messages: self.messages.clone(),
        }
    }

    /// Adds the last, unfinished line of output that has ended.
    fn finish(&self, unfinished: Option<(String, u64)>) {
        self.console.output(self.context.clock.now(), self.kind, unfinished.into_iter().collect());
    }

    /// Attaches again, with the output from shortly before what the console already has; `None` if the container is gone.
    async fn rejoin(&self) -> Option<(Attached, ReplayFilter)> {
        loop {
            let known = ReplayFilter::of(&self.console, self.after_line);
            match self.context.engine.rejoin(&self.name, known.from).await {
                Ok(attached) => return Some((attached, known)),
                Err(RuntimeError::NotFound) => return None,
                Err(RuntimeError::Refused(_)) => {
                    // An ended container accepts no input any more, but its last output is still available.
                    self.last_words(known).await;
                    return None;
                }
                Err(RuntimeError::Away(_)) => tokio::time::sleep(ASK_AGAIN).await,
            }
        }
    }

    async fn last_words(&self, known: ReplayFilter) {
        let Ok(output) = self.context.engine.replay(&self.name, known.from).await else { return };
        let reading = self.reading(known).read(output);
        if let Ok(unfinished) = tokio::time::timeout(LAST_WORDS, reading).await {
            self.finish(unfinished);
        }
    }

    /// Waits for the end. Returns how it ended, and whether the engine was unavailable meanwhile.
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

    /// Asks the engine until it answers. Also returns whether it was unavailable.
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

    /// Determines whether the process ran out of memory. On a busy host the engine may learn of that after the end of the
    /// process, so for a SIGKILL that nobody sent it is asked again for a while.
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

    /// How the process ended. One that ended with its engine or host is not at fault. If it ended before this daemon was
    /// started, a signal that nobody here sent suggests that. A container that is gone was removed. If the engine was told to
    /// end it, it is neither.
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
