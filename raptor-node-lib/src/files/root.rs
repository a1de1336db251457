//! A container's folder, and the rules that hold for everything in it.

use super::{
    below_home,
    denied::Denied,
    file::{File, MODE_BITS, timestamps},
    stat::{Kind, Stat, Time},
    usage::{BLOCK, Room, Usage},
};
use cap_std::{
    ambient_authority,
    fs::{Dir, OpenOptions, OpenOptionsExt},
};
use raptor_model::node::{
    FileError, FilePath, FileResult,
    names::{escape, unescape},
};
use rustix::fs::{self as sys, AtFlags, Gid, Mode, OFlags, RenameFlags, Uid};
use std::{
    ffi::{CString, OsStr},
    io,
    os::{
        fd::{AsFd, AsRawFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
    sync::Arc,
};

/// How a file is opened. At least one of `read`, `write` and `append`.
#[derive(Clone, Copy, Debug)]
pub struct Open {
    /// For reading.
    pub read: bool,
    /// For writing.
    pub write: bool,
    /// For writing at its end, whatever offset is given.
    pub append: bool,
    /// Made where it is missing.
    pub create: bool,
    /// Made, and refused where there is something already.
    pub create_new: bool,
    /// Emptied.
    pub truncate: bool,
    /// Permission bits of a file that is made, before the daemon's umask; setuid, setgid and sticky bits are left out.
    pub mode: u32,
}

impl Open {
    /// For reading.
    pub const READ: Self = Self {
        read: true,
        write: false,
        append: false,
        create: false,
        create_new: false,
        truncate: false,
        mode: 0o644,
    };
    /// For reading and writing something that is there.
    pub const WRITE: Self = Self { write: true, ..Self::READ };
    /// For reading and writing something that is not there yet.
    pub const NEW: Self = Self { create_new: true, ..Self::WRITE };
    /// For reading and writing, made where it is missing, emptied where it is there.
    pub const REPLACE: Self = Self { create: true, truncate: true, ..Self::WRITE };
}

/// Room on a container's disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// The container's limit, or the host's disk where it has none.
    pub total: u64,
    /// What may still be written.
    pub free: u64,
    /// Files that the host's disk can hold.
    pub files: u64,
    /// Files that may still be made on it.
    pub free_files: u64,
    /// The file system's block, in bytes.
    pub block: u64,
}

/// A container's data folder. Every path is resolved by the kernel beneath it, at the moment of use, following no link out.
/// Everything made belongs to the container's user and is counted in its [`Usage`]; what [`Denied`] covers can neither be
/// named nor reached through a link. Cheap to clone. Blocking: call it off the async threads.
#[derive(Clone)]
pub struct Root {
    pub(super) shared: Arc<Shared>,
    pub(super) denied: Denied,
    room: Room,
}

pub(super) struct Shared {
    pub(super) dir: Dir,
    /// Where the kernel says that it is: what open files' paths begin with.
    real: PathBuf,
    uid: u32,
    gid: u32,
    pub(super) usage: Arc<Usage>,
}

/// A name in an open folder: what is done to it follows no link, whoever swaps the folders on the way meanwhile.
pub(super) struct Leaf {
    pub(super) dir: Dir,
    pub(super) name: CString,
}

impl Root {
    /// Opens `path`, which is made for `uid`:`gid` where it is missing. It has no limit and denies nothing.
    ///
    /// # Errors
    /// When it can't be made or opened.
    pub fn open(path: &Path, uid: u32, gid: u32) -> io::Result<Self> {
        Self::with_usage(path, uid, gid, Arc::default())
    }

    /// As [`Root::open`], with the account that all ways to this container's files share.
    ///
    /// # Errors
    /// When it can't be made or opened.
    pub fn with_usage(path: &Path, uid: u32, gid: u32, usage: Arc<Usage>) -> io::Result<Self> {
        if !path.exists() {
            std::fs::create_dir_all(path)?;
            std::os::unix::fs::chown(path, Some(uid), Some(gid))?;
        }
        let dir = Dir::open_ambient_dir(path, ambient_authority())?;
        let real = real_path(&dir)?;
        let shared = Arc::new(Shared { dir, real, uid, gid, usage });
        Ok(Self { shared, denied: Denied::default(), room: Room::Limited })
    }

    /// The same folder for somebody who may do less.
    #[must_use]
    pub fn denying(&self, more: &Denied) -> Self {
        Self { denied: self.denied.and(more), ..self.clone() }
    }

    /// The same folder with nothing denied, for what the daemon itself does.
    #[must_use]
    pub fn undenied(&self) -> Self {
        Self { denied: Denied::default(), ..self.clone() }
    }

    /// The same folder, where what is made is counted and never refused for the limit: for the little that has to be written
    /// down so that something can be deleted.
    pub(crate) fn beyond_limit(&self) -> Self {
        Self { room: Room::Beyond, ..self.clone() }
    }

    /// Another folder of the same container's, on the same account, with nothing denied.
    pub(crate) fn beside(&self, path: &Path) -> FileResult<Self> {
        let Shared { uid, gid, usage, .. } = &*self.shared;
        Ok(Self::with_usage(path, *uid, *gid, usage.clone())?)
    }

    /// Another folder for the same user, on an account of its own without a limit.
    pub(crate) fn uncounted(&self, path: &Path) -> FileResult<Self> {
        Ok(Self::open(path, self.shared.uid, self.shared.gid)?)
    }

    /// Whether any path may be denied.
    pub(crate) fn denies_any(&self) -> bool {
        !self.denied.is_empty()
    }

    /// Whether `path` is denied by its name.
    pub(crate) fn covers(&self, path: &FilePath, is_folder: bool) -> bool {
        self.denied.covers(path, is_folder)
    }

    /// Refuses a path that is denied by its name.
    pub(crate) fn check(&self, path: &FilePath) -> FileResult<()> {
        self.denied.check(path)
    }

    /// The container's disk account.
    #[must_use]
    pub fn usage(&self) -> &Arc<Usage> {
        &self.shared.usage
    }

    /// Opens a regular file.
    ///
    /// # Errors
    /// Most of [`FileError`].
    pub fn open_file(&self, path: &FilePath, how: Open) -> FileResult<File> {
        if how.create || how.create_new {
            let leaf = self.leaf(path)?;
            match self.make(&leaf, how) {
                Err(FileError::Exists) if !how.create_new => {}
                made => return made,
            }
            return match self.open_existing(&path.as_path(), how) {
                // A link to nothing: what is written to it is made where it leads.
                Err(FileError::NotFound) => self.make(&self.leaf(&self.target(path)?)?, how),
                opened => opened,
            };
        }
        self.open_existing(&path.as_path(), how)
    }

    fn make(&self, leaf: &Leaf, how: Open) -> FileResult<File> {
        // The limit is asked before there is an empty file that nothing can be written to.
        self.usage().reserve(0)?;
        let mut flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        flags |= match (how.read, how.write || how.append) {
            (true, true) => OFlags::RDWR,
            (false, true) => OFlags::WRONLY,
            _ => OFlags::RDONLY,
        };
        flags.set(OFlags::APPEND, how.append);
        let mode = Mode::from_raw_mode(how.mode & MODE_BITS);
        let file = sys::openat(&leaf.dir, &leaf.name, flags, mode)
            .map_err(|error| self.usage().refused(error.into()))?;
        self.give(&file)?;
        Ok(File::new(file.into(), self.usage().clone(), how.append, self.room))
    }

    pub(super) fn open_existing(&self, path: &Path, how: Open) -> FileResult<File> {
        let mut options = OpenOptions::new();
        options
            .read(how.read || !(how.write || how.append))
            .write(how.write || how.append)
            .append(how.append);
        // A pipe in the place of a file would make us wait for its other end.
        options.custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed());
        let open = |path: &Path| self.shared.dir.open_with(path, &options);
        let file = self.following(path, open)?.into_std();
        let stat = Stat::of(&file)?;
        match stat.kind {
            Kind::File => {}
            Kind::Folder => return Err(FileError::IsAFolder),
            Kind::Symlink | Kind::Special => return Err(FileError::Special),
        }
        self.check_open(&file)?;
        let file = File::new(file, self.usage().clone(), how.append, self.room);
        if how.truncate && stat.len > 0 {
            file.set_len(0)?;
        }
        Ok(file)
    }

    /// What is at `path`, links followed.
    ///
    /// # Errors
    /// [`FileError::NotFound`], [`FileError::Outside`] and others.
    pub fn stat(&self, path: &FilePath) -> FileResult<Stat> {
        Ok(Stat::of(self.pin(path)?)?)
    }

    /// What is at `path`, a link itself where it is one.
    ///
    /// # Errors
    /// [`FileError::NotFound`] and others.
    pub fn lstat(&self, path: &FilePath) -> FileResult<Stat> {
        if path.is_root() {
            return self.stat(path);
        }
        let leaf = self.leaf(path)?;
        Ok(leaf.stat()?)
    }

    /// Makes a folder.
    ///
    /// # Errors
    /// [`FileError::Exists`], [`FileError::OverLimit`] and others.
    pub fn create_dir(&self, path: &FilePath, mode: u32) -> FileResult<()> {
        let leaf = self.leaf(path)?;
        // Before the limit: a folder that is there takes no room.
        if leaf.stat().is_ok() {
            return Err(FileError::Exists);
        }
        self.usage().claim(BLOCK, self.room)?;
        let mode = Mode::from_raw_mode(mode & MODE_BITS);
        let made = sys::mkdirat(&leaf.dir, &leaf.name, mode).map_err(io::Error::from);
        let folder = made.and_then(|()| leaf.open_folder());
        let taken =
            folder.as_ref().ok().and_then(|folder| Stat::of(folder).ok()).map_or(0, |stat| stat.allocated());
        self.usage().correct(BLOCK, taken);
        Ok(self.give(&folder.map_err(|error| self.usage().refused(error))?)?)
    }

    /// Makes a folder and those on the way to it; one that is there is no error.
    ///
    /// # Errors
    /// As [`Root::create_dir`].
    pub fn create_dir_all(&self, path: &FilePath) -> FileResult<()> {
        let mut made = FilePath::ROOT;
        for name in path.as_str().split('/').filter(|name| !name.is_empty()) {
            made = made.join(name)?;
            match self.create_dir(&made, 0o755) {
                Ok(()) | Err(FileError::Exists) => {}
                Err(error) => return Err(error),
            }
        }
        match self.stat(path)?.kind {
            Kind::Folder => Ok(()),
            _ => Err(FileError::NotAFolder),
        }
    }

    /// Removes a file or a link, not what it leads to.
    ///
    /// # Errors
    /// [`FileError::IsAFolder`], [`FileError::NotFound`] and others.
    pub fn remove_file(&self, path: &FilePath) -> FileResult<()> {
        let leaf = self.leaf(path)?;
        let stat = leaf.stat()?;
        if stat.kind == Kind::Folder {
            return Err(FileError::IsAFolder);
        }
        sys::unlinkat(&leaf.dir, &leaf.name, AtFlags::empty()).map_err(io::Error::from)?;
        self.usage().release(stat.freed());
        Ok(())
    }

    /// Removes an empty folder.
    ///
    /// # Errors
    /// [`FileError::NotEmpty`], [`FileError::NotAFolder`], [`FileError::NotFound`] and others.
    pub fn remove_dir(&self, path: &FilePath) -> FileResult<()> {
        let leaf = self.leaf(path)?;
        let stat = leaf.stat()?;
        sys::unlinkat(&leaf.dir, &leaf.name, AtFlags::REMOVEDIR).map_err(io::Error::from)?;
        self.usage().release(stat.freed());
        Ok(())
    }

    /// Renames or moves, a link itself where it is one. `replace`: what is at `to` goes (a file by a file, an empty folder by
    /// a folder).
    ///
    /// # Errors
    /// [`FileError::Exists`], [`FileError::Denied`] where something below a folder is denied, and others.
    pub fn rename(&self, from: &FilePath, to: &FilePath, replace: bool) -> FileResult<()> {
        self.rename_into(from, self, to, replace)
    }

    /// As [`Root::rename`], into another folder of the same container's (its trash, say).
    ///
    /// # Errors
    /// As [`Root::rename`].
    pub fn rename_into(&self, from: &FilePath, other: &Self, to: &FilePath, replace: bool) -> FileResult<()> {
        match self.rename_here(from, other, to, replace) {
            Err(FileError::Io(error)) if error.kind() == io::ErrorKind::CrossesDevices => {
                self.carry(from, other, to, replace)
            }
            renamed => renamed,
        }
    }

    /// As [`Root::rename_into`], where both are of one part of the file system.
    pub(super) fn rename_here(
        &self,
        from: &FilePath,
        other: &Self,
        to: &FilePath,
        replace: bool,
    ) -> FileResult<()> {
        let (source, target) = (self.leaf(from)?, other.leaf(to)?);
        let moved = source.stat()?;
        if moved.kind == Kind::Folder {
            self.check_below(from)?;
        }
        let replaced = target.stat().ok().filter(|there| there.inode != moved.inode);
        let flags = if replace { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
        sys::renameat_with(&source.dir, &source.name, &target.dir, &target.name, flags).map_err(|error| {
            match error {
                rustix::io::Errno::INVAL => FileError::Invalid("A folder can't be moved into itself.".into()),
                error => io::Error::from(error).into(),
            }
        })?;
        if !Arc::ptr_eq(self.usage(), other.usage()) {
            // One file: what a folder from elsewhere holds is found by the next scan.
            self.usage().release(moved.freed());
            let _ = other.usage().reserve(moved.allocated());
        }
        other.usage().release(replaced.map_or(0, |replaced| replaced.freed()));
        Ok(())
    }

    /// Makes a symbolic link at `path` to `target`, which must stay inside: relative, or as the container's processes name it
    /// (`/home/container/…`). A text as that of a [`FilePath`].
    ///
    /// # Errors
    /// [`FileError::Outside`], [`FileError::Exists`] and others.
    pub fn symlink(&self, target: &str, path: &FilePath) -> FileResult<()> {
        let leaf = self.leaf(path)?;
        let parent = self.where_is(&leaf.dir)?;
        let written = unescape(target);
        let leads_to = match below_home(Path::new(OsStr::from_bytes(&written))) {
            Some(below) => FilePath::from_bytes(below.as_os_str().as_bytes())?,
            None if target.starts_with('/') || target.is_empty() => return Err(FileError::Outside),
            None => FilePath::parse(&format!("{}/{target}", parent.as_str()))?,
        };
        self.denied.check(&leads_to)?;
        sys::symlinkat(&*written, &leaf.dir, &leaf.name).map_err(io::Error::from)?;
        let (uid, gid) = (Uid::from_raw(self.shared.uid), Gid::from_raw(self.shared.gid));
        sys::chownat(&leaf.dir, &leaf.name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(io::Error::from)?;
        Ok(())
    }

    /// Where a link leads, as it is written in it; a text as that of a [`FilePath`].
    ///
    /// # Errors
    /// [`FileError::Invalid`] where it is no link, and others.
    pub fn read_link(&self, path: &FilePath) -> FileResult<String> {
        let leaf = self.leaf(path)?;
        let target = sys::readlinkat(&leaf.dir, &leaf.name, Vec::new()).map_err(|error| match error {
            rustix::io::Errno::INVAL => FileError::Invalid("This is no link.".into()),
            error => io::Error::from(error).into(),
        })?;
        Ok(escape(target.as_bytes()).into_owned())
    }

    /// Gives a regular file a second name.
    ///
    /// # Errors
    /// [`FileError::Exists`], [`FileError::Special`] and others.
    pub fn hard_link(&self, from: &FilePath, to: &FilePath) -> FileResult<()> {
        let (source, target) = (self.leaf(from)?, self.leaf(to)?);
        match source.stat()?.kind {
            Kind::File => {}
            Kind::Folder => return Err(FileError::IsAFolder),
            Kind::Symlink | Kind::Special => return Err(FileError::Special),
        }
        sys::linkat(&source.dir, &source.name, &target.dir, &target.name, AtFlags::empty())
            .map_err(io::Error::from)?;
        Ok(())
    }

    /// Changes permission bits, links followed; setuid, setgid and sticky bits are left out.
    ///
    /// # Errors
    /// [`FileError::NotFound`], [`FileError::Outside`] and others.
    pub fn set_mode(&self, path: &FilePath, mode: u32) -> FileResult<()> {
        let pinned = self.pin(path)?;
        if Stat::of(&pinned)?.kind == Kind::Special {
            return Err(FileError::Special);
        }
        sys::chmodat(sys::CWD, handle(&pinned), Mode::from_raw_mode(mode & MODE_BITS), AtFlags::empty())
            .map_err(io::Error::from)?;
        Ok(())
    }

    /// Changes when something was read and changed last; `follow`: of what a link leads to.
    ///
    /// # Errors
    /// [`FileError::NotFound`], [`FileError::Outside`] and others.
    pub fn set_times(&self, path: &FilePath, accessed: Time, modified: Time, follow: bool) -> FileResult<()> {
        let times = timestamps(accessed, modified);
        if follow || path.is_root() {
            let pinned = self.pin(path)?;
            sys::utimensat(sys::CWD, handle(&pinned), &times, AtFlags::empty()).map_err(io::Error::from)?;
        } else {
            let leaf = self.leaf(path)?;
            sys::utimensat(&leaf.dir, &leaf.name, &times, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(io::Error::from)?;
        }
        Ok(())
    }

    /// Cuts a file, or fills it up with zeros.
    ///
    /// # Errors
    /// [`FileError::OverLimit`] and others.
    pub fn truncate(&self, path: &FilePath, length: u64) -> FileResult<()> {
        self.open_file(path, Open::WRITE)?.set_len(length)
    }

    /// How much room there is.
    ///
    /// # Errors
    /// The kernel's.
    pub fn space(&self) -> FileResult<Space> {
        let disk = sys::fstatvfs(&self.shared.dir).map_err(io::Error::from)?;
        let (block, usage) = (disk.f_frsize.max(1), self.usage());
        let free = disk.f_bavail.saturating_mul(block);
        Ok(Space {
            total: if usage.limit() > 0 { usage.limit() } else { disk.f_blocks.saturating_mul(block) },
            free: usage.free().map_or(free, |left| left.min(free)),
            files: disk.f_files,
            free_files: disk.f_favail,
            block,
        })
    }

    /// The folder that `path` lies in, and its name there.
    pub(super) fn leaf(&self, path: &FilePath) -> FileResult<Leaf> {
        let (Some(parent), Some(name)) = (path.parent(), path.name()) else {
            return Err(FileError::Invalid("That can't be done to the container's folder itself.".into()));
        };
        let dir = self.following(&parent.as_path(), |path| self.shared.dir.open_dir(path))?;
        if !self.denied.is_empty() {
            self.denied.check(path)?;
            // Links on the way may lead to it under another name.
            self.denied.check(&self.where_is(&dir)?.join(name)?)?;
        }
        let name =
            CString::new(unescape(name)).map_err(|_| FileError::Invalid("A name can't hold NUL.".into()))?;
        Ok(Leaf { dir, name })
    }

    /// Holds on to what is at `path`, links followed, without opening it for anything.
    fn pin(&self, path: &FilePath) -> FileResult<std::fs::File> {
        self.denied.check(path)?;
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(OFlags::PATH.bits().cast_signed());
        let open = |path: &Path| self.shared.dir.open_with(path, &options);
        let pinned = self.following(&path.as_path(), open)?.into_std();
        self.check_open(&pinned)?;
        Ok(pinned)
    }

    /// Opens a folder for listing.
    pub(super) fn folder(&self, path: &Path) -> FileResult<Dir> {
        let dir = self.following(path, |path| self.shared.dir.open_dir(path))?;
        self.check_open(&dir)?;
        Ok(dir)
    }

    /// Refuses what is open where its true path is denied.
    fn check_open(&self, open: impl AsFd) -> FileResult<()> {
        if self.denied.is_empty() { Ok(()) } else { self.denied.check(&self.where_is(open)?) }
    }

    /// The true path of what is open.
    pub(super) fn where_is(&self, open: impl AsFd) -> FileResult<FilePath> {
        let path = real_path(open)?;
        let below = path.strip_prefix(&self.shared.real).map_err(|_| FileError::Outside)?;
        let below = below.as_os_str().as_bytes();
        // The kernel's mark of what was removed since.
        Ok(FilePath::from_bytes(below.strip_suffix(b" (deleted)").unwrap_or(below))?)
    }

    pub(super) fn give(&self, file: impl AsFd) -> io::Result<()> {
        let (uid, gid) = (Uid::from_raw(self.shared.uid), Gid::from_raw(self.shared.gid));
        // By descriptor: whatever stands at the path by now is not touched.
        Ok(sys::chownat(file, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?)
    }
}

impl Leaf {
    pub(super) fn stat(&self) -> io::Result<Stat> {
        Stat::at(&self.dir, &self.name)
    }

    fn open_folder(&self) -> io::Result<std::fs::File> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(sys::openat(&self.dir, &self.name, flags, Mode::empty())?.into())
    }
}

/// The one name by which the kernel takes what is open, whatever stands at its path by now.
fn handle(open: &std::fs::File) -> String {
    format!("/proc/self/fd/{}", open.as_raw_fd())
}

fn real_path(open: impl AsFd) -> io::Result<PathBuf> {
    let link = format!("/proc/self/fd/{}", open.as_fd().as_raw_fd());
    let target = sys::readlinkat(sys::CWD, link, Vec::new())?;
    Ok(PathBuf::from(std::ffi::OsStr::from_bytes(target.as_bytes())))
}

/// What opening a socket, a pipe without a reader or a device without a driver says.
pub(super) fn opened(error: io::Error) -> FileError {
    if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) {
        return FileError::Special;
    }
    error.into()
}
