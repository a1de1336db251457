//! Running fuzz targets for `cargo bolero test` briefly as tests. CONTRIBUTING.md explains how to run them for long.

use bolero::{DefaultEngine, TestTarget};
use std::time::Duration;

/// Duration of each target unless `BOLERO_RANDOM_TEST_TIME_MS` or `BOLERO_RANDOM_ITERATIONS` is set.
const BRIEF: Duration = Duration::from_secs(2);

pub(crate) fn briefly<G, I>(target: TestTarget<G, DefaultEngine, I>) -> TestTarget<G, DefaultEngine, I> {
    target.with_test_time(BRIEF)
}
