//! Writing extracted entries to their destinations.

use super::{
    super::{Workspace, kept, operations::Progress},
    Bounds, PIECE, Unpacking, broken,
};
use crate::files::{FileError, FilePath, FileResult, Kind, Open, Root, Time};
use raptor_model::node::files::Existing;
use std::{
    collections::HashMap,
    io::{Read, Write},
};
use uuid::Uuid;

/// Most names that are tried to keep both files.
const MAX_NAMES: u32 = 1_000;

/// Why an entry could not be extracted.
#[derive(Debug)]
pub(in super::super) enum Fault {
    /// The entry is left out; others can still be extracted.
    LeftOut(String),
    /// Its content can't be read. The format determines whether the entries after it can.
    Damaged(String),
    /// Extraction ends here.
    Fatal(FileError),
}

impl From<FileError> for Fault {
    fn from(error: FileError) -> Self {
        match error {
            FileError::OverLimit { .. }
            | FileError::NoSpace { .. }
            | FileError::TooMuch(_)
            | FileError::Busy
            | FileError::Cancelled
            | FileError::Io(_) => Self::Fatal(error),
            other => Self::LeftOut(other.to_string()),
        }
    }
}

/// The fault for a problem with an entry's content.
pub(in super::super) fn damage(error: FileError) -> Fault {
    match error {
        FileError::Invalid(why) => Fault::Damaged(why),
        error => error.into(),
    }
}

pub(in super::super) fn refused(why: &str) -> Fault {
    Fault::LeftOut(why.to_owned())
}

/// The destination of a file.
struct Destination {
    path: FilePath,
    replace: bool,
}

/// The destination of an archive.
pub(in super::super) struct Target<'w> {
    workspace: &'w Workspace,
    kept_folder: &'w Root,
    into: &'w FilePath,
    existing: Existing,
    pub(in super::super) bounds: Bounds<'w>,
    /// Whether a damaged entry makes the following ones unreadable.
    pub(in super::super) solid: bool,
    /// What was wrong with the last damaged entry.
    pub(in super::super) damaged: Option<String>,
    /// The number of extracted files, folders and links, and the name of the last one.
    done: u64,
    last: String,
    /// Created folders with their timestamps, which are set at the end since adding entries changes them.
    folders: Vec<(FilePath, Time)>,
    /// Entries that were extracted under another name; `None` for those that were left out.
    elsewhere: HashMap<FilePath, Option<FilePath>>,
    /// For each top-level folder, whether this archive created it, and so everything in it.
    tops: HashMap<String, bool>,
    /// The last number used to keep both files, by path.
    numbers: HashMap<FilePath, u32>,
}

impl<'w> Target<'w> {
    pub(super) fn new(
        workspace: &'w Workspace,
        task: &Unpacking<'w>,
        bounds: Bounds<'w>,
    ) -> FileResult<Self> {
        Ok(Self {
            kept_folder: workspace.kept_folder("uploads")?,
            workspace,
            into: task.into,
            existing: task.existing,
            bounds,
            solid: true,
            damaged: None,
            done: 0,
            last: String::new(),
            folders: Vec::new(),
            elsewhere: HashMap::new(),
            tops: HashMap::new(),
            numbers: HashMap::new(),
        })
    }

    fn progress(&self) -> &Progress {
        self.bounds.progress
    }

    /// Continues after an entry that was left out, and records it.
    ///
    /// # Errors
    /// Faults that end the extraction.
    pub(in super::super) fn settle(&mut self, name: &str, unpacked: Result<(), Fault>) -> FileResult<()> {
        match unpacked {
            Ok(()) => {
                self.done += 1;
                name.clone_into(&mut self.last);
            }
            Err(Fault::LeftOut(why)) => self.progress().leave_out(name, &why),
            Err(Fault::Damaged(why)) => {
                self.progress().leave_out(name, &why);
                if self.solid {
                    return Err(self.ended(&why));
                }
                self.damaged = Some(why);
            }
            Err(Fault::Fatal(error)) => return Err(error),
        }
        Ok(())
    }

    /// The error if the rest of an archive can't be read: the cause, what was extracted, and what was not.
    pub(in super::super) fn ended(&self, why: &str) -> FileError {
        let last = &self.last;
        FileError::Invalid(match self.done {
            0 => format!("{why} Nothing was unpacked."),
            1 => {
                format!("{why} Only {last:?} was unpacked and stays; what follows it in the archive was not.")
            }
            done => format!(
                "{why} {done} files and folders, up to {last:?}, were unpacked and stay; what follows in the archive was not."
            ),
        })
    }

    /// Whether anything was extracted.
    pub(in super::super) fn has_unpacked(&self) -> bool {
        self.done > 0
    }

    /// Sets the timestamps of folders.
    pub(super) fn finish(&mut self) {
        while let Some((path, time)) = self.folders.pop() {
            let _ = self.workspace.root.set_times(&path, time, time, false);
        }
    }

    fn place(&self, name: &str) -> Result<FilePath, Fault> {
        self.into.join(name).map_err(|error| match error {
            raptor_model::node::PathError::Outside => refused("It is outside the folder."),
            other => Fault::LeftOut(other.to_string()),
        })
    }

    pub(in super::super) fn folder(&mut self, name: &str, modified: Option<Time>) -> Result<(), Fault> {
        let path = self.place(name)?;
        let new = self.comes_with_archive(&path) || self.workspace.root.lstat(&path).is_err();
        self.workspace.root.create_dir_all(&path)?;
        if new {
            self.folders.extend(modified.map(|modified| (path, modified)));
        }
        Ok(())
    }

    /// Whether the top-level folder of `path` did not exist before. Call it before the folder is created.
    fn comes_with_archive(&mut self, path: &FilePath) -> bool {
        let below = path.as_str().get(self.into.as_str().len()..).unwrap_or_default();
        let Some(top) = below.split('/').find(|name| !name.is_empty()) else { return false };
        if let Some(known) = self.tops.get(top) {
            return *known;
        }
        let new = self.into.join(top).is_ok_and(|top| self.workspace.root.lstat(&top).is_err());
        self.tops.insert(top.to_owned(), new);
        new
    }

    /// Extracts a file, which appears at its destination when it is complete.
    pub(in super::super) fn file(
        &mut self,
        name: &str,
        mode: u32,
        modified: Option<Time>,
        content: &mut dyn Read,
    ) -> Result<(), Fault> {
        let path = self.place(name)?;
        let unpacked = self.try_file(path.clone(), mode, modified, content);
        if matches!(unpacked, Err(Fault::LeftOut(_) | Fault::Damaged(_))) {
            self.elsewhere.insert(path, None);
        }
        unpacked
    }

    fn try_file(
        &mut self,
        path: FilePath,
        mode: u32,
        modified: Option<Time>,
        content: &mut dyn Read,
    ) -> Result<(), Fault> {
        let spot = self.make_room(path)?;
        let beside = kept("uploads", Uuid::now_v7(), "")?;
        let done = self.fill(&beside, mode, modified, content).and_then(|()| {
            Ok(self.kept_folder.rename_into(&beside, &self.workspace.root, &spot.path, spot.replace)?)
        });
        if done.is_err() {
            let _ = self.kept_folder.remove_file(&beside);
        }
        done
    }

    fn fill(
        &mut self,
        beside: &FilePath,
        mode: u32,
        modified: Option<Time>,
        content: &mut dyn Read,
    ) -> Result<(), Fault> {
        let mode = (mode & 0o777) | 0o600;
        let mut file = self.kept_folder.open_file(beside, Open { mode, ..Open::NEW })?;
        let mut buffer = vec![0; PIECE];
        loop {
            let read = content.read(&mut buffer).map_err(|error| damage(broken(error)))?;
            if read == 0 {
                break;
            }
            self.bounds.bytes(read as u64)?;
            file.write_all(buffer.get(..read).unwrap_or_default()).map_err(FileError::from)?;
        }
        if let Some(modified) = modified {
            file.set_times(modified, modified)?;
        }
        Ok(())
    }

    pub(in super::super) fn link(
        &mut self,
        name: &str,
        target: &str,
        modified: Option<Time>,
    ) -> Result<(), Fault> {
        let spot = self.make_room(self.place(name)?)?;
        let workspace = self.workspace;
        let root = &workspace.root;
        // Written to a temporary file first, so that the existing file is only replaced by a complete one.
        let path = if spot.replace { beside(&spot.path)? } else { spot.path.clone() };
        match root.symlink(target, &path) {
            Err(FileError::Outside) => return Err(refused("It is a link that leads outside.")),
            other => other?,
        }
        if let Some(modified) = modified {
            let _ = root.set_times(&path, modified, modified, false);
        }
        if spot.replace {
            let placed = root.rename(&path, &spot.path, true);
            if placed.is_err() {
                let _ = root.remove_file(&path);
            }
            placed?;
        }
        Ok(())
    }

    /// Extracts a hard link as a copy of a file that was extracted before.
    pub(super) fn twin(&mut self, name: &str, of: &str) -> Result<(), Fault> {
        let source = match self.elsewhere.get(&self.place(of)?) {
            Some(None) => return Err(refused("It is a hard link to a file that was left out.")),
            Some(Some(path)) => path.clone(),
            None => self.place(of)?,
        };
        let mut file = match self.workspace.root.open_file(&source, Open::READ) {
            Err(FileError::NotFound) => {
                return Err(refused("It is a hard link to a file that is not in the archive."));
            }
            other => other?,
        };
        let stat = file.stat()?;
        self.file(name, stat.mode, Some(stat.modified), &mut file)
    }

    /// A free name: `world (1).dat` for `world.dat`. Numbers that were used before are not tried again, since an archive of
    /// many equal names would keep a core busy.
    fn free_name(&mut self, path: &FilePath) -> Result<FilePath, Fault> {
        let (parent, name) = (path.parent().ok_or(FileError::IsAFolder)?, path.name().unwrap_or_default());
        let (stem, end) = match name.rfind('.') {
            Some(at @ 1..) => name.split_at(at),
            _ => (name, ""),
        };
        let last = self.numbers.entry(path.clone()).or_default();
        while *last < MAX_NAMES {
            *last += 1;
            let free = parent.join(&format!("{stem} ({last}){end}")).map_err(FileError::from)?;
            if matches!(self.workspace.root.lstat(&free), Err(FileError::NotFound)) {
                return Ok(free);
            }
        }
        Err(refused("A file with this name already exists, and so do files with all similar names."))
    }

    /// Prepares a file's destination, creating its parent folders.
    fn make_room(&mut self, path: FilePath) -> Result<Destination, Fault> {
        let workspace = self.workspace;
        let root = &workspace.root;
        let parent = path.parent().ok_or(FileError::IsAFolder)?;
        self.comes_with_archive(&parent);
        root.create_dir_all(&parent)?;
        let there = match root.lstat(&path) {
            Err(FileError::NotFound) => return Ok(Destination { path, replace: false }),
            other => other?,
        };
        match self.existing {
            Existing::KeepBoth => {
                let free = self.free_name(&path)?;
                self.elsewhere.insert(path, Some(free.clone()));
                Ok(Destination { path: free, replace: false })
            }
            _ if there.kind == Kind::Folder => Err(refused("A folder with this name already exists.")),
            Existing::Replace => Ok(Destination { path, replace: true }),
            Existing::Skip => Err(refused("A file with this name already exists.")),
        }
    }
}

fn beside(path: &FilePath) -> FileResult<FilePath> {
    let parent = path.parent().ok_or(FileError::IsAFolder)?;
    Ok(parent.join(&format!(".raptor-{}", Uuid::now_v7().simple()))?)
}
