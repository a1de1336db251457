//! Registries: who may pull images from where. A host is given the logins while it is connected and keeps none on disk.

pub mod service;

pub use raptor_model::registries::*;
