//! Warnings that would come with every line or every second: once in a while is enough.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Lets one of many equal warnings through.
pub(crate) struct Seldom {
    every: Duration,
    last: Mutex<Option<Instant>>,
}

impl Seldom {
    /// One a minute.
    pub(crate) const fn a_minute() -> Self {
        Self { every: Duration::from_secs(60), last: Mutex::new(None) }
    }

    /// Whether it is time for one.
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
        let warnings = Seldom::a_minute();
        assert_eq!((0..1_000).filter(|_| warnings.is_due()).count(), 1);
    }
}
