//! What a process has to be told so that it ends: told again until the engine has passed it on.

use super::{
    HostContext,
    attend::{ASK_AGAIN, Typed},
    supervisor::Msg,
};
use crate::{console::Console, runtime::RuntimeError};
use std::sync::Arc;
use tokio::sync::mpsc;

/// For how many seconds an engine that answers may leave a stop command with a process that does not read. Then its time to
/// stop begins all the same: otherwise it would never be killed.
const UNREAD: u32 = 5;

/// What is told.
pub(super) enum StopOrder {
    /// A signal that asks it to stop.
    Signal(String),
    /// The image's stop signal.
    Docker,
    /// The stop command. None: it is on its way already, and only its arrival is watched.
    Line(Option<(mpsc::Sender<Typed>, Typed)>),
    /// SIGKILL.
    Kill,
}

/// One word on its way to one process.
pub(super) struct StopDelivery {
    pub(super) context: Arc<HostContext>,
    /// The engine's name of the container.
    pub(super) name: String,
    pub(super) console: Arc<Console>,
    pub(super) tell: mpsc::Sender<Msg>,
}

impl StopDelivery {
    /// Runs until the word was delivered, or can't be, and says [`Msg::StopDelivered`] where it asks for a stop: the time that
    /// the process has for it begins.
    pub(super) async fn run(self, word: StopOrder) {
        match word {
            StopOrder::Line(line) => self.line(line).await,
            StopOrder::Kill => return self.signal(&StopOrder::Kill).await,
            word => self.signal(&word).await,
        }
        let _ = self.tell.send(Msg::StopDelivered).await;
    }

    async fn signal(&self, word: &StopOrder) {
        let mut told = false;
        loop {
            let sent = match word {
                StopOrder::Signal(signal) => self.context.engine.signal(&self.name, signal).await,
                StopOrder::Docker => self.context.engine.stop(&self.name).await,
                StopOrder::Kill | StopOrder::Line(_) => {
                    self.context.engine.signal(&self.name, "SIGKILL").await
                }
            };
            let what = if matches!(word, StopOrder::Kill) { "Killing it" } else { "Asking it to stop" };
            match sent {
                // The end of what ended meanwhile is noticed by the task that waits for it.
                Ok(()) | Err(RuntimeError::NotFound) => return,
                Err(RuntimeError::Refused(why)) if why.is_empty() || why.contains("not running") => return,
                Err(RuntimeError::Refused(why)) => {
                    return self.context.say(&self.console, format!("{what} failed: {why}"));
                }
                Err(error @ RuntimeError::Away(_)) if !told => {
                    told = true;
                    self.context.say(&self.console, format!("{what} has to wait. {error}"));
                }
                Err(RuntimeError::Away(_)) => {}
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    /// Puts the command among what is typed, and waits. That it was delivered is told by who writes it.
    async fn line(&self, line: Option<(mpsc::Sender<Typed>, Typed)>) {
        let mut queue = std::pin::pin!(async move {
            if let Some((stdin, typed)) = line {
                let _ = stdin.send(typed).await;
            }
        });
        let (mut queued, mut answered) = (false, 0);
        while answered < UNREAD {
            tokio::select! {
                () = &mut queue, if !queued => queued = true,
                () = tokio::time::sleep(ASK_AGAIN) => {
                    // While the engine is away, nobody could have read it.
                    answered = if self.context.engine.version().await.is_ok() { answered + 1 } else { 0 };
                }
            }
        }
        self.context.say(&self.console, "It does not read its input, the stop command included.");
    }
}
