//! What there is in a container's folder.

use crate::node::FilePath;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What something in a folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A folder, which can contain others.
    Folder,
    /// A regular file, i.e. one with content.
    File,
    /// A symbolic link, wherever it leads.
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
    /// The path in the container's folder, starting with `/`.
    pub path: FilePath,
    /// Whether it is a folder, a file, a link or something else.
    pub kind: FileKind,
    /// Its length in bytes; 0 for a folder.
    pub size_bytes: u64,
    /// Permission bits as in `chmod`, such as 420 for 0644.
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
    /// By the length in bytes, smallest first.
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
    /// The folder whose content this is.
    pub folder: FileInfo,
    /// Bytes that the container's files take on disk.
    pub used_bytes: u64,
    /// The container's disk limit in bytes; 0 = none.
    pub limit_bytes: u64,
}

/// Something in the trash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrashItem {
    /// Identifies the item, for restoring or deleting it.
    pub id: Uuid,
    /// The path before it was deleted, where it is restored to.
    pub path: FilePath,
    /// Whether it is a folder, a file, a link or something else.
    pub kind: FileKind,
    /// Its length in bytes; 0 for a folder.
    pub size_bytes: u64,
    /// When it was deleted.
    pub deleted_at: DateTime<Utc>,
    /// The name of the user who deleted it.
    pub deleted_by: String,
}

/// An earlier version of a text file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileVersion {
    /// Identifies the version, for reading or restoring it.
    pub id: Uuid,
    /// When it was replaced.
    pub replaced_at: DateTime<Utc>,
    /// The name of the user whose save replaced it.
    pub replaced_by: String,
    /// Its length in bytes.
    pub size_bytes: u64,
}

/// Something that a search found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileHit {
    /// The file that was found.
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
    /// Whether it is a folder, a file, a link or something else.
    pub kind: FileKind,
    /// Bytes on disk of it and all that is in it.
    pub disk_bytes: u64,
    /// The number of files in it, including those in subfolders.
    pub files: u64,
}

/// How a checksum is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ChecksumKind {
    /// SHA-256: 64 hexadecimal digits.
    Sha256,
    /// SHA-1: 40 hexadecimal digits. Don't rely on it against forgery.
    Sha1,
    /// MD5: 32 hexadecimal digits. Don't rely on it against forgery.
    Md5,
}
