//! The change feed: every committed change, delivered to all subscribers, across replicas if the database can carry it.

use super::{open::cause, presence::Presence};
use crate::Warnings;
use raptor_model::clock::Clock;
use serde::{Deserialize, Serialize};
use sqlx::postgres::{PgListener, PgPool};
use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::broadcast;
use uuid::Uuid;

/// The PostgreSQL notification channel that carries the feed.
pub(crate) const CHANNEL: &str = "raptor_changes";
/// Bytes per notification at most; PostgreSQL refuses payloads of 8,000 bytes and more.
const MAX_PAYLOAD: usize = 7_000;

/// The kind of object that a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    User,
    Session,
    Role,
    Daemon,
    /// An allocation; if several of one daemon changed at once, the id is the daemon's.
    Allocation,
    Template,
    Container,
    /// What a container's host knows of its declaration (the id is the container's). Nothing that lists show.
    Declaration,
    /// Somebody's access to a container (the id is the container's).
    Access,
    /// A background job for a host (the id is the daemon's).
    Job,
    /// The login for a registry.
    Registry,
    Mail,
}

/// What happened to the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    Created,
    Updated,
    Deleted,
}

/// One committed change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub subject: Subject,
    pub verb: Verb,
    /// The object's id; which kind of id depends on the subject.
    pub id: Uuid,
}

impl Change {
    pub fn new(subject: Subject, verb: Verb, id: impl Into<Uuid>) -> Self {
        Self { subject, verb, id: id.into() }
    }
}

#[derive(Serialize, Deserialize)]
struct Payload<'a> {
    origin: Uuid,
    changes: std::borrow::Cow<'a, [Change]>,
}

/// What a hook receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedEvent {
    /// A committed change.
    Change(Change),
    /// Changes may have been missed: everything cached has to be read again.
    Gap,
}

type Hook = Box<dyn Fn(FeedEvent) + Send + Sync>;

/// The feed of one open store. Cheap to clone.
#[derive(Clone)]
pub struct Feed {
    origin: Uuid,
    sender: broadcast::Sender<Change>,
    // Whether changes of other replicas arrive. Always true for SQLite, which has no replicas.
    complete: Arc<AtomicBool>,
    hooks: Arc<RwLock<Vec<Hook>>>,
}

impl Feed {
    pub(crate) fn local() -> Self {
        Self {
            origin: Uuid::now_v7(),
            sender: broadcast::channel(4_096).0,
            complete: Arc::new(AtomicBool::new(true)),
            hooks: Arc::default(),
        }
    }

    /// A feed that receives the changes of other replicas through `pool`. Incomplete until it listens.
    pub(crate) fn shared(pool: PgPool, presence: Presence) -> Self {
        let feed = Self { complete: Arc::new(AtomicBool::new(false)), ..Self::local() };
        tokio::spawn(feed.clone().listen(pool, presence));
        feed
    }

    /// Subscribes to everything committed from now on. A receiver that lags has to reload what it caches.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.sender.subscribe()
    }

    /// Registers a hook that is called with every change before the operation that made it returns, as caches need it. It must
    /// not block.
    pub fn hook(&self, hook: impl Fn(FeedEvent) + Send + Sync + 'static) {
        self.hooks.write().unwrap_or_else(PoisonError::into_inner).push(Box::new(hook));
    }

    fn call_hooks(&self, event: FeedEvent) {
        for hook in self.hooks.read().unwrap_or_else(PoisonError::into_inner).iter() {
            hook(event);
        }
    }

    /// Whether the changes of every replica currently arrive. While they don't, nothing may be answered from a cache.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }

    pub(crate) fn publish(&self, changes: impl Iterator<Item = Change>) {
        for change in changes {
            self.call_hooks(FeedEvent::Change(change));
            // Fails only if there are no subscribers.
            let _ = self.sender.send(change);
        }
    }

    /// `changes` as JSON payloads, each small enough for a notification.
    pub(crate) fn payloads(&self, changes: &[Change]) -> Vec<String> {
        // One change takes at most 100 bytes as JSON.
        changes
            .chunks(MAX_PAYLOAD / 100)
            .filter_map(|changes| {
                serde_json::to_string(&Payload { origin: self.origin, changes: changes.into() }).ok()
            })
            .collect()
    }

    async fn listen(self, pool: PgPool, presence: Presence) {
        let warnings = Warnings::default();
        while !pool.is_closed() {
            if let Err(error) = self.listen_once(&pool).await
                && !pool.is_closed()
            {
                presence.doubt();
                let why = cause(&error);
                if let Some(left_out) = warnings.due(&error.into(), &Clock::System) {
                    tracing::warn!(
                        error = why,
                        left_out,
                        "lost the database's change notifications; reading without caches until they are back"
                    );
                }
            }
            self.complete.store(false, Ordering::Release);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    async fn listen_once(&self, pool: &PgPool) -> sqlx::Result<()> {
        let mut listener = PgListener::connect_with(pool).await?;
        // A silent reconnect would hide that notifications were missed.
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        self.call_hooks(FeedEvent::Gap);
        self.complete.store(true, Ordering::Release);
        while let Some(notification) = listener.try_recv().await? {
            match serde_json::from_str::<Payload<'_>>(notification.payload()) {
                Ok(payload) if payload.origin == self.origin => {}
                Ok(payload) => self.publish(payload.changes.iter().copied()),
                Err(error) => {
                    tracing::warn!(%error, "a change notification that this version does not understand")
                }
            }
        }
        Ok(())
    }
}
