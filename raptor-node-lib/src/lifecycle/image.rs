//! Having an image before it is needed.

use super::{
    HostContext,
    engine::Halt,
    failure::Failure,
    registry::{self, Need},
    supervisor::Msg,
};
use crate::{
    console::Console,
    runtime::{Pulled, RuntimeError},
};
use futures_util::{Stream, StreamExt};
use raptor_model::node::{Fault, Progress};
use std::{pin::pin, time::Duration};
use tokio::{sync::mpsc, time::Instant};

/// How often progress of a pull is told.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// Makes sure that the image is there. A registry that is away is no obstacle where an earlier copy is there.
pub(super) async fn have(
    context: &HostContext,
    need: Need,
    image: &str,
    console: &Console,
    tell: &mpsc::Sender<Msg>,
) -> Result<(), Halt> {
    let engine = &context.engine;
    let name = image.trim_start_matches('~');
    if image.starts_with('~') {
        return match engine.image_id(name).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(local(need, name).into()),
            Err(_) => Err(Halt::Away),
        };
    }
    let before = engine.image_id(name).await.ok().flatten();
    let pulled = pull(engine.pull(name), tell).await;
    let Err(error) = pulled else {
        note(context, name, before).await;
        return Ok(());
    };
    if let RuntimeError::Away(_) = error {
        return Err(Halt::Away);
    }
    if engine.image_id(name).await.map_err(|_| Halt::Away)?.is_some() {
        context.say(
            console,
            format!(
                "{} {name} can't be downloaded: {} Using the copy on this host.",
                need.called(),
                registry::phrase(name, &error.to_string())
            ),
        );
        return Ok(());
    }
    Err(registry::explain(need, name, error.to_string()).into())
}

fn local(need: Need, name: &str) -> Failure {
    let called = match need {
        Need::Container => "The local image",
        Need::Installer => "The installer's local image",
    };
    let why = format!(
        "{called} {name} is not on this host. Build or load it there, or {} An image whose name begins with ~ is never downloaded.",
        need.another()
    );
    Failure::new(why, Fault::ImageNotFound { image: name.to_owned(), details: None })
}

/// Notes what a pull brought. An image that somebody else had brought before, and that is as it was, stays theirs.
async fn note(context: &HostContext, name: &str, before: Option<String>) {
    let (now, ours) = (context.engine.image_id(name).await.ok().flatten(), context.images.knows(name));
    match before {
        Some(before) if Some(&before) == now.as_ref() && !ours => return,
        // It has lost its name to the new one, and is to be cleaned up all the same.
        Some(before) if Some(&before) != now.as_ref() && ours => {
            context.images.note(&before, context.clock.now());
        }
        _ => {}
    }
    context.images.note(name, context.clock.now());
}

async fn pull(
    progress: impl Stream<Item = Result<Pulled, RuntimeError>>,
    tell: &mpsc::Sender<Msg>,
) -> Result<(), RuntimeError> {
    let mut progress = pin!(progress);
    let mut told: Option<Instant> = None;
    while let Some(step) = progress.next().await {
        let Pulled { current_bytes, total_bytes, layers_done, layers_total } = step?;
        if layers_total > 0 && told.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
            told = Some(Instant::now());
            let progress = Progress::Pulling { current_bytes, total_bytes, layers_done, layers_total };
            let _ = tell.send(Msg::Progress(Some(progress))).await;
        }
    }
    Ok(())
}
