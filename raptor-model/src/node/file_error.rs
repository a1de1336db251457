//! Why something was not done to a container's files.

use super::path::PathError;
use crate::{sentence::Sentence, text::Lacking};
use std::io;

const MIB: u64 = 1024 * 1024;
/// Linux's number for links in a circle; std has no stable name for it.
const ELOOP: i32 = 40;

/// What a caller can tell apart.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// There is nothing at the path.
    #[error("There is nothing at this path.")]
    NotFound,
    /// There is something at the path already.
    #[error("There is something with this name already. Choose another name, or replace it.")]
    Exists,
    /// A folder has something in it.
    #[error("The folder is not empty.")]
    NotEmpty,
    /// A folder is needed.
    #[error("This is no folder.")]
    NotAFolder,
    /// A file is needed.
    #[error("This is a folder.")]
    IsAFolder,
    /// A pipe, socket or device.
    #[error("This is neither a file nor a folder: pipes, sockets and devices can't be used here.")]
    Special,
    /// The template or the caller's access keeps this path from them.
    #[error("This path is protected.")]
    Denied,
    /// The path, or a link on it, leads out of the container's folder.
    #[error("The path leads out of the container's folder, which links may not.")]
    Outside,
    /// A link that leads to itself.
    #[error("Links on this path lead in a circle.")]
    Loop,
    /// It changed since the caller read it.
    #[error("Somebody else changed it meanwhile. Look at their version before you replace it.")]
    Changed,
    /// The container's disk limit.
    #[error("The container's disk limit of {} MiB is reached. {}", limit / MIB, way_out(*trash))]
    OverLimit {
        /// The container's disk limit in bytes.
        limit: u64,
        /// What the container's trash holds, in bytes.
        trash: u64,
    },
    /// The disk of the host has no space left, whatever the container's own limit.
    #[error("The disk of the host is full.{}", trash_helps(*trash))]
    NoSpace {
        /// What the container's trash holds, in bytes.
        trash: u64,
    },
    /// It holds no text.
    #[error("This is no text file: it can be downloaded, but not edited.")]
    NotText,
    /// Characters that the encoding of a file does not have.
    #[error("{0}")]
    Lacking(String),
    /// Something is larger, deeper or more than what is worked on.
    #[error("{0}")]
    TooMuch(String),
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// Other requests about the same container's files have to end first.
    #[error("Other requests are busy with the container's files. Try again in a moment.")]
    Busy,
    /// A person cancelled the operation.
    #[error("It was cancelled.")]
    Cancelled,
    /// The host's kernel refused.
    #[error("The host could not do it: {0}")]
    Io(#[source] io::Error),
}

/// What helps a container that is at its disk limit.
fn way_out(trash: u64) -> String {
    match trash {
        0 => "Delete something for good, or have the limit raised.".into(),
        _ => format!(
            "Empty the trash, which holds {}, delete something for good, or have the limit raised.",
            amount(trash)
        ),
    }
}

fn trash_helps(trash: u64) -> String {
    match trash {
        0 => String::new(),
        _ => format!(" Emptying this container's trash, which holds {}, makes room.", amount(trash)),
    }
}

/// Bytes as people read them, rounded up: never nothing where there is something.
#[must_use]
pub fn amount(bytes: u64) -> String {
    if bytes < MIB {
        format!("{} KiB", bytes.div_ceil(1_024))
    } else {
        format!("{} MiB", bytes.div_ceil(MIB))
    }
}

/// What a sentence of ours says that the trash holds.
fn trash_in(sentence: &str) -> u64 {
    let read = || {
        let (number, rest) = sentence.split_once("which holds ")?.1.split_once(' ')?;
        let unit = if rest.starts_with("KiB") { 1_024 } else { MIB };
        number.parse::<u64>().ok()?.checked_mul(unit)
    };
    read().unwrap_or(0)
}

/// The result of something done to files.
pub type FileResult<T> = Result<T, FileError>;

impl FileError {
    /// A stable name for machines.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "file_not_found",
            Self::Exists => "file_exists",
            Self::NotEmpty => "folder_not_empty",
            Self::NotAFolder => "not_a_folder",
            Self::IsAFolder => "is_a_folder",
            Self::Special => "special_file",
            Self::Denied => "file_denied",
            Self::Outside => "outside",
            Self::Loop => "link_loop",
            Self::Changed => "file_changed",
            Self::OverLimit { .. } => "disk_limit",
            Self::NoSpace { .. } => "disk_full",
            Self::NotText => "not_text",
            Self::Lacking(_) => "not_in_encoding",
            Self::TooMuch(_) => "too_much",
            Self::Invalid(_) => "file_invalid",
            Self::Busy => "files_busy",
            Self::Cancelled => "cancelled",
            Self::Io(_) => "io",
        }
    }
}

impl FileError {
    /// What another host said by [`FileError::code`] and its sentence; none for a code that is not ours.
    #[must_use]
    pub fn from_code(code: &str, sentence: &str) -> Option<Self> {
        let limit = || sentence.split(' ').find_map(|word| word.parse::<u64>().ok()).unwrap_or(0) * MIB;
        Some(match code {
            "file_not_found" => Self::NotFound,
            "file_exists" => Self::Exists,
            "folder_not_empty" => Self::NotEmpty,
            "not_a_folder" => Self::NotAFolder,
            "is_a_folder" => Self::IsAFolder,
            "special_file" => Self::Special,
            "file_denied" => Self::Denied,
            "outside" => Self::Outside,
            "link_loop" => Self::Loop,
            "file_changed" => Self::Changed,
            "disk_limit" => Self::OverLimit { limit: limit(), trash: trash_in(sentence) },
            "disk_full" => Self::NoSpace { trash: trash_in(sentence) },
            "not_text" => Self::NotText,
            "not_in_encoding" => Self::Lacking(sentence.to_owned()),
            "too_much" => Self::TooMuch(sentence.to_owned()),
            "files_busy" => Self::Busy,
            "cancelled" => Self::Cancelled,
            "io" => Self::Io(io::Error::other(sentence.to_owned())),
            "file_invalid" => Self::Invalid(sentence.to_owned()),
            _ => return None,
        })
    }
}

impl FileError {
    /// Its sentence, with the values in it.
    #[must_use]
    pub fn sentence(&self) -> Sentence {
        let sentence = Sentence::from(self.to_string());
        match self {
            Self::OverLimit { limit, trash } => {
                sentence.with("limit_mib", limit / MIB).with("trash_bytes", *trash)
            }
            Self::NoSpace { trash } => sentence.with("trash_bytes", *trash),
            _ => sentence,
        }
    }
}

impl From<FileError> for crate::Error {
    fn from(error: FileError) -> Self {
        let (code, message) = (error.code(), error.sentence());
        match error {
            FileError::NotFound => Self::NotFound { what: "file" },
            FileError::OverLimit { .. } | FileError::NoSpace { .. } | FileError::TooMuch(_) => {
                Self::LimitReached { code, message }
            }
            FileError::Exists
            | FileError::NotEmpty
            | FileError::Changed
            | FileError::Denied
            | FileError::NotText
            | FileError::Cancelled => Self::Conflict { code, message },
            FileError::Lacking(_) => Self::invalid("text", message),
            FileError::Busy => Self::Unavailable { code, message },
            FileError::Io(_) => Self::Unavailable { code: "host_failed", message },
            _ => Self::invalid("path", message),
        }
    }
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind as Kind;
        match error.kind() {
            Kind::NotFound => Self::NotFound,
            Kind::AlreadyExists => Self::Exists,
            Kind::DirectoryNotEmpty => Self::NotEmpty,
            Kind::NotADirectory => Self::NotAFolder,
            Kind::IsADirectory => Self::IsAFolder,
            Kind::StorageFull | Kind::QuotaExceeded => Self::NoSpace { trash: 0 },
            Kind::InvalidFilename => PathError::TooLong.into(),
            // An error of ours that came through a `Read` or `Write`.
            _ if error.get_ref().is_some_and(|inner| inner.is::<Self>()) => error
                .into_inner()
                .and_then(|inner| inner.downcast::<Self>().ok())
                .map_or(Self::Cancelled, |inner| *inner),
            _ if error.raw_os_error() == Some(ELOOP) => Self::Loop,
            // cap-std's word for a path that leads outside carries no system error.
            Kind::PermissionDenied if error.raw_os_error().is_none() => Self::Outside,
            _ => Self::Io(error),
        }
    }
}

impl From<FileError> for io::Error {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Io(error) => error,
            other => Self::other(other),
        }
    }
}

impl From<Lacking> for FileError {
    fn from(lacking: Lacking) -> Self {
        Self::Lacking(lacking.to_string())
    }
}

impl From<PathError> for FileError {
    fn from(error: PathError) -> Self {
        match error {
            PathError::Outside => Self::Outside,
            PathError::Nul | PathError::TooLong => Self::Invalid(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_says_what_the_trash_holds_here_and_behind_the_network() {
        let over = FileError::OverLimit { limit: 20 * MIB, trash: 8 * MIB };
        assert_eq!(
            over.to_string(),
            "The container's disk limit of 20 MiB is reached. Empty the trash, which holds 8 MiB, delete something for good, \
             or have the limit raised."
        );
        let none = FileError::OverLimit { limit: 20 * MIB, trash: 0 };
        assert_eq!(
            none.to_string(),
            "The container's disk limit of 20 MiB is reached. Delete something for good, or have the limit raised."
        );
        for error in [over, none, FileError::NoSpace { trash: 12 * 1_024 }, FileError::NoSpace { trash: 0 }] {
            let again = FileError::from_code(error.code(), &error.to_string()).unwrap();
            assert_eq!(again.to_string(), error.to_string());
        }
        assert_eq!(amount(1), "1 KiB");
    }
}
