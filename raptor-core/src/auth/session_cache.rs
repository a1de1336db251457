//! Authenticated sessions in memory, so that a request needs no query, while revocation still takes effect at once.

use crate::{
    authz::UserActor,
    id::SessionId,
    store::{Cache, Change, Feed, Invalidation, Subject, Verb},
    users::User,
};
use chrono::{DateTime, Utc};
use std::sync::{Arc, atomic::AtomicI64};

/// Most sessions in the cache.
const CAPACITY: u64 = 100_000;

/// An active session.
pub(crate) struct Entry {
    pub(crate) actor: UserActor,
    /// The account. `last_seen_at` and `container_count` may be stale, since their changes are not published.
    pub(crate) user: User,
    pub(crate) expires_at: DateTime<Utc>,
    /// Unix time in seconds of the last recorded use.
    pub(crate) noted: AtomicI64,
}

impl Entry {
    /// Whether the session may be used: it has not expired, and its user does not have to change the password first.
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
                Invalidation::One(SessionId::from(id))
            }
            Change {
                subject: Subject::User | Subject::Role, verb: Verb::Updated | Verb::Deleted, ..
            } => Invalidation::All,
            _ => Invalidation::None,
        },
    )
}
