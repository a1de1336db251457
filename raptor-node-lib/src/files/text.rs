//! Small text files, read and replaced as a whole: configuration files.

use super::{
    root::{Open, Root},
    stat::Kind,
};
use raptor_model::node::{FileError, FilePath, FileResult};
use std::io::{Read, Write};

/// The largest configuration file that is edited, in bytes.
const MAX_TEXT: u64 = 4 * 1024 * 1024;

impl Root {
    /// The text of a file; `None` if it doesn't exist.
    ///
    /// # Errors
    /// If it is too large, not text, not a regular file, or outside of the folder.
    pub fn read_text(&self, path: &str) -> FileResult<Option<String>> {
        let text = self.read_config(path)?.map(String::from_utf8).transpose();
        text.map_err(|_| FileError::Invalid("It is not UTF-8 text.".into()))
    }

    /// The bytes of a configuration file; `None` if it doesn't exist.
    ///
    /// # Errors
    /// If it is too large, not a regular file, or outside of the folder.
    pub fn read_config(&self, path: &str) -> FileResult<Option<Vec<u8>>> {
        let path = FilePath::parse(path)?;
        let file = match self.open_file(&path, Open::READ) {
            Ok(file) => file,
            Err(FileError::NotFound) => return Ok(None),
            Err(error) => return Err(error),
        };
        let too_much = || FileError::TooMuch("A configuration file can have at most 4 MiB.".into());
        if file.stat()?.len > MAX_TEXT {
            return Err(too_much());
        }
        let mut bytes = Vec::new();
        // The file may grow while it is read.
        (&file).take(MAX_TEXT + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_TEXT { Err(too_much()) } else { Ok(Some(bytes)) }
    }

    /// Writes a text file as the container's user, creating missing parent folders. A link is followed and stays a link.
    ///
    /// # Errors
    /// If it is outside of the folder, or on I/O errors.
    pub fn write_text(&self, path: &str, text: impl AsRef<[u8]>) -> FileResult<()> {
        let path = self.target(&FilePath::parse(path)?)?;
        let parent = path.parent().ok_or(FileError::IsAFolder)?;
        self.create_dir_all(&parent)?;
        let mode = match self.lstat(&path) {
            Ok(stat) if stat.kind == Kind::Folder => return Err(FileError::IsAFolder),
            Ok(stat) if stat.kind == Kind::File => stat.mode,
            _ => 0o644,
        };
        // Written to a temporary file and renamed, so that a reader never sees it half-written.
        let beside = parent.join(&format!(".raptor-{}", uuid::Uuid::now_v7()))?;
        let written = self.open_file(&beside, Open { mode, ..Open::NEW }).and_then(|mut file| {
            file.write_all(text.as_ref())?;
            file.set_mode(mode)
        });
        let placed = written.and_then(|()| self.place(&beside, self, &path, true));
        if placed.is_err() {
            let _ = self.remove_file(&beside);
        }
        placed
    }
}
