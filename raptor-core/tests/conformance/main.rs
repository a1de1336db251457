//! One suite of promises, kept on both databases: SQLite always, PostgreSQL where `RAPTOR_TEST_PG` names a server
//! (`postgres://user:password@host/postgres`, a user who may create databases).
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod accounts;
mod allocations;
mod containers;
mod links;
mod runtime;
mod schema;
mod sftp;
mod templates;
mod world;
