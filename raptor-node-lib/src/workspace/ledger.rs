//! Running operations, recorded on disk so that the next daemon knows of those that were interrupted.

use super::{
    Workspace, keep_note, kept,
    operations::{LISTED, Running},
};
use crate::files::{FileError, FilePath, FileResult};
use raptor_model::node::files::{FileTask, Operation, OperationState};
use std::sync::Arc;
use uuid::Uuid;

const FOLDER: &str = "operations";
/// Most paths recorded per operation.
const NAMED: usize = 20;
const BROKEN_OFF: &str = "The daemon was restarted during this operation. Start it again. What was copied, unpacked or deleted by \
                          then stays, and partial archives and downloads were deleted.";

impl Workspace {
    /// Records a running operation. If that fails, e.g. on a full disk, the operation runs nevertheless.
    pub(super) fn note_running(&self, operation: &Operation) {
        let mut operation = operation.clone();
        match &mut operation.task {
            FileTask::Copy { copies } => copies.truncate(NAMED),
            FileTask::Delete { paths } | FileTask::Archive { paths, .. } => paths.truncate(NAMED),
            FileTask::Extract { .. } | FileTask::Pull { .. } => {}
        }
        let noted = self
            .kept_folder(FOLDER)
            .and_then(|kept| keep_note(&kept.beyond_limit(), &note_of(operation.id)?, &operation));
        if let Err(error) = noted {
            tracing::warn!(%error, "recording a file operation failed");
        }
    }

    /// Deletes that record.
    pub(super) fn forget_running(&self, id: Uuid) {
        match note_of(id).and_then(|path| self.kept()?.remove_file(&path)) {
            Ok(()) | Err(FileError::NotFound) => {}
            Err(error) => tracing::warn!(%error, "deleting the record of a file operation failed"),
        }
    }

    /// The operations that were interrupted when the previous daemon ended, as failed; also deletes what they left half-done
    /// beside the folder. Call it before any operation is started.
    pub(super) fn recover(&self) -> Vec<Arc<Running>> {
        if let Err(error) = self.remove_halves() {
            tracing::warn!(%error, "deleting partial files failed");
        }
        self.broken_off().unwrap_or_else(|error| {
            tracing::warn!(%error, "reading interrupted file operations failed");
            Vec::new()
        })
    }

    fn broken_off(&self) -> FileResult<Vec<Arc<Running>>> {
        let now = self.clock.now();
        let mut found = Vec::new();
        for entry in self.kept_entries(&FilePath::parse(FOLDER)?)? {
            let name = entry?.name;
            let Some(id) = name.strip_suffix(".json").and_then(|id| id.parse::<Uuid>().ok()) else {
                continue;
            };
            let Ok(mut operation) = self.note::<Operation>(&note_of(id)?) else {
                self.forget_running(id);
                continue;
            };
            // If nobody has seen it, it is listed again after another restart, for the usual time.
            let ended = *operation.ended_at.get_or_insert(now);
            if now - ended >= LISTED {
                self.forget_running(id);
                continue;
            }
            (operation.state, operation.problem) = (OperationState::Failed, Some(BROKEN_OFF.into()));
            self.note_running(&operation);
            found.push(Arc::new(Running::ended(operation)));
        }
        found.sort_by_key(|running| running.id);
        Ok(found)
    }

    /// Deletes files of interrupted writes, downloads and archives that no record belongs to.
    fn remove_halves(&self) -> FileResult<()> {
        for entry in self.kept_entries(&FilePath::parse("uploads")?)? {
            let Ok(id) = entry?.name.parse::<Uuid>() else { continue };
            if matches!(self.kept()?.lstat(&kept("uploads", id, ".json")?), Err(FileError::NotFound)) {
                self.kept()?.remove_file(&kept("uploads", id, "")?)?;
            }
        }
        Ok(())
    }
}

fn note_of(id: Uuid) -> FileResult<FilePath> {
    kept(FOLDER, id, ".json")
}
