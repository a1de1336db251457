//! Messages to a daemon over its link: answers to its questions, and hints that granted rights may have changed.

use super::link::Task;
use crate::{
    authz::Concern,
    id::{ContainerId, UserId},
    node::{Answer, HostActivity, HostMessage, Question},
    store::{Change, Subject, Verb},
    warnings::warn_of,
};
use tokio::sync::broadcast::error::RecvError;

impl Task {
    /// Answers in a task of its own: verifying a password takes time, and the daemon's other events must not wait for it.
    pub(super) fn reply(&self, id: u64, question: Question) {
        let (raptor, daemon, node) = (self.raptor.clone(), self.daemon, self.node.clone());
        self.raptor.inner.tasks.spawn(async move {
            let Question::Sftp { question } = question;
            let answer = match raptor.sftp().answer_link(daemon, question).await {
                Ok(answer) => Answer::Sftp { answer },
                Err(error) => {
                    warn_of!(raptor, error, %daemon, "answering a daemon's question failed");
                    Answer::Unavailable
                }
            };
            if let Err(error) = node.tell(HostMessage::Answer { id, answer }).await {
                tracing::debug!(%error, %daemon, "sending an answer to a daemon failed");
            }
        });
    }

    /// Records what somebody did on the host, then acknowledges it.
    pub(super) fn note(&self, activity: HostActivity) {
        let (raptor, daemon, node) = (self.raptor.clone(), self.daemon, self.node.clone());
        self.raptor.inner.tasks.spawn(async move {
            let id = activity.id;
            match raptor.sftp().note(daemon, activity).await {
                Ok(()) => {
                    let _ = node.tell(HostMessage::Noted { id }).await;
                }
                Err(error) => warn_of!(raptor, error, %daemon, "recording a daemon's report failed"),
            }
        });
    }

    /// Makes the daemon check again what a change concerns. Only a hint: what counts is the answer to the daemon's question.
    pub(super) async fn forward_change(&self, change: Result<Change, RecvError>) {
        let (user_id, container_id) = match change {
            Ok(Change { verb: Verb::Created, .. } | Change { subject: Subject::Session, .. }) => return,
            Ok(change) => match (change.subject, Concern::of(change)) {
                // A template lists files that nobody may touch, and the daemon's record says who may write.
                (Subject::Template, _) => (None, None),
                (Subject::Daemon, _) if change.id == self.daemon.as_uuid() => (None, None),
                (_, Some(Concern::Anybody)) => (None, None),
                (_, Some(Concern::User(id))) => (Some(id), None),
                (_, Some(Concern::Container(id))) if self.has(id) => (None, Some(id)),
                _ => return,
            },
            Err(RecvError::Lagged(_)) => (None, None),
            Err(RecvError::Closed) => return std::future::pending().await,
        };
        self.recheck(user_id, container_id).await;
    }

    /// Whether the container may be on this daemon; false only if it is known to be on another.
    fn has(&self, id: ContainerId) -> bool {
        self.raptor.inner.fleet.daemon_of(id).is_none_or(|daemon| daemon == self.daemon)
    }

    pub(super) async fn recheck(&self, user_id: Option<UserId>, container_id: Option<ContainerId>) {
        if let Err(error) = self.node.tell(HostMessage::Recheck { user_id, container_id }).await {
            tracing::debug!(%error, daemon = %self.daemon, "sending a change to a daemon failed");
        }
    }
}
