//! When a right over a container is lost while it is being used: one place that knows which changes can take it away.

use super::{Actor, ContainerSet, sealed::Load};
use crate::{
    Raptor,
    containers::view::Visible,
    id::{ContainerId, UserId},
    store::{Change, Subject},
};
use std::time::Duration;
use tokio::{
    sync::broadcast::error::RecvError,
    time::{MissedTickBehavior, interval},
};

/// How often the age of a session is looked at, of which nothing else tells.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why something that was allowed has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Revoked {
    /// The actor's session has ended.
    Session,
    /// The session lasts, but a permission, or the container, is gone.
    Access,
}

/// Whose rights a change may have taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Concern {
    /// Possibly those of any user.
    Anybody,
    /// Those of one user, in every container.
    User(UserId),
    /// Those of any user in one container.
    Container(ContainerId),
}

impl Concern {
    /// Whose rights `change` may have taken away; none where it takes away nobody's.
    pub(crate) fn of(change: Change) -> Option<Self> {
        match change.subject {
            Subject::User => Some(Self::User(change.id.into())),
            Subject::Container | Subject::Access => Some(Self::Container(change.id.into())),
            Subject::Session | Subject::Role => Some(Self::Anybody),
            _ => None,
        }
    }
}

/// What an actor was allowed in a container, and is still using.
pub(crate) struct HeldRights {
    pub(crate) raptor: Raptor,
    pub(crate) actor: Actor,
    pub(crate) container: ContainerId,
    /// The permissions that are in use.
    pub(crate) needed: ContainerSet,
    /// The files that are kept from the actor, where other ones would matter.
    pub(crate) denied_files: Option<Vec<String>>,
    /// Whether it ends with [`open`](crate::files::open) refusing.
    pub(crate) files: bool,
}

impl HeldRights {
    /// Resolves when the actor no longer holds it: the session ended, by its age too; the role or the access changed; the container
    /// is gone or, for files, shut.
    pub(crate) async fn lost(self) -> Revoked {
        let mut changes = self.raptor.inner.store.feed().subscribe();
        let mut gaps = self.raptor.inner.fleet.gaps();
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // What changed between the permit and the line before this one was told to nobody here.
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
                // What was missed may have been this.
                Ok(()) = gaps.changed() => if let Some(revoked) = self.check().await {
                    return revoked;
                },
                _ = ticks.tick() => {
                    // A store that fails says nothing of the session.
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
        // The role may be another by now: it is looked up anew with the session.
        let Ok(Some(actor)) = self.raptor.auth().renewed(&self.actor).await else {
            return Some(Revoked::Session);
        };
        let held = async {
            let mut reader = self.raptor.inner.store.read().await?;
            let found = Visible::load(&mut reader.conn(), &actor, self.container).await?;
            Ok::<_, crate::Error>(found.map(|(visible, _)| visible))
        };
        // What can't be made sure of is not allowed.
        let Ok(Some(visible)) = held.await else { return Some(Revoked::Access) };
        let still = !visible.permissions.is_empty()
            && visible.permissions.includes(self.needed)
            // What is kept from them may be just what is on its way.
            && self.denied_files.as_ref().is_none_or(|denied| visible.denied_files == *denied)
            && (!self.files || crate::files::open(&actor, &visible).is_ok());
        (!still).then_some(Revoked::Access)
    }
}
