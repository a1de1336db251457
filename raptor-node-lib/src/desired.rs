//! The desired state of this host, stored on disk so that the daemon does not depend on the API.

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

/// A process that was started, as it is recognised by a later daemon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub started_at: DateTime<Utc>,
    /// The number of the newest console line before it.
    pub after_line: u64,
    /// The boot id of the host on which it was started.
    pub boot_id: String,
    /// The engine's id of its container; `None` if an earlier version of the daemon started it.
    #[serde(default)]
    pub container: Option<String>,
    /// The revision of the declaration that it was created from; 0 if an earlier version of the daemon started it.
    #[serde(default)]
    pub revision: u64,
}

/// What has to survive a restart of the daemon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// The state of the container's lifecycle.
    pub life: Life,
    /// When the container entered that state.
    pub since: DateTime<Utc>,
    /// Its process, if it has one.
    pub run: Option<Run>,
    /// Its installer's process, if it has one.
    pub installer: Option<Run>,
    /// Why the installation is being ended, while its installer may still run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install_end: Option<String>,
    /// The number of the last installation that ended.
    pub installed: u64,
    /// How the last process ended.
    pub last_exit: Option<Exit>,
    /// The crashes in a row, with the last lines of output; `None` if there are none.
    pub crashes: Option<Crashes>,
    /// Why the last start or installation failed.
    pub problem: Option<String>,
    /// Configuration files that the last start could not edit, one sentence for each.
    #[serde(default)]
    pub config_problems: Vec<String>,
    /// The inode number of the data folder, once it exists.
    #[serde(default)]
    pub folder: Option<u64>,
    /// A known cause of `problem` that can be fixed other than by retrying.
    #[serde(default)]
    pub fault: Option<Box<Fault>>,
}

/// Suffix of the folder of a container that was removed.
const REMOVED: &str = "removed";

/// The file with the declaration.
const SPEC: &str = "spec.json";

/// The name of a file while it is being written, before it is renamed.
fn unfinished(name: &str) -> String {
    format!("{name}.new")
}

/// The state folder of one container.
#[derive(Clone)]
pub struct StateFolder(PathBuf);

impl StateFolder {
    /// The folder of container `id` below the daemon's base folder.
    #[must_use]
    pub fn new(base: &Path, id: ContainerId) -> Self {
        Self(base.join(".raptor").join(id.to_string()))
    }

    /// The containers that have a state folder.
    ///
    /// # Errors
    /// If the base folder is unusable.
    pub fn all(base: &Path) -> io::Result<Vec<ContainerId>> {
        let folder = base.join(".raptor");
        fs::create_dir_all(&folder)?;
        // Declarations contain the containers' environments, and so their secrets.
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        let ids = fs::read_dir(folder)?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        Ok(ids.collect())
    }

    /// Deletes what is left of interrupted removals, and of containers whose first declaration was not written completely. Call
    /// it at startup, before new containers are declared.
    ///
    /// # Errors
    /// If the base folder is unusable.
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

    /// Deletes the folder of a container whose first declaration was not written completely, because the daemon was killed or
    /// the disk was full. Nothing was done for it, and nobody knows of it. A folder that contains anything else is kept.
    ///
    /// # Errors
    /// I/O errors.
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

    /// The folder of its trash, previous versions and unfinished uploads.
    #[must_use]
    pub fn files(&self) -> PathBuf {
        self.0.join("files")
    }

    /// The folder of its console log.
    #[must_use]
    pub fn console(&self) -> PathBuf {
        self.0.join("console")
    }

    /// The stored declaration.
    #[must_use]
    pub fn spec(&self) -> Option<ContainerSpec> {
        self.read(SPEC)
    }

    /// Stores the declaration.
    ///
    /// # Errors
    /// I/O errors.
    pub fn keep_spec(&self, spec: &ContainerSpec) -> io::Result<()> {
        self.write(SPEC, spec)
    }

    /// The stored state.
    #[must_use]
    pub fn saved(&self) -> Option<Saved> {
        self.read("state.json")
    }

    /// Stores the state.
    ///
    /// # Errors
    /// I/O errors.
    pub fn save(&self, saved: &Saved) -> io::Result<()> {
        self.write("state.json", saved)
    }

    /// What earlier starts wrote into the configuration files.
    #[must_use]
    pub fn memory(&self) -> Option<Memory> {
        self.read("edits.json")
    }

    /// Stores what was written into the configuration files.
    ///
    /// # Errors
    /// I/O errors.
    pub fn keep_memory(&self, memory: &Memory) -> io::Result<()> {
        self.write("edits.json", memory)
    }

    /// The path of the installation script.
    #[must_use]
    pub fn script(&self) -> PathBuf {
        self.0.join("install")
    }

    /// Marks the container as being removed, so that a later daemon continues the removal.
    ///
    /// # Errors
    /// I/O errors.
    pub fn condemn(&self) -> io::Result<()> {
        fs::create_dir_all(&self.0)?;
        fs::write(self.0.join("removing"), "")
    }

    /// Whether its removal has begun.
    #[must_use]
    pub fn is_condemned(&self) -> bool {
        self.0.join("removing").exists()
    }

    /// The container's number among the disk quota projects of this daemon.
    ///
    /// # Errors
    /// I/O errors.
    pub fn project(&self, base: &Path) -> io::Result<u32> {
        static TURN: Mutex<()> = Mutex::new(());
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(project) = self.read("project.json") {
            return Ok(project);
        }
        let newest = base.join(".raptor/projects");
        let project =
            fs::read_to_string(&newest).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0) + 1;
        // If the number is lost between the two writes, it is never used, which is harmless.
        fs::write(newest, project.to_string())?;
        self.write("project.json", &project)?;
        Ok(project)
    }

    /// Deletes the state folder atomically: otherwise an interrupted removal might lose the mark that it has begun while the
    /// rest is still there. What is left on disk is deleted at the daemon's next start.
    ///
    /// # Errors
    /// I/O errors.
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

    /// Writes a file atomically: after a crash it is either the old or the new one.
    fn write(&self, name: &str, value: &impl Serialize) -> io::Result<()> {
        fs::create_dir_all(&self.0)?;
        let temporary = self.0.join(unfinished(name));
        let mut file = fs::File::create(&temporary)?;
        file.write_all(&serde_json::to_vec(value)?)?;
        file.sync_data()?;
        fs::rename(temporary, self.0.join(name))
    }
}

/// The kernel's boot id, which changes when the host restarts.
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
        // As if the daemon was killed between the two steps of `remove`.
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
