//! The audit trail: who did what to what, when, from where.

pub mod actions;
pub(crate) mod deferred;
pub(crate) mod redact;
pub mod service;

pub use raptor_model::activity::*;

use crate::authz::Actor;

impl From<&Actor> for Performer {
    fn from(actor: &Actor) -> Self {
        let user = actor.user_id();
        Self {
            kind: if user.is_some() { ActorKind::User } else { ActorKind::System },
            id: user.map(Into::into),
            name: actor.name().to_owned(),
            ip: actor.ip(),
        }
    }
}
