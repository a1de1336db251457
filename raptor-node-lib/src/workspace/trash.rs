//! The trash: deleted files are kept beside the container's folder until they are restored or the trash is emptied.

use super::{Workspace, enough, keep_note, kept, kind, read_note, time};
use crate::files::{FileError, FilePath, FileResult, Kind, Root};
use chrono::{DateTime, TimeDelta, Utc};
use raptor_model::node::files::{FileKind, TrashItem};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const FOLDER: &str = "trash";
/// Most entries in the trash of a container that has reached its limit, since each needs a block for its metadata.
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

    /// Moving files to the trash is never refused because of the disk limit, but only up to a number of entries.
    fn check_trash(&self, more: usize) -> FileResult<()> {
        if self.root.usage().free() != Some(0) {
            return Ok(());
        }
        let notes = self.kept_entries(&FilePath::parse(FOLDER)?)?;
        let count = notes.flatten().filter(|entry| entry.name.ends_with(".json")).count();
        if count.saturating_add(more) > MAX_BEYOND {
            return Err(FileError::TooMuch(format!(
                "The disk limit is reached and {count} items are in the trash already. Empty the trash, or delete permanently."
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
        let moved = self.kept_folder(FOLDER).and_then(|trash| {
            // The metadata first: without it an entry could not be restored.
            self.note_trash(trash, id, &note)?;
            self.root.rename_into(path, trash, &kept(FOLDER, id, "")?, false)
        });
        match moved {
            Ok(()) => Ok(note.item(id)),
            Err(error) => {
                let _ = self.drop_trash_note(id);
                Err(match error {
                    FileError::OverLimit { .. } | FileError::NoSpace { .. } => FileError::TooMuch(
                        "There is no room to move it to the trash. Empty the trash, or delete it permanently."
                            .into(),
                    ),
                    other => other,
                })
            }
        }
    }

    /// Stores an entry's metadata. If the kernel enforces the limit and accepts nothing more, it is stored outside of what that
    /// counts.
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

    /// A folder that is not subject to the container's limit.
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
        for entry in self.kept_entries(&FilePath::parse(FOLDER)?)? {
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

    /// Restores an entry to where it was, creating missing parent folders. Fails if something exists there by now.
    pub(super) fn restore(&self, id: Uuid) -> FileResult<()> {
        let note = self.trash_note(id)?;
        let parent = note.path.parent().ok_or(FileError::NotFound)?;
        // The restored files already count.
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

/// Whether the metadata is missing or was not written completely.
fn is_lost(error: &FileError) -> bool {
    use std::io::ErrorKind::{InvalidData, UnexpectedEof};
    match error {
        FileError::NotFound => true,
        FileError::Io(error) => matches!(error.kind(), InvalidData | UnexpectedEof),
        _ => false,
    }
}

/// The time at which this id was created.
fn deleted_at(id: Uuid) -> Option<DateTime<Utc>> {
    let (seconds, nanoseconds) = id.get_timestamp()?.to_unix();
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanoseconds)
}

fn outside(id: Uuid) -> FileResult<FilePath> {
    Ok(FilePath::parse(&format!("{id}.json"))?)
}
