//! Container engines: what the host requires of one ([`Engine`]), Docker, and one in memory whose containers follow a script
//! ([`Scripted`]). The types of Docker's client never leave this folder.

mod chown;
mod containers;
mod docker;
mod docker_engine;
mod engine;
mod images;
mod in_flight;
mod networks;
mod owned;
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
pub use owned::{EngineContainer, OwnedContainer};
pub use sample::Sample;
pub use scripted::{Call, InjectedFault, Script, Scripted};
pub use shape::{Shape, Zone, installer_memory_mib};

/// Why a call to the engine failed.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The engine does not answer.
    #[error(
        "Docker does not answer: {0}. Start it (systemctl start docker) and check that this user may use its socket."
    )]
    Away(String),
    /// The container or image doesn't exist.
    #[error("the container is not there")]
    NotFound,
    /// The engine refused, with its message.
    #[error("{0}")]
    Refused(String),
}
