//! What keeps a container from running, where that is known well enough to offer a way out.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Why a start or an installation failed, or a process was ended, as a stable code with what the way out needs. The sentence for
/// people stands beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fault {
    /// Something else on the host listens on one of its ports.
    PortInUse {
        /// IP address of the allocation whose port is in use.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        ip: IpAddr,
        /// Port that is in use, for TCP, UDP or both.
        port: u16,
        /// What the engine says.
        details: String,
    },
    /// The host does not have the address of one of its ports.
    NoSuchAddress {
        /// IP address that the host does not have.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        ip: IpAddr,
        /// Port of the allocation on that address.
        port: u16,
        /// What the engine says.
        details: String,
    },
    /// The host no longer has the container's files.
    FilesMissing,
    /// The registry has no such image, or none for this host's processor; or it is a local image that is not on the host.
    ImageNotFound {
        /// The image, without the `~` of a local one.
        image: String,
        /// What the registry says; none for a local image.
        details: Option<String>,
    },
    /// Neither the template nor the list of allowed images has the image, and nobody allowed it for this container.
    ImageRefused {
        /// Image that was refused, as the container names it.
        image: String,
    },
    /// The image's registry does not answer, and the host has no copy of the image.
    RegistryUnreachable {
        /// Image that was to be pulled.
        image: String,
        /// The registry's host, with its port where it has one.
        registry: String,
        /// What the engine says.
        details: String,
    },
    /// The image's registry requires a login, or refused the one that the host has.
    LoginRequired {
        /// Image that was to be pulled.
        image: String,
        /// The registry's host, with its port where it has one.
        registry: String,
        /// What the registry says.
        details: String,
    },
    /// The registry lets this host download nothing more for now.
    TooManyDownloads {
        /// Image that was to be pulled.
        image: String,
        /// The registry's host, with its port where it has one.
        registry: String,
        /// What the registry says.
        details: String,
    },
    /// A process was killed, or could not be made, for want of memory.
    OutOfMemory {
        /// The limit that it reached, in MiB: the container's, or what its installer may use. None where there was no limit and
        /// the host's memory is used up.
        limit_mib: Option<u64>,
        /// What the engine says, where it said anything.
        details: Option<String>,
    },
    /// The container's files fill its disk limit.
    DiskFull {
        /// What they take, in bytes.
        used_bytes: u64,
        /// The limit in bytes.
        limit_bytes: u64,
        /// How much of it the trash holds, in bytes.
        trash_bytes: u64,
    },
    /// The host's own disk is full.
    HostDiskFull {
        /// What the engine says.
        details: String,
    },
    /// The template's installation script failed.
    ScriptFailed {
        /// The exit code of the script, never 0.
        exit_code: i64,
    },
    /// The engine refused for a reason that none of the others names.
    EngineRefused {
        /// The engine's message, unchanged.
        details: String,
    },
}

impl Fault {
    /// The words of the engine or the registry, where there are any.
    #[must_use]
    pub fn details(&self) -> Option<&str> {
        match self {
            Self::PortInUse { details, .. }
            | Self::NoSuchAddress { details, .. }
            | Self::RegistryUnreachable { details, .. }
            | Self::LoginRequired { details, .. }
            | Self::TooManyDownloads { details, .. }
            | Self::HostDiskFull { details }
            | Self::EngineRefused { details } => Some(details),
            Self::ImageNotFound { details, .. } | Self::OutOfMemory { details, .. } => details.as_deref(),
            Self::FilesMissing
            | Self::ImageRefused { .. }
            | Self::DiskFull { .. }
            | Self::ScriptFailed { .. } => None,
        }
    }
}

/// Takes away what tells somebody who may not see the network of addresses and ports.
pub fn hide_network(problem: &mut Option<String>, fault: &mut Option<Box<Fault>>) {
    match fault.as_deref_mut() {
        Some(Fault::PortInUse { .. } | Fault::NoSuchAddress { .. }) => {
            *fault = None;
            *problem = Some(
                "One of this container's ports can't be used on its host. Only people who may see its network can read which one."
                    .into(),
            );
        }
        // The engine's own words may name addresses.
        Some(Fault::EngineRefused { details }) => {
            *details = "Only people who may see this container's network can read what Docker said.".into();
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Said {
        #[serde(default, deserialize_with = "crate::node::tolerant::known")]
        fault: Option<Box<Fault>>,
    }

    #[test]
    fn a_fault_that_only_a_newer_version_knows_costs_nothing_but_its_button() {
        let read = |text: &str| serde_json::from_str::<Said>(text).unwrap().fault;
        assert_eq!(read(r#"{"fault":{"type":"comet","details":"x"}}"#), None);
        assert_eq!(read("{}"), None);
        assert_eq!(read(r#"{"fault":null}"#), None);
        assert_eq!(read(r#"{"fault":{"type":"files_missing"}}"#), Some(Box::new(Fault::FilesMissing)));
    }

    #[test]
    fn who_may_not_see_the_network_reads_no_address_in_the_engines_words() {
        let raw = "failed to set up 10.0.0.3:25565";
        let mut fault = Some(Box::new(Fault::EngineRefused { details: raw.into() }));
        let mut problem = Some("Docker refused to start the container.".to_owned());
        hide_network(&mut problem, &mut fault);
        assert!(!fault.unwrap().details().unwrap().contains("10.0.0.3"));
        assert_eq!(problem.as_deref(), Some("Docker refused to start the container."));
    }
}
