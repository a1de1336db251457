//! Changing files' owner back to the container's user after an installer ran as root.

use cap_std::{ambient_authority, fs::Dir};
use rustix::fs::{AtFlags, Gid, Uid, chownat};
use std::{io, path::Path};

/// Most nested folders.
const MAX_DEPTH: usize = 128;

/// Makes `uid`:`gid` the owner of `folder` and everything in it. Links themselves are changed, not their targets.
///
/// # Errors
/// If a file's owner can't be changed.
pub(super) fn chown(folder: &Path, uid: u32, gid: u32) -> io::Result<()> {
    std::os::unix::fs::chown(folder, Some(uid), Some(gid))?;
    below(
        &Dir::open_ambient_dir(folder, ambient_authority())?,
        Uid::from_raw(uid),
        Gid::from_raw(gid),
        MAX_DEPTH,
    )
}

fn below(dir: &Dir, uid: Uid, gid: Gid, depth: usize) -> io::Result<()> {
    for entry in dir.entries()? {
        let entry = entry?;
        chownat(dir, entry.file_name(), Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        if entry.file_type()?.is_dir() && depth > 0 {
            below(&entry.open_dir()?, uid, gid, depth - 1)?;
        }
    }
    Ok(())
}
