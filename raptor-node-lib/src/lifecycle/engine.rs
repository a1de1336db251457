//! Waiting for the engine: requests accepted while it was unavailable are carried out when it is back.

use super::{ContainerPaths, HostContext, failure::Failure, monitor::ASK_AGAIN, supervisor::Msg};
use crate::{
    console::Console,
    desired::Run,
    runtime::{EngineContainer, Found, Part, RuntimeError},
};
use raptor_model::node::ContainerSpec;
use tokio::sync::mpsc;

/// Why a start or an installation was interrupted.
#[derive(Debug, PartialEq)]
pub(super) enum Interruption {
    /// The engine became unavailable: it is begun again once the engine is back.
    Away,
    /// Any other reason.
    For(Failure),
}

impl From<String> for Interruption {
    fn from(why: String) -> Self {
        Self::For(why.into())
    }
}

impl From<Failure> for Interruption {
    fn from(failure: Failure) -> Self {
        Self::For(failure)
    }
}

impl Interruption {
    /// Converts the engine's answer to a request for `spec`; `refused` is the sentence if no better one is known.
    pub(super) fn of(spec: &ContainerSpec, refused: &str) -> impl Fn(RuntimeError) -> Self + Copy {
        move |error| match error {
            RuntimeError::Away(_) => Self::Away,
            other => Self::For(Failure::of_engine(spec, refused, other.to_string())),
        }
    }
}

/// Returns once the engine answers. Reports meanwhile what is being waited for.
pub(super) async fn answers(context: &HostContext, messages: &mpsc::Sender<Msg>) {
    let mut told = false;
    while let Err(error) = context.engine.version().await {
        if !told {
            told = true;
            let _ = messages.send(Msg::Waiting(Some(error.to_string()))).await;
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
    if told {
        let _ = messages.send(Msg::Waiting(None)).await;
    }
}

/// Whether an engine that became unavailable while starting the container `name` has started it. Waits until it answers.
pub(super) async fn started(context: &HostContext, name: &str, messages: &mpsc::Sender<Msg>) -> bool {
    loop {
        answers(context, messages).await;
        if let Ok(found) = context.engine.inspect(name).await {
            return matches!(found, Found::Running | Found::Ended(_));
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// The container's running process in the engine, no matter who started it.
pub(super) async fn running(
    context: &HostContext,
    place: &ContainerPaths,
) -> Result<Option<EngineContainer>, RuntimeError> {
    let found = context.engine.found(place.id).await?;
    Ok(found.into_iter().find(|found| found.part == Part::Server && found.ours && found.runs))
}

/// The run of a container that was found running.
pub(super) async fn run_of(context: &HostContext, console: &Console, found: &EngineContainer) -> Run {
    let started_at = context.engine.started_at(&found.engine_id).await;
    Run {
        started_at: started_at.unwrap_or_else(|| context.clock.now()),
        after_line: console.newest(),
        boot_id: context.boot_id.clone(),
        container: Some(found.engine_id.clone()),
        revision: 0,
    }
}

/// The run of a process that is about to be started in the container `engine_id`.
pub(super) fn new_run(context: &HostContext, console: &Console, engine_id: &str) -> Run {
    Run {
        started_at: context.clock.now(),
        after_line: console.newest(),
        boot_id: context.boot_id.clone(),
        container: Some(engine_id.to_owned()),
        revision: 0,
    }
}
