//! Where what is unpacked goes.

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

/// How many names are tried to keep both.
const MAX_NAMES: u32 = 1_000;

/// Why an entry is not unpacked.
#[derive(Debug)]
pub(in super::super) enum Fault {
    /// This one is left out; the others can be unpacked.
    LeftOut(String),
    /// Its content can't be read. Whether what follows can be depends on the format.
    Damaged(String),
    /// It ends here.
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

/// What is wrong with an entry's content.
pub(in super::super) fn damage(error: FileError) -> Fault {
    match error {
        FileError::Invalid(why) => Fault::Damaged(why),
        error => error.into(),
    }
}

pub(in super::super) fn refused(why: &str) -> Fault {
    Fault::LeftOut(why.to_owned())
}

/// A place for a file.
struct Destination {
    path: FilePath,
    replace: bool,
}

/// Where everything goes.
pub(in super::super) struct Target<'w> {
    workspace: &'w Workspace,
    shelf: &'w Root,
    into: &'w FilePath,
    existing: Existing,
    pub(in super::super) bounds: Bounds<'w>,
    /// Whether a damaged entry leaves no way to the next one.
    pub(in super::super) solid: bool,
    /// What was wrong with the last damaged entry.
    pub(in super::super) damaged: Option<String>,
    /// Files, folders and links that were unpacked, and the name of the last one.
    done: u64,
    last: String,
    /// Folders that were made, with their times: what is put into them changes those.
    folders: Vec<(FilePath, Time)>,
    /// Where entries are that are not where their names say; none for those that were left out.
    elsewhere: HashMap<FilePath, Option<FilePath>>,
    /// Of folders right below, whether they came with this archive: then so did what is in them.
    tops: HashMap<String, bool>,
    /// The last number that was given to keep both, by path.
    numbers: HashMap<FilePath, u32>,
}

impl<'w> Target<'w> {
    pub(super) fn new(
        workspace: &'w Workspace,
        task: &Unpacking<'w>,
        bounds: Bounds<'w>,
    ) -> FileResult<Self> {
        Ok(Self {
            shelf: workspace.shelf("uploads")?,
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

    /// Goes on after an entry that is left out, with a note of it.
    ///
    /// # Errors
    /// What ends all.
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

    /// What is said where nothing more of an archive can be read: what was wrong, what was unpacked, and what was not.
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

    /// Whether anything was unpacked.
    pub(in super::super) fn has_unpacked(&self) -> bool {
        self.done > 0
    }

    /// Gives folders their times.
    pub(super) fn finish(&mut self) {
        while let Some((path, time)) = self.folders.pop() {
            let _ = self.workspace.root.set_times(&path, time, time, false);
        }
    }

    fn place(&self, name: &str) -> Result<FilePath, Fault> {
        self.into.join(name).map_err(|error| match error {
            raptor_model::node::PathError::Outside => refused("It leads out of the folder."),
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

    /// Whether the folder right below that `path` is, or lies in, was not there before. To be asked before it is made.
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

    /// It appears when it is whole.
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
            Ok(self.shelf.rename_into(&beside, &self.workspace.root, &spot.path, spot.replace)?)
        });
        if done.is_err() {
            let _ = self.shelf.remove_file(&beside);
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
        let mut file = self.shelf.open_file(beside, Open { mode, ..Open::NEW })?;
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
        // Into a place of its own first: what it replaces goes only when there is something instead.
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

    /// Another name of a file that was unpacked before: a copy of it.
    pub(super) fn twin(&mut self, name: &str, of: &str) -> Result<(), Fault> {
        let source = match self.elsewhere.get(&self.place(of)?) {
            Some(None) => return Err(refused("The file that this is another name of was left out.")),
            Some(Some(path)) => path.clone(),
            None => self.place(of)?,
        };
        let mut file = match self.workspace.root.open_file(&source, Open::READ) {
            Err(FileError::NotFound) => {
                return Err(refused("The file that this is another name of is not in the archive."));
            }
            other => other?,
        };
        let stat = file.stat()?;
        self.file(name, stat.mode, Some(stat.modified), &mut file)
    }

    /// `world (1).dat` for `world.dat`. Numbers that were given before are not tried again, or an archive of many equal names would
    /// keep a core busy.
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
        Err(refused("There is a file of this name already, and of all names like it."))
    }

    /// The place of a file, with the folders on the way made.
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
            _ if there.kind == Kind::Folder => Err(refused("There is a folder of this name.")),
            Existing::Replace => Ok(Destination { path, replace: true }),
            Existing::Skip => Err(refused("There is a file of this name already.")),
        }
    }
}

fn beside(path: &FilePath) -> FileResult<FilePath> {
    let parent = path.parent().ok_or(FileError::IsAFolder)?;
    Ok(parent.join(&format!(".raptor-{}", Uuid::now_v7().simple()))?)
}
