//! The audit trail on the wire.

use chrono::{DateTime, Utc};
use raptor_core::{
    activity,
    id::{ActivityId, ContainerId},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// Who did something: a user, a daemon or the system.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActivityActor {
    /// `user`, `system` or `daemon`.
    pub kind: &'static str,
    /// Which one, unless it is the system.
    pub id: Option<Uuid>,
    /// What it was called then.
    pub name: String,
}

/// What something was done to.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActivitySubject {
    /// The noun: `user`, `container`, `daemon`.
    pub kind: String,
    /// Id of the thing; null where it has none.
    pub id: Option<Uuid>,
    /// What it was called then.
    pub name: String,
}

/// One row of the audit trail.
//
// Differs from the domain's: actor and subject are objects.
#[derive(Debug, Serialize, ToSchema)]
pub struct Activity {
    /// Its id; sorts by time.
    pub id: ActivityId,
    /// When it was done, in UTC.
    pub at: DateTime<Utc>,
    /// The user, daemon or system that did it.
    pub actor: ActivityActor,
    /// What was done: `user.created`, `container.power.start`.
    pub action: String,
    /// What it was done to.
    pub subject: ActivitySubject,
    /// The container that it concerns.
    pub container_id: Option<ContainerId>,
    /// Where the call came from.
    pub ip: Option<String>,
    /// Details, whose fields depend on the action, e.g. `from` and `to` of a change.
    #[schema(value_type = Object)]
    pub detail: serde_json::Value,
}

impl From<activity::Activity> for Activity {
    fn from(row: activity::Activity) -> Self {
        Self {
            id: row.id,
            at: row.at,
            actor: ActivityActor { kind: row.actor_kind.name(), id: row.actor_id, name: row.actor_name },
            action: row.action,
            subject: ActivitySubject { kind: row.subject_kind, id: row.subject_id, name: row.subject_name },
            container_id: row.container_id,
            ip: row.ip.map(|ip| ip.to_string()),
            detail: row.detail,
        }
    }
}

super::page! {
    /// One page of the audit trail, the newest first.
    ActivityPage of Activity
}
