//! How many streams somebody has open: each holds memory here and work on a daemon for as long as it lasts.

use crate::Problem;
use axum::http::StatusCode;
use raptor_core::{authz::Actor, id::UserId};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Consoles and event streams of one account at one API process. A browser tab has two at most.
const MAX_STREAMS: usize = 100;

/// The streams of all accounts. Cheap to clone.
#[derive(Clone, Default)]
pub struct Streams(Arc<Mutex<HashMap<UserId, usize>>>);

/// One of an account's streams, for as long as this lives.
pub struct Seat {
    streams: Streams,
    user: UserId,
}

impl Streams {
    /// Takes a seat; nobody but users needs one.
    ///
    /// # Errors
    /// 429 `too_many_streams`.
    pub(crate) fn take(&self, actor: &Actor) -> Result<Option<Seat>, Problem> {
        let Some(user) = actor.user_id() else { return Ok(None) };
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(user).or_default();
        if *count >= MAX_STREAMS {
            let detail = format!("You have {MAX_STREAMS} consoles and event streams open. Close some first.");
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_streams", detail));
        }
        *count += 1;
        drop(open);
        Ok(Some(Seat { streams: self.clone(), user }))
    }
}

impl Drop for Seat {
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
