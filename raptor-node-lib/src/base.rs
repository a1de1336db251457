//! The daemon's base folder: making sure that it belongs to this daemon alone, and that its disk is mounted.

use crate::runtime::{Engine, OwnedContainer};
use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};
use uuid::Uuid;

/// A daemon's locked base folder.
pub(crate) struct Base {
    path: PathBuf,
    instance: Uuid,
    lock: Mutex<Option<File>>,
    state: Mutex<State>,
}

enum State {
    /// It belongs to this daemon.
    Known,
    /// It looks new on disk; the engine has not confirmed that yet.
    Unsettled,
    /// The engine has containers whose files should be in it, and none of them is there.
    Lost {
        /// The sentence for people.
        why: String,
        /// The id of the daemon that created those containers.
        instance: Uuid,
    },
}

impl Base {
    /// Locks the folder at `path`, creating it if it is missing, and finds out which daemon it belongs to. If the disk of a
    /// daemon is not mounted, its id is taken from its containers.
    ///
    /// # Errors
    /// If the folder is unusable or in use by another daemon.
    pub(crate) async fn open(path: &Path, engine: &dyn Engine) -> io::Result<Self> {
        let state = path.join(".raptor");
        fs::create_dir_all(&state)?;
        let path = path.canonicalize()?;
        let lock = lock(&path)?;
        let base = |instance, state| Self {
            path: path.clone(),
            instance,
            lock: Mutex::new(lock),
            state: Mutex::new(state),
        };
        if let Some(instance) = read(&path) {
            return Ok(base(instance, State::Known));
        }
        let new = Uuid::now_v7();
        let Ok(made) = engine.made_for(&path).await else {
            return Ok(base(new, State::Unsettled));
        };
        match made.first() {
            None => {
                keep(&path, new)?;
                Ok(base(new, State::Known))
            }
            Some(first) if is_lost(&path, &made) => {
                let why = lost(&path, &made);
                tracing::error!("{why}");
                Ok(base(first.instance, State::Lost { why, instance: first.instance }))
            }
            Some(first) => {
                tracing::warn!(folder = %path.display(), "the daemon's state was lost; taking over its containers again");
                keep(&path, first.instance)?;
                Ok(base(first.instance, State::Known))
            }
        }
    }

    pub(crate) fn instance(&self) -> Uuid {
        self.instance
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Finds out which daemon the folder belongs to, once an engine that was unavailable at first answers.
    pub(crate) async fn settle(&self, engine: &dyn Engine) {
        if !matches!(*self.state(), State::Unsettled) {
            return;
        }
        let Ok(made) = engine.made_for(&self.path).await else { return };
        let mut state = self.state();
        if let Some(first) = made.first() {
            let why = missing(&self.path, &made);
            tracing::error!("{why}");
            *state = State::Lost { why, instance: first.instance };
        } else {
            match keep(&self.path, self.instance) {
                Ok(()) => *state = State::Known,
                Err(error) => tracing::error!(%error, "storing the daemon's id failed"),
            }
        }
    }

    /// Why nothing may be started or installed in it; `None` if all is well. Blocks briefly.
    pub(crate) fn problem(&self) -> Option<String> {
        let folder = self.path.display();
        match (&*self.state(), read(&self.path)) {
            (State::Unsettled, _) => None,
            (State::Lost { why, .. }, None) => Some(why.clone()),
            (State::Lost { instance, .. }, Some(found)) if found == *instance => Some(format!(
                "The disk of {folder} is back. The daemon continues with it in a moment, unless another daemon uses it."
            )),
            (State::Known, Some(instance)) if instance == self.instance => None,
            (State::Known, None) => Some(format!(
                "The folder {folder} no longer contains the daemon's data. Is its disk still mounted? Nothing is started until it is back."
            )),
            (_, Some(_)) => Some(format!(
                "Another folder was mounted at {folder} while the daemon ran. Restart the daemon: until then nothing is started."
            )),
        }
    }

    /// Whether the missing disk is mounted now: it has the id that its containers were created with, and no other daemon uses
    /// it. What this process has open still refers to the folder below the mount. Blocking.
    pub(crate) fn is_back(&self) -> bool {
        let State::Lost { instance, .. } = *self.state() else { return false };
        read(&self.path) == Some(instance) && lock(&self.path).is_ok()
    }

    /// Whether a disk was mounted over the folder that this daemon started with. What the daemon knows is older than what that
    /// disk holds, and must not be written to it. Blocking.
    pub(crate) fn is_covered(&self) -> bool {
        matches!(*self.state(), State::Lost { .. }) && read(&self.path).is_some()
    }

    /// Releases the lock, so that another daemon can use the folder.
    pub(crate) fn release(&self) {
        let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Closing is not enough: a child process that is being started inherits the file until it executes its program.
        if let Some(Err(error)) = lock.map(|lock| lock.unlock()) {
            tracing::warn!(%error, "releasing the lock on the folder failed");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Locks out other daemons for as long as the file is open; the kernel releases the lock when the process ends. `None` if the
/// file system does not support locks.
fn lock(base: &Path) -> io::Result<Option<File>> {
    let path = base.join(".raptor/lock");
    let mut file = File::options().create(true).truncate(false).read(true).write(true).open(&path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            let holder = match holder.trim() {
                "" => String::new(),
                pid => format!(" (process {pid})"),
            };
            return Err(io::Error::new(
                io::ErrorKind::WouldBlock,
                format!(
                    "Another Raptor daemon{holder} uses the folder {}. Stop it, or give this one a folder of its own.",
                    base.display()
                ),
            ));
        }
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
            tracing::warn!(folder = %base.display(), "this file system does not support locks: make sure that only one daemon uses the folder");
            return Ok(None);
        }
        Err(TryLockError::Error(error)) => return Err(error),
    }
    file.set_len(0)?;
    write!(file, "{}", std::process::id())?;
    Ok(Some(file))
}

fn read(base: &Path) -> Option<Uuid> {
    fs::read_to_string(base.join(".raptor/instance")).ok()?.trim().parse().ok()
}

/// Stores the daemon's id atomically.
fn keep(base: &Path, instance: Uuid) -> io::Result<()> {
    let folder = base.join(".raptor");
    fs::create_dir_all(&folder)?;
    let temporary = folder.join("instance.new");
    fs::write(&temporary, instance.to_string())?;
    fs::rename(temporary, folder.join("instance"))
}

/// Whether none of the containers' folders exists: the disk is missing, and not just the state.
fn is_lost(base: &Path, made: &[OwnedContainer]) -> bool {
    !made.iter().any(|made| base.join(made.id.to_string()).exists())
}

fn lost(base: &Path, made: &[OwnedContainer]) -> String {
    let instance = made.first().map_or(Uuid::nil(), |made| made.instance);
    let count = match made.len() {
        1 => "Docker has a container that keeps its files".to_owned(),
        n => format!("Docker has {n} containers that keep their files"),
    };
    format!(
        "{count} in {}, and that folder is empty. Is its disk mounted? Mount it, and the daemon continues automatically. Until then, nothing is started and running containers are left alone. If the files are lost for good, remove those containers (docker rm -f $(docker ps -aq --filter label=raptor.instance={instance})) and restart the daemon.",
        base.display()
    )
}

/// The message if the daemon's own state is missing, found out while it runs.
fn missing(base: &Path, made: &[OwnedContainer]) -> String {
    if is_lost(base, made) { lost(base, made) } else { forgotten(base) }
}

/// The message if the containers' files exist, but whose they are was only found out while the daemon runs.
fn forgotten(base: &Path) -> String {
    format!(
        "The daemon's data in {} is gone, but its containers' files are there. Docker was not available when the daemon was started: restart the daemon, and it takes over its containers again. Until then nothing is started, and running containers are left alone.",
        base.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Docker;

    fn nowhere() -> Docker {
        Docker::new(Path::new("/nonexistent/docker.sock"))
    }

    #[tokio::test]
    async fn a_folder_has_one_daemon_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = Base::open(folder.path(), &nowhere()).await.unwrap();
        let refused = Base::open(folder.path(), &nowhere()).await.err().unwrap().to_string();
        let process = format!("(process {})", std::process::id());
        assert!(refused.contains("Another Raptor daemon") && refused.contains(&process), "{refused}");
        first.release();
        Base::open(folder.path(), &nowhere()).await.unwrap();
    }

    #[tokio::test]
    async fn a_folder_that_is_gone_or_another_one_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let id = Uuid::now_v7();
        fs::create_dir(folder.path().join(".raptor")).unwrap();
        keep(folder.path(), id).unwrap();
        let base = Base::open(folder.path(), &nowhere()).await.unwrap();
        assert_eq!((base.instance(), base.problem()), (id, None));
        fs::rename(folder.path().join(".raptor"), folder.path().join("away")).unwrap();
        assert!(base.problem().unwrap().contains("still mounted?"));
        keep(folder.path(), Uuid::now_v7()).unwrap();
        assert!(base.problem().unwrap().contains("Restart the daemon"));
        fs::remove_dir_all(folder.path().join(".raptor")).unwrap();
        fs::rename(folder.path().join("away"), folder.path().join(".raptor")).unwrap();
        assert_eq!(base.problem(), None, "it is back");
    }

    #[tokio::test]
    async fn a_disk_that_was_missing_is_taken_when_it_is_this_daemons_and_nobody_else_uses_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut base = Base::open(folder.path(), &nowhere()).await.unwrap();
        let (own, other) = (Uuid::now_v7(), Uuid::now_v7());
        base.state = Mutex::new(State::Lost { why: "It is empty.".into(), instance: own });
        assert!(!base.is_back() && !base.is_covered());
        // As if a mount hid the folder's content.
        let mount = |id| {
            fs::remove_dir_all(folder.path().join(".raptor")).unwrap();
            keep(folder.path(), id).unwrap();
        };
        mount(other);
        assert!(base.is_covered() && !base.is_back(), "another daemon's disk");
        assert!(base.problem().unwrap().contains("Another folder was mounted"));
        mount(own);
        let user = lock(folder.path()).unwrap();
        assert!(!base.is_back(), "another daemon uses it");
        drop(user);
        assert!(base.is_back());
        assert!(base.problem().unwrap().contains("is back"));
    }

    #[test]
    fn a_folder_that_has_the_containers_files_is_not_called_empty() {
        let folder = tempfile::tempdir().unwrap();
        let made =
            [OwnedContainer { id: raptor_model::id::ContainerId::generate(), instance: Uuid::now_v7() }];
        assert!(missing(folder.path(), &made).contains("that folder is empty"));
        fs::create_dir(folder.path().join(made[0].id.to_string())).unwrap();
        let said = missing(folder.path(), &made);
        assert!(said.contains("files are there") && said.contains("restart the daemon"), "{said}");
        assert!(!said.contains("empty") && !said.contains("docker rm"), "{said}");
    }

    #[tokio::test]
    async fn the_id_is_kept_only_when_the_engine_has_said_that_the_folder_is_new() {
        let folder = tempfile::tempdir().unwrap();
        let base = Base::open(folder.path(), &nowhere()).await.unwrap();
        assert_eq!((read(folder.path()), base.problem()), (None, None));
    }
}
