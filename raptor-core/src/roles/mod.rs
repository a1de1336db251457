//! Roles: named sets of system permissions.

pub mod service;

pub use raptor_model::roles::*;
