//! Raptor's daemon: a thin server over [`raptor_node_lib`].

pub mod config;
mod content;
mod direct;
mod guard;
mod health;
mod metrics;
mod openapi;
mod routes;
pub mod setup;
mod sockets;
pub mod transport;

pub use openapi::openapi;
pub use raptor_server::problem::Problem;
pub use routes::router;
