//! Allocations: the ip:port pairs that containers are given.

pub mod service;

pub use raptor_model::allocations::*;
