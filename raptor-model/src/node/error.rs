//! Why a host did not do what it was asked to do.

use super::{FileError, OLDEST_PROTOCOL, PROTOCOL};
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
    /// The two sides share no version of the protocol.
    #[error("The daemon speaks protocol {theirs}, this API speaks {OLDEST_PROTOCOL} to {PROTOCOL}. Upgrade {}, which is the older of the two.", older(*theirs))]
    Protocol {
        /// The daemon's version that is nearest to ours.
        theirs: u32,
    },
    /// The two sides speak an older version of the protocol, which does not have what is asked.
    #[error(
        "This needs a newer raptor-daemon: the one on this container's host speaks protocol {theirs}, and this came with protocol {needs}. Upgrade raptor-daemon on that host."
    )]
    Outdated {
        /// The version that has it.
        needs: u32,
        /// The version that both sides speak.
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
    if theirs < OLDEST_PROTOCOL { "raptor-daemon on that host" } else { "raptor-api" }
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
            NodeError::Protocol { .. } | NodeError::Outdated { .. } => {
                Self::Unavailable { code: "daemon_protocol", message }
            }
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
        let too_old = said(OLDEST_PROTOCOL - 1);
        assert!(too_old.contains("Upgrade raptor-daemon on that host"), "{too_old}");
        assert!(said(PROTOCOL + 1).contains("Upgrade raptor-api"), "{}", said(PROTOCOL + 1));
    }
}
