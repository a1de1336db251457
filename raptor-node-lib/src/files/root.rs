//! A container's folder, and the rules for everything in it.

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

/// How to open a file. At least one of `read`, `write` and `append`.
#[derive(Clone, Copy, Debug)]
pub struct Open {
    pub read: bool,
    pub write: bool,
    /// Write at the end of the file, whatever offset is given.
    pub append: bool,
    /// Create the file if it doesn't exist.
    pub create: bool,
    /// Create the file, and fail if it exists.
    pub create_new: bool,
    /// Truncate the file to length 0.
    pub truncate: bool,
    /// Permission bits of a new file, before the daemon's umask; setuid, setgid and sticky bits are ignored.
    pub mode: u32,
}

impl Open {
    /// Opens an existing file for reading only.
    pub const READ: Self = Self {
        read: true,
        write: false,
        append: false,
        create: false,
        create_new: false,
        truncate: false,
        mode: 0o644,
    };
    /// Read and write an existing file.
    pub const WRITE: Self = Self { write: true, ..Self::READ };
    /// Read and write a new file.
    pub const NEW: Self = Self { create_new: true, ..Self::WRITE };
    /// Read and write; create the file, or truncate an existing one.
    pub const REPLACE: Self = Self { create: true, truncate: true, ..Self::WRITE };
}

/// The disk space of a container, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// The container's limit, or the size of the host's disk if it has none.
    pub total: u64,
    /// How much can still be written.
    pub free: u64,
    /// The number of inodes of the host's disk.
    pub files: u64,
    /// The number of free inodes.
    pub free_files: u64,
    /// The block size of the file system, in bytes.
    pub block: u64,
}

/// A container's data folder. The kernel resolves every path beneath it at the time of use and follows no link out of it. New
/// files belong to the container's user and are counted in its [`Usage`]; what [`Denied`] covers can't be accessed, neither by
/// name nor through a link. Cheap to clone. Blocking: don't use it on async threads.
#[derive(Clone)]
pub struct Root {
    pub(super) shared: Arc<Shared>,
    pub(super) denied: Denied,
    room: Room,
}

pub(super) struct Shared {
    pub(super) dir: Dir,
    /// The real path of the folder, which the paths of open files begin with.
    real: PathBuf,
    uid: u32,
    gid: u32,
    pub(super) usage: Arc<Usage>,
}

/// A name in an open folder. Operations on it follow no links, even if its parent folders are swapped in the meantime.
pub(super) struct Leaf {
    pub(super) dir: Dir,
    pub(super) name: CString,
}

impl Root {
    /// Opens `path`, creating it for `uid`:`gid` if it doesn't exist. Without a limit or denied paths.
    ///
    /// # Errors
    /// If it can't be created or opened.
    pub fn open(path: &Path, uid: u32, gid: u32) -> io::Result<Self> {
        Self::with_usage(path, uid, gid, Arc::default())
    }

    /// Like [`Root::open`], with the account that everyone who accesses this container's files shares.
    ///
    /// # Errors
    /// If it can't be created or opened.
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

    /// The same folder with more paths denied.
    #[must_use]
    pub fn denying(&self, more: &Denied) -> Self {
        Self { denied: self.denied.and(more), ..self.clone() }
    }

    /// The same folder with nothing denied, for the daemon itself.
    #[must_use]
    pub fn undenied(&self) -> Self {
        Self { denied: Denied::default(), ..self.clone() }
    }

    /// The same folder, with writes counted but never refused because of the limit: for the little that has to be written so
    /// that something can be deleted.
    pub(crate) fn beyond_limit(&self) -> Self {
        Self { room: Room::Beyond, ..self.clone() }
    }

    /// Another folder of the same container, in the same account, with nothing denied.
    pub(crate) fn beside(&self, path: &Path) -> FileResult<Self> {
        let Shared { uid, gid, usage, .. } = &*self.shared;
        Ok(Self::with_usage(path, *uid, *gid, usage.clone())?)
    }

    /// Another folder for the same user, with an account of its own without a limit.
    pub(crate) fn uncounted(&self, path: &Path) -> FileResult<Self> {
        Ok(Self::open(path, self.shared.uid, self.shared.gid)?)
    }

    /// Whether there are any denied patterns.
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

    /// The container's disk usage account.
    #[must_use]
    pub fn usage(&self) -> &Arc<Usage> {
        &self.shared.usage
    }

    /// Opens a regular file.
    ///
    /// # Errors
    /// Most variants of [`FileError`].
    pub fn open_file(&self, path: &FilePath, how: Open) -> FileResult<File> {
        if how.create || how.create_new {
            let leaf = self.leaf(path)?;
            match self.make(&leaf, how) {
                Err(FileError::Exists) if !how.create_new => {}
                made => return made,
            }
            return match self.open_existing(&path.as_path(), how) {
                // A dangling link: the file is created where it leads.
                Err(FileError::NotFound) => self.make(&self.leaf(&self.target(path)?)?, how),
                opened => opened,
            };
        }
        self.open_existing(&path.as_path(), how)
    }

    fn make(&self, leaf: &Leaf, how: Open) -> FileResult<File> {
        // Checked before an empty file is created that nothing can be written to.
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
        self.chown(&file)?;
        Ok(File::new(file.into(), self.usage().clone(), how.append, self.room))
    }

    pub(super) fn open_existing(&self, path: &Path, how: Open) -> FileResult<File> {
        let mut options = OpenOptions::new();
        options
            .read(how.read || !(how.write || how.append))
            .write(how.write || how.append)
            .append(how.append);
        // Without this, opening a named pipe would block until its other end is opened.
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

    /// The metadata of `path`; links are followed.
    ///
    /// # Errors
    /// [`FileError::NotFound`], [`FileError::Outside`] and others.
    pub fn stat(&self, path: &FilePath) -> FileResult<Stat> {
        Ok(Stat::of(self.pin(path)?)?)
    }

    /// The metadata of `path`; for a link, that of the link itself.
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

    /// Creates a folder.
    ///
    /// # Errors
    /// [`FileError::Exists`], [`FileError::OverLimit`] and others.
    pub fn create_dir(&self, path: &FilePath, mode: u32) -> FileResult<()> {
        let leaf = self.leaf(path)?;
        // Checked before the limit: an existing folder takes no space.
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
        Ok(self.chown(&folder.map_err(|error| self.usage().refused(error))?)?)
    }

    /// Creates a folder and its missing parents. Succeeds if it exists.
    ///
    /// # Errors
    /// Those of [`Root::create_dir`].
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

    /// Deletes a file or a link, not the link's target.
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

    /// Deletes an empty folder.
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

    /// Renames or moves; a link itself is moved, not its target. With `replace`, an existing `to` is replaced (a file by a
    /// file, an empty folder by a folder).
    ///
    /// # Errors
    /// [`FileError::Exists`], [`FileError::Denied`] if something in the folder is denied, and others.
    pub fn rename(&self, from: &FilePath, to: &FilePath, replace: bool) -> FileResult<()> {
        self.rename_into(from, self, to, replace)
    }

    /// Like [`Root::rename`], into another folder of the same container (e.g. its trash).
    ///
    /// # Errors
    /// Those of [`Root::rename`].
    pub fn rename_into(&self, from: &FilePath, other: &Self, to: &FilePath, replace: bool) -> FileResult<()> {
        match self.rename_here(from, other, to, replace) {
            Err(FileError::Io(error)) if error.kind() == io::ErrorKind::CrossesDevices => {
                self.carry(from, other, to, replace)
            }
            renamed => renamed,
        }
    }

    /// Like [`Root::rename_into`], if both are on the same subvolume.
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
            // Only for a file. The content of a folder that came from elsewhere is counted by the next scan.
            self.usage().release(moved.freed());
            let _ = other.usage().reserve(moved.allocated());
        }
        other.usage().release(replaced.map_or(0, |replaced| replaced.freed()));
        Ok(())
    }

    /// Creates a symbolic link at `path` to `target`, which must be inside of the folder: relative, or absolute as the
    /// container's processes see it (`/home/container/…`). `target` is in the notation of a [`FilePath`].
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

    /// The target of a link, as stored in it, in the notation of a [`FilePath`].
    ///
    /// # Errors
    /// [`FileError::Invalid`] if it is not a link, and others.
    pub fn read_link(&self, path: &FilePath) -> FileResult<String> {
        let leaf = self.leaf(path)?;
        let target = sys::readlinkat(&leaf.dir, &leaf.name, Vec::new()).map_err(|error| match error {
            rustix::io::Errno::INVAL => FileError::Invalid("This is not a link.".into()),
            error => io::Error::from(error).into(),
        })?;
        Ok(escape(target.as_bytes()).into_owned())
    }

    /// Creates a hard link to a regular file.
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

    /// Changes permission bits; links are followed. Setuid, setgid and sticky bits are ignored.
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

    /// Sets the times of the last access and modification; with `follow`, those of a link's target.
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

    /// Truncates a file, or extends it with zeros.
    ///
    /// # Errors
    /// [`FileError::OverLimit`] and others.
    pub fn truncate(&self, path: &FilePath, length: u64) -> FileResult<()> {
        self.open_file(path, Open::WRITE)?.set_len(length)
    }

    /// The available disk space.
    ///
    /// # Errors
    /// I/O errors.
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

    /// The parent folder of `path`, and the name in it.
    pub(super) fn leaf(&self, path: &FilePath) -> FileResult<Leaf> {
        let (Some(parent), Some(name)) = (path.parent(), path.name()) else {
            return Err(FileError::Invalid("That can't be done to the container's folder itself.".into()));
        };
        let dir = self.following(&parent.as_path(), |path| self.shared.dir.open_dir(path))?;
        if !self.denied.is_empty() {
            self.denied.check(path)?;
            // A link among the parents may lead to it under another name.
            self.denied.check(&self.where_is(&dir)?.join(name)?)?;
        }
        let name = CString::new(unescape(name))
            .map_err(|_| FileError::Invalid("A name can't contain NUL.".into()))?;
        Ok(Leaf { dir, name })
    }

    /// Opens `path` with `O_PATH`; links are followed.
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

    /// Refuses an open file whose real path is denied.
    fn check_open(&self, open: impl AsFd) -> FileResult<()> {
        if self.denied.is_empty() { Ok(()) } else { self.denied.check(&self.where_is(open)?) }
    }

    /// The real path of an open file.
    pub(super) fn where_is(&self, open: impl AsFd) -> FileResult<FilePath> {
        let path = real_path(open)?;
        let below = path.strip_prefix(&self.shared.real).map_err(|_| FileError::Outside)?;
        let below = below.as_os_str().as_bytes();
        // The kernel's suffix for a deleted file.
        Ok(FilePath::from_bytes(below.strip_suffix(b" (deleted)").unwrap_or(below))?)
    }

    pub(super) fn chown(&self, file: impl AsFd) -> io::Result<()> {
        let (uid, gid) = (Uid::from_raw(self.shared.uid), Gid::from_raw(self.shared.gid));
        // By descriptor, so that whatever is at the path by now is not touched.
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

/// The path in `/proc` of an open file, which works whatever is at its original path by now.
fn handle(open: &std::fs::File) -> String {
    format!("/proc/self/fd/{}", open.as_raw_fd())
}

fn real_path(open: impl AsFd) -> io::Result<PathBuf> {
    let link = format!("/proc/self/fd/{}", open.as_fd().as_raw_fd());
    let target = sys::readlinkat(sys::CWD, link, Vec::new())?;
    Ok(PathBuf::from(std::ffi::OsStr::from_bytes(target.as_bytes())))
}

/// The error for opening a socket, a pipe without a reader or a device without a driver.
pub(super) fn opened(error: io::Error) -> FileError {
    if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) {
        return FileError::Special;
    }
    error.into()
}
