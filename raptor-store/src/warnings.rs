//! Warnings about the state of the database: full, read-only, failing or down. Every write meets the same error, several times a
//! second, so each is logged once a minute.

use chrono::{DateTime, TimeDelta, Utc};
use raptor_model::{Error, clock::Clock};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// The pause between two warnings about the same state.
const EVERY: TimeDelta = TimeDelta::minutes(1);

/// When each state was last warned about, by its code.
#[derive(Default)]
pub struct Warnings(Mutex<HashMap<&'static str, LastWarning>>);

struct LastWarning {
    at: DateTime<Utc>,
    /// Warnings skipped since then.
    left_out: u64,
}

impl Warnings {
    /// Whether to log `error` now: always, unless it is about the database's state and was logged within the last minute. The
    /// value is the number of warnings about the same state that were skipped since the last one.
    pub fn due(&self, error: &Error, clock: &Clock) -> Option<u64> {
        let Error::Unavailable { code, .. } = error else { return Some(0) };
        if !code.starts_with("storage_") && *code != "database_unavailable" {
            return Some(0);
        }
        let now = clock.now();
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match told.get_mut(code) {
            // If the clock was set back, the warning must not be suppressed.
            Some(told) if (TimeDelta::zero()..EVERY).contains(&(now - told.at)) => {
                told.left_out += 1;
                None
            }
            last => {
                let left_out = last.map_or(0, |told| told.left_out);
                told.insert(code, LastWarning { at: now, left_out: 0 });
                Some(left_out)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Error {
        Error::Unavailable { code: "storage_full", message: "full".into() }
    }

    #[test]
    fn the_databases_state_is_warned_of_once_a_minute_with_how_often_it_was_met() {
        let (warnings, clock) = (Warnings::default(), Clock::manual(DateTime::UNIX_EPOCH));
        assert_eq!(warnings.due(&full(), &clock), Some(0));
        clock.advance(TimeDelta::seconds(59));
        assert_eq!((0..1_000).filter(|_| warnings.due(&full(), &clock).is_some()).count(), 0);
        let away = Error::Unavailable { code: "database_unavailable", message: "away".into() };
        assert_eq!(warnings.due(&away, &clock), Some(0), "another state is news");
        clock.advance(TimeDelta::seconds(1));
        assert_eq!(warnings.due(&full(), &clock), Some(1_000));
        clock.advance(TimeDelta::hours(-1));
        assert_eq!(warnings.due(&full(), &clock), Some(0), "a clock that was set back");
    }

    #[test]
    fn everything_else_is_always_warned_of() {
        let (warnings, clock) = (Warnings::default(), Clock::manual(DateTime::UNIX_EPOCH));
        let daemon = Error::Unavailable { code: "daemon_unreachable", message: "away".into() };
        for error in [Error::NotFound { what: "container" }, Error::internal("a fault"), daemon] {
            assert!((0..3).all(|_| warnings.due(&error, &clock) == Some(0)), "{error}");
        }
    }
}
