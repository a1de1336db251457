//! The open handles of a client.

use super::refusal::Refusal;
use crate::files::{Denied, Entries, Entry, File};
use bytes::{Buf, Bytes};
use raptor_model::node::FilePath;
use std::collections::HashMap;

/// Most handles per channel.
pub(super) const MAX_HANDLES: usize = 256;

pub(super) struct OpenFile {
    pub(super) file: File,
    pub(super) path: FilePath,
    pub(super) readable: bool,
    pub(super) writable: bool,
    /// The page of the journal on which a write to this file was last recorded.
    pub(super) noted: u64,
}

/// An open folder.
pub(super) struct OpenFolder {
    pub(super) path: FilePath,
    pub(super) entries: Entries,
    /// An entry that did not fit into the last reply.
    pub(super) ahead: Option<Entry>,
    /// Whether `.` and `..` were already returned.
    pub(super) begun: bool,
}

enum Open {
    File(OpenFile),
    Folder(Box<OpenFolder>),
}

/// All handles of a channel. Numbers are never reused.
#[derive(Default)]
pub(super) struct Handles {
    next: u32,
    open: HashMap<u32, Open>,
}

impl Handles {
    pub(super) fn add_file(&mut self, file: OpenFile) -> Result<u32, Refusal> {
        self.add(Open::File(file))
    }

    pub(super) fn add_folder(&mut self, folder: OpenFolder) -> Result<u32, Refusal> {
        self.add(Open::Folder(Box::new(folder)))
    }

    fn add(&mut self, open: Open) -> Result<u32, Refusal> {
        if self.is_full() {
            return Err(Refusal::new(
                super::wire::StatusCode::Failure,
                "Too many files are open. Close some first.",
            ));
        }
        self.next = self.next.wrapping_add(1);
        self.open.insert(self.next, open);
        Ok(self.next)
    }

    pub(super) fn is_full(&self) -> bool {
        self.open.len() >= MAX_HANDLES
    }

    pub(super) fn file(&mut self, handle: &Bytes) -> Result<&mut OpenFile, Refusal> {
        match self.open.get_mut(&number(handle)?) {
            Some(Open::File(file)) => Ok(file),
            _ => Err(Refusal::no_handle()),
        }
    }

    pub(super) fn folder(&mut self, handle: &Bytes) -> Result<&mut OpenFolder, Refusal> {
        match self.open.get_mut(&number(handle)?) {
            Some(Open::Folder(folder)) => Ok(folder),
            _ => Err(Refusal::no_handle()),
        }
    }

    /// The files of two different handles.
    pub(super) fn files(
        &mut self,
        from: &Bytes,
        to: &Bytes,
    ) -> Result<(&mut OpenFile, &mut OpenFile), Refusal> {
        let (from, to) = (number(from)?, number(to)?);
        match self.open.get_disjoint_mut([&from, &to]) {
            [Some(Open::File(from)), Some(Open::File(to))] => Ok((from, to)),
            _ => Err(Refusal::no_handle()),
        }
    }

    pub(super) fn close(&mut self, handle: &Bytes) -> Result<(), Refusal> {
        self.open.remove(&number(handle)?).map(drop).ok_or_else(Refusal::no_handle)
    }

    /// Closes handles of files that are now denied.
    pub(super) fn close_denied(&mut self, denied: &Denied) {
        self.open.retain(|_, open| match open {
            Open::File(file) => !denied.covers(&file.path, false),
            Open::Folder(folder) => !denied.covers(&folder.path, true),
        });
    }
}

fn number(handle: &Bytes) -> Result<u32, Refusal> {
    let mut bytes = handle.as_ref();
    match bytes.len() {
        4 => Ok(bytes.get_u32()),
        _ => Err(Refusal::no_handle()),
    }
}
