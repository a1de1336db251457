//! Limiting open streams per user: each takes memory here and work on a daemon for as long as it lasts.

use crate::Problem;
use axum::http::StatusCode;
use raptor_core::{authz::Actor, id::UserId};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, Interval, MissedTickBehavior};

/// A browser that reads no frame for this long is disconnected.
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a stream sends a heartbeat: a browser considers a connection dead after five seconds of silence.
pub(crate) const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(2);
/// A peer from which nothing arrives for this long, not even a pong, is considered gone.
const PEER_SILENCE: Duration = Duration::from_secs(20);

/// Most consoles and event streams per account and API process. A visible browser tab has at most two.
const MAX_STREAMS: usize = 100;

/// The open streams of all accounts. Cheap to clone.
#[derive(Clone, Default)]
pub struct Streams(Arc<Mutex<HashMap<UserId, usize>>>);

/// One of an account's streams, until it is dropped.
pub struct StreamSlot {
    streams: Streams,
    user: UserId,
}

impl Streams {
    /// Takes a slot. `None` for actors who aren't users, which need none.
    ///
    /// # Errors
    /// 429 `too_many_streams`.
    pub(crate) fn take(&self, actor: &Actor) -> Result<Option<StreamSlot>, Problem> {
        let Some(user) = actor.user_id() else { return Ok(None) };
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(user).or_default();
        if *count >= MAX_STREAMS {
            let detail = format!("You have {MAX_STREAMS} consoles and event streams open. Close some first.");
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_streams", detail)
                .with("limit", MAX_STREAMS));
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

/// The heartbeat of a socket, and whether its peer still responds.
pub(crate) struct Beats {
    ticks: Interval,
    heard: Instant,
}

impl Beats {
    pub(crate) fn new() -> Self {
        let mut ticks = tokio::time::interval(HEARTBEAT_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { ticks, heard: Instant::now() }
    }

    /// Records that something arrived from the peer.
    pub(crate) fn heard(&mut self) {
        self.heard = Instant::now();
    }

    /// Waits for the next heartbeat. Returns whether the peer still responds.
    pub(crate) async fn next(&mut self) -> bool {
        self.ticks.tick().await;
        self.heard.elapsed() < PEER_SILENCE
    }
}
