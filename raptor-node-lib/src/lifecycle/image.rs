//! Pulling an image before it is needed.

use super::{
    HostContext,
    engine::Interruption,
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

/// How often the progress of a pull is reported.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// Ensures that the image is on the host. If its registry is unavailable, an existing copy will do.
pub(super) async fn have(
    context: &HostContext,
    need: Need,
    image: &str,
    console: &Console,
    messages: &mpsc::Sender<Msg>,
) -> Result<(), Interruption> {
    let engine = &context.engine;
    let name = image.trim_start_matches('~');
    if image.starts_with('~') {
        return match engine.image_id(name).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(local(need, name).into()),
            Err(_) => Err(Interruption::Away),
        };
    }
    let before = engine.image_id(name).await.ok().flatten();
    let pulled = pull(engine.pull(name), messages).await;
    let Err(error) = pulled else {
        note(context, name, before).await;
        return Ok(());
    };
    if let RuntimeError::Away(_) = error {
        return Err(Interruption::Away);
    }
    if engine.image_id(name).await.map_err(|_| Interruption::Away)?.is_some() {
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

/// Records a pulled image. An image that somebody else had pulled before, and that did not change, is not recorded.
async fn note(context: &HostContext, name: &str, before: Option<String>) {
    let (now, ours) = (context.engine.image_id(name).await.ok().flatten(), context.images.knows(name));
    match before {
        Some(before) if Some(&before) == now.as_ref() && !ours => return,
        // The previous image has lost its name to the new one, and is to be cleaned up too.
        Some(before) if Some(&before) != now.as_ref() && ours => {
            context.images.note(&before, context.clock.now());
        }
        _ => {}
    }
    context.images.note(name, context.clock.now());
}

async fn pull(
    progress: impl Stream<Item = Result<Pulled, RuntimeError>>,
    messages: &mpsc::Sender<Msg>,
) -> Result<(), RuntimeError> {
    let mut progress = pin!(progress);
    let mut told: Option<Instant> = None;
    while let Some(step) = progress.next().await {
        let Pulled { current_bytes, total_bytes, layers_done, layers_total } = step?;
        if layers_total > 0 && told.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
            told = Some(Instant::now());
            let progress = Progress::Pulling { current_bytes, total_bytes, layers_done, layers_total };
            let _ = messages.send(Msg::Progress(Some(progress))).await;
        }
    }
    Ok(())
}
