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
    /// The folder itself.
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
