//! The trash: what was deleted lies beside the container's folder until somebody wants it back or empties it.

use super::{Workspace, enough, kept, kind};
use crate::files::{FileError, FilePath, FileResult, Kind};
use chrono::{DateTime, Utc};
use raptor_core::node::files::{FileKind, TrashItem};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const FOLDER: &str = "trash";

#[derive(Serialize, Deserialize)]
struct Note {
    path: FilePath,
    kind: FileKind,
    size_bytes: u64,
    at: DateTime<Utc>,
    by: String,
}

impl Note {
    fn item(self, id: Uuid) -> TrashItem {
        let Self { path, kind, size_bytes, at, by } = self;
        TrashItem { id, path, kind, size_bytes, deleted_at: at, deleted_by: by }
    }
}

impl Workspace {
    pub(super) fn discard(&self, paths: &[FilePath], by: &str) -> FileResult<Vec<TrashItem>> {
        enough(paths.len())?;
        paths.iter().map(|path| self.discard_one(path, by)).collect()
    }

    fn discard_one(&self, path: &FilePath, by: &str) -> FileResult<TrashItem> {
        let stat = self.root.lstat(path)?;
        let id = Uuid::now_v7();
        let note = Note {
            path: path.clone(),
            kind: kind(stat.kind),
            size_bytes: if stat.kind == Kind::Folder { 0 } else { stat.len },
            at: self.clock.now(),
            by: by.to_owned(),
        };
        // The note first: what lies there without one could not be put back.
        let (note_path, item) = (kept(FOLDER, id, ".json")?, kept(FOLDER, id, "")?);
        let noted = self.keep_note(&note_path, &note);
        // A full disk must not keep anybody from deleting: then it goes for good, which they can be told.
        if matches!(noted, Err(FileError::OverLimit { .. } | FileError::NoSpace)) {
            let _ = self.kept.remove_file(&note_path);
            return Err(FileError::TooMuch(
                "The disk limit is reached, so the trash takes nothing more. Empty the trash, or delete for good.".into(),
            ));
        }
        noted?;
        if let Err(error) = self.root.rename_into(path, &self.kept, &item, false) {
            let _ = self.kept.remove_file(&note_path);
            return Err(error);
        }
        Ok(note.item(id))
    }

    pub(super) fn discarded(&self) -> FileResult<Vec<TrashItem>> {
        let mut items = Vec::new();
        for entry in self.kept.entries(&FilePath::parse(FOLDER)?)? {
            let name = entry?.name;
            let Some(id) = name.strip_suffix(".json").and_then(|id| id.parse().ok()) else { continue };
            let (Ok(note), Ok(_)) =
                (self.note::<Note>(&kept(FOLDER, id, ".json")?), self.kept.lstat(&kept(FOLDER, id, "")?))
            else {
                continue;
            };
            let visible = !self.root.covers(&note.path, note.kind == FileKind::Folder);
            if visible {
                items.push(note.item(id));
            }
        }
        items.sort_by_key(|item| std::cmp::Reverse(item.id));
        Ok(items)
    }

    /// Puts it back where it was; folders on the way are made. Where something is by now, the place is not taken.
    pub(super) fn restore(&self, id: Uuid) -> FileResult<()> {
        let (note_path, item) = (kept(FOLDER, id, ".json")?, kept(FOLDER, id, "")?);
        let note: Note = self.note(&note_path)?;
        let parent = note.path.parent().ok_or(FileError::NotFound)?;
        self.root.create_dir_all(&parent)?;
        self.kept.rename_into(&item, &self.root, &note.path, false)?;
        self.kept.remove_file(&note_path)
    }

    pub(super) fn empty_trash(&self, ids: Option<Vec<Uuid>>) -> FileResult<()> {
        let ids = match ids {
            Some(ids) => ids,
            None => self.discarded()?.into_iter().map(|item| item.id).collect(),
        };
        for id in ids {
            let note_path = kept(FOLDER, id, ".json")?;
            let note: Note = self.note(&note_path)?;
            if self.root.covers(&note.path, note.kind == FileKind::Folder) {
                return Err(FileError::Denied);
            }
            self.kept.remove_tree(&kept(FOLDER, id, "")?, |_| true)?;
            self.kept.remove_file(&note_path)?;
        }
        Ok(())
    }
}
