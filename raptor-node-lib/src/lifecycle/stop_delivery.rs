//! Delivering a stop request to a process, retried until the engine has passed it on.

use super::{
    HostContext,
    monitor::{ASK_AGAIN, InputLine},
    supervisor::Msg,
};
use crate::{console::Console, runtime::RuntimeError};
use std::sync::Arc;
use tokio::sync::mpsc;

/// For how many seconds a working engine may hold a stop command because the process does not read its input. After that the
/// stop timeout begins nevertheless: otherwise the process would never be killed.
const UNREAD: u32 = 5;

/// The kind of a stop request.
pub(super) enum StopOrder {
    /// A signal that asks it to stop.
    Signal(String),
    /// The image's stop signal.
    Docker,
    /// The stop command. `None` if it is already in the queue, and only its delivery is awaited.
    Line(Option<(mpsc::Sender<InputLine>, InputLine)>),
    Kill,
}

/// The delivery of one stop request to one process.
pub(super) struct StopDelivery {
    pub(super) context: Arc<HostContext>,
    /// The engine's name of the container.
    pub(super) name: String,
    pub(super) console: Arc<Console>,
    pub(super) messages: mpsc::Sender<Msg>,
}

impl StopDelivery {
    /// Runs until the request was delivered or can't be. Then sends [`Msg::StopDelivered`], unless it was a kill: the stop
    /// timeout begins.
    pub(super) async fn run(self, order: StopOrder) {
        match order {
            StopOrder::Line(line) => self.line(line).await,
            StopOrder::Kill => return self.signal(&StopOrder::Kill).await,
            order => self.signal(&order).await,
        }
        let _ = self.messages.send(Msg::StopDelivered).await;
    }

    async fn signal(&self, order: &StopOrder) {
        let mut told = false;
        loop {
            let sent = match order {
                StopOrder::Signal(signal) => self.context.engine.signal(&self.name, signal).await,
                StopOrder::Docker => self.context.engine.stop(&self.name).await,
                StopOrder::Kill | StopOrder::Line(_) => {
                    self.context.engine.signal(&self.name, "SIGKILL").await
                }
            };
            let what = if matches!(order, StopOrder::Kill) { "Killing it" } else { "Asking it to stop" };
            match sent {
                // If it has ended in the meantime, the task that waits for it notices.
                Ok(()) | Err(RuntimeError::NotFound) => return,
                Err(RuntimeError::Refused(why)) if why.is_empty() || why.contains("not running") => return,
                Err(RuntimeError::Refused(why)) => {
                    return self.context.say(&self.console, format!("{what} failed: {why}"));
                }
                Err(error @ RuntimeError::Away(_)) if !told => {
                    told = true;
                    self.context.say(&self.console, format!("{what} is delayed. {error}"));
                }
                Err(RuntimeError::Away(_)) => {}
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    /// Queues the command for the standard input, and waits. Its delivery is reported by the task that writes it.
    async fn line(&self, line: Option<(mpsc::Sender<InputLine>, InputLine)>) {
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
                    // While the engine is unavailable, the process can't have read it.
                    answered = if self.context.engine.version().await.is_ok() { answered + 1 } else { 0 };
                }
            }
        }
        self.context.say(&self.console, "It does not read its input, so not the stop command either.");
    }
}
