//! Containers: what a user owns. Operations are in [`service`].

pub mod access;
mod change;
mod claims;
mod create;
mod list_cache;
mod network;
mod past;
mod possible;
mod power;
pub mod preview;
mod runtime;
pub mod service;
mod spec;
pub mod switch;
pub mod template;
mod values;
pub mod view;
mod watch;

pub(crate) use list_cache::{ListCache, list_cache};
pub(crate) use network::MAX_ALLOCATION_LIMIT;
pub use raptor_model::containers::*;
