//! Taking over what the engine has: the stored state may be missing or outdated, but running processes are kept in any case.

use super::{
    engine,
    monitor::ASK_AGAIN,
    supervisor::{Msg, Supervisor},
};
use crate::runtime::{EngineContainer, Part};
use raptor_model::{
    containers::lifecycle::{Hold, Input, Phase},
    node::{Fault, Happening},
};
use std::{path::Path, time::Duration};
use tracing::Instrument;

/// How long the engine is waited for before its container may be used.
const FIRST_LOOK: Duration = Duration::from_secs(2);

/// Why the engine is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueryReason {
    /// Nothing is known of the container.
    New,
    /// It is taken over from an earlier daemon, and was offline as far as that knew.
    TakenOver,
    /// Something was not as expected.
    Again,
}

/// In place of an inode number: the folder is known to be gone. No file system uses 0.
const GONE: u64 = 0;

impl Supervisor {
    /// Finds out what the engine has of a container that should be offline.
    pub(super) async fn check_engine(&mut self, reason: QueryReason) {
        match tokio::time::timeout(FIRST_LOOK, self.context.engine.found(self.place.id)).await {
            Ok(Ok(found)) => self.looked(reason, found).await,
            _ => self.query_engine(reason),
        }
    }

    /// Asks the engine again as soon as it answers.
    pub(super) fn query_engine(&self, reason: QueryReason) {
        let (context, id, messages) = (self.context.clone(), self.place.id, self.messages.clone());
        let looking = async move {
            loop {
                if let Ok(found) = context.engine.found(id).await {
                    let _ = messages.send(Msg::Looked(reason, found)).await;
                    return;
                }
                tokio::time::sleep(ASK_AGAIN).await;
            }
        };
        let stop = self.context.stop.clone();
        let looking = async move { stop.run_until_cancelled(looking).await };
        self.context.tasks.spawn(looking.in_current_span());
    }

    pub(super) async fn looked(&mut self, reason: QueryReason, found: Vec<EngineContainer>) {
        let mut servers =
            found.into_iter().filter(|found| found.part == Part::Server && found.ours).peekable();
        if reason == QueryReason::New && servers.peek().is_some() {
            // The state was lost. A container that has been started was installed before.
            self.installed = self.spec.install.as_ref().map_or(0, |install| install.number);
            self.status.send_modify(|status| status.installed = self.installed);
            if self.installed > 0 {
                // Its end may never have been reported. Reported twice, it counts once.
                let ended = Happening::Installed {
                    number: self.installed,
                    problem: None,
                    warning: None,
                    lines: Vec::new(),
                };
                self.report(ended);
            }
        }
        let idle = self.run.is_none() && self.booting.is_none() && self.life.hold != Some(Hold::Installing);
        match servers.find(|found| found.runs) {
            Some(found) if idle => self.take(found).await,
            None if reason == QueryReason::TakenOver => self.input(Input::TakenOver).await,
            _ => {}
        }
    }

    /// Takes over a process that this daemon did not know.
    async fn take(&mut self, found: EngineContainer) {
        let mut run = engine::run_of(&self.context, &self.console, &found).await;
        if let Some(last) = self.last.take().filter(|last| last.container == run.container) {
            // It is another run of the same container: the engine's log has both, the console only the first.
            run.after_line = last.after_line;
        }
        self.context.say(&self.console, "It was found running in Docker and is supervised again.");
        let problem = self.context.folder_problem().await;
        self.status.send_modify(|status| {
            (status.started_at, status.problem) = (Some(run.started_at), problem);
            (status.process_revision, status.fault) = (Some(run.revision), None);
        });
        self.monitor(&run, None);
        self.run = Some(run);
        self.save();
        match self.life.phase {
            Phase::Offline => self.input(Input::FoundRunning).await,
            Phase::Starting if self.spec.done.is_empty() => self.input(Input::Ready).await,
            Phase::Stopping if self.life.asking => self.ask_to_stop().await,
            _ => {}
        }
        self.publish();
    }

    /// Reports a container that this host had before and that has no files now, as after the database was restored from a
    /// backup made before the container's deletion, or the host's folder from one made before the container's creation.
    pub(super) async fn report_missing_files(&mut self) {
        if !self.spec.existed || self.run.is_some() || self.context.folder_problem().await.is_some() {
            return;
        }
        let data = self.place.data.clone();
        let there = tokio::task::spawn_blocking(move || data.exists());
        if there.await.unwrap_or(true) {
            return;
        }
        self.folder = Some(GONE);
        let problem = gone(&self.place.data);
        self.context.say(&self.console, problem.clone());
        self.status.send_modify(|status| {
            (status.problem, status.fault) = (Some(problem), Some(Box::new(Fault::FilesMissing)));
        });
        self.save();
        self.publish();
    }

    /// Records which folder the container has, so that a replaced one is noticed.
    pub(super) async fn note_folder(&mut self) {
        let data = self.place.data.clone();
        let folder = tokio::task::spawn_blocking(move || inode(&data)).await.unwrap_or_default();
        self.folder = folder.or(self.folder);
        self.save();
    }
}

fn inode(folder: &Path) -> Option<u64> {
    std::fs::metadata(folder).ok().map(|found| std::os::unix::fs::MetadataExt::ino(&found))
}

/// What is known of a container's data folder.
#[derive(Clone, Copy, Debug)]
pub(super) struct Folder {
    /// Its inode number, once it exists.
    pub(super) inode: Option<u64>,
    /// Whether the container was installed or has run.
    pub(super) used: bool,
}

impl Folder {
    /// Refuses a folder that is missing, or was replaced by an empty one, if there had been files: a game that finds nothing
    /// creates a new world. Blocking.
    ///
    /// # Errors
    /// A sentence for people.
    pub(super) fn check(self, data: &Path) -> Result<(), String> {
        let empty = || !data.exists() || is_empty(data);
        if self.inode == Some(GONE) && empty() {
            return Err(gone(data));
        }
        let what = match inode(data) {
            None if self.used || self.inode.is_some() => "is missing",
            Some(now) if self.inode.is_some_and(|known| known != now) && is_empty(data) => {
                "is empty, and is not the one that it had"
            }
            _ => return Ok(()),
        };
        Err(format!(
            "The folder of this container, {}, {what}. Is its disk mounted? If the files are lost for good, put a file there or install the container again. It then starts with what is there.",
            data.display()
        ))
    }
}

/// The sentence for people about a missing folder.
fn gone(data: &Path) -> String {
    format!(
        "This host no longer has the container's files ({}). The container was probably deleted and came back with an older backup of the database, or the host's folder was restored from an older backup. Restore the files from a backup, install the container again, or delete it. It does not start on an empty folder.",
        data.display()
    )
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_missing_or_was_replaced_by_an_empty_one_is_refused_and_any_other_is_taken() {
        let base = tempfile::tempdir().unwrap();
        let data = base.path().join("data");
        let new = Folder { inode: None, used: false };
        assert_eq!(new.check(&data), Ok(()), "a new container's folder is made");
        let lost = Folder { inode: Some(GONE), used: false };
        assert!(lost.check(&data).unwrap_err().contains("no longer has the container's files"));
        let of_before = Folder { inode: None, used: true };
        assert!(of_before.check(&data).unwrap_err().contains("is missing. Is its disk mounted?"));
        std::fs::create_dir(&data).unwrap();
        let known = Folder { inode: inode(&data), used: true };
        assert!(lost.check(&data).is_err(), "who looks for files makes the folder, but not the files");
        assert_eq!(known.check(&data), Ok(()), "its owner emptied it");
        std::fs::rename(&data, base.path().join("elsewhere")).unwrap();
        assert!(known.check(&data).is_err());
        std::fs::create_dir(&data).unwrap();
        assert!(known.check(&data).unwrap_err().contains("is empty"));
        std::fs::write(data.join("world.dat"), "").unwrap();
        assert_eq!((known.check(&data), lost.check(&data)), (Ok(()), Ok(())), "restored from a copy");
    }
}
