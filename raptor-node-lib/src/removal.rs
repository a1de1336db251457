//! Removing containers, and what is left of containers that nobody knows any more.

use crate::{
    lifecycle::{ContainerPaths, HostContext},
    runtime::{EngineContainer, Part},
};
use raptor_model::{containers::lifecycle::Hold, id::ContainerId, node::NodeError};
use std::{sync::Arc, time::Duration};

/// The pause before an engine that did not answer is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// The pause before a failed removal is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// Removes a container with its installer, network, files and state.
///
/// # Errors
/// If the engine does not answer or the disk fails; it can be tried again.
pub(crate) async fn remove(context: &HostContext, place: &ContainerPaths) -> Result<(), NodeError> {
    let away = |error: crate::runtime::RuntimeError| NodeError::Docker(error.to_string());
    for part in [Part::Server, Part::Installer] {
        context.engine.remove(place.id, part).await.map_err(away)?;
    }
    context.engine.remove_network(&place.name).await.map_err(away)?;
    if let Some(spec) = place.state.spec() {
        // An owner's network is removed with the last of its containers: the engine refuses while it is in use.
        context.engine.remove_network(&context.network_name(&spec)).await.map_err(away)?;
    }
    let (quota, base, place) = (context.quota.clone(), context.base.clone(), place.clone());
    let gone = tokio::task::spawn_blocking(move || {
        if quota.by_kernel() {
            let lifted = place.state.project(&base).and_then(|project| quota.lift(&place.data, project));
            if let Err(error) = lifted {
                tracing::warn!(%error, id = %place.id, "removing a disk limit failed");
            }
        }
        crate::files::remove(&place.data)?;
        place.state.remove()
    });
    let gone = gone.await.map_err(|error| NodeError::Internal(error.to_string()))?;
    gone.map_err(|error| NodeError::Internal(format!("The container's files can't be removed: {error}")))
}

/// Removes everything that carries this daemon's label and belongs to no known container, and continues interrupted removals
/// until they are done. Running containers and those with files are kept: then it is the state that is missing. Things of
/// others are left alone. Waits for the engine.
pub(crate) async fn sweep(context: Arc<HostContext>, condemned: Vec<ContainerId>) {
    while context.engine.version().await.is_err() {
        tokio::time::sleep(ASK_AGAIN).await;
    }
    context.kept.settle(&*context.engine).await;
    if context.folder_problem().await.is_some() {
        return;
    }
    // Checked each time, since containers may be declared meanwhile.
    let unknown = |id: ContainerId| context.place(id).state.spec().is_none();
    for found in context.engine.ours().await.unwrap_or_default() {
        if is_left(&context, &found) {
            tracing::info!(name = found.name, "removing an orphaned container");
            if let Err(error) = context.engine.discard(&found.engine_id).await {
                tracing::warn!(%error, name = found.name, "removing an orphaned container failed");
            }
        } else if found.runs && unknown(found.id) {
            tracing::warn!(name = found.name, id = %found.id, "an unknown container is running; it is left alone");
        }
    }
    for network in context.engine.our_networks().await.unwrap_or_default() {
        // An owner's network is removed when no container is in it; the engine refuses while one is.
        if network.id.is_none_or(unknown) {
            let _ = context.engine.remove_network(&network.name).await;
        }
    }
    for id in &condemned {
        while let Err(error) = remove(&context, &context.place(*id)).await {
            tracing::warn!(%error, %id, "continuing an interrupted removal failed");
            tokio::time::sleep(TRY_AGAIN).await;
        }
    }
}

/// Whether a container of the engine is a leftover that nothing needs.
fn is_left(context: &HostContext, found: &EngineContainer) -> bool {
    let place = context.place(found.id);
    match (place.state.saved(), found.part) {
        (Some(saved), Part::Installer) => saved.life.hold != Some(Hold::Installing),
        (Some(_), Part::Server) => false,
        (None, _) => place.state.spec().is_none() && !found.runs && !place.data.exists(),
    }
}
