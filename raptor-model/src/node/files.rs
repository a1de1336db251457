//! What may be asked of a host about a container's files.
//!
//! Small questions and their answers are one value each ([`FileRequest`], [`FileAnswer`]); content goes as a stream in either
//! direction. What takes long is a [`FileTask`] that runs on the host by itself, is listed and can be cancelled.

use super::{FileError, FilePath, NodeError, TextFile, TextRead, TextWrite};
use crate::id::ContainerId;
use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};
use std::{io, net::TcpStream};
use uuid::Uuid;

/// What something in a folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A folder.
    Folder,
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
    /// A pipe, socket or device.
    Special,
}

/// Something in a folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileInfo {
    /// Its name; empty for the container's folder itself.
    pub name: String,
    /// Where it is.
    pub path: FilePath,
    /// What it is.
    pub kind: FileKind,
    /// Its length in bytes; 0 for a folder.
    pub size_bytes: u64,
    /// Permission bits.
    pub mode: u32,
    /// When its content changed last.
    pub modified_at: DateTime<Utc>,
    /// Tells this version of its content from others.
    pub etag: String,
    /// Where a link leads, as it is written in it.
    pub target: Option<String>,
    /// What a link leads to; absent where that is nothing, or outside.
    pub target_kind: Option<FileKind>,
}

/// By what a folder's content is sorted. Folders come first always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FileSort {
    /// By name, numbers in it by their value.
    #[default]
    Name,
    /// By length.
    Size,
    /// By the time of the last change.
    Modified,
}

/// A part of a folder's content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FilePage {
    /// In the order asked for.
    pub items: Vec<FileInfo>,
    /// How many there are in all.
    pub total: u64,
    /// The folder.
    pub folder: FileInfo,
    /// Bytes that the container's files take on disk.
    pub used_bytes: u64,
    /// The container's disk limit in bytes; 0 = none.
    pub limit_bytes: u64,
}

/// From where to where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileMove {
    /// What there is.
    pub from: FilePath,
    /// Where it is to be, with its name.
    pub to: FilePath,
}

/// Something in the trash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrashItem {
    /// What names it.
    pub id: Uuid,
    /// Where it was.
    pub path: FilePath,
    /// What it is.
    pub kind: FileKind,
    /// Its length in bytes; 0 for a folder.
    pub size_bytes: u64,
    /// When it was deleted.
    pub deleted_at: DateTime<Utc>,
    /// Who deleted it.
    pub deleted_by: String,
}

/// An earlier version of a text file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileVersion {
    /// What names it.
    pub id: Uuid,
    /// When it was replaced.
    pub replaced_at: DateTime<Utc>,
    /// Who replaced it.
    pub replaced_by: String,
    /// Its length in bytes.
    pub size_bytes: u64,
}

/// Something that a search found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileHit {
    /// The file.
    pub file: FileInfo,
    /// The line that holds the text, counted from 1.
    pub line: Option<u64>,
    /// That line, cut to 200 characters.
    pub text: Option<String>,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileHits {
    /// In the order in which they were found.
    pub items: Vec<FileHit>,
    /// Whether there may be more: the search stopped at its bounds.
    pub more: bool,
}

/// What a folder's content takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FolderSize {
    /// A file or folder in it.
    pub path: FilePath,
    /// What it is.
    pub kind: FileKind,
    /// Bytes on disk of it and all that is in it.
    pub disk_bytes: u64,
    /// Files in it.
    pub files: u64,
}

/// How a checksum is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ChecksumKind {
    /// SHA-256.
    Sha256,
    /// SHA-1.
    Sha1,
    /// MD5.
    Md5,
}

/// A file on its way here, piece by piece.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Upload {
    /// What names it.
    pub id: Uuid,
    /// Where it will be.
    pub path: FilePath,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// How many bytes are here; the next piece begins there.
    pub received_bytes: u64,
    /// When it began. It is dropped a day after its last piece.
    pub started_at: DateTime<Utc>,
}

/// The format of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ArchiveFormat {
    /// ZIP.
    #[serde(rename = "zip")]
    Zip,
    /// tar, not compressed.
    #[serde(rename = "tar")]
    Tar,
    /// tar and gzip.
    #[serde(rename = "tar.gz")]
    TarGz,
    /// tar and xz.
    #[serde(rename = "tar.xz")]
    TarXz,
    /// tar and bzip2.
    #[serde(rename = "tar.bz2")]
    TarBz2,
    /// tar and Zstandard.
    #[serde(rename = "tar.zst")]
    TarZst,
}

impl ArchiveFormat {
    /// By the end of a file's name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let name = name.to_lowercase();
        let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
        Some(match () {
            () if ends(&[".zip", ".jar", ".mcpack", ".mcworld", ".mrpack"]) => Self::Zip,
            () if ends(&[".tar"]) => Self::Tar,
            () if ends(&[".tar.gz", ".tgz"]) => Self::TarGz,
            () if ends(&[".tar.xz", ".txz"]) => Self::TarXz,
            () if ends(&[".tar.bz2", ".tbz2", ".tbz"]) => Self::TarBz2,
            () if ends(&[".tar.zst", ".tzst"]) => Self::TarZst,
            () => return None,
        })
    }

    /// How a file of it ends.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Zip => "zip",
            Self::Tar => "tar",
            Self::TarGz => "tar.gz",
            Self::TarXz => "tar.xz",
            Self::TarBz2 => "tar.bz2",
            Self::TarZst => "tar.zst",
        }
    }
}

/// Something that takes long and runs on the host by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FileTask {
    /// Copy files and folders.
    Copy {
        /// What and whereto.
        copies: Vec<FileMove>,
    },
    /// Delete for good.
    Delete {
        /// What.
        paths: Vec<FilePath>,
    },
    /// Put files and folders into an archive.
    Archive {
        /// What.
        paths: Vec<FilePath>,
        /// The archive.
        to: FilePath,
        /// Its format.
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
        /// `http://` or `https://`.
        url: String,
        /// The folder that it goes to.
        into: FilePath,
        /// Its name there; the address's own unless given.
        name: Option<String>,
    },
}

/// What is done with a file from an archive where there is one of its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Existing {
    /// It is left out.
    #[default]
    Skip,
    /// It takes the other one's place.
    Replace,
    /// It gets a name that is free: `world (1).dat`.
    KeepBoth,
}

/// Something in an archive that was not unpacked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LeftOut {
    /// Its name in the archive.
    pub name: String,
    /// Why, as a sentence.
    pub why: String,
}

/// Where something that takes long is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OperationState {
    /// At work.
    Running,
    /// Done.
    Done,
    /// It failed; what it did before that is still there.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
}

/// Something that takes long, as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Operation {
    /// What names it.
    pub id: Uuid,
    /// What it does.
    pub task: FileTask,
    /// Who began it.
    pub started_by: String,
    /// When.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Where it is.
    pub state: OperationState,
    /// Why it failed.
    pub problem: Option<String>,
    /// Bytes done.
    pub done_bytes: u64,
    /// Bytes in all, where that is known.
    pub total_bytes: Option<u64>,
    /// Files done.
    pub done_files: u64,
    /// What was left out, the first 100.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
    /// How much was left out in all.
    #[serde(default)]
    pub left_out_count: u64,
}

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

/// What is to be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "read", rename_all = "snake_case")]
pub enum FileRead {
    /// A file, or a part of it.
    File {
        /// Which.
        path: FilePath,
        /// The first byte that is wanted; counted from the end where it is negative.
        start: i64,
        /// How many bytes at most; to the end unless given.
        length: Option<u64>,
    },
    /// An earlier version of a file.
    Version {
        /// The file.
        path: FilePath,
        /// Which version.
        id: Uuid,
    },
    /// A text log that is compressed, as text.
    Unpacked {
        /// A file that ends in `.gz`, `.xz`, `.bz2` or `.zst`.
        path: FilePath,
    },
    /// Files and folders as one archive that is made on the way.
    Archive {
        /// What.
        paths: Vec<FilePath>,
        /// In this format.
        format: ArchiveFormat,
    },
}

/// What is to be written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "write", rename_all = "snake_case")]
pub enum FileWrite {
    /// A whole file. Nobody ever sees half of it.
    File {
        /// Which; folders on the way are made.
        path: FilePath,
        /// Only while this is the version there; empty: only where there is none. Absent: in any case.
        etag: Option<String>,
        /// Whether the version before it is kept.
        keep: bool,
        /// Who does.
        by: String,
    },
    /// An edited text, as UTF-8. What was not edited keeps its bytes.
    Text {
        /// Where and how.
        text: TextWrite,
    },
    /// A whole file that is sent at once. Nobody ever sees half of it, and nothing is kept of what it replaces.
    Upload {
        /// Where it will be; folders on the way are made.
        path: FilePath,
        /// Its length in bytes.
        size_bytes: u64,
        /// Whether a file that is there is replaced.
        replace: bool,
        /// Whether the sender may read files: where nothing is replaced, the same content there is no error to them, so that it can
        /// be sent again. Nobody else learns what a file holds.
        #[serde(default)]
        may_read: bool,
    },
    /// The next piece of a file on its way.
    Piece {
        /// Which.
        upload: Uuid,
        /// Where the piece begins: at what is here already.
        offset: u64,
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

/// The bytes of a file, as they come.
pub type Body = BoxStream<'static, io::Result<Bytes>>;

/// A file, or a part of it.
pub struct FileContent {
    /// The file; none for an archive.
    pub file: Option<FileInfo>,
    /// The first byte that comes.
    pub start: u64,
    /// How many bytes come; none where that shows only at the end.
    pub length: Option<u64>,
    /// The bytes.
    pub body: Body,
    /// Another way to the same bytes, where they are in a file of this very host.
    pub direct: Option<Box<dyn Direct>>,
}

/// Content that the kernel takes from a file to a socket without a detour through this process.
pub trait Direct: Send {
    /// Sends all of it. The socket waits, with a write timeout that is no end by itself. Blocking.
    ///
    /// # Errors
    /// The kernel's; `TimedOut` when nothing was taken for two minutes, `UnexpectedEof` when the file has become shorter.
    fn send(self: Box<Self>, socket: &TcpStream) -> io::Result<()>;
}

/// What is said of content before it comes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileHead {
    /// As in [`FileContent`].
    pub file: Option<FileInfo>,
    /// As in [`FileContent`].
    pub start: u64,
    /// As in [`FileContent`].
    pub length: Option<u64>,
}

/// Everything that may be asked of a host about files.
#[async_trait]
pub trait NodeFiles: Send + Sync {
    /// Answers a small question or makes a small change.
    async fn ask(&self, id: ContainerId, request: Scoped<FileRequest>) -> Result<FileAnswer, NodeError>;

    /// Reads a file, a part of it, or many as an archive.
    async fn read(&self, id: ContainerId, request: Scoped<FileRead>) -> Result<FileContent, NodeError>;

    /// Writes a file or a piece of one. The answer is [`FileAnswer::File`] or [`FileAnswer::Upload`].
    async fn write(
        &self,
        id: ContainerId,
        request: Scoped<FileWrite>,
        body: Body,
    ) -> Result<FileAnswer, NodeError>;
}

/// A host that has no files, such as a simulated one.
pub struct NoFiles;

#[async_trait]
impl NodeFiles for NoFiles {
    async fn ask(&self, _: ContainerId, _: Scoped<FileRequest>) -> Result<FileAnswer, NodeError> {
        Err(FileError::NotFound.into())
    }

    async fn read(&self, _: ContainerId, _: Scoped<FileRead>) -> Result<FileContent, NodeError> {
        Err(FileError::NotFound.into())
    }

    async fn write(&self, _: ContainerId, _: Scoped<FileWrite>, _: Body) -> Result<FileAnswer, NodeError> {
        Err(FileError::NotFound.into())
    }
}
