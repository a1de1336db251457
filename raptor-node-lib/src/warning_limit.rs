//! Rate limiting of warnings that would otherwise be logged for every line or every second.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Lets through one of many equal warnings.
pub(crate) struct WarningLimit {
    every: Duration,
    last: Mutex<Option<Instant>>,
}

impl WarningLimit {
    /// One per minute.
    pub(crate) const fn per_minute() -> Self {
        Self { every: Duration::from_secs(60), last: Mutex::new(None) }
    }

    /// Whether the next warning may be logged now.
    pub(crate) fn is_due(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| last.elapsed() >= self.every);
        if due {
            *last = Some(Instant::now());
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_warnings_one_a_minute_is_told() {
        let warnings = WarningLimit::per_minute();
        assert_eq!((0..1_000).filter(|_| warnings.is_due()).count(), 1);
    }
}
