//! A container's installation as the API keeps it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

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
    /// Another one is asked for.
    #[must_use]
    pub fn again(&self, wipe: bool, start: bool) -> Self {
        Self {
            number: self.number + 1,
            state: InstallState::Pending,
            wipe,
            start,
            message: None,
            ended_at: None,
        }
    }
}
