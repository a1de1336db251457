//! Why a host did not do what it was asked to do.

use super::{FileError, PROTOCOL};
use crate::{Error, containers::lifecycle::Refused};

/// The code of an order that was refused because it came too late.
pub const TOO_LATE: &str = "too_late";

/// Why a host did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The state machine refused.
    #[error("{0}")]
    Refused(#[from] Refused),
    /// The host does not have this container.
    #[error("The daemon does not have this container.")]
    NotFound,
    /// The command or declaration is not acceptable.
    #[error("{0}")]
    Invalid(String),
    /// The daemon can't be reached.
    #[error("{0}")]
    Unreachable(String),
    /// The daemon refused the API's key.
    #[error(
        "The daemon refuses this API key. Copy the daemon's key into DAEMON_API_KEY on the host and restart raptor-daemon."
    )]
    WrongKey,
    /// The two sides speak different versions.
    #[error("The daemon speaks protocol {theirs}, this API speaks {PROTOCOL}. Upgrade {}, which is the older of the two.", older(*theirs))]
    Protocol {
        /// The daemon's [`PROTOCOL`].
        theirs: u32,
    },
    /// Docker does not answer on the host.
    #[error("{0}")]
    Docker(String),
    /// Something was not done to its files.
    #[error("{0}")]
    File(#[from] FileError),
    /// Something broke on the host.
    #[error("{0}")]
    Internal(String),
}

/// Which of the two programs is the older one, where the daemon speaks protocol `theirs`.
fn older(theirs: u32) -> &'static str {
    if theirs < PROTOCOL { "raptor-daemon on that host" } else { "raptor-api" }
}

impl From<NodeError> for Error {
    fn from(error: NodeError) -> Self {
        let message = error.to_string().into();
        match error {
            NodeError::Refused(refused) => Self::Refused(refused),
            NodeError::NotFound => Self::Unavailable {
                code: "not_on_host",
                message: "The daemon does not have this container yet. Try again in a moment.".into(),
            },
            NodeError::Invalid(why) => Self::invalid("command", why),
            NodeError::Unreachable(_) => Self::Unavailable { code: "daemon_unreachable", message },
            NodeError::File(error) => error.into(),
            NodeError::WrongKey => Self::Unavailable { code: "daemon_wrong_key", message },
            NodeError::Protocol { .. } => Self::Unavailable { code: "daemon_protocol", message },
            NodeError::Docker(_) => Self::Unavailable { code: "docker_unavailable", message },
            NodeError::Internal(cause) => Self::internal(cause),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_protocols_it_is_said_which_program_is_to_be_upgraded() {
        let said = |theirs| NodeError::Protocol { theirs }.to_string();
        assert!(said(PROTOCOL - 1).contains("Upgrade raptor-daemon on that host"), "{}", said(PROTOCOL - 1));
        assert!(said(PROTOCOL + 1).contains("Upgrade raptor-api"), "{}", said(PROTOCOL + 1));
    }
}
