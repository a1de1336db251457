//! Logins for image registries. Hosts get them while they are connected and never store them on disk.

pub mod service;

pub use raptor_model::registries::*;
