//! What files are shut for, though the permission is there; and transfers, which end with whatever allowed them.

use crate::{
    Error, Raptor, Result,
    authz::{Act, Actor, SystemPermission},
    containers::service::Visible,
    id::ContainerId,
    node::files::{Body, FileAnswer, FileRequest, Operation, OperationState, Scoped},
    store::{Change, Subject},
};
use futures_util::{StreamExt, stream};
use std::{io, time::Duration};
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

/// How often it is looked whether what goes on by itself has ended.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Refuses where the container is being deleted, or suspended and the actor is nobody who could lift that.
pub(super) fn open(actor: &Actor, target: &Visible) -> Result<()> {
    if target.container.deleting {
        return Err(Error::conflict("deleting", "This container is being deleted."));
    }
    if target.container.suspended && !actor.grants().contains(SystemPermission::ContainersUpdate) {
        let message =
            "The container is suspended, so its files can't be reached. An administrator can lift that.";
        return Err(Error::conflict("suspended", message));
    }
    Ok(())
}

/// What goes through `body` for as long as the actor may do `A`, as they see the container now; then it fails.
pub(super) fn while_allowed<A: Act<On = Visible> + 'static>(
    raptor: &Raptor,
    actor: Actor,
    target: &Visible,
    body: Body,
) -> Body {
    let ended = lost::<A>(raptor.clone(), actor, target.container.id, target.denied_files.clone());
    let begun = Some((body, Box::pin(ended)));
    stream::unfold(begun, |running| async move {
        let (mut body, mut ended) = running?;
        tokio::select! {
            biased;
            () = &mut ended => {
                let why = "the permission for this transfer has ended";
                Some((Err(io::Error::new(io::ErrorKind::ConnectionAborted, why)), None))
            }
            piece = body.next() => piece.map(|piece| (piece, Some((body, ended)))),
        }
    })
    .boxed()
}

/// Stops what goes on by itself as soon as whoever began it may not do `A` any more, for as long as this process lives.
pub(super) fn stop_when_lost<A: Act<On = Visible> + 'static>(
    raptor: &Raptor,
    actor: Actor,
    target: Visible,
    operation: Uuid,
) {
    let (watching, id) = (raptor.clone(), target.container.id);
    let watch = async move {
        let ask = async |request| {
            let node = watching.containers().node(&target.container).ok()?;
            node.files().ask(id, Scoped { request, denied: Vec::new() }).await.ok()
        };
        let ended = async {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
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
            () = lost::<A>(watching.clone(), actor, id, target.denied_files.clone()) => {
                ask(FileRequest::Cancel { id: operation }).await;
            }
            () = ended => {}
        }
    };
    raptor.tasks.spawn(raptor.stop.clone().run_until_cancelled_owned(watch));
}

/// Waits until the actor may not do `A` any more, or sees other files than now.
async fn lost<A: Act<On = Visible>>(raptor: Raptor, actor: Actor, id: ContainerId, denied: Vec<String>) {
    let mut changes = raptor.store.feed().subscribe();
    // What changed between the permit and the line before this one was told to nobody here.
    if !still::<A>(&raptor, &actor, id, &denied).await {
        return;
    }
    loop {
        let change = changes.recv().await;
        if concerns(&change, id) && !still::<A>(&raptor, &actor, id, &denied).await {
            return;
        }
    }
}

fn concerns(change: &std::result::Result<Change, RecvError>, id: ContainerId) -> bool {
    match change {
        Ok(change) => match change.subject {
            Subject::Session | Subject::User | Subject::Role => true,
            Subject::Container | Subject::Access => change.id == id.as_uuid(),
            _ => false,
        },
        Err(_) => true,
    }
}

async fn still<A: Act<On = Visible>>(
    raptor: &Raptor,
    actor: &Actor,
    id: ContainerId,
    denied: &[String],
) -> bool {
    // The role may be another by now: it is looked up anew with the session.
    let Ok(Some(actor)) = raptor.auth().renewed(actor).await else { return false };
    let Ok(permit) = raptor.authz().permit::<A>(&actor, id).await else { return false };
    // What is kept from them may be just what is on its way.
    permit.target().denied_files == denied && open(&actor, permit.target()).is_ok()
}
