//! Files on their way here, piece by piece. They lie beside the container's folder until they are whole.

use super::{Workspace, keep_note, kept, time};
use crate::files::{FileError, FilePath, FileResult, Kind, Open};
use chrono::{DateTime, TimeDelta, Utc};
use raptor_core::node::files::{FileInfo, Upload};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const FOLDER: &str = "uploads";
/// How long an unfinished upload is kept after its last piece.
const KEPT: TimeDelta = TimeDelta::days(1);
/// Unfinished uploads that one container may have.
const MAX_OPEN: usize = 200;

#[derive(Serialize, Deserialize)]
struct Note {
    path: FilePath,
    size_bytes: u64,
    replace: bool,
    at: DateTime<Utc>,
}

impl Workspace {
    pub(super) fn begin_upload(&self, path: FilePath, size_bytes: u64, replace: bool) -> FileResult<Upload> {
        let name = path.name().ok_or(FileError::IsAFolder)?;
        match self.root.lstat(&path) {
            Ok(stat) if stat.kind == Kind::Folder => return Err(FileError::IsAFolder),
            Ok(_) if !replace => return Err(FileError::Exists),
            _ => {}
        }
        // A link is written through; one that leads out is refused before anything is sent.
        match self.root.lstat(&self.root.target(&path)?) {
            Ok(stat) if stat.kind == Kind::Folder => return Err(FileError::IsAFolder),
            Ok(stat) if stat.kind == Kind::Special => return Err(FileError::Special),
            _ => {}
        }
        if self.root.usage().free().is_some_and(|free| size_bytes > free) {
            return Err(self.root.usage().over_limit());
        }
        tracing::debug!(name, size_bytes, "an upload begins");
        self.drop_stale()?;
        let id = Uuid::now_v7();
        let note = Note { path, size_bytes, replace, at: self.clock.now() };
        let shelf = self.shelf(FOLDER)?;
        let begun = keep_note(shelf, &kept(FOLDER, id, ".json")?, &note)
            .and_then(|()| shelf.open_file(&kept(FOLDER, id, "")?, Open::NEW));
        if let Err(error) = begun {
            let _ = self.drop_upload(id);
            return Err(error);
        }
        self.upload(id)
    }

    pub(super) fn upload(&self, id: Uuid) -> FileResult<Upload> {
        let note: Note = self.note(&kept(FOLDER, id, ".json")?)?;
        self.root.check(&note.path)?;
        let received_bytes = self.kept()?.lstat(&kept(FOLDER, id, "")?)?.len;
        let Note { path, size_bytes, at, .. } = note;
        Ok(Upload { id, path, size_bytes, received_bytes, started_at: at })
    }

    pub(super) fn finish_upload(&self, id: Uuid) -> FileResult<FileInfo> {
        let upload = self.upload(id)?;
        if upload.received_bytes != upload.size_bytes {
            let (here, all) = (upload.received_bytes, upload.size_bytes);
            return Err(FileError::Invalid(format!(
                "Only {here} of {all} bytes are here. Send the rest first."
            )));
        }
        let note: Note = self.note(&kept(FOLDER, id, ".json")?)?;
        if !note.replace && self.root.lstat(&note.path).is_ok() {
            return Err(FileError::Exists);
        }
        let target = self.root.target(&note.path)?;
        if let Some(parent) = target.parent() {
            self.root.create_dir_all(&parent)?;
        }
        self.kept()?.place(&kept(FOLDER, id, "")?, &self.root, &target, note.replace)?;
        self.kept()?.remove_file(&kept(FOLDER, id, ".json")?)?;
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
        let mut open = 0;
        for entry in self.on_shelf(&FilePath::parse(FOLDER)?)? {
            let entry = entry?;
            let Ok(id) = entry.name.parse::<Uuid>() else { continue };
            if self.clock.now() - time(&entry.stat) > KEPT {
                self.drop_upload(id)?;
            } else {
                open += 1;
            }
        }
        if open >= MAX_OPEN {
            return Err(FileError::TooMuch(format!("Only {MAX_OPEN} uploads can be unfinished at once.")));
        }
        Ok(())
    }
}
