//! The types and rules of Raptor, and the interface to hosts.
//!
//! Nothing in this crate does I/O. `raptor-core` stores it in a database and provides the operations; `raptor-node-lib` carries
//! it out on a host. Their interface is the trait [`node::Node`].
//!
//! # Features
//! `configfiles`, on by default, edits configuration files in their own formats. `openapi` derives schemas of the types on the
//! wire. `sqlx` makes ids usable as database columns and converts database errors; it selects no database and includes no
//! driver.

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
pub mod sentence;
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
