//! The trash: what was deleted lies beside the container's folder until somebody wants it back or empties it.

use super::{Workspace, enough, keep_note, kept, kind, read_note, time};
use crate::files::{FileError, FilePath, FileResult, Kind, Root};
use chrono::{DateTime, TimeDelta, Utc};
use raptor_model::node::files::{FileKind, TrashItem};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const FOLDER: &str = "trash";
/// How much may lie in the trash of a container that is at its limit: each thing has a note of a block.
const MAX_BEYOND: usize = 10_000;

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
        self.check_trash(paths.len())?;
        let discarded = paths.iter().map(|path| self.discard_one(path, by)).collect();
        self.root.usage().trash_changed();
        discarded
    }

    /// Moving into the trash is never refused for the limit, but nobody makes notes past it without end.
    fn check_trash(&self, more: usize) -> FileResult<()> {
        if self.root.usage().free() != Some(0) {
            return Ok(());
        }
        let notes = self.on_shelf(&FilePath::parse(FOLDER)?)?;
        let count = notes.flatten().filter(|entry| entry.name.ends_with(".json")).count();
        if count.saturating_add(more) > MAX_BEYOND {
            return Err(FileError::TooMuch(format!(
                "The disk limit is reached and {count} things are in the trash already. Empty it, or delete for good."
            )));
        }
        Ok(())
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
        let moved = self.shelf(FOLDER).and_then(|trash| {
            // The note first: what lies there without one could not be put back.
            self.note_trash(trash, id, &note)?;
            self.root.rename_into(path, trash, &kept(FOLDER, id, "")?, false)
        });
        match moved {
            Ok(()) => Ok(note.item(id)),
            Err(error) => {
                let _ = self.drop_trash_note(id);
                Err(match error {
                    FileError::OverLimit { .. } | FileError::NoSpace { .. } => FileError::TooMuch(
                        "There is no room left to move it into the trash. Empty the trash, or delete for good."
                            .into(),
                    ),
                    other => other,
                })
            }
        }
    }

    /// Where the kernel keeps the limit and takes nothing more, the note lies outside of what it counts.
    fn note_trash(&self, trash: &Root, id: Uuid, note: &Note) -> FileResult<()> {
        let path = kept(FOLDER, id, ".json")?;
        match keep_note(&trash.beyond_limit(), &path, note) {
            Err(FileError::OverLimit { .. } | FileError::NoSpace { .. }) => {
                let _ = trash.remove_file(&path);
                keep_note(&self.uncounted()?, &outside(id)?, note)
            }
            noted => noted,
        }
    }

    /// A folder that no limit of the container counts.
    fn uncounted(&self) -> FileResult<Root> {
        self.root.uncounted(&self.beside.with_extension("notes"))
    }

    fn uncounted_notes(&self) -> FileResult<Option<Root>> {
        if self.beside.with_extension("notes").exists() { self.uncounted().map(Some) } else { Ok(None) }
    }

    /// The note of an entry in the trash. If the note was lost, for example in a power cut, the entry is restored to the root of the
    /// container's folder under its id. Its original path is unknown, so users with hidden files can't see it.
    fn trash_note(&self, id: Uuid) -> FileResult<Note> {
        match self.written_note(id) {
            Err(error) if is_lost(&error) => {
                let stat = self.kept()?.lstat(&kept(FOLDER, id, "")?)?;
                if self.root.denies_any() {
                    return Err(FileError::Denied);
                }
                Ok(Note {
                    path: FilePath::parse(&format!("recovered-{id}"))?,
                    kind: kind(stat.kind),
                    size_bytes: if stat.kind == Kind::Folder { 0 } else { stat.len },
                    at: deleted_at(id).unwrap_or_else(|| time(&stat)),
                    by: "unknown".into(),
                })
            }
            found => found,
        }
    }

    fn written_note(&self, id: Uuid) -> FileResult<Note> {
        match self.note(&kept(FOLDER, id, ".json")?) {
            Err(FileError::NotFound) => match self.uncounted_notes()? {
                Some(notes) => read_note(&notes, &outside(id)?),
                None => Err(FileError::NotFound),
            },
            found => found,
        }
    }

    fn drop_trash_note(&self, id: Uuid) -> FileResult<()> {
        let removed = [
            self.kept()?.remove_file(&kept(FOLDER, id, ".json")?),
            self.uncounted_notes()?.map_or(Ok(()), |notes| notes.remove_file(&outside(id)?)),
        ];
        removed.into_iter().try_for_each(|removed| match removed {
            Ok(()) | Err(FileError::NotFound) => Ok(()),
            Err(error) => Err(error),
        })
    }

    pub(super) fn discarded(&self) -> FileResult<Vec<TrashItem>> {
        let mut items = Vec::new();
        for entry in self.on_shelf(&FilePath::parse(FOLDER)?)? {
            let Ok(id) = entry?.name.parse() else { continue };
            let Ok(note) = self.trash_note(id) else { continue };
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
        let note = self.trash_note(id)?;
        let parent = note.path.parent().ok_or(FileError::NotFound)?;
        // What comes back was counted all the time.
        self.root.beyond_limit().create_dir_all(&parent)?;
        self.kept()?.rename_into(&kept(FOLDER, id, "")?, &self.root, &note.path, false)?;
        self.root.usage().trash_changed();
        self.drop_trash_note(id)
    }

    pub(super) fn empty_trash(&self, ids: Option<Vec<Uuid>>) -> FileResult<()> {
        let ids = match ids {
            Some(ids) => ids,
            None => self.discarded()?.into_iter().map(|item| item.id).collect(),
        };
        let emptied = ids.into_iter().try_for_each(|id| self.remove_from_trash(id));
        self.root.usage().trash_changed();
        emptied
    }

    /// Permanently deletes everything that has been in the trash for `days` days, for all users. Returns how many entries that were.
    pub(crate) fn age_trash(&self, days: u32) -> FileResult<usize> {
        let before = self.clock.now() - TimeDelta::days(days.into());
        let all = Self { root: self.root.undenied(), ..self.clone() };
        let old = all.discarded()?.into_iter().filter(|item| item.deleted_at <= before);
        let ids: Vec<_> = old.map(|item| item.id).collect();
        let count = ids.len();
        all.empty_trash(Some(ids))?;
        Ok(count)
    }

    fn remove_from_trash(&self, id: Uuid) -> FileResult<()> {
        let note = self.trash_note(id)?;
        if self.root.covers(&note.path, note.kind == FileKind::Folder) {
            return Err(FileError::Denied);
        }
        match self.kept()?.remove_tree(&kept(FOLDER, id, "")?, |_| true) {
            Ok(()) | Err(FileError::NotFound) => self.drop_trash_note(id),
            Err(error) => Err(error),
        }
    }
}

/// Whether there is no note, or one that was never written to its end.
fn is_lost(error: &FileError) -> bool {
    use std::io::ErrorKind::{InvalidData, UnexpectedEof};
    match error {
        FileError::NotFound => true,
        FileError::Io(error) => matches!(error.kind(), InvalidData | UnexpectedEof),
        _ => false,
    }
}

/// When this id was made.
fn deleted_at(id: Uuid) -> Option<DateTime<Utc>> {
    let (seconds, nanoseconds) = id.get_timestamp()?.to_unix();
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanoseconds)
}

fn outside(id: Uuid) -> FileResult<FilePath> {
    Ok(FilePath::parse(&format!("{id}.json"))?)
}
