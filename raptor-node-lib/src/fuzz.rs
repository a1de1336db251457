//! How targets for `cargo bolero test` are run as tests: for a short while. CONTRIBUTING.md says how to run them for long.

use bolero::{DefaultEngine, TestTarget};
use std::time::Duration;

/// How long one is run where `BOLERO_RANDOM_TEST_TIME_MS` and `BOLERO_RANDOM_ITERATIONS` say nothing.
const BRIEF: Duration = Duration::from_secs(2);

pub(crate) fn briefly<G, I>(target: TestTarget<G, DefaultEngine, I>) -> TestTarget<G, DefaultEngine, I> {
    target.with_test_time(BRIEF)
}
