//! What may be asked of a host about a container's files.
//!
//! Small questions and their answers are one value each ([`FileRequest`], [`FileAnswer`]); content goes as a stream in either
//! direction. What takes long is a [`FileTask`] that runs on the host by itself, is listed and can be cancelled.

mod archive;
mod content;
mod info;
mod request;
mod task;

pub use archive::{ArchiveFormat, Existing, LeftOut};
pub use content::{Body, Direct, FileContent, FileHead, FileRead, FileWrite, Upload};
pub use info::{
    ChecksumKind, FileHit, FileHits, FileInfo, FileKind, FilePage, FileSort, FileVersion, FolderSize,
    TrashItem,
};
pub use request::{FileAnswer, FileRequest, Scoped};
pub use task::{FileMove, FileTask, Operation, OperationState};
