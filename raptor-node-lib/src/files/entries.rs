//! What is in a folder.

use super::{
    root::Root,
    stat::{Kind, Stat},
};
use raptor_model::node::{FilePath, FileResult, names::escape};
use rustix::fs::{Dir as Stream, Mode, OFlags, openat};
use std::{ffi::CString, io, path::Path};

/// Something in a folder.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name, as it is written in a [`FilePath`].
    pub name: String,
    /// What it is, a link itself where it is one.
    pub stat: Stat,
    pub(super) raw: CString,
}

/// Reads a folder as it goes, in no order. What is denied does not come.
pub struct Entries {
    stream: Stream,
    at: FilePath,
    root: Root,
}

impl Iterator for Entries {
    type Item = FileResult<Entry>;
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.next_name()? {
                Ok(raw) => {
                    if let Some(entry) = self.entry(raw) {
                        return Some(entry);
                    }
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl Entries {
    /// The next name, of something that may be gone or denied.
    pub(super) fn next_name(&mut self) -> Option<FileResult<CString>> {
        loop {
            match self.stream.next()? {
                Ok(entry) if matches!(entry.file_name().to_bytes(), b"." | b"..") => {}
                Ok(entry) => return Some(Ok(entry.file_name().to_owned())),
                Err(error) => return Some(Err(io::Error::from(error).into())),
            }
        }
    }

    /// What has this name; none where it is gone since or denied.
    pub(super) fn entry(&self, raw: CString) -> Option<FileResult<Entry>> {
        let stat = self.stream.fd().map_err(io::Error::from).and_then(|fd| Stat::at(fd, &raw));
        let stat = match stat {
            Ok(stat) => stat,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => return Some(Err(error.into())),
        };
        let name = escape(raw.to_bytes()).into_owned();
        if !self.root.denied.is_empty() {
            let denied = self.at.join(&name);
            if denied.is_ok_and(|path| self.root.denied.covers(&path, stat.kind == Kind::Folder)) {
                return None;
            }
        }
        Some(Ok(Entry { name, stat, raw }))
    }
}

impl Root {
    /// What is in a folder.
    ///
    /// # Errors
    /// [`FileError::NotAFolder`], [`FileError::NotFound`] and others.
    pub fn entries(&self, path: &FilePath) -> FileResult<Entries> {
        self.denied.check(path)?;
        self.entries_at(&path.as_path())
    }

    pub(super) fn entries_at(&self, path: &Path) -> FileResult<Entries> {
        let dir = self.folder(path)?;
        let at = if self.denied.is_empty() { FilePath::ROOT } else { self.where_is(&dir)? };
        // cap-std's folders are places, not open for reading.
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = openat(&dir, ".", flags, Mode::empty()).map_err(io::Error::from)?;
        let stream = Stream::new(opened).map_err(io::Error::from)?;
        Ok(Entries { stream, at, root: self.clone() })
    }
}
