//! Who may call: whoever shows the daemon's key.

use crate::Problem;
use axum::{
    extract::{ConnectInfo, Request},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The pause between two lines of the log about refused keys.
const EVERY: Duration = Duration::from_secs(60);

/// The key, and what was refused.
pub(crate) struct Guard {
    key: String,
    told: Mutex<Told>,
}

/// What was last said of refused keys.
#[derive(Default)]
struct Told {
    at: Option<Instant>,
    left_out: u64,
}

impl Guard {
    pub(crate) fn new(key: String) -> Self {
        Self { key, told: Mutex::default() }
    }

    /// Lets whoever shows the key pass.
    pub(crate) async fn bearer(&self, request: Request, next: Next) -> Response {
        if token(request.headers(), "bearer").is_some_and(|shown| same(shown.as_bytes(), self.key.as_bytes()))
        {
            return next.run(request).await;
        }
        self.tell(&request);
        let detail = "This is not the key of this daemon. It is DAEMON_API_KEY in the daemon's environment.";
        Problem::new(StatusCode::UNAUTHORIZED, "wrong_key", detail).into_response()
    }

    /// Logs that a key was refused; once a minute, with how many were not told.
    fn tell(&self, request: &Request) {
        let Some(left_out) = self.due(Instant::now()) else { return };
        let from =
            request.extensions().get::<ConnectInfo<SocketAddr>>().map(|from| from.0.ip().to_canonical());
        let from = from.map(tracing::field::display);
        let key =
            if request.headers().contains_key(header::AUTHORIZATION) { "a wrong key" } else { "no key" };
        tracing::warn!(from, left_out, "refused a request with {key}; the right one is DAEMON_API_KEY");
    }

    fn due(&self, now: Instant) -> Option<u64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.at.is_some_and(|at| now.duration_since(at) < EVERY) {
            told.left_out += 1;
            return None;
        }
        told.at = Some(now);
        Some(std::mem::take(&mut told.left_out))
    }
}

/// What stands after `scheme` in the header `Authorization`. Its case does not matter (RFC 9110, 11.1).
pub(crate) fn token<'h>(headers: &'h HeaderMap, scheme: &str) -> Option<&'h str> {
    let (shown, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    shown.eq_ignore_ascii_case(scheme).then_some(token.trim())
}

/// Takes as long whatever the difference is.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_keys_are_told_once_a_minute_with_how_many_there_were() {
        let (guard, now) = (Guard::new("key".into()), Instant::now());
        assert_eq!(guard.due(now), Some(0));
        assert_eq!((0..9).filter_map(|_| guard.due(now + EVERY / 2)).count(), 0);
        assert_eq!(guard.due(now + EVERY), Some(9));
    }

    #[test]
    fn the_case_of_the_scheme_does_not_matter() {
        for shown in ["Bearer key", "bearer key", "BEARER  key"] {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, shown.parse().unwrap());
            assert_eq!(token(&headers, "bearer"), Some("key"), "{shown}");
            assert_eq!(token(&headers, "basic"), None);
        }
    }
}
