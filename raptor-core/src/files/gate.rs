//! Conditions that block file access despite the permission, and ending transfers when access is lost.

use crate::{
    Error, Raptor, Result,
    authz::{Act, Actor, ContainerSet, HeldRights, SystemPermission, policy::Action},
    containers::view::Visible,
    node::files::{Body, FileAnswer, FileRequest, Operation, OperationState, Scoped},
};
use futures_util::{StreamExt, stream};
use std::{io, time::Duration};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How often background operations are checked for completion.
const POLL_INTERVAL: Duration = Duration::from_secs(30);

/// Refuses if the container is being deleted, or is suspended and the actor can't unsuspend it.
pub(crate) fn open(actor: &Actor, target: &Visible) -> Result<()> {
    if target.container.deleting {
        return Err(Error::conflict("deleting", "This container is being deleted."));
    }
    if target.container.suspended && !actor.grants().contains(SystemPermission::ContainersUpdate) {
        let message =
            "The container is suspended, so its files can't be accessed. An administrator can unsuspend it.";
        return Err(Error::conflict("suspended", message));
    }
    Ok(())
}

/// Passes `body` through for as long as the actor may do `A` on the container as they see it now; then it fails.
pub(super) fn while_allowed<A: Act<On = Visible> + 'static>(
    raptor: &Raptor,
    actor: Actor,
    target: &Visible,
    body: Body,
) -> Body {
    while_held(held::<A>(raptor, actor, target), body)
}

/// Passes `body` through for as long as the actor holds these rights; then it fails.
pub(crate) fn while_held(held: HeldRights, body: Body) -> Body {
    let begun = Some((body, held.lost()));
    stream::unfold(begun, |running| async move {
        let (mut body, mut ended) = running?;
        tokio::select! {
            biased;
            _ = &mut ended => {
                let why = "the permission for this transfer has ended";
                Some((Err(io::Error::new(io::ErrorKind::ConnectionAborted, why)), None))
            }
            piece = body.next() => piece.map(|piece| (piece, Some((body, ended)))),
        }
    })
    .boxed()
}

/// Passes `body` through, and fails it once the sender has disconnected (`gone`), so that a partial upload is never taken for a
/// complete one.
pub(super) fn until_disconnected(body: Body, gone: CancellationToken) -> Body {
    stream::unfold(Some((body, gone)), |sending| async move {
        let (mut body, gone) = sending?;
        match gone.run_until_cancelled(body.next()).await.flatten() {
            Some(piece) => Some((piece, Some((body, gone)))),
            // A dropped connection looks like the end of the body.
            None if gone.is_cancelled() => {
                let why = "the sender has disconnected";
                Some((Err(io::Error::new(io::ErrorKind::ConnectionAborted, why)), None))
            }
            None => None,
        }
    })
    .boxed()
}

/// Cancels a background operation as soon as the actor who started it loses the permission for `A`. Watches for as long as this
/// process runs.
pub(super) fn cancel_when_revoked<A: Act<On = Visible> + 'static>(
    raptor: &Raptor,
    actor: Actor,
    target: Visible,
    operation: Uuid,
) {
    let (watching, id) = (raptor.clone(), target.container.id);
    let lost = held::<A>(raptor, actor, &target);
    let watch = async move {
        let ask = async |request| {
            let node = watching.containers().node(&target.container).ok()?;
            node.handle(id, Scoped { request, denied: Vec::new() }).await.ok()
        };
        let ended = async {
            loop {
                tokio::time::sleep(POLL_INTERVAL).await;
                let running =
                    |item: &Operation| item.id == operation && item.state == OperationState::Running;
                if let Some(FileAnswer::Operations { items }) = ask(FileRequest::Operations).await
                    && !items.iter().any(running)
                {
                    return;
                }
            }
        };
        tokio::select! {
            _ = lost.lost() => {
                ask(FileRequest::Cancel { id: operation }).await;
            }
            () = ended => {}
        }
    };
    raptor.inner.tasks.spawn(raptor.inner.stop.clone().run_until_cancelled_owned(watch));
}

/// The rights that the actor is using now, of those that `A` required.
fn held<A: Act<On = Visible>>(raptor: &Raptor, actor: Actor, target: &Visible) -> HeldRights {
    let needed = match A::ACTION {
        Action::Container(needed) => needed.iter().copied().collect(),
        Action::System(_) | Action::SeeContainer => ContainerSet::NONE,
    };
    HeldRights {
        raptor: raptor.clone(),
        actor,
        container: target.container.id,
        needed,
        denied_files: Some(target.denied_files.clone()),
        files: true,
    }
}
