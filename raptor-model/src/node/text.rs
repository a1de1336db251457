//! Text files, in whichever encoding, as they are edited.

use super::{FilePath, files::FileInfo};
use crate::text::{Encoding, LineEnd, LineEnds};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The largest text that can be edited, in bytes on disk.
pub const MAX_TEXT: u64 = 16 * 1024 * 1024;

/// Which text is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TextRead {
    /// The path of the file.
    pub path: FilePath,
    /// An earlier version of it.
    #[serde(default)]
    pub version: Option<Uuid>,
    /// Whether the file is a compressed log, which is unpacked (`.gz`, `.xz`, `.bz2` or `.zst`).
    #[serde(default)]
    pub unpack: bool,
    /// Its encoding; recognised unless given.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub encoding: Option<Encoding>,
    /// Only the lines in the last bytes, up to [`MAX_TEXT`], where there are more; they can be read, but not saved.
    #[serde(default)]
    pub tail_bytes: Option<u64>,
}

/// The content of a text file, decoded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TextFile {
    /// The file. Its etag is what a save has to name.
    pub file: FileInfo,
    /// The text, without a byte order mark and with the line ends that it has. Bytes that are invalid in the encoding are shown
    /// as U+FFFD; a save keeps them.
    pub text: String,
    /// The encoding, by its name in the WHATWG's Encoding Standard: `UTF-8`, `windows-1252`, `GBK`.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub encoding: Encoding,
    /// Whether the encoding leaves no doubt or was given. One that was guessed from the letters has to be confirmed by a person.
    pub certain: bool,
    /// Whether the file begins with a byte order mark.
    pub byte_order_mark: bool,
    /// How its lines end.
    pub line_ends: LineEnds,
    /// Whether some bytes are invalid in the encoding.
    pub invalid: bool,
    /// Where the text begins in the file, in bytes; more than 0 where only the end of it was read.
    pub start_byte: u64,
}

/// How an edited text is saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TextWrite {
    /// The path of the file to save.
    pub path: FilePath,
    /// Only while this is the version there. Absent: in any case.
    pub etag: Option<String>,
    /// The encoding that it was read in. What was not edited keeps its bytes.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub read_as: Encoding,
    /// The encoding to save it in. Another one than `read_as` converts the whole file.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub encoding: Encoding,
    /// How all lines are to end; unless given, each keeps its own end.
    #[serde(default)]
    pub line_end: Option<LineEnd>,
    /// Whether it begins with a byte order mark; as before unless given, and where it is converted, only UTF-16 does.
    #[serde(default)]
    pub byte_order_mark: Option<bool>,
    /// The name of the user who saves it, kept with the previous version.
    pub by: String,
}
