//! Previous versions of text files that people edit.

use super::{Workspace, keep_note, time};
use crate::files::{File, FileError, FilePath, FileResult, Kind, Open};
use chrono::{DateTime, Utc};
use raptor_model::node::files::FileVersion;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Versions kept per file.
const KEPT: usize = 20;
/// The largest file whose versions are kept, in bytes.
const MAX_SIZE: u64 = 2 * 1024 * 1024;

#[derive(Serialize, Deserialize)]
struct Note {
    path: FilePath,
    at: DateTime<Utc>,
    by: String,
}

impl Workspace {
    /// Stores the current content of a file before it is replaced. If that fails, the file is saved nevertheless.
    pub(super) fn keep_version(&self, path: &FilePath, by: &str) {
        match self.try_keep(path, by) {
            Ok(()) | Err(FileError::NotFound | FileError::OverLimit { .. } | FileError::NoSpace { .. }) => {}
            Err(error) => tracing::warn!(%error, %path, "saving an earlier version failed"),
        }
    }

    fn try_keep(&self, path: &FilePath, by: &str) -> FileResult<()> {
        let file = self.root.open_file(path, Open::READ)?;
        let stat = file.stat()?;
        if stat.kind != Kind::File || stat.len > MAX_SIZE || stat.len == 0 {
            return Ok(());
        }
        let folder = folder(path)?;
        let kept = self.kept_folder("versions")?;
        kept.create_dir_all(&folder)?;
        let id = Uuid::now_v7();
        let copy = folder.join(&id.to_string())?;
        let new = kept.open_file(&copy, Open { mode: 0o600, ..Open::NEW })?;
        let mut done = 0;
        while let copied @ 1.. = file.copy_to(done, &new, done, MAX_SIZE)? {
            done += copied;
        }
        let note = Note { path: path.clone(), at: self.clock.now(), by: by.to_owned() };
        keep_note(kept, &folder.join(&format!("{id}.json"))?, &note)?;
        for old in self.versions(path)?.into_iter().skip(KEPT) {
            kept.remove_file(&folder.join(&old.id.to_string())?)?;
            kept.remove_file(&folder.join(&format!("{}.json", old.id))?)?;
        }
        Ok(())
    }

    pub(super) fn versions(&self, path: &FilePath) -> FileResult<Vec<FileVersion>> {
        let folder = folder(&self.root.target(path)?)?;
        let mut items = Vec::new();
        for entry in self.kept_entries(&folder)? {
            let entry = entry?;
            let Ok(id) = entry.name.parse::<Uuid>() else { continue };
            let note = self.note::<Note>(&folder.join(&format!("{id}.json"))?);
            let (at, by) =
                note.map_or_else(|_| (time(&entry.stat), String::new()), |note| (note.at, note.by));
            items.push(FileVersion { id, replaced_at: at, replaced_by: by, size_bytes: entry.stat.len });
        }
        items.sort_by_key(|item| std::cmp::Reverse(item.id));
        Ok(items)
    }

    pub(super) fn version(&self, path: &FilePath, id: Uuid) -> FileResult<File> {
        let path = &self.root.target(path)?;
        self.kept()?.open_file(&folder(path)?.join(&id.to_string())?, Open::READ)
    }
}

/// The folder of a file's versions. It is named by a hash, since paths may be longer than a name.
fn folder(path: &FilePath) -> FileResult<FilePath> {
    let hash = Sha256::digest(path.as_str());
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(FilePath::parse(&format!("versions/{hex}"))?)
}
