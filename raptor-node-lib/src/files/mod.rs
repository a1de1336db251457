//! The only way to a container's files: everything is resolved by the kernel beneath the container's own folder.

use cap_std::{ambient_authority, fs::Dir};
use std::{
    io::{self, Read, Write},
    os::fd::AsFd,
    path::Path,
};

/// The largest configuration file that is edited, in bytes.
const MAX_TEXT: u64 = 4 * 1024 * 1024;
/// How deep folders are followed when their size is measured.
const MAX_DEPTH: usize = 64;

/// A container's data folder. Blocking: call it off the async threads.
pub struct Root {
    dir: Dir,
    uid: u32,
    gid: u32,
}

impl Root {
    /// Opens `path`, which is made for `uid`:`gid` where it is missing.
    ///
    /// # Errors
    /// When it can't be made or opened.
    pub fn open(path: &Path, uid: u32, gid: u32) -> io::Result<Self> {
        if !path.exists() {
            std::fs::create_dir_all(path)?;
            std::os::unix::fs::chown(path, Some(uid), Some(gid))?;
        }
        Ok(Self { dir: Dir::open_ambient_dir(path, ambient_authority())?, uid, gid })
    }

    /// The text of a file; none where there is no such file.
    ///
    /// # Errors
    /// When it is too large, is no text or no regular file, or lies outside.
    pub fn read_text(&self, path: &str) -> io::Result<Option<String>> {
        let path = relative(path);
        let mut options = cap_std::fs::OpenOptions::new();
        // A pipe in the place of a file would make us wait for its other end.
        cap_std::fs::OpenOptionsExt::custom_flags(
            options.read(true),
            rustix::fs::OFlags::NONBLOCK.bits().cast_signed(),
        );
        let file = match self.dir.open_with(path, &options) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.len() > MAX_TEXT {
            return Err(io::Error::other("it is no regular file of at most 4 MiB"));
        }
        let mut text = String::new();
        file.take(MAX_TEXT).read_to_string(&mut text)?;
        Ok(Some(text))
    }

    /// Writes a text file as the container's user; folders on the way are made.
    ///
    /// # Errors
    /// When it lies outside or the disk refuses.
    pub fn write_text(&self, path: &str, text: &str) -> io::Result<()> {
        let path = relative(path);
        if let Some(parent) = Path::new(path).parent().filter(|parent| !parent.as_os_str().is_empty()) {
            let mut made = std::path::PathBuf::new();
            for part in parent.components() {
                made.push(part);
                if self.dir.create_dir(&made).is_ok() {
                    self.give(self.dir.open_dir(&made)?)?;
                }
            }
        }
        // Written beside it and moved into place: a reader never sees half of it, and a link in its place isn't followed.
        let temporary = format!("{path}.raptor-new");
        let mut options = cap_std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        let mut file = self.dir.open_with(&temporary, &options)?;
        file.write_all(text.as_bytes())?;
        self.give(&file)?;
        self.dir.rename(&temporary, &self.dir, path)
    }

    fn give(&self, file: impl AsFd) -> io::Result<()> {
        use rustix::fs::{AtFlags, Gid, Uid, chownat};
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        // By descriptor: whatever stands at the path by now is not touched.
        Ok(chownat(file, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?)
    }

    /// The bytes on disk of everything in it.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.dir.try_clone().map_or(0, |dir| size_of(&dir, MAX_DEPTH))
    }
}

/// Eggs write `/server.cfg` for what lies in the container's folder.
fn relative(path: &str) -> &str {
    path.trim_start_matches('/')
}

fn size_of(dir: &Dir, depth: usize) -> u64 {
    let Ok(entries) = dir.entries() else { return 0 };
    let size = |entry: cap_std::fs::DirEntry| {
        let metadata = entry.metadata().ok()?;
        let own = cap_std::fs::MetadataExt::blocks(&metadata) * 512;
        let below = if metadata.is_dir() && depth > 0 {
            entry.open_dir().map_or(0, |dir| size_of(&dir, depth - 1))
        } else {
            0
        };
        Some(own + below)
    };
    entries.filter_map(Result::ok).filter_map(size).sum()
}

/// Removes a container's data folder with all that is in it, following no links.
///
/// # Errors
/// When something can't be removed. A folder that isn't there is no error.
pub fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(folder: &Path) -> Root {
        let id = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(folder).unwrap());
        Root::open(&folder.join("data"), id, id).unwrap()
    }

    #[test]
    fn a_link_leads_nowhere_outside() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "key").unwrap();
        let root = root(folder.path());
        let data = folder.path().join("data");
        std::os::unix::fs::symlink(folder.path(), data.join("folder")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("secret"), data.join("file")).unwrap();
        assert!(root.read_text("folder/secret").is_err());
        assert!(root.read_text("file").is_err());
        assert!(root.read_text("../secret").is_err());
        assert!(root.write_text("folder/secret", "x").is_err());
        assert!(root.write_text("../secret", "x").is_err());
        root.write_text("file", "x").unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("secret")).unwrap(), "key");
        assert_eq!(
            root.read_text("/file").unwrap().as_deref(),
            Some("x"),
            "the link was replaced, not followed"
        );
    }

    #[test]
    fn folders_on_the_way_are_made() {
        let folder = tempfile::tempdir().unwrap();
        let root = root(folder.path());
        assert_eq!(root.read_text("a/b.cfg").unwrap(), None);
        root.write_text("a/b.cfg", "x=1").unwrap();
        assert_eq!(root.read_text("a/b.cfg").unwrap().as_deref(), Some("x=1"));
        assert!(root.size() > 0);
    }
}
