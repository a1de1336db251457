//! Content of files, in either direction.

use super::{ArchiveFormat, FileInfo};
use crate::node::{FilePath, TextWrite};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};
use std::{io, net::TcpStream};
use uuid::Uuid;

/// A file on its way here, piece by piece.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Upload {
    /// Identifies the upload in requests for its pieces.
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

/// What is to be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "read", rename_all = "snake_case")]
pub enum FileRead {
    /// A file, or a part of it.
    File {
        /// The path of the file.
        path: FilePath,
        /// The first byte that is wanted; counted from the end where it is negative.
        start: i64,
        /// How many bytes at most; to the end unless given.
        length: Option<u64>,
    },
    /// An earlier version of a file.
    Version {
        /// The path of the current file.
        path: FilePath,
        /// The id of the version, as listed by [`FileRequest::Versions`](super::FileRequest::Versions).
        id: Uuid,
    },
    /// A text log that is compressed, as text.
    Unpacked {
        /// A file that ends in `.gz`, `.xz`, `.bz2` or `.zst`.
        path: FilePath,
    },
    /// Files and folders as one archive that is made on the way.
    Archive {
        /// The files and folders to include; folders with all that is in them.
        paths: Vec<FilePath>,
        /// The format of the archive.
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
        /// The name of the user who writes it, kept with the previous version.
        by: String,
    },
    /// An edited text, as UTF-8. What was not edited keeps its bytes.
    Text {
        /// The path, the encodings and the conditions of the save.
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
        /// The id of the upload.
        upload: Uuid,
        /// Where the piece begins: at what is here already.
        offset: u64,
    },
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
    /// The bytes, in order; an error ends them.
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
    /// The file; none for an archive.
    pub file: Option<FileInfo>,
    /// The offset of the first byte that follows, counted from 0.
    pub start: u64,
    /// How many bytes follow; absent if that is known only at the end.
    pub length: Option<u64>,
}
