//! Chunked uploads. They are kept beside the container's folder until they are complete.

use super::{Workspace, content::receive, keep_note, kept, time};
use crate::files::{File, FileError, FilePath, FileResult, Kind, Open};
use chrono::{DateTime, TimeDelta, Utc};
use raptor_model::node::files::{Body, FileInfo, Upload};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const FOLDER: &str = "uploads";
/// How long an unfinished upload is kept after its last chunk.
const KEPT: TimeDelta = TimeDelta::days(1);
/// How long a finished upload is remembered, so that a client that lost the first response can repeat the request.
const ANSWERED: TimeDelta = TimeDelta::hours(1);
/// Most unfinished uploads per container.
const MAX_OPEN: usize = 200;
/// Bytes compared at a time.
const COMPARED: usize = 256 * 1024;

#[derive(Serialize, Deserialize)]
struct Note {
    path: FilePath,
    size_bytes: u64,
    replace: bool,
    at: DateTime<Utc>,
    /// Whether finishing was requested. The content is moved after this was stored.
    #[serde(default)]
    finished: bool,
}

impl Workspace {
    pub(super) fn begin_upload(
        &self,
        id: Option<Uuid>,
        path: FilePath,
        size_bytes: u64,
        replace: bool,
    ) -> FileResult<Upload> {
        if let Some(id) = id
            && let Some(begun) = self.begun(id, &path, size_bytes, replace)?
        {
            return Ok(begun);
        }
        self.may_come(&path, size_bytes, replace)?;
        self.drop_stale()?;
        let id = id.unwrap_or_else(Uuid::now_v7);
        let note = Note { path, size_bytes, replace, at: self.clock.now(), finished: false };
        // A record without content is not an upload.
        let (kept_folder, content) = (self.kept_folder(FOLDER)?, kept(FOLDER, id, "")?);
        let begun = kept_folder
            .open_file(&content, Open { create_new: false, create: true, ..Open::NEW })
            .and_then(|_| keep_note(kept_folder, &kept(FOLDER, id, ".json")?, &note));
        if let Err(error) = begun {
            let _ = self.drop_upload(id);
            return Err(error);
        }
        self.upload(id)
    }

    /// The existing upload if the request is a repetition, whose first answer may have been lost.
    fn begun(&self, id: Uuid, path: &FilePath, size_bytes: u64, replace: bool) -> FileResult<Option<Upload>> {
        match self.note::<Note>(&kept(FOLDER, id, ".json")?) {
            Ok(note) if note.path == *path && note.size_bytes == size_bytes && note.replace == replace => {
                self.upload(id).map(Some)
            }
            Ok(_) => Err(FileError::Invalid("Another upload has this id. Use a new one.".into())),
            Err(FileError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Refuses a file that can't be placed at `path`, before any of it is uploaded.
    fn may_come(&self, path: &FilePath, size_bytes: u64, replace: bool) -> FileResult<()> {
        if path.is_root() {
            return Err(FileError::IsAFolder);
        }
        match self.root.lstat(path) {
            Ok(stat) if stat.kind == Kind::Folder => return Err(FileError::IsAFolder),
            Ok(_) if !replace => return Err(FileError::Exists),
            _ => {}
        }
        // Links are followed; those that lead out are refused before anything is uploaded.
        match self.root.lstat(&self.root.target(path)?) {
            Ok(stat) if stat.kind == Kind::Folder => return Err(FileError::IsAFolder),
            Ok(stat) if stat.kind == Kind::Special => return Err(FileError::Special),
            _ => {}
        }
        if self.root.usage().free().is_some_and(|free| size_bytes > free) {
            return Err(self.root.usage().over_limit());
        }
        Ok(())
    }

    /// Uploads a whole file in one request. Only a sender who may read the existing file learns that it has the same content;
    /// otherwise anybody could guess the content. Call it on a blocking thread.
    pub(super) fn upload_whole(
        &self,
        path: &FilePath,
        size_bytes: u64,
        Existing { replace, may_read }: Existing,
        body: Body,
    ) -> FileResult<FileInfo> {
        match self.may_come(path, size_bytes, replace) {
            // The request may be a repetition whose first answer was lost.
            Ok(()) | Err(FileError::Exists) => {}
            Err(error) => return Err(error),
        }
        let beside = kept(FOLDER, Uuid::now_v7(), "")?;
        let kept_folder = self.kept_folder(FOLDER)?;
        let file = kept_folder.open_file(&beside, Open::NEW)?;
        let placed = receive(&file, 0, size_bytes, body).and_then(|()| {
            let here = file.stat()?.len;
            if here != size_bytes {
                return Err(only(here, size_bytes));
            }
            if !replace && self.root.lstat(path).is_ok() {
                return Err(FileError::Exists);
            }
            let target = self.root.target(path)?;
            if let Some(parent) = target.parent() {
                self.root.create_dir_all(&parent)?;
            }
            kept_folder.place(&beside, &self.root, &target, replace)
        });
        let placed = match placed {
            Err(FileError::Exists) if may_read && self.holds(path, &file) => kept_folder.remove_file(&beside),
            Err(error) => {
                let _ = kept_folder.remove_file(&beside);
                Err(error)
            }
            placed => placed,
        };
        placed.and_then(|()| self.info(path))
    }

    /// Whether the file at `path` has this content.
    fn holds(&self, path: &FilePath, content: &File) -> bool {
        let same = || {
            let there = self.root.open_file(path, Open::READ)?;
            let (mut ours, mut theirs, mut at) = (Vec::new(), Vec::new(), 0);
            loop {
                ours.clear();
                theirs.clear();
                let read = content.read_behind(&mut ours, COMPARED, at)?;
                there.read_behind(&mut theirs, COMPARED, at)?;
                if ours != theirs || read == 0 {
                    return Ok::<bool, FileError>(ours == theirs);
                }
                at += read as u64;
            }
        };
        same().unwrap_or(false)
    }

    pub(super) fn upload(&self, id: Uuid) -> FileResult<Upload> {
        let note: Note = self.note(&kept(FOLDER, id, ".json")?)?;
        self.root.check(&note.path)?;
        let received_bytes = match self.kept()?.lstat(&kept(FOLDER, id, "")?) {
            Ok(stat) => stat.len,
            Err(FileError::NotFound) if note.finished => note.size_bytes,
            Err(error) => return Err(error),
        };
        let Note { path, size_bytes, at, .. } = note;
        Ok(Upload { id, path, size_bytes, received_bytes, started_at: at })
    }

    pub(super) fn finish_upload(&self, id: Uuid, may_replace: bool) -> FileResult<FileInfo> {
        let upload = self.upload(id)?;
        if upload.received_bytes != upload.size_bytes {
            return Err(only(upload.received_bytes, upload.size_bytes));
        }
        let (at, content) = (kept(FOLDER, id, ".json")?, kept(FOLDER, id, "")?);
        let (kept_folder, mut note) = (self.kept()?, self.note::<Note>(&at)?);
        if note.finished && matches!(kept_folder.lstat(&content), Err(FileError::NotFound)) {
            // Already moved; the answer was lost.
            return self.info(&note.path);
        }
        let replace = note.replace && may_replace;
        if !replace && self.root.lstat(&note.path).is_ok() {
            return Err(FileError::Exists);
        }
        let target = self.root.target(&note.path)?;
        if let Some(parent) = target.parent() {
            self.root.create_dir_all(&parent)?;
        }
        note.finished = true;
        keep_note(&kept_folder.beyond_limit(), &at, &note)?;
        kept_folder.place(&content, &self.root, &target, replace)?;
        self.info(&note.path)
    }

    pub(super) fn abort_upload(&self, id: Uuid) -> FileResult<()> {
        self.upload(id)?;
        self.drop_upload(id)
    }

    fn drop_upload(&self, id: Uuid) -> FileResult<()> {
        for end in ["", ".json"] {
            match self.kept()?.remove_file(&kept(FOLDER, id, end)?) {
                Ok(()) | Err(FileError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn drop_stale(&self) -> FileResult<()> {
        if self.drop_old_uploads()? >= MAX_OPEN {
            return Err(FileError::TooMuch(format!("Only {MAX_OPEN} uploads can be unfinished at once.")));
        }
        Ok(())
    }

    /// Deletes uploads without a chunk for a day, and records of those that were finished more than an hour ago. Returns the
    /// number of unfinished ones.
    pub(crate) fn drop_old_uploads(&self) -> FileResult<usize> {
        let mut open = 0;
        for entry in self.kept_entries(&FilePath::parse(FOLDER)?)? {
            let entry = entry?;
            let name = entry.name.strip_suffix(".json").unwrap_or(&entry.name);
            let Ok(id) = name.parse::<Uuid>() else { continue };
            let content = name.len() == entry.name.len();
            let most = if content { KEPT } else { ANSWERED };
            let stale = self.clock.now() - time(&entry.stat) > most;
            // The record of an unfinished upload is as old as its start, which may be long ago.
            if stale
                && (content || matches!(self.kept()?.lstat(&kept(FOLDER, id, "")?), Err(FileError::NotFound)))
            {
                self.drop_upload(id)?;
            } else if content {
                open += 1;
            }
        }
        Ok(open)
    }
}

/// What to do if the file already exists.
#[derive(Clone, Copy, Debug)]
pub(super) struct Existing {
    pub(super) replace: bool,
    /// Whether the sender may read it.
    pub(super) may_read: bool,
}

fn only(here: u64, all: u64) -> FileError {
    FileError::Invalid(format!("Only {here} of {all} bytes have arrived. Send the rest first."))
}
