//! Many containers: on one real daemon with a simulated engine, and on thousands of simulated daemons with one real API.

mod daemon;
mod engine;
mod fleet;
mod host;

pub use daemon::run as daemon;
pub use fleet::run as fleet;
