//! Serving one request after another on a container's files. Blocking.

use super::{
    handles::{Handles, MAX_HANDLES, OpenFile, OpenFolder},
    listing,
    live::{Live, Rights},
    refusal::Refusal,
    replies,
    wire::{self, Attributes, MAX_DATA, MAX_PACKET, OpenFlags, Request, StatusCode},
};
use crate::files::{Kind, Open, Root, below_home};
use bytes::Bytes;
use raptor_model::{
    clock::Clock,
    node::{FileError, FilePath},
};
use std::{path::Path, sync::Arc};

/// Bytes of names in one reply that every client accepts (the draft requires packets of 34,000 bytes).
const NAMES: usize = 32_000;

/// Serves the requests of one channel in the order in which they arrive, so that a reply always reflects the requests before
/// it.
pub(super) struct ChannelHandler {
    /// The container's files without what the template denies.
    whole: Root,
    /// Also without what this session is denied.
    pub(super) root: Root,
    pub(super) live: Arc<Live>,
    rights: (u64, Arc<Rights>),
    pub(super) handles: Handles,
    clock: Clock,
    begun: bool,
}

type Done = Result<Bytes, Refusal>;

impl ChannelHandler {
    pub(super) fn new(root: Root, live: Arc<Live>, clock: Clock) -> Self {
        let rights = live.rights();
        let sandbox = root.denying(&rights.1.denied);
        Self { whole: root, root: sandbox, live, rights, handles: Handles::default(), clock, begun: false }
    }

    /// The reply to a packet; `None` if the peer does not speak SFTP and has to be disconnected.
    pub(super) fn serve(&mut self, kind: u8, id: u32, body: Bytes) -> Option<Bytes> {
        if !self.begun {
            self.begun = kind == wire::INIT;
            return self.begun.then(replies::version);
        }
        if kind == wire::INIT {
            return None;
        }
        self.refresh_rights();
        self.live.used_at.store(self.clock.now().timestamp(), std::sync::atomic::Ordering::Relaxed);
        let done = wire::request(kind, body).map_err(Refusal::from).and_then(|request| self.act(id, request));
        Some(done.unwrap_or_else(|refusal| replies::status(id, refusal.code, &refusal.message)))
    }

    /// Updates the session's rights.
    fn refresh_rights(&mut self) {
        let rights = self.live.rights();
        if rights.0 != self.rights.0 {
            self.root = self.whole.denying(&rights.1.denied);
            self.handles.close_denied(&rights.1.denied);
            self.rights = rights;
        }
    }

    fn act(&mut self, id: u32, request: Request) -> Done {
        if let Some(why) = &self.rights().locked {
            return Err(Refusal::denied(why));
        }
        match request {
            Request::Open { path, flags, attributes } => self.open(id, &path, flags, attributes),
            Request::Close { handle } => self.handles.close(&handle).map(|()| ok(id)),
            Request::Read { handle, offset, length } => self.read(id, &handle, offset, length),
            Request::Write { handle, offset, data } => self.write(id, &handle, offset, &data),
            Request::Stat { path } => {
                let stat = self.seen(&path).and_then(|path| Ok(self.root.stat(&path)?))?;
                Ok(replies::attributes(id, &listing::attributes(&stat)))
            }
            Request::Lstat { path } => {
                let stat = self.seen(&path).and_then(|path| Ok(self.root.lstat(&path)?))?;
                Ok(replies::attributes(id, &listing::attributes(&stat)))
            }
            Request::Fstat { handle } => {
                self.may_look()?;
                let stat = self.handles.file(&handle)?.file.stat()?;
                Ok(replies::attributes(id, &listing::attributes(&stat)))
            }
            Request::SetStat { path, attributes } => self.set_path(&path, attributes, true).map(|()| ok(id)),
            Request::LsetStat { path, attributes } => {
                self.set_path(&path, attributes, false).map(|()| ok(id))
            }
            Request::FsetStat { handle, attributes } => self.set_handle(&handle, attributes).map(|()| ok(id)),
            Request::OpenDir { path } => self.open_folder(id, &path),
            Request::ReadDir { handle } => self.read_folder(id, &handle),
            Request::RealPath { path } => Ok(replies::name(id, &path_of(&path)?.to_string())),
            Request::ExpandPath { path } => Ok(replies::name(id, &expanded(&path)?.to_string())),
            Request::HomeDirectory => Ok(replies::name(id, "/")),
            Request::ReadLink { path } => {
                let target = self.seen(&path).and_then(|path| Ok(self.root.read_link(&path)?))?;
                // For clients, the container's folder is the root.
                let here = below_home(Path::new(&target)).map(|below| format!("/{}", below.display()));
                Ok(replies::name(id, &here.unwrap_or(target)))
            }
            Request::StatVfs { path } => {
                self.seen(&path).and_then(|path| Ok(self.root.stat(&path)?))?;
                self.space(id)
            }
            Request::FstatVfs { handle } => {
                if self.handles.file(&handle).is_err() {
                    self.handles.folder(&handle)?;
                }
                self.space(id)
            }
            Request::Limits => {
                let data = u64::from(MAX_DATA);
                Ok(replies::numbers(id, &[MAX_PACKET as u64, data, data, MAX_HANDLES as u64]))
            }
            Request::Fsync { handle } => {
                self.handles.file(&handle)?.file.sync()?;
                Ok(ok(id))
            }
            Request::CopyData { from, from_offset, length, to, to_offset } => {
                self.copy((&from, from_offset), length, (&to, to_offset)).map(|()| ok(id))
            }
            other => self.change(other).map(|()| ok(id)),
        }
    }

    pub(super) fn rights(&self) -> &Rights {
        &self.rights.1
    }

    fn may_look(&self) -> Result<(), Refusal> {
        may(self.rights().look, "You may not see files here.")
    }

    pub(super) fn may_read(&self) -> Result<(), Refusal> {
        may(self.rights().read, "You may not read files here.")
    }

    pub(super) fn may_create(&self) -> Result<(), Refusal> {
        self.may_write(self.rights().create, "You may not create files here.")
    }

    pub(super) fn may_update(&self) -> Result<(), Refusal> {
        self.may_write(self.rights().update, "You may not change files here.")
    }

    pub(super) fn may_delete(&self) -> Result<(), Refusal> {
        self.may_write(self.rights().delete, "You may not delete files here.")
    }

    fn may_write(&self, allowed: bool, why: &str) -> Result<(), Refusal> {
        if self.rights().read_only {
            return Err(Refusal::denied(
                "Files can't be changed by SFTP: an administrator has made it read-only on this host.",
            ));
        }
        may(allowed, why)
    }

    /// The parsed path, for a session that may list files.
    fn seen(&self, path: &str) -> Result<FilePath, Refusal> {
        self.may_look()?;
        path_of(path)
    }

    fn open(&mut self, id: u32, path: &str, flags: u32, attributes: Attributes) -> Done {
        let path = path_of(path)?;
        let flags = OpenFlags::from_bits_truncate(flags);
        let append = flags.contains(OpenFlags::APPEND);
        let write = append || flags.contains(OpenFlags::WRITE);
        let read = flags.contains(OpenFlags::READ) || !write;
        if read {
            self.may_read()?;
        }
        let mut how = Open {
            read,
            write,
            append,
            truncate: write && flags.contains(OpenFlags::TRUNCATE),
            mode: attributes.mode.map_or(0o644, |mode| mode & 0o777),
            ..Open::READ
        };
        if write {
            match (flags.contains(OpenFlags::CREATE), flags.contains(OpenFlags::EXCLUDE)) {
                (true, true) => {
                    self.may_create()?;
                    how.create_new = true;
                }
                (true, false) => {
                    let (create, update) = (self.may_create(), self.may_update());
                    // With only one of the two rights, only one of the two cases is allowed.
                    (how.create, how.create_new) = (create.is_ok() && update.is_ok(), update.is_err());
                    create.or(update)?;
                }
                (false, _) => self.may_update()?,
            }
        }
        if self.handles.is_full() {
            return Err(Refusal::new(StatusCode::Failure, "Too many files are open. Close some first."));
        }
        let wants = write && flags.contains(OpenFlags::CREATE);
        let file = self.root.open_file(&path, how).map_err(|error| match error {
            FileError::NotFound if wants && !how.create && !how.create_new => {
                self.may_create().err().unwrap_or_else(|| error.into())
            }
            FileError::Exists if wants && how.create_new && !flags.contains(OpenFlags::EXCLUDE) => {
                self.may_update().err().unwrap_or_else(|| error.into())
            }
            error => error.into(),
        })?;
        let mut noted = 0;
        if how.truncate || how.create_new {
            self.live.journal.note_write(&path, 0, &mut noted);
        }
        let open = OpenFile { file, path, readable: read, writable: write, noted };
        Ok(replies::handle(id, self.handles.add_file(open)?))
    }

    fn read(&mut self, id: u32, handle: &Bytes, offset: u64, length: u32) -> Done {
        self.may_read()?;
        let open = self.handles.file(handle)?;
        if !open.readable {
            return Err(Refusal::denied("The file was not opened for reading."));
        }
        let length = length.min(MAX_DATA) as usize;
        let data = replies::data(id, length, |packet| open.file.read_behind(packet, length, offset))?;
        data.ok_or_else(Refusal::end)
    }

    fn write(&mut self, id: u32, handle: &Bytes, offset: u64, data: &Bytes) -> Done {
        let (created, update) = (self.may_create(), self.may_update());
        // A session that may create files may also write a file that it has just created.
        created.or(update)?;
        let open = self.handles.file(handle)?;
        if !open.writable {
            return Err(Refusal::denied("The file was not opened for writing."));
        }
        open.file.write_at(data, offset)?;
        self.live.journal.note_write(&open.path, data.len() as u64, &mut open.noted);
        Ok(ok(id))
    }

    fn copy(&mut self, from: (&Bytes, u64), length: u64, to: (&Bytes, u64)) -> Result<(), Refusal> {
        self.may_read()?;
        self.may_create().or(self.may_update())?;
        let ((from, mut at), (to, mut to_at)) = (from, to);
        if from == to {
            return Err(Refusal::new(StatusCode::Failure, "A file can't be copied into itself."));
        }
        let (from, to) = self.handles.files(from, to)?;
        if !from.readable || !to.writable {
            return Err(Refusal::denied("The files were not opened for this."));
        }
        // Bytes appended meanwhile are not copied: with two handles on one file it would never end.
        let there = from.file.stat()?.len.saturating_sub(at);
        let mut left = if length == 0 { there } else { length.min(there) };
        while left > 0 && !self.live.cut.is_cancelled() {
            let copied = from.file.copy_to(at, &to.file, to_at, left)?;
            if copied == 0 {
                break;
            }
            (at, to_at, left) = (at + copied, to_at + copied, left - copied);
            self.live.journal.note_write(&to.path, copied, &mut to.noted);
        }
        Ok(())
    }

    fn open_folder(&mut self, id: u32, path: &str) -> Done {
        let path = self.seen(path)?;
        let entries = self.root.entries(&path)?;
        Ok(replies::handle(
            id,
            self.handles.add_folder(OpenFolder { path, entries, ahead: None, begun: false })?,
        ))
    }

    fn read_folder(&mut self, id: u32, handle: &Bytes) -> Done {
        self.may_look()?;
        let now = self.clock.now();
        let folder = self.handles.folder(handle)?;
        let mut reply = replies::names(id);
        let mut count = 0;
        if !folder.begun {
            folder.begun = true;
            let own = self.root.stat(&folder.path)?;
            let above = folder.path.parent().and_then(|path| self.root.stat(&path).ok()).unwrap_or(own);
            for (name, stat) in [(".", own), ("..", above)] {
                reply.put_text(name);
                reply.put_text(&listing::long_name(name, &stat, now));
                reply.put_attributes(&listing::attributes(&stat));
                count += 1;
            }
        }
        while reply.len() < NAMES {
            let next = match folder.ahead.take() {
                Some(entry) => Some(Ok(entry)),
                None => folder.entries.next(),
            };
            let Some(entry) = next.transpose()? else { break };
            let long = listing::long_name(&entry.name, &entry.stat, now);
            if reply.len() + entry.name.len() + long.len() + 40 > NAMES && count > 0 {
                folder.ahead = Some(entry);
                break;
            }
            reply.put_name(&entry.name);
            reply.put_name(&long);
            reply.put_attributes(&listing::attributes(&entry.stat));
            count += 1;
        }
        if count == 0 { Err(Refusal::end()) } else { Ok(replies::count_names(reply, count)) }
    }

    fn space(&self, id: u32) -> Done {
        const READ_ONLY: u64 = 1;
        const NO_SETUID: u64 = 2;
        let space = self.root.space()?;
        let block = space.block.max(1);
        let flags = NO_SETUID | if self.rights().read_only { READ_ONLY } else { 0 };
        let (total, free) = (space.total / block, space.free / block);
        let numbers =
            [block, block, total, free, free, space.files, space.free_files, space.free_files, 0, flags, 255];
        Ok(replies::numbers(id, &numbers))
    }

    fn set_path(&mut self, path: &str, attributes: Attributes, follow: bool) -> Result<(), Refusal> {
        self.may_update()?;
        let path = path_of(path)?;
        let stat = if follow { self.root.stat(&path)? } else { self.root.lstat(&path)? };
        let link = stat.kind == Kind::Symlink;
        if link && (attributes.mode.is_some() || attributes.size.is_some()) {
            return Err(Refusal::new(StatusCode::OpUnsupported, "A link has no size or mode of its own."));
        }
        if let Some(size) = attributes.size {
            self.root.truncate(&path, size)?;
        }
        if let Some(mode) = attributes.mode {
            self.root.set_mode(&path, mode)?;
        }
        if let Some(times) = attributes.times {
            let (accessed, modified) = seconds(times);
            self.root.set_times(&path, accessed, modified, !link)?;
        }
        let kind = if attributes.size.is_some() { "write" } else { "attributes" };
        self.live.journal.note(kind, &path, None);
        keeps_owner(attributes, (stat.uid, stat.gid))
    }

    fn set_handle(&mut self, handle: &Bytes, attributes: Attributes) -> Result<(), Refusal> {
        self.may_create().or(self.may_update())?;
        let open = self.handles.file(handle)?;
        let stat = open.file.stat()?;
        if attributes.size.is_some() && !open.writable {
            return Err(Refusal::denied("The file was not opened for writing."));
        }
        if let Some(size) = attributes.size {
            open.file.set_len(size)?;
        }
        if let Some(mode) = attributes.mode {
            open.file.set_mode(mode)?;
        }
        if let Some(times) = attributes.times {
            let (accessed, modified) = seconds(times);
            open.file.set_times(accessed, modified)?;
        }
        if open.writable {
            self.live.journal.note_write(&open.path, 0, &mut open.noted);
        } else {
            self.may_update()?;
            let path = self.handles.file(handle)?.path.clone();
            self.live.journal.note("attributes", &path, None);
        }
        keeps_owner(attributes, (stat.uid, stat.gid))
    }
}

pub(super) fn ok(id: u32) -> Bytes {
    replies::status(id, StatusCode::Ok, "")
}

fn may(allowed: bool, why: &str) -> Result<(), Refusal> {
    if allowed { Ok(()) } else { Err(Refusal::denied(why)) }
}

/// Parses a client's path. Every container's folder looks like the root of a file system.
pub(super) fn path_of(path: &str) -> Result<FilePath, Refusal> {
    Ok(FilePath::parse_chrooted(path)?)
}

fn expanded(path: &str) -> Result<FilePath, Refusal> {
    match path.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => path_of(rest),
        Some(_) => Err(FileError::NotFound.into()),
        None => path_of(path),
    }
}

fn seconds((accessed, modified): (u32, u32)) -> (crate::files::Time, crate::files::Time) {
    let time = |seconds: u32| crate::files::Time { seconds: seconds.into(), nanoseconds: 0 };
    (time(accessed), time(modified))
}

/// Checks that a request does not change the owner: files belong to the container's user.
fn keeps_owner(attributes: Attributes, owner: (u32, u32)) -> Result<(), Refusal> {
    may(
        attributes.owner.is_none_or(|wanted| wanted == owner),
        "Files here belong to the container's user, which can't be changed.",
    )
}
