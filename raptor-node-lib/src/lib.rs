//! The host side of Raptor: everything that happens on a machine that runs containers.
//!
//! [`Host`] implements [`raptor_model::node::Node`], the interface between the two sides: a daemon serves it over HTTP, an
//! all-in-one process calls it directly. It runs containers on Docker or on another [`runtime::Engine`]; on
//! [`runtime::Scripted`] they follow a script, and nothing real is run.

mod base;
mod bounded_sort;
pub mod console;
mod desired;
pub mod files;
mod firewall;
#[cfg(test)]
mod fuzz;
mod host;
mod images;
mod lifecycle;
mod link;
mod quota;
mod removal;
pub mod runtime;
mod sftp;
mod spool;
mod stats;
mod system;
mod warning_limit;
mod workspace;

pub use firewall::{Reach, remove_rules};
pub use host::{Builder, Host, start_again};
pub use runtime::Pool;
pub use sftp::allow_open_files;
