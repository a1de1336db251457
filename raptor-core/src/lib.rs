//! Raptor's domain.

pub mod clock;
pub mod containers;
pub mod error;
pub mod id;
pub mod node;
pub mod templates;

pub use error::{Error, Result};
