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
        /// The folder.
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
        /// Where.
        path: FilePath,
    },
    /// Make a folder.
    CreateFolder {
        /// Where.
        path: FilePath,
    },
    /// Rename or move.
    Move {
        /// What and whereto.
        moves: Vec<FileMove>,
        /// Whether files that are there are replaced.
        replace: bool,
    },
    /// Put into the trash.
    Trash {
        /// What.
        paths: Vec<FilePath>,
        /// Who does.
        by: String,
    },
    /// What is in the trash.
    ListTrash,
    /// Put back where it was.
    Restore {
        /// What.
        ids: Vec<Uuid>,
    },
    /// Remove from the trash for good.
    EmptyTrash {
        /// What; everything unless given.
        ids: Option<Vec<Uuid>>,
    },
    /// Change permission bits.
    SetMode {
        /// Of what.
        paths: Vec<FilePath>,
        /// The bits.
        mode: u32,
    },
    /// Earlier versions of a file.
    Versions {
        /// The file.
        path: FilePath,
    },
    /// Look for files.
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
        /// The folder.
        path: FilePath,
    },
    /// A checksum.
    Checksum {
        /// Of this file.
        path: FilePath,
        /// Made so.
        algorithm: ChecksumKind,
    },
    /// Read a text file.
    ReadText {
        /// Which, and how.
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
        /// Which.
        id: Uuid,
    },
    /// All of it is here: put it where it belongs. Asked again, the file is answered.
    FinishUpload {
        /// Which.
        id: Uuid,
        /// Whether an upload that was begun to replace a file may still do so.
        #[serde(default = "yes")]
        may_replace: bool,
    },
    /// Forget it.
    AbortUpload {
        /// Which.
        id: Uuid,
    },
    /// Begin something that takes long.
    Start {
        /// What.
        task: FileTask,
        /// Who does.
        by: String,
    },
    /// What takes long, the newest first: running, or ended within the last hour.
    Operations,
    /// Stop something that takes long, or forget it when it has ended.
    Cancel {
        /// Which.
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
    /// To [`FileRequest::List`].
    Page {
        /// The part.
        page: FilePage,
    },
    /// To [`FileRequest::Stat`] and changes of one file.
    File {
        /// The file.
        file: FileInfo,
    },
    /// To [`FileRequest::ListTrash`] and [`FileRequest::Trash`].
    Trash {
        /// What is in the trash, or came into it; the newest first.
        items: Vec<TrashItem>,
    },
    /// To [`FileRequest::Versions`].
    Versions {
        /// The newest first.
        items: Vec<FileVersion>,
    },
    /// To [`FileRequest::Search`].
    Hits {
        /// What was found.
        hits: FileHits,
    },
    /// To [`FileRequest::Sizes`].
    Sizes {
        /// The largest first.
        items: Vec<FolderSize>,
    },
    /// To [`FileRequest::Checksum`].
    Checksum {
        /// In lower-case hexadecimal.
        checksum: String,
    },
    /// To [`FileRequest::ReadText`].
    Text {
        /// The text.
        text: Box<TextFile>,
    },
    /// To requests about a file on its way.
    Upload {
        /// The file.
        upload: Upload,
    },
    /// To [`FileRequest::Start`].
    Operation {
        /// It.
        operation: Operation,
    },
    /// To [`FileRequest::Operations`].
    Operations {
        /// The newest first.
        items: Vec<Operation>,
    },
}

/// A request for somebody who may not see everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Scoped<T> {
    /// What is asked.
    pub request: T,
    /// What they may neither see nor change besides what the template says, as `.gitignore` has it.
    #[serde(default)]
    pub denied: Vec<String>,
}
