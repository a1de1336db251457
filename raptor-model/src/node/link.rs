//! What goes over the link beside events: a host's questions and reports up, and what the control side says down.

use super::sftp::{SftpAnswer, SftpQuestion};
use crate::id::{ActivityId, ContainerId, UserId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr};

/// A value that no log shows.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct Redacted(String);

impl Redacted {
    /// Hides `value` from logs.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value, at the place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hidden>")
    }
}

/// What a host asks the control side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "about", rename_all = "snake_case")]
pub enum Question {
    /// Whether somebody may use SFTP.
    Sftp {
        /// What exactly.
        question: SftpQuestion,
    },
}

/// What the control side answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "about", rename_all = "snake_case")]
pub enum Answer {
    /// To [`Question::Sftp`].
    Sftp {
        /// The answer.
        answer: SftpAnswer,
    },
    /// It can't tell now: its database is away.
    Unavailable,
}

/// What somebody did on the host itself, for the audit trail. It is told again until it is acknowledged, so it is written down
/// by its id once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HostActivity {
    /// Its id.
    pub id: ActivityId,
    /// When it ended.
    pub at: DateTime<Utc>,
    /// Who.
    pub user_id: UserId,
    /// To which container.
    pub container_id: ContainerId,
    /// From where.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub ip: Option<IpAddr>,
    /// What.
    pub deed: HostAction,
}

/// What can be done on a host without the control side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "deed", rename_all = "snake_case")]
pub enum HostAction {
    /// Changes to files by SFTP, those of some seconds together.
    SftpChanges {
        /// How many changes there were.
        count: u64,
        /// Bytes written.
        written_bytes: u64,
        /// The first of them, one for each path and kind.
        changes: Vec<SftpChange>,
    },
    /// A sign-in by SFTP that the host decided alone, because the control side was away.
    SftpSignedInOffline,
}

/// A change to a file by SFTP.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SftpChange {
    /// `write`, `create_folder`, `delete`, `delete_folder`, `rename`, `link`, `attributes`.
    pub kind: String,
    /// Its path in the container's folder.
    pub path: String,
    /// The new path, where it was renamed, or what a link points at.
    pub to: Option<String>,
}

/// What the control side says to a host without being asked over HTTP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum HostMessage {
    /// The answer to a question.
    Answer {
        /// The question's number.
        id: u64,
        /// The answer.
        answer: Answer,
    },
    /// What was granted may have changed: ask again about everything that concerns this user and this container. One that is not
    /// named stands for all.
    Recheck {
        /// Whose.
        user_id: Option<UserId>,
        /// To what.
        container_id: Option<ContainerId>,
    },
    /// An activity was written down.
    Noted {
        /// Which.
        id: ActivityId,
    },
    /// The hosts of all daemons, names or addresses: files are not fetched from them.
    Hosts {
        /// All of them.
        hosts: Vec<String>,
    },
}
