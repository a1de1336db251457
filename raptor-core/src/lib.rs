//! Raptor's domain.

pub mod activity;
pub mod allocations;
#[cfg(feature = "store")]
pub mod auth;
pub mod authz;
pub mod clock;
pub mod configfiles;
pub mod containers;
pub mod daemons;
pub mod error;
pub mod id;
#[cfg(feature = "store")]
mod jobs;
#[cfg(feature = "store")]
pub mod live;
pub mod node;
#[cfg(feature = "store")]
pub mod paging;
#[cfg(feature = "store")]
mod raptor;
pub mod roles;
#[cfg(feature = "store")]
pub mod store;
pub mod templates;
pub mod users;

pub use error::{Error, Result};
#[cfg(feature = "store")]
pub use raptor::{Builder, Raptor};
