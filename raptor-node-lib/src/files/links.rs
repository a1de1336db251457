//! Symbolic links as a container's own processes see them: targets inside of its folder are followed, also by their absolute
//! paths.

use super::{Kind, Open, Root, Stat};
use raptor_model::node::{FileError, FilePath, FileResult};
use rustix::{fs::readlinkat, io::Errno};
use std::{
    collections::VecDeque,
    ffi::{OsStr, OsString},
    io,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Component, Path, PathBuf},
};

/// The path at which a container's processes see its folder (`runtime/shape.rs` mounts it there).
const HOME: [&str; 2] = ["home", "container"];
/// Most links on one path, as in Linux (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// The part of an absolute link target below the container's folder; `None` if it leads elsewhere. Not normalised: `..` is
/// kept.
pub(crate) fn below_home(target: &Path) -> Option<&Path> {
    let mut parts = target.components();
    let rooted = parts.next() == Some(Component::RootDir);
    let home = HOME.iter().all(|name| parts.next() == Some(Component::Normal(OsStr::new(name))));
    (rooted && home).then_some(parts.as_path())
}

impl Root {
    /// Where a write to `path` would go: all links are followed, including the last one. Components that don't exist are kept
    /// as they are, so for a dangling link this is where the file would be created. Nothing is opened: when the result is used,
    /// the kernel confines it to the folder, whatever has changed since.
    ///
    /// # Errors
    /// [`FileError::Outside`], [`FileError::Denied`] also for the target, [`FileError::Loop`], [`FileError::NotAFolder`], and
    /// [`FileError::Io`] if the disk fails.
    pub(crate) fn target(&self, path: &FilePath) -> FileResult<FilePath> {
        self.check(path)?;
        let target = FilePath::from_bytes(self.resolve(&path.as_path())?.as_os_str().as_bytes())?;
        // Paths of what is kept beside the folder, such as previous versions, are derived from this path alone.
        self.check(&target)?;
        Ok(target)
    }

    /// Runs `act` on a path. If the kernel says that a link leads out of the folder, its target may be a path as the
    /// container's processes see it: then runs it again on the resolved path.
    pub(super) fn following<T>(&self, path: &Path, act: impl Fn(&Path) -> io::Result<T>) -> FileResult<T> {
        match act(path).map_err(super::root::opened) {
            Err(FileError::Outside) => {
                let real = self.resolve(path)?;
                let real = if real.as_os_str().is_empty() { Path::new(".") } else { &real };
                act(real).map_err(super::root::opened)
            }
            done => done,
        }
    }

    /// The path without links, relative to the folder; empty for the folder itself.
    fn resolve(&self, path: &Path) -> FileResult<PathBuf> {
        let mut ahead: VecDeque<OsString> = parts_of(path)?;
        let (mut at, mut links) = (PathBuf::new(), 0);
        while let Some(name) = ahead.pop_front() {
            if name == ".." {
                if !at.pop() {
                    return Err(FileError::Outside);
                }
                continue;
            }
            match self.link_at(&at, &name)? {
                Found::Link(target) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(FileError::Loop);
                    }
                    let target = match below_home(&target) {
                        Some(below) => {
                            at = PathBuf::new();
                            below.to_owned()
                        }
                        None if target.is_absolute() => return Err(FileError::Outside),
                        None => target,
                    };
                    let mut next = parts_of(&target)?;
                    next.append(&mut ahead);
                    ahead = next;
                }
                Found::Other => at.push(name),
                // No further component can be a link.
                Found::Nothing => {
                    at.push(name);
                    for name in ahead.drain(..) {
                        match name == ".." {
                            true if !at.pop() => return Err(FileError::Outside),
                            true => {}
                            false => at.push(name),
                        }
                    }
                }
            }
        }
        Ok(at)
    }

    fn link_at(&self, folder: &Path, name: &OsStr) -> FileResult<Found> {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let dir = self.shared.dir.open_dir(folder).map_err(super::root::opened)?;
        match readlinkat(&dir, name, Vec::new()) {
            Ok(target) => Ok(Found::Link(OsString::from_vec(target.into_bytes()).into())),
            Err(Errno::INVAL) => Ok(Found::Other),
            Err(Errno::NOENT) => Ok(Found::Nothing),
            Err(error) => Err(io::Error::from(error).into()),
        }
    }

    /// Replaces `to` with a complete file from another folder of the same container, keeping the mode of an existing file:
    /// readers see either the old or the new content. `to` must not contain links ([`Root::target`]). A file with several hard
    /// links keeps them: its content is overwritten, which is not atomic.
    ///
    /// # Errors
    /// [`FileError::Exists`] unless `replace`, [`FileError::IsAFolder`], [`FileError::OverLimit`] and others.
    pub(crate) fn place(
        &self,
        from: &FilePath,
        other: &Self,
        to: &FilePath,
        replace: bool,
    ) -> FileResult<()> {
        match other.lstat(to) {
            Ok(there) if there.kind == Kind::Folder => Err(FileError::IsAFolder),
            Ok(there) if replace && there.kind == Kind::File => {
                self.set_mode(from, there.mode)?;
                if there.links > 1 {
                    return self.overwrite(from, other, to, &there);
                }
                self.rename_into(from, other, to, true)
            }
            Ok(_) | Err(FileError::NotFound) => self.rename_into(from, other, to, replace),
            Err(error) => Err(error),
        }
    }

    fn overwrite(&self, from: &FilePath, other: &Self, to: &FilePath, there: &Stat) -> FileResult<()> {
        let (source, target) = (self.open_file(from, Open::READ)?, other.open_file(to, Open::WRITE)?);
        let length = source.stat()?.len;
        // Checked before any of the old content is lost.
        let more = length.saturating_sub(there.allocated());
        if other
            .usage()
            .free()
            .is_some_and(|free| more.saturating_add(super::usage::BLOCK) > free && more > 0)
        {
            return Err(other.usage().over_limit());
        }
        let mut done = 0;
        while let copied @ 1.. = source.copy_to(done, &target, done, u64::MAX)? {
            done += copied;
        }
        target.set_len(length)?;
        self.remove_file(from)
    }
}

enum Found {
    Link(PathBuf),
    Other,
    Nothing,
}

/// The components of a path, `..` included. Absolute paths are outside of the folder.
fn parts_of(path: &Path) -> FileResult<VecDeque<OsString>> {
    let parts = path.components().filter(|part| *part != Component::CurDir);
    let named = parts.map(|part| match part {
        Component::Normal(name) => Ok(name.to_owned()),
        Component::ParentDir => Ok("..".into()),
        _ => Err(FileError::Outside),
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_containers_own_folder_is_home() {
        let below = |target| below_home(Path::new(target)).map(|path| path.to_str().unwrap());
        assert_eq!(below("/home/container/a/b"), Some("a/b"));
        assert_eq!(below("//home/./container/"), Some(""));
        assert_eq!(below("/home/container/../x"), Some("../x"));
        for elsewhere in
            ["home/container/a", "/home/containers/a", "/home", "/etc", "/mnt/home/container", ""]
        {
            assert_eq!(below(elsewhere), None, "{elsewhere}");
        }
    }
}
