//! Daemons: the hosts that run containers.

#[cfg(feature = "remote")]
mod diagnosis;
pub(crate) mod local;
#[cfg(feature = "remote")]
pub mod remote;
pub mod service;
pub mod simulated;
pub mod strays;

pub use raptor_model::daemons::*;
