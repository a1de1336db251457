//! Raptor's daemon: a thin server over [`raptor_node_lib`].

pub mod config;
mod direct;
mod files;
mod guard;
mod health;
mod history;
mod metrics;
mod openapi;
mod routes;
pub mod setup;
pub mod transport;

pub use openapi::openapi;
pub use raptor_server::problem::Problem;
pub use routes::router;
