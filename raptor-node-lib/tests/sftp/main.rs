//! SFTP with commonly used clients. If one is not installed, a message is printed, and the test fails in CI.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod access;
mod clients;
mod doors;
mod hostile;
mod security_keys;
mod world;
