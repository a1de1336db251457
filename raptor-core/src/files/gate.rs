//! What files are shut for, though the permission is there; and transfers, which end with whatever allowed them.

use crate::{
    Error, Raptor, Result,
    authz::{Act, Actor, SystemPermission},
    containers::service::Visible,
    id::ContainerId,
    node::files::Body,
    store::{Change, Subject},
};
use futures_util::{StreamExt, stream};
use std::io;
use tokio::sync::broadcast::error::RecvError;

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
    let (raptor, id, denied) = (raptor.clone(), target.container.id, target.denied_files.clone());
    let mut changes = raptor.store.feed().subscribe();
    let ended = async move {
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
    };
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
