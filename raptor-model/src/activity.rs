//! The audit trail: who did what to what, when, from where.

use crate::{
    clock::Clock,
    id::{ActivityId, ContainerId, DaemonId},
};
use chrono::{DateTime, Utc};
use std::net::IpAddr;
use uuid::Uuid;

/// Which kind of actor did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActorKind {
    /// A signed-in user; `actor_id` names the account.
    User,
    /// Raptor itself, such as the first start or a background job.
    System,
    /// A daemon, for what happened on its host without a request, such as a crash.
    Daemon,
}

impl ActorKind {
    /// Its stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::System => "system",
            Self::Daemon => "daemon",
        }
    }
}

/// Who does something, as the audit trail names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Performer {
    /// Kind of actor.
    pub kind: ActorKind,
    /// Which one, unless it is the system.
    pub id: Option<Uuid>,
    /// What it is called.
    pub name: String,
    /// Where the call came from, where it came over the network.
    pub ip: Option<IpAddr>,
}

/// One row of the audit trail.
#[derive(Clone, Debug, PartialEq)]
pub struct Activity {
    /// Its id; sorts by time.
    pub id: ActivityId,
    /// When.
    pub at: DateTime<Utc>,
    /// Kind of actor.
    pub actor_kind: ActorKind,
    /// Which one, unless it is the system.
    pub actor_id: Option<Uuid>,
    /// What it was called then.
    pub actor_name: String,
    /// What was done: `user.created`, `container.power.start`.
    pub action: String,
    /// To what kind of thing.
    pub subject_kind: String,
    /// To which.
    pub subject_id: Option<Uuid>,
    /// What it was called then.
    pub subject_name: String,
    /// The container that it concerns, if it concerns one.
    pub container_id: Option<ContainerId>,
    /// Where the call came from.
    pub ip: Option<IpAddr>,
    /// More, by action. Never a secret.
    pub detail: serde_json::Value,
}

impl Activity {
    /// `performer` does `action` now.
    pub fn new(clock: &Clock, performer: impl Into<Performer>, action: impl Into<String>) -> Self {
        let performer = performer.into();
        Self {
            id: ActivityId::generate(),
            at: clock.now(),
            actor_kind: performer.kind,
            actor_id: performer.id,
            actor_name: performer.name,
            action: action.into(),
            subject_kind: String::new(),
            subject_id: None,
            subject_name: String::new(),
            container_id: None,
            ip: performer.ip,
            detail: serde_json::Value::Object(serde_json::Map::new()),
        }
    }

    /// A daemon did it, of itself.
    #[must_use]
    pub fn by_daemon(mut self, id: DaemonId, name: &str) -> Self {
        self.actor_kind = ActorKind::Daemon;
        self.actor_id = Some(id.into());
        self.actor_name = name.to_owned();
        self
    }

    /// To this thing.
    #[must_use]
    pub fn on(mut self, kind: &str, id: impl Into<Uuid>, name: &str) -> Self {
        self.subject_kind = kind.to_owned();
        self.subject_id = Some(id.into());
        self.subject_name = name.to_owned();
        self
    }

    /// It concerns this container.
    #[must_use]
    pub fn in_container(mut self, id: ContainerId) -> Self {
        self.container_id = Some(id);
        self
    }

    /// With more to say.
    #[must_use]
    pub fn with(mut self, detail: serde_json::Value) -> Self {
        self.detail = detail;
        self
    }
}

/// Which part of the trail is wanted.
#[derive(Clone, Debug, Default)]
pub struct ActivityFilter {
    /// Of this actor.
    pub actor_id: Option<Uuid>,
    /// About this container.
    pub container_id: Option<ContainerId>,
    /// This action.
    pub action: Option<String>,
    /// Part of the actor's or subject's name or of the action, without regard to case.
    pub search: Option<String>,
}
