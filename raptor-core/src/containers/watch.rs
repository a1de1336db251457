//! Watching a container's state.

use super::{LiveState, lifecycle::Phase, service::ContainerService};
use crate::{
    Error, Raptor, Result,
    authz::{ContainerPermission, ContainerSet, HeldRights, Permit, Revoked, actions::SeeContainer},
    id::ContainerId,
    live::LiveEvent,
};
use futures_util::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// The permissions on which the content of a redacted state depends.
const SHOWN: [ContainerPermission; 2] = [ContainerPermission::ConsoleRead, ContainerPermission::NetworkRead];

impl ContainerService<'_> {
    /// The container's current state, if its daemon has reported one, and every later state. It contains what the actor may
    /// see, and no statistics. A slow reader gets the newest state rather than each one.
    ///
    /// The stream ends when the actor has lost the session or a permission that it was opened with, when the container is
    /// deleted, and on [`Raptor::shutdown`].
    pub fn watch(&self, permit: Permit<SeeContainer>) -> BoxStream<'static, LiveState> {
        let (actor, visible) = permit.consume();
        let (id, permissions) = (visible.container.id, visible.permissions);
        // Subscribed before the first look, so that nothing falls between the two.
        let events = self.0.inner.fleet.subscribe();
        let held = HeldRights {
            raptor: self.0.clone(),
            actor,
            container: id,
            needed: SHOWN.into_iter().filter(|part| permissions.contains(*part)).collect(),
            denied_files: None,
            files: false,
        };
        let watch =
            Watch { raptor: self.0.clone(), id, permissions, events, lost: held.lost().boxed(), shown: None };
        stream::unfold(watch, |mut watch| async move { Some((watch.next().await?, watch)) }).boxed()
    }

    /// Waits until the container's daemon is connected and reports this phase, however long that takes; use
    /// `tokio::time::timeout` to limit it.
    ///
    /// # Errors
    /// [`Error::NotFound`] if [`Self::watch`] ends first: the actor may no longer see the container.
    pub async fn wait_until(&self, permit: Permit<SeeContainer>, phase: Phase) -> Result<LiveState> {
        let mut states = self.watch(permit);
        while let Some(state) = states.next().await {
            if state.known && state.phase == phase {
                return Ok(state);
            }
        }
        Err(Error::NotFound { what: "container" })
    }
}

/// A reader of one container's state.
struct Watch {
    raptor: Raptor,
    id: ContainerId,
    permissions: ContainerSet,
    events: Receiver<LiveEvent>,
    /// Completes when the reader may no longer see the container.
    lost: BoxFuture<'static, Revoked>,
    /// The last state returned.
    shown: Option<LiveState>,
}

impl Watch {
    /// The next state that differs from the last one; `None` at the end.
    async fn next(&mut self) -> Option<LiveState> {
        loop {
            // Checked first, even if one change follows another without a pause.
            if (&mut self.lost).now_or_never().is_some() {
                return None;
            }
            let state = self.state();
            if state.is_some() && state != self.shown {
                self.shown.clone_from(&state);
                return state;
            }
            tokio::select! {
                biased;
                _ = &mut self.lost => return None,
                () = self.raptor.inner.stop.cancelled() => return None,
                () = concerned(&mut self.events, self.id) => {}
            }
        }
    }

    fn state(&self) -> Option<LiveState> {
        let mut state = self.raptor.inner.fleet.containers([self.id].iter()).remove(&self.id)?;
        state.redact(self.permissions);
        // They change every second and have a stream of their own.
        state.stats = None;
        Some(state)
    }
}

/// Completes when the state of `id` may have changed.
async fn concerned(events: &mut Receiver<LiveEvent>, id: ContainerId) {
    loop {
        match events.recv().await {
            Ok(LiveEvent::Containers(ids)) if ids.contains(&id) => return,
            Ok(LiveEvent::Containers(_) | LiveEvent::Measured(_) | LiveEvent::Daemon(_)) => {}
            Err(RecvError::Lagged(_)) => return,
            // No further events can come.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}
