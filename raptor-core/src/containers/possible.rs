//! What the viewer of a live stream can do with the container's process, told along with the container's state.

use super::{
    LiveState,
    lifecycle::{Hold, Phase},
    view::{Visible, actions},
};
use crate::{
    Raptor,
    authz::{Actor, Concern, sealed::Load},
    id::ContainerId,
    live::SharedFrame,
    node::{ContainerStatus, LiveFrame, PowerAction},
    store::Change,
};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::sync::{
    broadcast::{Receiver, error::RecvError},
    watch,
};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

/// A live stream that also says which power actions its viewer has.
struct Possible {
    raptor: Raptor,
    actor: Actor,
    id: ContainerId,
    frames: BoxStream<'static, SharedFrame>,
    changes: Receiver<Change>,
    /// Tells that changes of other processes may have been missed.
    gaps: watch::Receiver<u64>,
    /// The state that was told last.
    live: Option<LiveState>,
    /// What of that state decides on the actions. Statuses also come with each step of a download, which changes none.
    decided_by: Option<Decisive>,
    /// Whether the actions may be others than were told.
    due: bool,
    told: Option<Vec<PowerAction>>,
}

/// `frames` with an `actions` frame after the first status and whenever the actions are others: with the container's state, when
/// it is suspended or deleted, or when the actor's rights change.
pub(super) fn with_actions(
    raptor: Raptor,
    actor: Actor,
    id: ContainerId,
    frames: BoxStream<'static, SharedFrame>,
) -> BoxStream<'static, SharedFrame> {
    let (changes, gaps) = (raptor.inner.store.feed().subscribe(), raptor.inner.fleet.gaps());
    let possible = Possible {
        raptor,
        actor,
        id,
        frames,
        changes,
        gaps,
        live: None,
        decided_by: None,
        due: false,
        told: None,
    };
    stream::unfold(possible, |mut possible| async move { Some((possible.next().await?, possible)) }).boxed()
}

/// Phase, hold, and whether a restart is scheduled.
type Decisive = (Phase, Option<Hold>, bool);

fn decisive(status: &ContainerStatus) -> Decisive {
    let scheduled = status.crashes.as_ref().is_some_and(|crashes| crashes.again_at.is_some());
    (status.phase, status.hold, scheduled)
}

async fn visible(raptor: Raptor, actor: Actor, id: ContainerId) -> Option<Visible> {
    let actor = raptor.auth().renewed(&actor).await.ok()??;
    let mut reader = raptor.inner.store.read().await.ok()?;
    Some(Visible::load(&mut reader.conn(), &actor, id).await.ok()??.0)
}

impl Possible {
    async fn next(&mut self) -> Option<SharedFrame> {
        loop {
            if std::mem::take(&mut self.due)
                && let Some(frame) = self.look().await
            {
                return Some(frame);
            }
            tokio::select! {
                frame = self.frames.next() => {
                    let frame = frame?;
                    if let LiveFrame::Status { status } = &*frame {
                        let decides = decisive(status);
                        self.due |= self.decided_by != Some(decides);
                        self.decided_by = Some(decides);
                        self.live = Some(LiveState::new(status.clone(), true));
                    }
                    return Some(frame);
                }
                change = self.changes.recv() => self.due = self.concerned(&change),
                Ok(()) = self.gaps.changed() => self.due = true,
            }
        }
    }

    fn concerned(&self, change: &Result<Change, RecvError>) -> bool {
        let Ok(change) = change else { return true };
        match Concern::of(*change) {
            Some(Concern::Container(id)) => id == self.id,
            Some(Concern::Anybody | Concern::User(_)) => true,
            None => false,
        }
    }

    /// The actions, where they are others than were told. A store that fails says nothing of them: they stay as they are until the
    /// next change, and what is no longer possible is refused.
    async fn look(&mut self) -> Option<SharedFrame> {
        let live = self.live.clone()?;
        let looking = visible(self.raptor.clone(), self.actor.clone(), self.id);
        let store = self.raptor.inner.store.clone();
        // A task of its own: a viewer who doesn't read on must not keep a database connection. A database that falls silent must not
        // hold up the console.
        let looking = tokio::spawn(async move { store.unless_silent(looking).await }.in_current_span());
        let visible = AbortOnDropHandle::new(looking).await.ok()?.ok()??;
        let actions = actions(&visible.container, &live, visible.permissions);
        if self.told.as_ref() == Some(&actions) {
            return None;
        }
        self.told = Some(actions.clone());
        Some(SharedFrame::new(LiveFrame::Actions { actions }))
    }
}
