//! One test suite for both databases: always on SQLite, and on PostgreSQL if `RAPTOR_TEST_PG` names a server
//! (`postgres://user:password@host/postgres`, with a user who may create databases).
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod access;
mod accounts;
mod allocations;
mod catalogue;
mod containers;
mod damaged;
mod deleting;
mod feed;
mod history;
mod hosts;
mod images;
mod jobs;
mod keys;
mod links;
#[cfg(feature = "mail")]
mod mail;
#[cfg(feature = "mail")]
#[path = "../../../e2e/mail/server.rs"]
mod mailserver;
mod news;
mod old_rows;
mod origins;
mod ports;
mod possible;
mod queries;
mod races;
mod revoking;
mod runtime;
mod scale;
mod schema;
mod seeing;
mod sftp;
#[cfg(feature = "mail")]
mod smtp;
mod sources;
mod statements;
mod storage;
mod strays;
mod switching;
mod takeover;
mod templates;
mod traced;
mod trail;
mod transactions;
mod upgrades;
mod watching;
mod world;
