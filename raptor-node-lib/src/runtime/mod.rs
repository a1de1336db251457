//! The container engine: what the host needs of one ([`Engine`]), Docker, and one in memory whose containers do what a script says
//! ([`Scripted`]). The types of Docker's client never leave this folder.

mod containers;
mod docker;
mod engine;
mod giving;
mod images;
mod making;
mod networks;
mod of_docker;
mod ours;
mod raw;
mod sample;
mod scripted;
mod shape;

pub use containers::{Ended, Found};
pub use docker::{Docker, Part};
pub use engine::{Attached, Engine, Stdin};
pub use images::Pulled;
pub use networks::{OurNetwork, Pool};
pub(crate) use networks::{bridge_name, network_name};
pub use ours::{Made, Ours};
pub use sample::Sample;
pub use scripted::{Call, Script, Scripted, Trouble};
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
