//! The audit trail: who did what to what, when, from where.

use crate::{
    clock::Clock,
    id::{ActivityId, ContainerId, DaemonId},
};
use chrono::{DateTime, Utc};
use std::net::IpAddr;
use uuid::Uuid;

/// The kind of actor in the audit trail.
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
    /// The name in the database and on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::System => "system",
            Self::Daemon => "daemon",
        }
    }
}

/// The actor of an activity, as the audit trail names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Performer {
    pub kind: ActorKind,
    /// The user's or daemon's id; `None` for the system.
    pub id: Option<Uuid>,
    /// The user's or daemon's name.
    pub name: String,
    /// The address that the request came from, if it came over the network.
    pub ip: Option<IpAddr>,
}

/// An entry of the audit trail.
#[derive(Clone, Debug, PartialEq)]
pub struct Activity {
    /// Ordered by time (UUIDv7).
    pub id: ActivityId,
    pub at: DateTime<Utc>,
    pub actor_kind: ActorKind,
    /// The user's or daemon's id; `None` for the system.
    pub actor_id: Option<Uuid>,
    /// The actor's name at that time.
    pub actor_name: String,
    /// The action, e.g. `user.created` or `container.power.start`.
    pub action: String,
    /// The kind of object, e.g. `user` or `container`.
    pub subject_kind: String,
    /// The id of the object; `None` if it has none.
    pub subject_id: Option<Uuid>,
    /// The object's name at that time.
    pub subject_name: String,
    /// The container concerned, if any.
    pub container_id: Option<ContainerId>,
    /// The address that the request came from.
    pub ip: Option<IpAddr>,
    /// Further details, depending on the action. Never contains a secret.
    pub detail: serde_json::Value,
}

impl Activity {
    /// An activity of `performer` at the current time.
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

    /// Sets a daemon as the actor.
    #[must_use]
    pub fn by_daemon(mut self, id: DaemonId, name: &str) -> Self {
        self.actor_kind = ActorKind::Daemon;
        self.actor_id = Some(id.into());
        self.actor_name = name.to_owned();
        self
    }

    /// Sets the object.
    #[must_use]
    pub fn on(mut self, kind: &str, id: impl Into<Uuid>, name: &str) -> Self {
        self.subject_kind = kind.to_owned();
        self.subject_id = Some(id.into());
        self.subject_name = name.to_owned();
        self
    }

    /// Sets the container concerned.
    #[must_use]
    pub fn in_container(mut self, id: ContainerId) -> Self {
        self.container_id = Some(id);
        self
    }

    /// Sets further details.
    #[must_use]
    pub fn with(mut self, detail: serde_json::Value) -> Self {
        self.detail = detail;
        self
    }
}

/// Narrows a list of activity. A `None` field does not filter.
#[derive(Clone, Debug, Default)]
pub struct ActivityFilter {
    pub actor_id: Option<Uuid>,
    pub container_id: Option<ContainerId>,
    /// Only this action, by its full name, e.g. `container.power.start`.
    pub action: Option<String>,
    /// Actions of this kind, such as `container` or `container.power`: those whose names begin with it and a dot.
    pub kind: Option<String>,
    /// Not before this time.
    pub from: Option<DateTime<Utc>>,
    /// Only entries from before this time; the time itself is not included.
    pub until: Option<DateTime<Utc>>,
    /// Part of the actor's or object's name or of the action, without regard to case.
    pub search: Option<String>,
}
