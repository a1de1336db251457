//! Noticing that a right on a container is lost while it is in use. The only place that knows which changes can take it away.

use super::{Actor, ContainerSet, sealed::Load};
use crate::{
    Raptor,
    containers::view::Visible,
    id::{ContainerId, UserId},
    store::{Change, Subject},
};
use futures_util::FutureExt;
use std::time::Duration;
use tokio::{
    sync::broadcast::error::RecvError,
    time::{MissedTickBehavior, interval},
};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

/// How often session expiry is checked, since no change announces it.
const EXPIRY_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Why a right was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Revoked {
    Session,
    /// The session is still valid, but a permission or the container is gone.
    Access,
}

/// Whose rights a change may have taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Concern {
    /// The rights of every user may have changed.
    Anybody,
    /// One user's, in every container.
    User(UserId),
    /// Any user's, in one container.
    Container(ContainerId),
}

impl Concern {
    /// Whose rights `change` may have taken away; `None` if nobody's.
    pub(crate) fn of(change: Change) -> Option<Self> {
        match change.subject {
            Subject::User => Some(Self::User(change.id.into())),
            Subject::Container | Subject::Access => Some(Self::Container(change.id.into())),
            Subject::Session | Subject::Role => Some(Self::Anybody),
            _ => None,
        }
    }
}

/// Rights on a container that an actor was granted and is still using.
pub(crate) struct HeldRights {
    pub(crate) raptor: Raptor,
    pub(crate) actor: Actor,
    pub(crate) container: ContainerId,
    /// The permissions in use.
    pub(crate) needed: ContainerSet,
    /// The patterns of files hidden from the actor, if a change of them would matter.
    pub(crate) denied_files: Option<Vec<String>>,
    /// Whether the right also ends when [`open`](crate::files::open) would refuse.
    pub(crate) files: bool,
}

impl HeldRights {
    /// Completes when the actor loses the right: the session ended or expired, the role or the access changed, the container is
    /// gone or, for files, suspended.
    ///
    /// The database is asked by a task of its own, which ends when the future is dropped: what waits for this future is often a
    /// response body, which nothing polls while its reader is slow, and would keep a database connection for as long.
    pub(crate) fn lost(self) -> impl Future<Output = Revoked> + Send + Unpin + 'static {
        let watching = AbortOnDropHandle::new(tokio::spawn(self.watch().in_current_span()));
        // Nothing can be verified any more where the task has failed.
        watching.map(|revoked| revoked.unwrap_or(Revoked::Session))
    }

    async fn watch(self) -> Revoked {
        let mut changes = self.raptor.inner.store.feed().subscribe();
        let mut gaps = self.raptor.inner.fleet.gaps();
        let mut ticks = interval(EXPIRY_CHECK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // A change between issuing the permit and subscribing above was missed.
        if let Some(revoked) = self.check().await {
            return revoked;
        }
        loop {
            tokio::select! {
                change = changes.recv() => {
                    if self.concerned(&change) && let Some(revoked) = self.check().await {
                        return revoked;
                    }
                }
                // The missed changes may have included a relevant one.
                Ok(()) = gaps.changed() => if let Some(revoked) = self.check().await {
                    return revoked;
                },
                _ = ticks.tick() => {
                    // A failing store does not mean that the session has ended.
                    if matches!(self.raptor.auth().renewed(&self.actor).await, Ok(None)) {
                        return Revoked::Session;
                    }
                }
            }
        }
    }

    fn concerned(&self, change: &Result<Change, RecvError>) -> bool {
        let Ok(change) = change else { return true };
        match Concern::of(*change) {
            Some(Concern::Container(id)) => id == self.container,
            Some(Concern::Anybody | Concern::User(_)) => true,
            None => false,
        }
    }

    async fn check(&self) -> Option<Revoked> {
        // The role may have changed, so it is loaded with the session.
        let Ok(Some(actor)) = self.raptor.auth().renewed(&self.actor).await else {
            return Some(Revoked::Session);
        };
        let held = async {
            let mut reader = self.raptor.inner.store.read().await?;
            let found = Visible::load(&mut reader.conn(), &actor, self.container).await?;
            Ok::<_, crate::Error>(found.map(|(visible, _)| visible))
        };
        // What can't be verified is not allowed.
        let Ok(Some(visible)) = held.await else { return Some(Revoked::Access) };
        let still = !visible.permissions.is_empty()
            && visible.permissions.includes(self.needed)
            // The file in transfer may be one that is hidden now.
            && self.denied_files.as_ref().is_none_or(|denied| visible.denied_files == *denied)
            && (!self.files || crate::files::open(&actor, &visible).is_ok());
        (!still).then_some(Revoked::Access)
    }
}
