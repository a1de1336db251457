//! A container's installation as the API keeps it.

use super::lifecycle::Hold;
use crate::node::ContainerStatus;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What is said of an installation of which only the host's status is known.
const ENDED_UNHEARD: &str = "The host had finished this installation before the database was restored, and its report is lost. Look at the files; install again where in doubt.";

/// How an installation stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum InstallState {
    /// There is nothing to install, or somebody said so.
    #[default]
    None,
    /// Asked for; the host has not told its end yet.
    Pending,
    /// It worked.
    Installed,
    /// It failed or was cancelled.
    Failed,
}

/// The newest installation of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Installation {
    /// Grows with each one that is asked for; 0 = none ever was.
    pub number: u64,
    /// How it stands.
    pub state: InstallState,
    /// Whether the container's files go before it.
    pub wipe: bool,
    /// Whether the container starts after it.
    pub start: bool,
    /// Why it failed, or what was odd about it though it worked, in a sentence.
    pub message: Option<String>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
}

impl Installation {
    /// Another one is asked for. `ended`: the newest that the host says has ended, which is ahead of this one after the database
    /// was restored from an older copy; a host runs each number once.
    #[must_use]
    pub fn again(&self, ended: u64, wipe: bool, start: bool) -> Self {
        Self {
            number: self.number.max(ended) + 1,
            state: InstallState::Pending,
            wipe,
            start,
            message: None,
            ended_at: None,
        }
    }

    /// How it ended, as far as the host's status tells: the host has reported its end to a database that was replaced by an older
    /// copy since, and will not report it again. None where it has not ended, or that is known. `problem`: why it failed.
    #[must_use]
    pub fn found_ended(&self, status: &ContainerStatus) -> Option<Self> {
        let over = status.installed >= self.number && status.hold != Some(Hold::Installing);
        if self.state != InstallState::Pending || !over {
            return None;
        }
        let (state, message) = match status.hold {
            Some(Hold::InstallFailed) => (InstallState::Failed, status.problem.clone()),
            _ => (InstallState::Installed, Some(ENDED_UNHEARD.to_owned())),
        };
        Some(Self { state, message, ..self.clone() })
    }

    /// Whether the host's report of its end is still to be taken down.
    #[must_use]
    pub fn awaits_report(&self) -> bool {
        match self.state {
            InstallState::Pending => true,
            // Found ended, see above.
            InstallState::Installed | InstallState::Failed => self.ended_at.is_none(),
            InstallState::None => false,
        }
    }
}
