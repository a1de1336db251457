//! The host's side of the link: questions go up among the events, answers and hints come down.

use raptor_model::{
    id::{ActivityId, ContainerId, UserId},
    node::{Answer, HostMessage, NodeEvent, Question},
};
use raptor_outbound::Outbound;
use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{broadcast, mpsc, oneshot};

/// How long an answer may take. Verifying a password may have to wait for its turn.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Most questions and reports queued for a slow control side.
const WAITING: usize = 256;

/// What may have changed: grants of this user, in this container. `None` means any.
pub(crate) type Recheck = (Option<UserId>, Option<ContainerId>);

/// The connection to the control side, which receives this host's events.
pub(crate) struct Link {
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Answer>>>,
    listeners: Mutex<Vec<mpsc::Sender<NodeEvent>>>,
    rechecks: broadcast::Sender<Recheck>,
    noted: broadcast::Sender<ActivityId>,
    /// The client for fetching files.
    outbound: Outbound,
}

impl Default for Link {
    fn default() -> Self {
        Self::new(Outbound::default())
    }
}

impl Link {
    /// A link that tells `outbound` which hosts it must not fetch from.
    pub(crate) fn new(outbound: Outbound) -> Self {
        Self {
            outbound,
            next: AtomicU64::new(1),
            waiting: Mutex::default(),
            listeners: Mutex::default(),
            rechecks: broadcast::channel(256).0,
            noted: broadcast::channel(256).0,
        }
    }

    /// Adds a listener, which is asked first from now on. Everything granted before is checked again, since changes may have
    /// been missed while there was no listener.
    pub(crate) fn join(&self) -> mpsc::Receiver<NodeEvent> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|listener| !listener.is_closed());
        listeners.push(sender);
        drop(listeners);
        let _ = self.rechecks.send((None, None));
        receiver
    }

    /// Hints that grants may have changed.
    pub(crate) fn rechecks(&self) -> broadcast::Receiver<Recheck> {
        self.rechecks.subscribe()
    }

    /// Reports that were stored.
    pub(crate) fn noted(&self) -> broadcast::Receiver<ActivityId> {
        self.noted.subscribe()
    }

    /// Handles a message from the control side.
    pub(crate) fn hear(&self, word: HostMessage) {
        match word {
            HostMessage::Answer { id, answer } => {
                let asker = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
                if let Some(asker) = asker {
                    let _ = asker.send(answer);
                }
            }
            HostMessage::Recheck { user_id, container_id } => {
                let _ = self.rechecks.send((user_id, container_id));
            }
            HostMessage::Noted { id } => {
                let _ = self.noted.send(id);
            }
            HostMessage::Hosts { hosts } => self.outbound.close(hosts),
        }
    }

    /// Sends an event to one listener. Returns whether there was one.
    pub(crate) fn tell(&self, event: NodeEvent) -> bool {
        self.newest().is_some_and(|listener| listener.try_send(event).is_ok())
    }

    /// Asks the listeners, newest first, until one answers; `None` if none does.
    pub(crate) async fn ask(&self, question: Question) -> Option<Answer> {
        let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for listener in listeners.iter().rev() {
            let id = self.next.fetch_add(1, Ordering::Relaxed);
            let (sender, answer) = oneshot::channel();
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(id, sender);
            let asking = NodeEvent::Question { id, question: question.clone() };
            let answered = async {
                listener.send(asking).await.ok()?;
                tokio::select! {
                    answer = answer => answer.ok(),
                    // The listener that was asked is gone.
                    () = listener.closed() => None,
                }
            };
            let answered = tokio::time::timeout(ANSWER_TIMEOUT, answered).await;
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
            if let Ok(Some(answer)) = answered
                && answer != Answer::Unavailable
            {
                return Some(answer);
            }
        }
        None
    }

    fn newest(&self) -> Option<mpsc::Sender<NodeEvent>> {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|listener| !listener.is_closed());
        listeners.last().cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raptor_outbound::OutboundError;
    use std::time::Duration;

    #[tokio::test]
    async fn files_are_not_fetched_from_the_hosts_that_the_control_side_names() {
        // All addresses count as public here.
        let outbound = Outbound::default().allowed(|_| true);
        let link = Link::new(outbound.clone());
        // No server listens on port 1.
        let fetch = async || outbound.read("http://127.0.0.1:1/", 10, Duration::from_secs(5)).await;
        assert!(matches!(fetch().await, Err(OutboundError::Failed(_))));
        link.hear(HostMessage::Hosts { hosts: vec!["localhost".into()] });
        assert!(matches!(fetch().await, Err(OutboundError::Private)));
        link.hear(HostMessage::Hosts { hosts: Vec::new() });
        assert!(matches!(fetch().await, Err(OutboundError::Failed(_))));
    }
}
