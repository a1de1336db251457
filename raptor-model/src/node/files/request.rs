//! Small questions and changes, and their answers.

use super::{
    ChecksumKind, FileHits, FileInfo, FileMove, FilePage, FileSort, FileTask, FileVersion, FolderSize,
    Operation, TrashItem, Upload,
};
use crate::node::{FilePath, TextFile, TextRead};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What APIs of before ask for, which do not say.
const fn yes() -> bool {
    true
}

/// A small question or change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum FileRequest {
    /// A part of a folder's content.
    List {
        /// The path of the folder.
        path: FilePath,
        /// By what it is sorted.
        sort: FileSort,
        /// Whether the order is turned round.
        descending: bool,
        /// How many are left out first.
        offset: u64,
        /// How many come at most.
        limit: u64,
        /// Only names that hold this.
        search: Option<String>,
    },
    /// What is at a path.
    Stat {
        /// The path to look up.
        path: FilePath,
    },
    /// Create an empty folder.
    CreateFolder {
        /// The path of the new folder.
        path: FilePath,
    },
    /// Rename files and folders, or move them elsewhere.
    Move {
        /// Old and new path of each.
        moves: Vec<FileMove>,
        /// Whether files that are there are replaced.
        replace: bool,
    },
    /// Put into the trash.
    Trash {
        /// The files and folders to delete.
        paths: Vec<FilePath>,
        /// The name of the user who deletes them.
        by: String,
    },
    /// What is in the trash.
    ListTrash,
    /// Put back where it was.
    Restore {
        /// The ids of the items in the trash.
        ids: Vec<Uuid>,
    },
    /// Remove from the trash for good.
    EmptyTrash {
        /// What; everything unless given.
        ids: Option<Vec<Uuid>>,
    },
    /// Change the permission bits, as `chmod` does.
    SetMode {
        /// The files and folders to change.
        paths: Vec<FilePath>,
        /// The bits, such as 420 for 0644.
        mode: u32,
    },
    /// Earlier versions of a file.
    Versions {
        /// The path of the file.
        path: FilePath,
    },
    /// Search a folder and its subfolders.
    Search {
        /// The folder to look in.
        path: FilePath,
        /// Part of the name; `*` and `?` stand for any letters.
        name: Option<String>,
        /// Text in the file, without regard to case.
        content: Option<String>,
    },
    /// What a folder's content takes, the largest first.
    Sizes {
        /// The path of the folder.
        path: FilePath,
    },
    /// Compute a checksum of a file.
    Checksum {
        /// The path of the file.
        path: FilePath,
        /// The algorithm to use.
        algorithm: ChecksumKind,
    },
    /// Read a text file.
    ReadText {
        /// The path, and how to decode it.
        text: TextRead,
    },
    /// Begin to send a file.
    BeginUpload {
        /// What is to name it; asked again with the same id, the same upload is answered. A new one unless given.
        #[serde(default)]
        id: Option<Uuid>,
        /// Where it will be; folders on the way are made.
        path: FilePath,
        /// Its length in bytes.
        size_bytes: u64,
        /// Whether a file that is there is replaced.
        replace: bool,
    },
    /// How far a file on its way here is.
    GetUpload {
        /// The id of the upload.
        id: Uuid,
    },
    /// All of it is here: put it where it belongs. Asked again, the file is answered.
    FinishUpload {
        /// The id of the upload.
        id: Uuid,
        /// Whether an upload that was begun to replace a file may still do so.
        #[serde(default = "yes")]
        may_replace: bool,
    },
    /// Cancel an upload and delete what has arrived of it.
    AbortUpload {
        /// The id of the upload.
        id: Uuid,
    },
    /// Begin something that takes long.
    Start {
        /// The task to carry out.
        task: FileTask,
        /// The name of the user who starts it.
        by: String,
    },
    /// What takes long, the newest first: running, or ended within the last hour.
    Operations,
    /// Stop something that takes long, or forget it when it has ended.
    Cancel {
        /// The id of the operation.
        id: Uuid,
    },
}

/// The answer to a [`FileRequest`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum FileAnswer {
    /// To a change that has nothing to say.
    Done,
    /// The answer to [`FileRequest::List`].
    Page {
        /// The part of the folder's content that was asked for.
        page: FilePage,
    },
    /// To [`FileRequest::Stat`] and changes of one file.
    File {
        /// The file as it is now.
        file: FileInfo,
    },
    /// To [`FileRequest::ListTrash`] and [`FileRequest::Trash`].
    Trash {
        /// What is in the trash, or came into it; the newest first.
        items: Vec<TrashItem>,
    },
    /// The answer to [`FileRequest::Versions`].
    Versions {
        /// The earlier versions, newest first.
        items: Vec<FileVersion>,
    },
    /// The answer to [`FileRequest::Search`].
    Hits {
        /// What matched, up to the limits of a search.
        hits: FileHits,
    },
    /// The answer to [`FileRequest::Sizes`].
    Sizes {
        /// What is directly in the folder, largest first.
        items: Vec<FolderSize>,
    },
    /// The answer to [`FileRequest::Checksum`].
    Checksum {
        /// The checksum in lower-case hexadecimal digits.
        checksum: String,
    },
    /// The answer to [`FileRequest::ReadText`].
    Text {
        /// The decoded text, with what is needed to save it.
        text: Box<TextFile>,
    },
    /// To requests about a file on its way.
    Upload {
        /// How much of the file has arrived.
        upload: Upload,
    },
    /// The answer to [`FileRequest::Start`].
    Operation {
        /// The operation as it begins.
        operation: Operation,
    },
    /// The answer to [`FileRequest::Operations`].
    Operations {
        /// The operations, newest first.
        items: Vec<Operation>,
    },
}

/// A request for somebody who may not see everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Scoped<T> {
    /// The request itself.
    pub request: T,
    /// What they may neither see nor change besides what the template says, as `.gitignore` has it.
    #[serde(default)]
    pub denied: Vec<String>,
}
