//! How many streams somebody has open: each holds memory here and work on a daemon for as long as it lasts.

use crate::Problem;
use axum::http::StatusCode;
use raptor_core::{authz::Actor, id::UserId};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, Interval, MissedTickBehavior};

/// A browser that takes no frame for so long is let go.
pub(crate) const WRITE_PATIENCE: Duration = Duration::from_secs(30);
/// How often a stream says that it is alive: a browser takes five seconds of silence for a dead line.
pub(crate) const BEAT_EVERY: Duration = Duration::from_secs(2);
/// A peer from which nothing comes for so long, not even the answer to a ping, is gone.
const PEER_SILENCE: Duration = Duration::from_secs(20);

/// Consoles and event streams of one account at one API process. A browser tab that is shown has two at most.
const MAX_STREAMS: usize = 100;

/// The streams of all accounts. Cheap to clone.
#[derive(Clone, Default)]
pub struct Streams(Arc<Mutex<HashMap<UserId, usize>>>);

/// One of an account's streams, for as long as this lives.
pub struct StreamSlot {
    streams: Streams,
    user: UserId,
}

impl Streams {
    /// Takes a slot; nobody but users needs one.
    ///
    /// # Errors
    /// 429 `too_many_streams`.
    pub(crate) fn take(&self, actor: &Actor) -> Result<Option<StreamSlot>, Problem> {
        let Some(user) = actor.user_id() else { return Ok(None) };
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(user).or_default();
        if *count >= MAX_STREAMS {
            let detail = format!("You have {MAX_STREAMS} consoles and event streams open. Close some first.");
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_streams", detail));
        }
        *count += 1;
        drop(open);
        Ok(Some(StreamSlot { streams: self.clone(), user }))
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        let mut open = self.streams.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.user);
            }
        }
    }
}

/// The beats of one socket, and whether its peer still answers them.
pub(crate) struct Beats {
    ticks: Interval,
    heard: Instant,
}

impl Beats {
    pub(crate) fn new() -> Self {
        let mut ticks = tokio::time::interval(BEAT_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { ticks, heard: Instant::now() }
    }

    /// Something came from the peer.
    pub(crate) fn heard(&mut self) {
        self.heard = Instant::now();
    }

    /// When the next beat is due. Says whether the peer is still there.
    pub(crate) async fn next(&mut self) -> bool {
        self.ticks.tick().await;
        self.heard.elapsed() < PEER_SILENCE
    }
}
