//! The change feed: every committed change, told to whoever listens, across replicas where the database can carry it.

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

/// The PostgreSQL channel that carries it.
pub(crate) const CHANNEL: &str = "raptor_changes";
/// PostgreSQL refuses payloads of 8,000 bytes and more.
const MAX_PAYLOAD: usize = 7_000;

/// What was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A user.
    User,
    /// A session.
    Session,
    /// A role.
    Role,
    /// A daemon.
    Daemon,
    /// An allocation, or several of one daemon (then the id is the daemon's).
    Allocation,
    /// A template.
    Template,
    /// A container.
    Container,
    /// What its host was told of a container (the id is the container's). Nothing that a list shows.
    Declaration,
    /// Somebody's access to a container (the id is the container's).
    Access,
    /// Work for a host (the id is the daemon's).
    Job,
    /// A login for a registry.
    Registry,
    /// A mail.
    Mail,
}

/// What happened to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// It is new.
    Created,
    /// It is different.
    Updated,
    /// It is gone.
    Deleted,
}

/// One committed change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What.
    pub subject: Subject,
    /// How.
    pub verb: Verb,
    /// Which.
    pub id: Uuid,
}

impl Change {
    /// A change of `subject` `id`.
    pub fn new(subject: Subject, verb: Verb, id: impl Into<Uuid>) -> Self {
        Self { subject, verb, id: id.into() }
    }
}

#[derive(Serialize, Deserialize)]
struct Payload<'a> {
    origin: Uuid,
    changes: std::borrow::Cow<'a, [Change]>,
}

/// What a hook is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A committed change.
    Change(Change),
    /// Changes may have been missed: whatever is kept in memory has to be read again.
    Gap,
}

type Hook = Box<dyn Fn(Heard) + Send + Sync>;

/// The feed of one open store. Cheap to clone.
#[derive(Clone)]
pub struct Feed {
    origin: Uuid,
    sender: broadcast::Sender<Change>,
    // Whether changes of other replicas reach us. Always so where there can be none.
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

    /// A feed that hears the other replicas through `pool`. Not complete until it listens.
    pub(crate) fn shared(pool: PgPool, presence: Presence) -> Self {
        let feed = Self { complete: Arc::new(AtomicBool::new(false)), ..Self::local() };
        tokio::spawn(feed.clone().listen(pool, presence));
        feed
    }

    /// Everything that is committed from now on. A receiver that lags has to read again what it keeps.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.sender.subscribe()
    }

    /// Calls `hook` with every change before the operation that made it returns, which is what caches need. It must be quick.
    pub fn hook(&self, hook: impl Fn(Heard) + Send + Sync + 'static) {
        self.hooks.write().unwrap_or_else(PoisonError::into_inner).push(Box::new(hook));
    }

    fn call_hooks(&self, heard: Heard) {
        for hook in self.hooks.read().unwrap_or_else(PoisonError::into_inner).iter() {
            hook(heard);
        }
    }

    /// Whether every replica's changes reach this one now. While they don't, nothing may be answered from a cache.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }

    pub(crate) fn publish(&self, changes: impl Iterator<Item = Change>) {
        for change in changes {
            self.call_hooks(Heard::Change(change));
            // An error says that nobody listens.
            let _ = self.sender.send(change);
        }
    }

    /// `changes` as notifications that fit.
    pub(crate) fn payloads(&self, changes: &[Change]) -> Vec<String> {
        // 100 bytes for one change at most, as JSON.
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
        self.call_hooks(Heard::Gap);
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
