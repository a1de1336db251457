//! User accounts.

mod rights;
pub mod service;

pub use raptor_model::users::*;
