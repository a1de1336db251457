//! The host on an engine in memory, in paused time: the races of starting, stopping, crashing and removing.
#![expect(clippy::unwrap_used, reason = "tests")]

mod away;
mod crashes;
mod ends;
mod readers;
mod removals;
mod requests;
mod restarts;
mod starts;
mod stops;
mod world;
