//! The words and rules of Raptor: what there is, what is allowed, and what a host is asked and answers.
//!
//! Nothing in here does input or output. `raptor-core` keeps it in a database and offers the operations; `raptor-node-lib`
//! makes it so on a host. Both meet at the trait [`node::Node`].
//!
//! # Features
//! `configfiles`, on by default, edits configuration files in their own formats. `openapi` derives the schemas of what crosses the wire. `sqlx` lets ids be columns of a database and makes errors of its
//! errors; it names no database and brings no driver.

pub mod activity;
pub mod allocations;
pub mod authz;
pub mod catalogue;
pub mod clock;
#[cfg(feature = "configfiles")]
pub mod configfiles;
pub mod console;
pub mod containers;
pub mod daemons;
pub mod error;
pub mod hash;
pub mod id;
pub mod images;
pub mod jobs;
pub mod mails;
pub mod node;
pub mod nul;
pub mod paging;
pub mod registries;
pub mod roles;
pub mod sessions;
pub mod sshkeys;
pub mod templates;
pub mod text;
pub mod users;
#[cfg_attr(
    not(feature = "configfiles"),
    expect(
        dead_code,
        reason = "only edits of configuration files ask where a value stands and how it is written"
    )
)]
mod yaml;

pub use error::{Error, Result};
