//! The container engine. Its client's types never leave this folder.

mod docker;
mod raw;

pub use docker::{Docker, Ended, Found, Sample};
pub use raw::Stdin;

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
