//! Images: references, and which images containers may use.

pub mod service;

pub use raptor_model::images::*;
