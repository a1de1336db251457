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
        /// Who asks for what.
        question: SftpQuestion,
    },
}

/// What the control side answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "about", rename_all = "snake_case")]
pub enum Answer {
    /// The answer to [`Question::Sftp`].
    Sftp {
        /// Whether it is granted, and what.
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
    /// Identifies the entry, so that one that is sent twice is stored once.
    pub id: ActivityId,
    /// When it ended, by the host's clock, in UTC.
    pub at: DateTime<Utc>,
    /// The user who did it.
    pub user_id: UserId,
    /// The container that it was done to.
    pub container_id: ContainerId,
    /// The address that the user connected from; `None` if unknown.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub ip: Option<IpAddr>,
    /// What was done.
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
        /// How many bytes were written, over all of the changes.
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
        /// The number of the question, as the host gave it.
        id: u64,
        /// What the control side decided.
        answer: Answer,
    },
    /// What was granted may have changed: ask again about everything that concerns this user and this container. One that is not
    /// named stands for all.
    Recheck {
        /// The user whose rights may have changed; `None` = every user.
        user_id: Option<UserId>,
        /// The container that the rights are about; `None` = every container.
        container_id: Option<ContainerId>,
    },
    /// An activity was written down.
    Noted {
        /// The id of the activity that was stored. The host forgets it.
        id: ActivityId,
    },
    /// The hosts of all daemons, names or addresses: files are not fetched from them.
    Hosts {
        /// The hosts of all daemons and of the panel, replacing the previous list.
        hosts: Vec<String>,
    },
}
