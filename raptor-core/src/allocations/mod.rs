//! Allocations: the IP address and port pairs that containers listen on.

pub mod service;

pub use raptor_model::allocations::*;
