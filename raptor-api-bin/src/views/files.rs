//! Files as the API shows them. What the host says of a file is shown as it is.

use raptor_core::node::{
    FilePath,
    files::{FileMove, FileTask, FileVersion, FolderSize, Operation, TrashItem, Upload},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

pub(crate) use raptor_core::node::files::FileHits;

/// A folder that is to be.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewFolder {
    /// Path of the new folder. Folders on the way are made.
    pub(crate) path: FilePath,
}

/// What is renamed and moved.
#[derive(Deserialize, ToSchema)]
pub(crate) struct FileMoves {
    /// Done in this order; what was done before one that fails stays done.
    pub(crate) moves: Vec<FileMove>,
    /// Whether files that are there are replaced.
    pub(crate) replace: Option<bool>,
}

/// The permission bits to set on files and folders.
#[derive(Deserialize, ToSchema)]
pub(crate) struct FilesMode {
    /// Paths of the files and folders.
    pub(crate) paths: Vec<FilePath>,
    /// The bits, as a number (0o644 = 420).
    pub(crate) mode: u32,
}

/// Some files and folders.
#[derive(Deserialize, ToSchema)]
pub(crate) struct PathList {
    /// Paths of files and folders in the container.
    pub(crate) paths: Vec<FilePath>,
}

/// What is put back.
#[derive(Deserialize, ToSchema)]
pub(crate) struct RestoreFiles {
    /// Ids of the things in the trash.
    pub(crate) ids: Vec<Uuid>,
}

/// What goes for good.
#[derive(Deserialize, ToSchema)]
pub(crate) struct EmptyTrash {
    /// Which; everything unless given.
    pub(crate) ids: Option<Vec<Uuid>>,
}

/// What a container has in its trash.
#[derive(Serialize, ToSchema)]
pub(crate) struct TrashList {
    /// The items, the most recently deleted first.
    pub(crate) items: Vec<TrashItem>,
}

/// Earlier versions of a file.
#[derive(Serialize, ToSchema)]
pub(crate) struct VersionList {
    /// The versions, newest first.
    pub(crate) items: Vec<FileVersion>,
}

/// What a folder's content takes.
#[derive(Serialize, ToSchema)]
pub(crate) struct FolderSizes {
    /// What is directly in the folder, largest first.
    pub(crate) items: Vec<FolderSize>,
}

/// The checksum of a file.
#[derive(Serialize, ToSchema)]
pub(crate) struct Checksum {
    /// The checksum in lower-case hexadecimal digits.
    pub(crate) checksum: String,
}

/// What is to be done by itself.
#[derive(Deserialize, ToSchema)]
pub(crate) struct FileTaskRequest {
    /// What is to be done.
    pub(crate) task: FileTask,
}

/// What goes on by itself.
#[derive(Serialize, ToSchema)]
pub(crate) struct OperationList {
    /// The operations, newest first.
    pub(crate) items: Vec<Operation>,
}

/// A file that is to be sent in pieces.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewUpload {
    /// What is to name it: asked again with the same id, the same upload is answered. A new id unless given.
    pub(crate) id: Option<Uuid>,
    /// Where it will be; folders on the way are made.
    pub(crate) path: FilePath,
    /// Its length in bytes.
    pub(crate) size_bytes: u64,
    /// Whether a file that is there is replaced. Needs the permission to change files.
    pub(crate) replace: Option<bool>,
}

/// What a link is for.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewLink {
    /// One file, or files and folders that come as one archive.
    pub(crate) paths: Vec<FilePath>,
    /// The archive's format. Absent: the one file itself.
    pub(crate) format: Option<raptor_core::node::files::ArchiveFormat>,
}

/// A link that downloads files without a session.
#[derive(Serialize, ToSchema)]
pub(crate) struct FileLink {
    /// The address, from the API's own.
    pub(crate) url: String,
    /// For how many seconds it can be opened.
    pub(crate) expires_in_seconds: u64,
}

/// An upload.
pub(crate) type UploadView = Upload;
