//! What is in a folder, and in all folders below it.

use super::{
    root::Root,
    stat::{Kind, Stat},
};
use raptor_core::node::{FileError, FilePath, FileResult, names::escape};
use rustix::fs::{Dir as Stream, Mode, OFlags, openat};
use std::{
    collections::HashSet,
    ffi::{CString, OsStr},
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// Something in a folder.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name, as it is written in a [`FilePath`].
    pub name: String,
    /// What it is, a link itself where it is one.
    pub stat: Stat,
    raw: CString,
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
            let raw = match self.stream.next()? {
                Ok(entry) => entry.file_name().to_owned(),
                Err(error) => return Some(Err(io::Error::from(error).into())),
            };
            if matches!(raw.to_bytes(), b"." | b"..") {
                continue;
            }
            let stat = self.stream.fd().map_err(io::Error::from).and_then(|fd| Stat::at(fd, &raw));
            let stat = match stat {
                Ok(stat) => stat,
                // Gone since.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Some(Err(error.into())),
            };
            let name = escape(raw.to_bytes()).into_owned();
            if !self.root.denied.is_empty() {
                let denied = self.at.join(&name);
                if denied.is_ok_and(|path| self.root.denied.covers(&path, stat.kind == Kind::Folder)) {
                    continue;
                }
            }
            return Some(Ok(Entry { name, stat, raw }));
        }
    }
}

/// One step of a walk.
#[derive(Clone, Debug)]
pub struct Step {
    /// Where, from the container's folder.
    pub path: PathBuf,
    /// What, a link itself where it is one.
    pub stat: Stat,
}

impl Step {
    /// The path for people; none where it is too long to be named.
    #[must_use]
    pub fn file_path(&self) -> Option<FilePath> {
        FilePath::from_bytes(self.path.as_os_str().as_bytes()).ok()
    }
}

/// Everything below a folder, folders before what is in them, links not followed, in the order of names. A folder that goes
/// away or can't be read is left out; what is denied does not come.
pub struct Walk {
    root: Root,
    ahead: Vec<Step>,
}

impl Iterator for Walk {
    type Item = Step;
    fn next(&mut self) -> Option<Step> {
        let step = self.ahead.pop()?;
        if step.stat.kind == Kind::Folder {
            self.look_into(&step.path);
        }
        Some(step)
    }
}

impl Walk {
    // By path, so that a deep tree holds no descriptors; the kernel keeps each step inside.
    fn look_into(&mut self, folder: &Path) {
        let at = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let Ok(entries) = self.root.entries_at(at) else { return };
        let mut found: Vec<Step> = entries
            .filter_map(Result::ok)
            .map(|entry| Step {
                path: folder.join(OsStr::from_bytes(entry.raw.to_bytes())),
                stat: entry.stat,
            })
            .collect();
        found.sort_unstable_by(|a, b| b.path.cmp(&a.path));
        self.ahead.append(&mut found);
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

    fn entries_at(&self, path: &Path) -> FileResult<Entries> {
        let dir = self.folder(path)?;
        let at = if self.denied.is_empty() { FilePath::ROOT } else { self.where_is(&dir)? };
        // cap-std's folders are places, not open for reading.
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = openat(&dir, ".", flags, Mode::empty()).map_err(io::Error::from)?;
        let stream = Stream::new(opened).map_err(io::Error::from)?;
        Ok(Entries { stream, at, root: self.clone() })
    }

    /// Everything below a folder; nothing where there is no folder.
    ///
    /// # Errors
    /// [`FileError::Denied`].
    pub fn walk(&self, path: &FilePath) -> FileResult<Walk> {
        self.denied.check(path)?;
        let mut walk = Walk { root: self.clone(), ahead: Vec::new() };
        walk.look_into(if path.is_root() { Path::new("").into() } else { path.as_path() }.as_ref());
        Ok(walk)
    }

    /// Refuses where anything below a folder is denied: under another name it would not be.
    pub(super) fn check_below(&self, path: &FilePath) -> FileResult<()> {
        if self.denied.is_empty() {
            return Ok(());
        }
        for step in self.undenied().walk(path)? {
            let path = FilePath::from_bytes(step.path.as_os_str().as_bytes())?;
            if self.denied.covers(&path, step.stat.kind == Kind::Folder) {
                return Err(FileError::Denied);
            }
        }
        Ok(())
    }

    /// The bytes on disk of everything in it. A file with several names counts once.
    #[must_use]
    pub fn size(&self) -> u64 {
        let mut seen = HashSet::new();
        let Ok(walk) = self.undenied().walk(&FilePath::ROOT) else { return 0 };
        walk.filter(|step| {
            let linked = step.stat.links > 1 && step.stat.kind != Kind::Folder;
            !linked || seen.insert((step.stat.device, step.stat.inode))
        })
        .map(|step| step.stat.allocated())
        .sum()
    }
}
