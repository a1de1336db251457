//! Roles: named sets of rights over the whole system.

pub mod service;

pub use raptor_model::roles::*;
