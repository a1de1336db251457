//! Why a start or an installation failed: a sentence for people, and the code that offers a way out.

use super::{HostContext, ports};
use crate::console::Console;
use raptor_model::node::{ContainerSpec, Fault};

/// What the engines and the kernel say of a full disk.
const NO_SPACE: &str = "no space left on device";
/// What they say of a memory limit that not even the first process fits in.
const LIMIT_TOO_LOW: [&str; 3] = ["memory limit too low", "oom-killed", "minimum memory limit"];
/// What they say of a host without memory.
const NO_MEMORY: &str = "cannot allocate memory";

/// What runc and crun say where the container's user may not enter its folder.
const CLOSED_FOLDER: [&str; 2] = ["chdir to cwd", "chdir to `"];

/// Why something failed.
#[derive(Debug, PartialEq)]
pub(super) struct Failure {
    /// A sentence for people.
    pub(super) why: String,
    /// The way out, where there is one.
    pub(super) fault: Option<Fault>,
}

impl From<String> for Failure {
    fn from(why: String) -> Self {
        Self { why, fault: None }
    }
}

impl Failure {
    pub(super) fn new(why: impl Into<String>, fault: Fault) -> Self {
        Self { why: why.into(), fault: Some(fault) }
    }

    /// What the engine said when it was asked for what this declaration needs; `refused` is the sentence where it is about
    /// nothing that is known.
    pub(super) fn of_engine(spec: &ContainerSpec, refused: &str, details: String) -> Self {
        let text = details.to_ascii_lowercase();
        if let Some(failure) = ports::explain(&spec.ports, &details) {
            return failure;
        }
        if text.contains(NO_SPACE) {
            return Self::host_disk_full(details);
        }
        let limit = spec.limits.memory_mib;
        if limit > 0 && LIMIT_TOO_LOW.iter().any(|words| text.contains(words)) {
            let why = format!("The memory limit of {limit} MiB is too low to start anything. Raise it.");
            return Self::new(why, Fault::OutOfMemory { limit_mib: Some(limit), details: Some(details) });
        }
        if text.contains(NO_MEMORY) {
            let why = "This host has no memory left to start the container. Stop something else on it, then try again.";
            return Self::new(why, Fault::OutOfMemory { limit_mib: None, details: Some(details) });
        }
        if text.contains("permission denied") && CLOSED_FOLDER.iter().any(|words| text.contains(words)) {
            let why = "The container's user may not enter its folder on this host. The host's page says whether Docker maps users to others; otherwise a folder above it is closed to others, or a security module forbids it.";
            return Self::new(why, Fault::EngineRefused { details });
        }
        Self::new(refused, Fault::EngineRefused { details })
    }

    pub(super) fn host_disk_full(details: String) -> Self {
        let why = "The disk of this host is full. Free space on it, for example by removing unused images, then try again.";
        Self::new(why, Fault::HostDiskFull { details })
    }

    /// Whether the engine said that a port belongs to somebody else.
    pub(super) fn is_for_a_port_in_use(&self) -> bool {
        let said = self.fault.as_ref().and_then(Fault::details);
        said.is_some_and(ports::is_in_use)
    }

    /// Says it in the container's console, with the engine's own words below.
    pub(super) fn say(&self, context: &HostContext, console: &Console) {
        context.say(console, self.why.clone());
        if let Some(details) = self.fault.as_ref().and_then(Fault::details) {
            context.say(console, details.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raptor_model::containers::Limits;

    fn declared(memory_mib: u64) -> ContainerSpec {
        let mut spec: ContainerSpec = serde_json::from_value(serde_json::json!({
            "id": raptor_model::id::ContainerId::generate(), "revision": 1, "name": "x", "image": "x", "startup": "",
            "environment": {}, "limits": Limits::default(), "ports": [], "done": [], "strip_ansi": false,
            "stop": { "type": "docker" }, "stop_timeout_ms": 1_000, "config_files": [], "suspended": false,
        }))
        .unwrap();
        spec.limits.memory_mib = memory_mib;
        spec
    }

    #[test]
    fn whatever_the_engine_says_it_is_never_the_sentence_for_people() {
        let refused = "Docker refused to start the container.";
        let start = "OCI runtime create failed: container_linux.go:380: ";
        let cases = [
            (
                "container init was OOM-killed (memory limit too low?): unknown",
                6,
                "The memory limit of 6 MiB is too low",
            ),
            ("Minimum memory limit allowed is 6MB", 4, "The memory limit of 4 MiB is too low"),
            (
                "fork/exec /usr/bin/containerd-shim: cannot allocate memory",
                64,
                "This host has no memory left",
            ),
            (
                "mkdir /var/lib/docker/overlay2/x: no space left on device",
                64,
                "The disk of this host is full",
            ),
            (
                "write /var/lib/docker/tmp/GetImageBlob1: No space left on device",
                64,
                "The disk of this host is full",
            ),
            (
                "unable to start container process: chdir to cwd (\"/home/container\") set in config.json failed: permission denied: unknown",
                64,
                "The container's user may not enter its folder",
            ),
            ("exec: \"bash\": executable file not found in $PATH: unknown", 64, refused),
        ];
        for (raw, memory, said) in cases {
            let raw = format!("{start}{raw}");
            let failure = Failure::of_engine(&declared(memory), refused, raw.clone());
            assert!(failure.why.starts_with(said), "{raw}: {}", failure.why);
            assert!(!failure.why.contains(start));
            assert_eq!(failure.fault.as_ref().and_then(Fault::details), Some(raw.as_str()));
        }
        let of_host = Failure::of_engine(&declared(64), refused, "cannot allocate memory".into());
        assert!(matches!(of_host.fault, Some(Fault::OutOfMemory { limit_mib: None, .. })));
    }
}
