//! What should be on this host, kept on disk so that the daemon needs nobody to know it.

use chrono::{DateTime, Utc};
use raptor_model::{
    configfiles::Memory,
    containers::lifecycle::Life,
    id::ContainerId,
    node::{ContainerSpec, Crashes, Exit, Fault},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    fs,
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// One started process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// When it was started.
    pub started_at: DateTime<Utc>,
    /// The newest console line before it.
    pub after_line: u64,
    /// The kernel's id of the host's uptime in which it was started.
    pub boot_id: String,
    /// The engine's id of its container; none where an earlier version started it.
    #[serde(default)]
    pub container: Option<String>,
    /// The revision of the declaration that it was made from; 0 where an earlier version of the daemon started it.
    #[serde(default)]
    pub revision: u64,
}

/// What must survive the daemon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// Where the container was.
    pub life: Life,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Its process, if it had one.
    pub run: Option<Run>,
    /// The process that installs it, if it had one.
    pub installer: Option<Run>,
    /// The number of the newest installation that has ended.
    pub installed: u64,
    /// How the last process ended.
    pub last_exit: Option<Exit>,
    /// Its crashes.
    pub crashes: Option<Crashes>,
    /// Why its last start or installation failed.
    pub problem: Option<String>,
    /// Configuration files that its last start could not edit, a sentence for each.
    #[serde(default)]
    pub config_problems: Vec<String>,
    /// The number (inode) of its data folder, once there was one.
    #[serde(default)]
    pub folder: Option<u64>,
    /// What of it can be mended by other means than by trying again.
    #[serde(default)]
    pub fault: Option<Box<Fault>>,
}

/// What the name of a folder ends with that belongs to a container no more.
const REMOVED: &str = "removed";

/// The file that holds the declaration.
const SPEC: &str = "spec.json";

/// The name under which a file is written before it takes its place.
fn unfinished(name: &str) -> String {
    format!("{name}.new")
}

/// The folder of one container's state.
#[derive(Clone)]
pub struct StateFolder(PathBuf);

impl StateFolder {
    /// Below the daemon's base folder.
    #[must_use]
    pub fn new(base: &Path, id: ContainerId) -> Self {
        Self(base.join(".raptor").join(id.to_string()))
    }

    /// The containers that have one.
    ///
    /// # Errors
    /// When the base folder can't be used.
    pub fn all(base: &Path) -> io::Result<Vec<ContainerId>> {
        let folder = base.join(".raptor");
        fs::create_dir_all(&folder)?;
        // Declarations hold the containers' environment, and with it their secrets.
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        let ids = fs::read_dir(folder)?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        Ok(ids.collect())
    }

    /// Removes what is left of removals that were interrupted, and of containers whose first declaration was not kept in full.
    /// For the start, before there are new ones.
    ///
    /// # Errors
    /// When the base folder can't be used.
    pub fn sweep(base: &Path) -> io::Result<()> {
        for entry in fs::read_dir(base.join(".raptor"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == REMOVED) {
                crate::files::remove(&path)?;
            } else if path.file_name().and_then(|name| name.to_str()?.parse::<ContainerId>().ok()).is_some() {
                Self(path).remove_unborn()?;
            }
        }
        Ok(())
    }

    /// Removes the folder of a container whose first declaration was cut off: the daemon was killed or the disk was full while
    /// it was written. Nothing was begun for it, and nobody was told that it is there. A folder that holds anything else stays.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn remove_unborn(&self) -> io::Result<()> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in entries {
            if entry?.file_name() != unfinished(SPEC).as_str() {
                return Ok(());
            }
        }
        match fs::remove_file(self.0.join(unfinished(SPEC))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => fs::remove_dir(&self.0),
        }
    }

    /// Where its trash, earlier versions and unfinished uploads are kept.
    #[must_use]
    pub fn files(&self) -> PathBuf {
        self.0.join("files")
    }

    /// Where its console is kept.
    #[must_use]
    pub fn console(&self) -> PathBuf {
        self.0.join("console")
    }

    /// The declaration.
    #[must_use]
    pub fn spec(&self) -> Option<ContainerSpec> {
        self.read(SPEC)
    }

    /// Keeps the declaration.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn keep_spec(&self, spec: &ContainerSpec) -> io::Result<()> {
        self.write(SPEC, spec)
    }

    /// What was saved last.
    #[must_use]
    pub fn saved(&self) -> Option<Saved> {
        self.read("state.json")
    }

    /// Saves.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn save(&self, saved: &Saved) -> io::Result<()> {
        self.write("state.json", saved)
    }

    /// What earlier starts wrote into its configuration files.
    #[must_use]
    pub fn memory(&self) -> Option<Memory> {
        self.read("edits.json")
    }

    /// Keeps what was written into its configuration files.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn keep_memory(&self, memory: &Memory) -> io::Result<()> {
        self.write("edits.json", memory)
    }

    /// Where the installation script is put.
    #[must_use]
    pub fn script(&self) -> PathBuf {
        self.0.join("install")
    }

    /// Notes that the container is being removed: whoever comes next goes on with that.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn condemn(&self) -> io::Result<()> {
        fs::create_dir_all(&self.0)?;
        fs::write(self.0.join("removing"), "")
    }

    /// Whether its removal was begun.
    #[must_use]
    pub fn is_condemned(&self) -> bool {
        self.0.join("removing").exists()
    }

    /// The place of its project among those of this daemon: the kernel limits disk use by project.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn project(&self, base: &Path) -> io::Result<u32> {
        static TURN: Mutex<()> = Mutex::new(());
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(project) = self.read("project.json") {
            return Ok(project);
        }
        let newest = base.join(".raptor/projects");
        let project =
            fs::read_to_string(&newest).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0) + 1;
        // A number that is lost between the two is never used, which harms nobody.
        fs::write(newest, project.to_string())?;
        self.write("project.json", &project)?;
        Ok(project)
    }

    /// Forgets the container, at once or not at all: of a removal that was interrupted in the middle, the note that it was begun
    /// might be gone and the rest still there. What is left on the disk then is removed at the daemon's next start.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn remove(&self) -> io::Result<()> {
        let gone = self.0.with_extension(REMOVED);
        crate::files::remove(&gone)?;
        match fs::rename(&self.0, &gone) {
            Ok(()) => crate::files::remove(&gone),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let text = fs::read(self.0.join(name)).ok()?;
        serde_json::from_slice(&text)
            .inspect_err(
                |error| tracing::error!(%error, folder = %self.0.display(), name, "unreadable state"),
            )
            .ok()
    }

    /// Writes beside and moves into place: after a crash there is the old or the new, never half.
    fn write(&self, name: &str, value: &impl Serialize) -> io::Result<()> {
        fs::create_dir_all(&self.0)?;
        let temporary = self.0.join(unfinished(name));
        let mut file = fs::File::create(&temporary)?;
        file.write_all(&serde_json::to_vec(value)?)?;
        file.sync_data()?;
        fs::rename(temporary, self.0.join(name))
    }
}

/// The kernel's id of the host's present uptime: another one means that the host was restarted.
#[must_use]
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removal_that_is_interrupted_leaves_nothing() {
        let base = tempfile::tempdir().unwrap();
        let id = ContainerId::generate();
        let state = StateFolder::new(base.path(), id);
        fs::create_dir_all(state.files()).unwrap();
        state.condemn().unwrap();
        // Where the daemon is killed between the two steps of `remove`.
        let gone = state.0.with_extension(REMOVED);
        fs::rename(&state.0, &gone).unwrap();
        assert_eq!(StateFolder::all(base.path()).unwrap(), []);
        StateFolder::sweep(base.path()).unwrap();
        assert!(!gone.exists());
        state.condemn().unwrap();
        assert_eq!(StateFolder::all(base.path()).unwrap(), [id]);
        state.remove().unwrap();
        state.remove().unwrap();
        assert_eq!(fs::read_dir(base.path().join(".raptor")).unwrap().count(), 0);
    }

    #[test]
    fn a_first_declaration_that_is_cut_off_leaves_nothing_and_anything_else_stays() {
        let base = tempfile::tempdir().unwrap();
        let folder = |files: &[&str]| {
            let state = StateFolder::new(base.path(), ContainerId::generate());
            fs::create_dir_all(&state.0).unwrap();
            for file in files {
                fs::write(state.0.join(file), "{").unwrap();
            }
            state
        };
        let gone = [folder(&[]), folder(&["spec.json.new"])];
        let kept = [
            folder(&["spec.json"]),
            folder(&["spec.json.new", "spec.json"]),
            folder(&["spec.json.new", "state.json"]),
            folder(&["state.json.new"]),
            folder(&["spec.json.new", "removing"]),
        ];
        StateFolder::sweep(base.path()).unwrap();
        for state in gone {
            assert!(!state.0.exists(), "{}", state.0.display());
        }
        for state in kept {
            assert!(state.0.exists(), "{}", state.0.display());
        }
    }

    #[test]
    fn what_the_daemon_keeps_is_for_its_user_alone() {
        let base = tempfile::tempdir().unwrap();
        StateFolder::all(base.path()).unwrap();
        let mode = fs::metadata(base.path().join(".raptor")).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
    }
}
