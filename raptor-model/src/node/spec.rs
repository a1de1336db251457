//! The declaration of a container: what should be on the host.

use crate::{
    containers::{Limits, Mount, Network, lifecycle::Policy},
    id::{ContainerId, UserId},
    templates::{ConfigFile, StopRule},
    text::Encoding,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

/// Which protocols of a port are passed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Both TCP and UDP, on the same port.
    #[default]
    Both,
    /// Only TCP, e.g. for a web server.
    Tcp,
    /// Only UDP, e.g. for a game that doesn't use TCP.
    Udp,
}

impl Protocol {
    /// The name in JSON and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }

    /// The one with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Both, Self::Tcp, Self::Udp].into_iter().find(|protocol| protocol.name() == name)
    }
}

/// One ip:port given to a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PortBinding {
    /// Address on the host.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub ip: IpAddr,
    /// Port, the same inside and outside.
    pub port: u16,
    /// Which of TCP and UDP are published.
    #[serde(default)]
    pub protocol: Protocol,
    /// Whether it is the one that `SERVER_IP` and `SERVER_PORT` name.
    pub primary: bool,
}

/// The full declaration of a container: what should be on the host. The daemon keeps it on disk and works towards it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContainerSpec {
    /// The container that is declared.
    pub id: ContainerId,
    /// Grows with each change; a daemon ignores a declaration older than the one it has.
    pub revision: u64,
    /// Name for people, used in labels and messages only.
    pub name: String,
    /// Image reference. A leading `~` says that the image is local and must not be pulled.
    pub image: String,
    /// Why it must not be started with this image, in a sentence for people; none where it may. A process that runs goes on.
    #[serde(default)]
    pub image_refused: Option<String>,
    /// Startup command with its placeholders as the image's entrypoint expects them, given as `STARTUP`.
    pub startup: String,
    /// Environment, without `STARTUP`, `SERVER_IP`, `SERVER_PORT`, `SERVER_MEMORY` and `TZ`, which the daemon adds.
    pub environment: BTreeMap<String, String>,
    /// Memory, CPU, disk and other limits, effective from the next start.
    pub limits: Limits,
    /// Ports, the primary one first.
    pub ports: Vec<PortBinding>,
    /// Substrings (or `regex:` patterns) of which one in a line of output means that the container is running.
    /// Empty: running as soon as the process has started.
    pub done: Vec<String>,
    /// Whether escape sequences are removed from a line before it is compared with `done`.
    pub strip_ansi: bool,
    /// How to ask it to stop.
    pub stop: StopRule,
    /// Milliseconds between asking and killing.
    pub stop_timeout_ms: u64,
    /// Edits of its configuration files before each start. Placeholders are resolved already, but for `{{config.*}}`.
    pub config_files: Vec<ConfigFile>,
    /// Whether starting is refused and a running process is to be stopped.
    pub suspended: bool,
    /// Files that nobody may read or change through Raptor, as `.gitignore` has them.
    #[serde(default)]
    pub denied_files: Vec<String>,
    /// When it is started again.
    #[serde(default)]
    pub policy: Policy,
    /// Its newest installation; none where there is nothing to install.
    #[serde(default)]
    pub install: Option<InstallSpec>,
    /// Its time zone; the daemon's unless given.
    #[serde(default)]
    pub timezone: Option<String>,
    /// Whose it is: containers that share a network share it by this.
    #[serde(default)]
    pub owner: Option<UserId>,
    /// Which other containers it can talk to.
    #[serde(default)]
    pub network: Network,
    /// The host's address that its connections to the outside come from; the engine's choice unless given.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub outgoing_ip: Option<Ipv4Addr>,
    /// Folders of the host. The daemon refuses to start it with one that it does not allow.
    #[serde(default)]
    pub mounts: Vec<Mount>,
    /// Labels for the host's own tools.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The encoding that its console reads and writes; UTF-8 unless given.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub console_encoding: Option<Encoding>,
    /// Whether this host has reported on the container before. If it neither knows the container nor has its folder now, the
    /// files are gone: it is not started on an empty folder.
    #[serde(default)]
    pub existed: bool,
}

/// How a container is to be installed. The host runs each number once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InstallSpec {
    /// Grows with each installation that is asked for.
    pub number: u64,
    /// The image that the script runs in. A leading `~` says that it is local and must not be pulled.
    pub image: String,
    /// What runs the script.
    pub entrypoint: String,
    /// The content of the script, passed to `entrypoint` as a file.
    pub script: String,
    /// Whether the container's files go before it.
    pub wipe: bool,
    /// Whether the container starts after it.
    pub start: bool,
    /// Milliseconds after which it is ended.
    pub timeout_ms: u64,
    /// Whether any exit code of the script but 0 is a failure; otherwise it is a warning.
    #[serde(default)]
    pub strict: bool,
}
