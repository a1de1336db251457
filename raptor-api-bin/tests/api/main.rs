//! The API through its real router over HTTP, on SQLite in memory.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod access;
mod answers;
mod authorisation;
mod described;
mod events;
mod flood;
mod images;
mod imports;
mod secrets;
mod sessions;
mod transfers;
mod watching;
mod world;
