//! Why a start or an installation failed: a sentence for people, and a code for the way to fix it.

use super::{HostContext, ports};
use crate::console::Console;
use raptor_model::node::{ContainerSpec, Fault};

/// How engines and the kernel report a full disk.
const NO_SPACE: &str = "no space left on device";
/// How they report a memory limit that is too low even for the first process.
const LIMIT_TOO_LOW: [&str; 3] = ["memory limit too low", "oom-killed", "minimum memory limit"];
/// How they report a host without free memory.
const NO_MEMORY: &str = "cannot allocate memory";

/// How runc and crun report a folder that the container's user may not enter.
const CLOSED_FOLDER: [&str; 2] = ["chdir to cwd", "chdir to `"];

/// Why a start or an installation failed.
#[derive(Debug, PartialEq)]
pub(super) struct Failure {
    pub(super) why: String,
    /// How it can be fixed, if that is known.
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

    /// Explains the engine's answer to a request for this declaration; `refused` is the sentence if nothing better is known.
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
            let why = format!("The memory limit of {limit} MiB is too low to start the container. Raise it.");
            return Self::new(why, Fault::OutOfMemory { limit_mib: Some(limit), details: Some(details) });
        }
        if text.contains(NO_MEMORY) {
            let why = "This host has no free memory to start the container. Stop other programs on it, then try again.";
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

    /// Whether a port is used by somebody else.
    pub(super) fn is_for_a_port_in_use(&self) -> bool {
        let said = self.fault.as_ref().and_then(Fault::details);
        said.is_some_and(ports::is_in_use)
    }

    /// Writes it to the container's console, followed by the engine's own message.
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
                "This host has no free memory",
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
