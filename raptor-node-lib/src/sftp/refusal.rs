//! Why a request fails, expressed in the few status codes of version 3.

use super::wire::{Malformed, StatusCode};
use raptor_model::node::{FileError, PathError};
use std::io;

/// A status other than success.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: StatusCode,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(code: StatusCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(super) fn denied(message: &str) -> Self {
        Self::new(StatusCode::PermissionDenied, message)
    }

    /// A handle that was never opened, or is closed.
    pub(super) fn no_handle() -> Self {
        Self::new(StatusCode::Failure, "There is no such handle.")
    }

    pub(super) fn end() -> Self {
        Self::new(StatusCode::Eof, "End of file")
    }
}

impl From<FileError> for Refusal {
    fn from(error: FileError) -> Self {
        let code = match &error {
            FileError::NotFound | FileError::NotAFolder | FileError::Loop => StatusCode::NoSuchFile,
            FileError::Denied | FileError::Outside | FileError::Special => StatusCode::PermissionDenied,
            FileError::Io(cause) => match cause.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    StatusCode::PermissionDenied
                }
                io::ErrorKind::Unsupported => StatusCode::OpUnsupported,
                _ => StatusCode::Failure,
            },
            // Version 3 has no code for a full disk, but clients show the message.
            _ => StatusCode::Failure,
        };
        Self::new(code, error.to_string())
    }
}

impl From<PathError> for Refusal {
    fn from(error: PathError) -> Self {
        Self::from(FileError::from(error))
    }
}

impl From<Malformed> for Refusal {
    fn from(error: Malformed) -> Self {
        let code = match error {
            Malformed::Unknown => StatusCode::OpUnsupported,
            Malformed::Short => StatusCode::BadMessage,
        };
        Self::new(code, error.to_string())
    }
}
