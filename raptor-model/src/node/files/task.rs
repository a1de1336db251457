//! What takes long and runs on the host by itself.

use super::{ArchiveFormat, Existing, LeftOut};
use crate::node::FilePath;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// From where to where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileMove {
    /// The present path of the file or folder.
    pub from: FilePath,
    /// Where it is to be, with its name.
    pub to: FilePath,
}

/// Something that takes long and runs on the host by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FileTask {
    /// Copy files and folders.
    Copy {
        /// Source and destination of each copy.
        copies: Vec<FileMove>,
    },
    /// Delete files and folders for good, without the trash.
    Delete {
        /// The files and folders to delete.
        paths: Vec<FilePath>,
    },
    /// Put files and folders into an archive.
    Archive {
        /// The files and folders to include; folders with all that is in them.
        paths: Vec<FilePath>,
        /// The path of the archive to create, with its name.
        to: FilePath,
        /// The format of the archive.
        format: ArchiveFormat,
    },
    /// Take everything out of an archive.
    Extract {
        /// The archive; its name says its format: `.zip`, `.7z`, `.tar`, `.tar.gz`, `.tar.xz`, `.tar.bz2` or `.tar.zst`. A
        /// single file that ends in `.gz`, `.xz`, `.bz2` or `.zst` is unpacked under its name without that.
        path: FilePath,
        /// The folder that it goes to.
        into: FilePath,
        /// What happens to files that have the name of one that is there.
        #[serde(default)]
        existing: Existing,
        /// What names in a zip or tar are written in that are no UTF-8: `cp437`, or a label of the WHATWG's Encoding Standard
        /// (`gbk`, `shift_jis`, `ibm866` …). Unless given, it is recognised in a zip, and a tar's names are kept as they are.
        #[serde(default)]
        encoding: Option<String>,
    },
    /// Fetch a file from a web address.
    Pull {
        /// The address to fetch, beginning with `http://` or `https://`.
        url: String,
        /// The folder that it goes to.
        into: FilePath,
        /// Its name there; the address's own unless given.
        name: Option<String>,
    },
}

/// Where something that takes long is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OperationState {
    /// It has not ended yet.
    Running,
    /// It ended well. `left_out` says if something was skipped.
    Done,
    /// It failed; what it did before that is still there.
    Failed,
    /// A person cancelled it; what it did before that is still there.
    Cancelled,
}

/// Something that takes long, as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Operation {
    /// Identifies the operation, for following or cancelling it.
    pub id: Uuid,
    /// The task that it carries out.
    pub task: FileTask,
    /// The name of the user who started it.
    pub started_by: String,
    /// When it was begun, in UTC.
    pub started_at: DateTime<Utc>,
    /// When it ended, in UTC; null while it runs.
    pub ended_at: Option<DateTime<Utc>>,
    /// Whether it runs, or how it ended.
    pub state: OperationState,
    /// Why it failed, as a sentence; null unless it did.
    pub problem: Option<String>,
    /// How many bytes were done so far.
    pub done_bytes: u64,
    /// Bytes in all, where that is known.
    pub total_bytes: Option<u64>,
    /// How many files were done so far.
    pub done_files: u64,
    /// What was left out, the first 100.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
    /// How much was left out in all.
    #[serde(default)]
    pub left_out_count: u64,
}
