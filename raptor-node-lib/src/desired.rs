//! What should be on this host, kept on disk so that the daemon needs nobody to know it.

use chrono::{DateTime, Utc};
use raptor_core::{
    containers::lifecycle::Phase,
    id::ContainerId,
    node::{ContainerSpec, Exit},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    fs,
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// One started process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// When it was started.
    pub started_at: DateTime<Utc>,
    /// The newest console line before it.
    pub after_line: u64,
}

/// What must survive the daemon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// Where the container was.
    pub phase: Phase,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Whether it was to start again once stopped.
    pub restart: bool,
    /// Its process, if it had one.
    pub run: Option<Run>,
    /// How the last process ended.
    pub last_exit: Option<Exit>,
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
        self.read("spec.json")
    }

    /// Keeps the declaration.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn keep_spec(&self, spec: &ContainerSpec) -> io::Result<()> {
        self.write("spec.json", spec)
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

    /// Forgets the container.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn remove(&self) -> io::Result<()> {
        crate::files::remove(&self.0)
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
        let temporary = self.0.join(format!("{name}.new"));
        let mut file = fs::File::create(&temporary)?;
        file.write_all(&serde_json::to_vec(value)?)?;
        file.sync_data()?;
        fs::rename(temporary, self.0.join(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_daemon_keeps_is_for_its_user_alone() {
        let base = tempfile::tempdir().unwrap();
        StateFolder::all(base.path()).unwrap();
        let mode = fs::metadata(base.path().join(".raptor")).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
    }
}
