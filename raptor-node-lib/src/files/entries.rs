//! Listing a folder.

use super::{
    root::Root,
    stat::{Kind, Stat},
};
use raptor_model::node::{FilePath, FileResult, names::escape};
use rustix::fs::{Dir as Stream, Mode, OFlags, openat};
use std::{ffi::CString, io, path::Path};

/// An entry of a folder.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name, in the notation of a [`FilePath`].
    pub name: String,
    /// Its metadata; that of a link itself, not of its target.
    pub stat: Stat,
    pub(super) raw: CString,
}

/// Reads a folder incrementally, in no particular order. Denied entries are left out.
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
    /// The next name. Its entry may be denied, or deleted by now.
    pub(super) fn next_name(&mut self) -> Option<FileResult<CString>> {
        loop {
            match self.stream.next()? {
                Ok(entry) if matches!(entry.file_name().to_bytes(), b"." | b"..") => {}
                Ok(entry) => return Some(Ok(entry.file_name().to_owned())),
                Err(error) => return Some(Err(io::Error::from(error).into())),
            }
        }
    }

    /// The entry with this name; `None` if it is denied or was deleted.
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
    /// The entries of a folder.
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
        // cap-std opens folders with O_PATH, which can't be listed.
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = openat(&dir, ".", flags, Mode::empty()).map_err(io::Error::from)?;
        let stream = Stream::new(opened).map_err(io::Error::from)?;
        Ok(Entries { stream, at, root: self.clone() })
    }
}
