//! The API through its real router over HTTP, on SQLite in memory.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod access;
mod answers;
mod authorisation;
mod away;
mod catalogue;
mod described;
mod events;
mod flood;
mod front;
mod images;
mod imports;
mod limits;
mod mounted;
mod renames;
mod secrets;
mod sessions;
mod stalled;
#[path = "../support/mod.rs"]
mod support;
mod transfers;
mod watching;
mod world;
