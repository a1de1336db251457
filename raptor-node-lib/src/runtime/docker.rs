//! The Docker Engine behind a socket, through bollard.

use super::{RuntimeError, in_flight::InFlight};
use bollard::{API_DEFAULT_VERSION, errors::Error as DockerError};
use raptor_model::{id::ContainerId, node::RegistryLogin};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock, RwLock},
};
use uuid::Uuid;

/// Seconds that the engine may take to answer.
const TIMEOUT_S: u64 = 30;
/// The label of everything that belongs to one container.
pub(super) const CONTAINER: &str = "raptor.container";
/// The label of everything that one daemon created: others may share the engine.
pub(super) const INSTANCE: &str = "raptor.instance";

/// The Docker Engine behind a socket.
#[derive(Clone)]
pub struct Docker {
    // Created on the first call that finds the socket, since Docker may be started after the daemon.
    pub(super) client: Arc<OnceLock<bollard::Docker>>,
    pub(super) socket: PathBuf,
    pub(super) instance: Uuid,
    pub(super) logins: Arc<RwLock<Vec<RegistryLogin>>>,
    pub(super) in_flight: InFlight,
}

pub(super) fn error(error: DockerError) -> RuntimeError {
    match error {
        DockerError::DockerResponseServerError { status_code: 404, .. } => RuntimeError::NotFound,
        DockerError::DockerResponseServerError { message, .. } => RuntimeError::Refused(message),
        DockerError::DockerStreamError { error } => RuntimeError::Refused(error),
        other => RuntimeError::Away(cause(&other)),
    }
}

/// The innermost cause: "Permission denied" rather than "error in the client".
fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), cause)
}

/// The label that tells the installer from the container itself.
pub(super) const PART: &str = "raptor.part";

/// A container of Raptor consists of up to two containers in the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The container with the program that people use.
    Server,
    /// The container that runs the installation script.
    Installer,
}

impl Part {
    /// The engine's name at creation, derived from the id only and never from anything that people type. It may be renamed
    /// later.
    #[must_use]
    pub fn name(self, id: ContainerId) -> String {
        match self {
            Self::Server => format!("raptor-{id}"),
            Self::Installer => format!("raptor-{id}-installer"),
        }
    }

    /// The value of [`PART`].
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Installer => "installer",
        }
    }
}

impl Docker {
    /// The engine behind `socket`. Whether it answers is checked with each call.
    #[must_use]
    pub fn new(socket: &Path) -> Self {
        Self {
            client: Arc::default(),
            socket: socket.to_owned(),
            instance: Uuid::nil(),
            logins: Arc::default(),
            in_flight: InFlight::default(),
        }
    }

    pub(super) fn client(&self) -> Result<bollard::Docker, RuntimeError> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        let address = self.socket.to_string_lossy();
        let client =
            bollard::Docker::connect_with_unix(&address, TIMEOUT_S, API_DEFAULT_VERSION).map_err(error)?;
        Ok(self.client.get_or_init(|| client).clone())
    }

    /// The engine's version.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn version(&self) -> Result<String, RuntimeError> {
        Ok(self.client()?.version().await.map_err(error)?.version.unwrap_or_default())
    }

    /// Why containers could not open their files although the engine answers: it maps their users to other users of the host.
    /// `None` if it doesn't.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn mapped_users(&self) -> Result<Option<&'static str>, RuntimeError> {
        let info = self.client()?.info().await.map_err(error)?;
        Ok(mapped(info.security_options.as_deref().unwrap_or_default()))
    }
}

/// The same, from the engine's security options such as `name=seccomp,profile=builtin`.
fn mapped(options: &[String]) -> Option<&'static str> {
    let has = |name: &str| options.iter().any(|option| option.split(',').any(|part| part == name));
    if has("name=rootless") {
        return Some(
            "Docker runs rootless here: it maps the users of containers to other users of this host, so they can't open their files. Install Docker for the whole host, as root, and set DOCKER_SOCKET if its socket is not /var/run/docker.sock.",
        );
    }
    has("name=userns").then_some(
        "Docker maps the users of containers to other users of this host (userns-remap), so they can't open their files. Remove `userns-remap` from /etc/docker/daemon.json and restart Docker.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_maps_users_is_recognised_by_its_security_options() {
        let said = |options: &[&str]| {
            let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
            mapped(&options).unwrap_or_default()
        };
        let seccomp = "name=seccomp,profile=default";
        assert_eq!(said(&[seccomp, "name=apparmor", "name=cgroupns"]), "");
        assert!(said(&[seccomp, "name=userns"]).contains("userns-remap"));
        assert!(said(&[seccomp, "name=rootless", "name=cgroupns"]).contains("rootless"));
    }
}
