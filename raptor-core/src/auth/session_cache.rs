//! Authenticated sessions in memory, so that a request needs no query, and revocation still bites at once.

use crate::{
    authz::UserActor,
    id::SessionId,
    store::{Cache, Change, Concern, Feed, Subject, Verb},
    users::User,
};
use chrono::{DateTime, Utc};
use std::sync::{Arc, atomic::AtomicI64};

/// Sessions kept at most.
const CAPACITY: u64 = 100_000;

/// What is known of a live session.
pub(crate) struct Entry {
    pub(crate) actor: UserActor,
    /// The account, but for what changes without being told (`last_seen_at`, `container_count`).
    pub(crate) user: User,
    pub(crate) expires_at: DateTime<Utc>,
    /// Unix time in seconds of the last use that was written down.
    pub(crate) noted: AtomicI64,
}

impl Entry {
    /// Whether its user can go on with what they do: it has not ended, and asks for nothing first.
    pub(crate) fn good(&self, now: DateTime<Utc>) -> bool {
        self.expires_at > now && !self.user.password_change_required
    }
}

pub(crate) type SessionCache = Cache<SessionId, Arc<Entry>>;

pub(crate) fn session_cache(feed: &Feed) -> Arc<SessionCache> {
    Cache::new(
        feed,
        CAPACITY,
        |_, _| 1,
        |change| match change {
            Change { subject: Subject::Session, verb: Verb::Deleted | Verb::Updated, id } => {
                Concern::One(SessionId::from(id))
            }
            Change {
                subject: Subject::User | Subject::Role, verb: Verb::Updated | Verb::Deleted, ..
            } => Concern::All,
            _ => Concern::Nothing,
        },
    )
}
