//! Images: how they are named, and which ones containers may use.

pub mod service;

pub use raptor_model::images::*;
