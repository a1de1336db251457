//! A container's installation as the API stores it.

use super::lifecycle::Hold;
use crate::node::ContainerStatus;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The message for an installation whose result is only known from the host's status.
const ENDED_UNHEARD: &str = "The host had finished this installation before the database was restored, and its report is lost. Check the files, and install again if in doubt.";

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
    /// It ended with success, and the container can be started.
    Installed,
    /// It failed or was cancelled.
    Failed,
}

/// The newest installation of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Installation {
    /// Incremented with each request; 0 = none yet.
    pub number: u64,
    pub state: InstallState,
    /// Whether the container's files are deleted first.
    pub wipe: bool,
    /// Whether the container is started afterwards.
    pub start: bool,
    /// Why it failed, or a warning, as a sentence.
    pub message: Option<String>,
    pub ended_at: Option<DateTime<Utc>>,
}

impl Installation {
    /// The next installation. `ended`: the newest one that has ended according to the host, which may be newer than this one
    /// after the database was restored from an older backup. A host runs each number once.
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

    /// The result as far as the host's status shows it, if the host has reported the end to a database that was since replaced
    /// by an older backup, and will not report it again. `None` if it has not ended, or the result is known. `problem`: why it
    /// failed.
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

    /// Whether the host's report of its end is still expected.
    #[must_use]
    pub fn awaits_report(&self) -> bool {
        match self.state {
            InstallState::Pending => true,
            // Determined from the status, see above.
            InstallState::Installed | InstallState::Failed => self.ended_at.is_none(),
            InstallState::None => false,
        }
    }
}
