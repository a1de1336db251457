//! Operations on a container's files over HTTP. All access goes through the container's [`Root`].

mod content;
mod copy;
mod ledger;
mod listing;
mod operations;
mod pack;
mod pull;
mod search;
mod serve;
mod seven;
mod sizes;
mod texts;
mod trash;
mod unpack;
mod uploads;
mod versions;

pub(crate) use operations::AllOperations;

use crate::files::{Entries, FileError, FilePath, FileResult, Kind, Open, Root, Stat};
use chrono::{DateTime, Utc};
use operations::Operations;
use raptor_model::{
    clock::Clock,
    node::files::{FileAnswer, FileInfo, FileKind, FileRequest},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};
use uuid::Uuid;

/// Most paths per request.
const MAX_PATHS: usize = 10_000;
/// The largest metadata file beside a container's files, in bytes.
const MAX_NOTE: u64 = 64 * 1024;
/// The folders beside a container's files.
const KEPT_FOLDERS: [&str; 4] = ["trash", "versions", "uploads", "operations"];

/// A container's files, and what is kept beside them: trash, previous versions, unfinished uploads. The container's processes
/// can't access the latter, which count against its disk limit. Cheap to clone. Blocking.
#[derive(Clone)]
pub(crate) struct Workspace {
    root: Root,
    beside: PathBuf,
    kept: OnceLock<Root>,
    clock: Clock,
    operations: Arc<Operations>,
}

/// Creates the folders beside the files, while there is space for them.
pub(crate) fn create_kept_folders(kept: &Root) -> FileResult<()> {
    KEPT_FOLDERS.iter().try_for_each(|kept_folder| make(kept, kept_folder))
}

fn make(kept: &Root, kept_folder: &str) -> FileResult<()> {
    match kept.create_dir(&FilePath::parse(kept_folder)?, 0o700) {
        Ok(()) | Err(FileError::Exists) => Ok(()),
        Err(error) => Err(error),
    }
}

impl Workspace {
    /// Writes nothing, so that files can be viewed and deleted whatever state the disk is in.
    pub(crate) fn open(root: Root, beside: &Path, clock: Clock, operations: Arc<Operations>) -> Self {
        let workspace = Self { root, beside: beside.to_owned(), kept: OnceLock::new(), clock, operations };
        workspace.operations.recover_once(|| workspace.recover());
        workspace
    }

    /// The folder beside the container's files, created if it doesn't exist.
    fn kept(&self) -> FileResult<&Root> {
        if let Some(kept) = self.kept.get() {
            return Ok(kept);
        }
        let kept = self.root.beside(&self.beside)?;
        Ok(self.kept.get_or_init(|| kept))
    }

    /// One of its subfolders, to put something into. Creating the folder itself is not refused because of the limit.
    fn kept_folder(&self, kept_folder: &str) -> FileResult<&Root> {
        let kept = self.kept()?;
        make(&kept.beyond_limit(), kept_folder)?;
        Ok(kept)
    }

    /// The entries of one of its subfolders; none if it was never created.
    fn kept_entries(
        &self,
        folder: &FilePath,
    ) -> FileResult<impl Iterator<Item = <Entries as Iterator>::Item> + use<>> {
        match self.kept().and_then(|kept| kept.entries(folder)) {
            Ok(entries) => Ok(Some(entries).into_iter().flatten()),
            Err(FileError::NotFound | FileError::NoSpace { .. }) => Ok(None.into_iter().flatten()),
            Err(FileError::Io(error)) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                Ok(None.into_iter().flatten())
            }
            Err(error) => Err(error),
        }
    }

    /// Answers a small query or makes a small change.
    pub(crate) fn ask(&self, request: FileRequest) -> FileResult<FileAnswer> {
        use FileRequest as Request;
        Ok(match request {
            Request::List { path, sort, descending, offset, limit, search } => FileAnswer::Page {
                page: self.list(&path, sort, descending, offset, limit, search.as_deref())?,
            },
            Request::Stat { path } => FileAnswer::File { file: self.info(&path)? },
            Request::CreateFolder { path } => {
                self.root.create_dir(&path, 0o755)?;
                FileAnswer::File { file: self.info(&path)? }
            }
            Request::Move { moves, replace } => {
                enough(moves.len())?;
                for step in moves {
                    self.root.rename(&step.from, &step.to, replace)?;
                }
                FileAnswer::Done
            }
            Request::Trash { paths, by } => FileAnswer::Trash { items: self.discard(&paths, &by)? },
            Request::ListTrash => FileAnswer::Trash { items: self.discarded()? },
            Request::Restore { ids } => {
                ids.into_iter().try_for_each(|id| self.restore(id))?;
                FileAnswer::Done
            }
            Request::EmptyTrash { ids } => {
                self.empty_trash(ids)?;
                FileAnswer::Done
            }
            Request::SetMode { paths, mode } => {
                enough(paths.len())?;
                paths.iter().try_for_each(|path| self.root.set_mode(path, mode))?;
                FileAnswer::Done
            }
            Request::Versions { path } => FileAnswer::Versions { items: self.versions(&path)? },
            Request::Search { path, name, content } => {
                FileAnswer::Hits { hits: self.search(&path, name.as_deref(), content.as_deref())? }
            }
            Request::Sizes { path } => FileAnswer::Sizes { items: self.sizes(&path)? },
            Request::Checksum { path, algorithm } => {
                FileAnswer::Checksum { checksum: self.checksum(&path, algorithm)? }
            }
            Request::ReadText { text } => FileAnswer::Text { text: Box::new(self.read_text(text)?) },
            Request::BeginUpload { id, path, size_bytes, replace } => {
                FileAnswer::Upload { upload: self.begin_upload(id, path, size_bytes, replace)? }
            }
            Request::GetUpload { id } => FileAnswer::Upload { upload: self.upload(id)? },
            Request::FinishUpload { id, may_replace } => {
                FileAnswer::File { file: self.finish_upload(id, may_replace)? }
            }
            Request::AbortUpload { id } => {
                self.abort_upload(id)?;
                FileAnswer::Done
            }
            Request::Start { task, by } => FileAnswer::Operation { operation: self.start(task, &by)? },
            Request::Operations => FileAnswer::Operations { items: self.operations_shown() },
            Request::Cancel { id } => {
                self.cancel(id)?;
                FileAnswer::Done
            }
        })
    }

    /// The metadata of a path.
    pub(crate) fn info(&self, path: &FilePath) -> FileResult<FileInfo> {
        let stat = self.root.lstat(path)?;
        Ok(self.describe(path.clone(), &stat))
    }

    fn describe(&self, path: FilePath, stat: &Stat) -> FileInfo {
        let is_link = stat.kind == Kind::Symlink;
        let target = is_link.then(|| self.root.read_link(&path).ok()).flatten();
        let leads_to = is_link.then(|| self.root.stat(&path).ok()).flatten();
        // A write through a link creates a version of its target.
        let content = leads_to.filter(|stat| stat.kind == Kind::File).unwrap_or(*stat);
        FileInfo {
            name: path.name().unwrap_or_default().to_owned(),
            kind: kind(stat.kind),
            size_bytes: if stat.kind == Kind::Folder { 0 } else { stat.len },
            mode: stat.mode,
            modified_at: time(stat),
            etag: content.etag(),
            target,
            target_kind: leads_to.map(|stat| kind(stat.kind)),
            path,
        }
    }

    /// Reads a metadata file.
    fn note<T: DeserializeOwned>(&self, path: &FilePath) -> FileResult<T> {
        read_note(self.kept()?, path)
    }
}

fn read_note<T: DeserializeOwned>(kept: &Root, path: &FilePath) -> FileResult<T> {
    let file = kept.open_file(path, Open::READ)?;
    let mut text = Vec::new();
    (&file).take(MAX_NOTE).read_to_end(&mut text)?;
    serde_json::from_slice(&text).map_err(|error| FileError::Io(error.into()))
}

/// Writes a metadata file.
fn keep_note(kept: &Root, path: &FilePath, note: &impl Serialize) -> FileResult<()> {
    let text = serde_json::to_vec(note).map_err(|error| FileError::Io(error.into()))?;
    kept.open_file(path, Open { mode: 0o600, ..Open::REPLACE })?.write_at(&text, 0)
}

fn kind(kind: Kind) -> FileKind {
    match kind {
        Kind::Folder => FileKind::Folder,
        Kind::File => FileKind::File,
        Kind::Symlink => FileKind::Symlink,
        Kind::Special => FileKind::Special,
    }
}

fn time(stat: &Stat) -> DateTime<Utc> {
    DateTime::from_timestamp(stat.modified.seconds, stat.modified.nanoseconds).unwrap_or_default()
}

/// A path in one of the folders beside the files, made from an id rather than from user input.
fn kept(folder: &str, id: Uuid, end: &str) -> FileResult<FilePath> {
    Ok(FilePath::parse(&format!("{folder}/{id}{end}"))?)
}

fn enough(count: usize) -> FileResult<()> {
    match count {
        0 => Err(FileError::Invalid("Name at least one file.".into())),
        1..=MAX_PATHS => Ok(()),
        _ => Err(FileError::TooMuch(format!("Name at most {MAX_PATHS} files."))),
    }
}

#[cfg(test)]
mod tests;
