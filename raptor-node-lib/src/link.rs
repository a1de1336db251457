//! The host's side of the link: questions go up with whatever else happens, answers and hints come down.

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

/// How long an answer may take: a password is checked in its turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// Questions and reports that wait for a slow control side.
const WAITING: usize = 256;

/// What may have changed, as far as it is known: this user's grants, those in this container.
pub(crate) type Recheck = (Option<UserId>, Option<ContainerId>);

/// The way to whoever listens to this host's events.
pub(crate) struct Link {
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Answer>>>,
    listeners: Mutex<Vec<mpsc::Sender<NodeEvent>>>,
    rechecks: broadcast::Sender<Recheck>,
    noted: broadcast::Sender<ActivityId>,
    /// What fetches files.
    outbound: Outbound,
}

impl Default for Link {
    fn default() -> Self {
        Self::new(Outbound::default())
    }
}

impl Link {
    /// One that tells `outbound` which hosts it may not fetch from.
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

    /// Another listener, who is asked first from now on. Whatever was granted before is looked at again: changes may have been
    /// missed while nobody listened.
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

    /// Reports that were written down.
    pub(crate) fn noted(&self) -> broadcast::Receiver<ActivityId> {
        self.noted.subscribe()
    }

    /// What the control side says.
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

    /// Tells something to one listener; whether there was one.
    pub(crate) fn tell(&self, event: NodeEvent) -> bool {
        self.newest().is_some_and(|listener| listener.try_send(event).is_ok())
    }

    /// Asks the listeners, the newest first, until one answers; nothing where none does.
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
                    // Whoever was asked is gone.
                    () = listener.closed() => None,
                }
            };
            let answered = tokio::time::timeout(PATIENCE, answered).await;
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
        // Every address is a public one here.
        let outbound = Outbound::default().allowed(|_| true);
        let link = Link::new(outbound.clone());
        // Nobody listens on port 1.
        let fetch = async || outbound.read("http://127.0.0.1:1/", 10, Duration::from_secs(5)).await;
        assert!(matches!(fetch().await, Err(OutboundError::Failed(_))));
        link.hear(HostMessage::Hosts { hosts: vec!["localhost".into()] });
        assert!(matches!(fetch().await, Err(OutboundError::Private)));
        link.hear(HostMessage::Hosts { hosts: Vec::new() });
        assert!(matches!(fetch().await, Err(OutboundError::Failed(_))));
    }
}
