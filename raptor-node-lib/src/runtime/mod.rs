//! The container engine. Its client's types never leave this folder.

mod containers;
mod docker;
mod giving;
mod images;
mod making;
mod networks;
mod ours;
mod raw;
mod sample;
mod shape;

pub use containers::{Ended, Found};
pub use docker::{Docker, Part};
pub use images::Pulled;
pub use networks::{OurNetwork, Pool};
pub use ours::{Made, Ours};
pub use raw::Stdin;
pub use sample::Sample;
pub use shape::{Shape, Zone, installer_memory_mib};

/// Why the engine did not do something.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The engine does not answer.
    #[error(
        "Docker does not answer: {0}. Start it (systemctl start docker) and check that this user may use its socket."
    )]
    Away(String),
    /// The container is not there.
    #[error("the container is not there")]
    NotFound,
    /// The engine refused.
    #[error("{0}")]
    Refused(String),
}
