//! Templates: how a kind of server is installed, started, configured and stopped.

pub mod drawing;
pub mod imports;
pub mod service;
pub mod source;

pub use raptor_model::templates::*;
