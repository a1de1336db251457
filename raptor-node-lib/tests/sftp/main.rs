//! SFTP with the clients that people use. One that is not installed is said, and counts as a failure in CI.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod access;
mod clients;
mod doors;
mod hostile;
mod security_keys;
mod world;
