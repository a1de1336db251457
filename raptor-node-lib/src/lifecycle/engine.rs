//! Waiting for the engine: what was accepted while it is away is done when it is back.

use super::{Ground, attend::ASK_AGAIN, supervisor::Msg};
use crate::runtime::{Found, RuntimeError};
use tokio::sync::mpsc;

/// Why something that was begun did not come to its end.
#[derive(Debug, PartialEq)]
pub(super) enum Halt {
    /// The engine went away: it is begun anew once it is back.
    Away,
    /// For another reason, in a sentence for people.
    For(String),
}

impl From<String> for Halt {
    fn from(why: String) -> Self {
        Self::For(why)
    }
}

impl Halt {
    /// What the engine said, after `what` was not done.
    pub(super) fn of(what: &str) -> impl Fn(RuntimeError) -> Self + Copy {
        move |error| match error {
            RuntimeError::Away(_) => Self::Away,
            other => Self::For(format!("{what}: {other}")),
        }
    }
}

/// Returns when the engine answers. What is waited for is told meanwhile.
pub(super) async fn answers(ground: &Ground, tell: &mpsc::Sender<Msg>) {
    let mut told = false;
    while let Err(error) = ground.docker.version().await {
        if !told {
            told = true;
            let _ = tell.send(Msg::Waiting(Some(error.to_string()))).await;
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
    if told {
        let _ = tell.send(Msg::Waiting(None)).await;
    }
}

/// Whether an engine that went away as it was told to start the container `name` has done so. Waits until it answers.
pub(super) async fn started(ground: &Ground, name: &str, tell: &mpsc::Sender<Msg>) -> bool {
    loop {
        answers(ground, tell).await;
        if let Ok(found) = ground.docker.inspect(name).await {
            return matches!(found, Found::Running | Found::Ended(_));
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}
