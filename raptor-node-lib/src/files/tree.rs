//! Deleting whole trees.

use super::{
    root::Root,
    stat::{Kind, Stat},
};
use raptor_model::node::{FileError, FilePath, FileResult};
use rustix::{
    fs::{self as sys, AtFlags, Dir as Stream, Mode, OFlags, RenameFlags},
    io::Errno,
};
use std::{
    ffi::{CStr, CString},
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

/// Most folders open at the same time. Deeper ones are first moved up, so that a tree of any depth can be deleted.
const OPEN_FOLDERS: usize = 32;
/// How often deleting a folder is retried while somebody keeps adding files to it.
const MAX_ATTEMPTS: u32 = 16;
/// Most subfolders of a folder kept in memory; if there are more, it is read again once these are deleted.
const NOTED: usize = 16_384;

impl Root {
    /// Deletes a file, a link or a folder with its content; links are deleted, not followed. `each` is called with the bytes
    /// that each deletion freed, and cancels the operation by returning false.
    ///
    /// # Errors
    /// [`FileError::NotFound`], [`FileError::Denied`] if something in it is denied, [`FileError::Cancelled`].
    pub fn remove_tree(&self, path: &FilePath, mut each: impl FnMut(u64) -> bool) -> FileResult<()> {
        let leaf = self.leaf(path)?;
        self.check_below(path)?;
        let usage = self.usage();
        remove_at(leaf.dir.as_fd(), &leaf.name, &mut |freed| {
            usage.release(freed);
            each(freed)
        })
    }
}

/// Deletes a container's data folder with its content, following no links.
///
/// # Errors
/// If something can't be deleted. Succeeds if the folder doesn't exist.
pub fn remove(path: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::other("no folder of a container"));
    };
    let parent = match std::fs::File::open(parent) {
        Ok(parent) => parent,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let name = CString::new(std::os::unix::ffi::OsStrExt::as_bytes(name)).map_err(io::Error::other)?;
    match remove_at(parent.as_fd(), &name, &mut |_| true) {
        Ok(()) | Err(FileError::NotFound) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

struct Folder {
    fd: OwnedFd,
    name: CString,
    below: Vec<CString>,
    /// Whether the folder has more subfolders than are kept in memory.
    more: bool,
    again: u32,
}

type OnRemoved<'a> = &'a mut dyn FnMut(u64) -> bool;

fn remove_at(parent: BorrowedFd<'_>, name: &CStr, on_removed: OnRemoved<'_>) -> FileResult<()> {
    let stat = Stat::at(parent, name)?;
    if stat.kind != Kind::Folder {
        return unlink(parent, name, &stat, on_removed);
    }
    let mut open = vec![Folder::empty(parent, name, on_removed)?];
    let mut moved = 0_u64;
    while let Some(mut folder) = open.pop() {
        let Some(next) = folder.below.pop() else {
            let above = open.last().map_or(parent, |above| above.fd.as_fd());
            if let Some(again) = finish(above, folder, on_removed)? {
                open.push(again);
            }
            continue;
        };
        if open.len() + 1 >= OPEN_FOLDERS
            && let Some(first) = open.first_mut()
        {
            moved += 1;
            lift(&folder, &next, first, moved)?;
        } else {
            match Folder::empty(folder.fd.as_fd(), &next, on_removed) {
                Ok(below) => {
                    open.push(folder);
                    open.push(below);
                    continue;
                }
                // It was deleted or replaced in the meantime: the parent is read again before it is deleted.
                Err(FileError::NotFound | FileError::NotAFolder | FileError::Loop) => {}
                Err(error) => return Err(error),
            }
        }
        open.push(folder);
    }
    Ok(())
}

/// Moves a deeply nested folder to the top of the tree that is being deleted.
fn lift(from: &Folder, name: &CStr, top: &mut Folder, number: u64) -> FileResult<()> {
    let new = CString::new(format!(".raptor-{number}-{}", std::process::id())).map_err(io::Error::other)?;
    match sys::renameat_with(&from.fd, name, &top.fd, &new, RenameFlags::NOREPLACE) {
        Ok(()) => top.below.push(new),
        Err(Errno::NOENT) => {}
        Err(error) => return Err(io::Error::from(error).into()),
    }
    Ok(())
}

/// Deletes a folder that should be empty by now. If something was added to it, it is returned to be emptied again.
fn finish(
    above: BorrowedFd<'_>,
    mut folder: Folder,
    on_removed: OnRemoved<'_>,
) -> FileResult<Option<Folder>> {
    let freed = Stat::of(&folder.fd)?.allocated();
    match sys::unlinkat(above, &folder.name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => on_removed(freed).then_some(None).ok_or(FileError::Cancelled),
        Err(Errno::NOTEMPTY) if folder.more || folder.again < MAX_ATTEMPTS => {
            folder.again += u32::from(!folder.more);
            (folder.below, folder.more) = sweep(folder.fd.as_fd(), NOTED, on_removed)?;
            Ok(Some(folder))
        }
        // It was replaced by something that isn't a folder.
        Err(Errno::NOTDIR) => {
            let stat = Stat::at(above, &folder.name)?;
            unlink(above, &folder.name, &stat, on_removed).map(|()| None)
        }
        Err(error) => Err(io::Error::from(error).into()),
    }
}

impl Folder {
    /// Opens a folder and deletes everything in it that isn't a folder.
    fn empty(parent: BorrowedFd<'_>, name: &CStr, on_removed: OnRemoved<'_>) -> FileResult<Self> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = sys::openat(parent, name, flags, Mode::empty()).map_err(io::Error::from)?;
        let (below, more) = sweep(fd.as_fd(), NOTED, on_removed)?;
        Ok(Self { fd, name: name.to_owned(), below, more, again: 0 })
    }
}

/// Deletes everything that isn't a folder. Returns up to `most` subfolders, and whether there are more.
fn sweep(folder: BorrowedFd<'_>, most: usize, on_removed: OnRemoved<'_>) -> FileResult<(Vec<CString>, bool)> {
    let (mut below, mut more) = (Vec::new(), false);
    for entry in Stream::read_from(folder).map_err(io::Error::from)? {
        let entry = entry.map_err(io::Error::from)?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        match Stat::at(folder, name) {
            Ok(stat) if stat.kind == Kind::Folder && below.len() < most => below.push(name.to_owned()),
            Ok(stat) if stat.kind == Kind::Folder => more = true,
            Ok(stat) => unlink(folder, name, &stat, on_removed)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok((below, more))
}

fn unlink(folder: BorrowedFd<'_>, name: &CStr, stat: &Stat, on_removed: OnRemoved<'_>) -> FileResult<()> {
    match sys::unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) => on_removed(stat.freed()).then_some(()).ok_or(FileError::Cancelled),
        // Deleted, or replaced by a folder: the parent is read again before it is deleted.
        Err(Errno::NOENT | Errno::ISDIR) => Ok(()),
        Err(error) => Err(io::Error::from(error).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn more_folders_than_are_noted_at_once_are_removed_all_the_same() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("folder");
        for number in 0..NOTED + 10 {
            fs::create_dir_all(folder.join(number.to_string())).unwrap();
        }
        let open = fs::File::open(&folder).unwrap();
        let (below, more) = sweep(open.as_fd(), 7, &mut |_| true).unwrap();
        assert_eq!((below.len(), more), (7, true));
        remove(&folder).unwrap();
        assert!(!folder.exists());
    }
}
