//! What to create a container from, and its translation to the engine's API.

use super::docker::{CONTAINER, INSTANCE, PART, Part};
use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, PortBinding as DockerPort, Resources,
};
use raptor_model::{
    containers::Limits,
    node::{ContainerSpec, InstallSpec, PortBinding, Protocol},
    text::Encoding,
};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};
use uuid::Uuid;

const MIB: u64 = 1024 * 1024;
/// Microseconds over which CPU time is limited.
pub(super) const CPU_PERIOD: i64 = 100_000;
/// Capabilities that a container doesn't get even as root in its own namespace (those that Wings drops, and CAP_SYS_PTRACE).
const DROPPED: [&str; 11] = [
    "SETPCAP",
    "MKNOD",
    "AUDIT_WRITE",
    "NET_RAW",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "SETFCAP",
    "SYS_PTRACE",
];
/// Capabilities of an installer: to own, read and give away files, and to become another user as package managers do.
const INSTALLER: [&str; 7] = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETUID", "SETGID", "KILL"];
/// The minimum memory of an installer, whatever the container's limit: package managers and archives need more than small
/// servers.
const INSTALLER_MEMORY_MIB: u64 = 1_024;
/// The memory of an installer whose container has no limit.
const INSTALLER_MEMORY_MAX_MIB: u64 = 4_096;
const INSTALLER_PIDS: u64 = 1_024;

/// What to create a container from.
pub struct Shape<'a> {
    pub spec: &'a ContainerSpec,
    /// The installation, for an installer.
    pub install: Option<&'a InstallSpec>,
    /// The environment, each entry as `NAME=value`.
    pub env: Vec<String>,
    pub data: &'a Path,
    /// The folder with the installation script.
    pub script: &'a Path,
    /// The user and group id of the processes.
    pub user: (u32, u32),
    /// The engine's name of its network.
    pub network: String,
    /// Its time zone, unless that is UTC.
    pub zone: Option<Zone>,
}

/// A time zone, for images without time zone data.
pub struct Zone {
    /// Its name, e.g. `Europe/Berlin`.
    pub name: String,
    /// The zoneinfo file on the host.
    pub file: PathBuf,
}

impl Shape<'_> {
    pub(super) fn part(&self) -> Part {
        if self.install.is_some() { Part::Installer } else { Part::Server }
    }

    /// Whether its output may contain bytes that aren't UTF-8. That of an installer never does.
    pub(super) fn writes_other_than_utf8(&self) -> bool {
        let encoding = self.spec.console_encoding.unwrap_or(Encoding::UTF_8);
        self.install.is_none() && encoding != Encoding::UTF_8
    }

    pub(super) fn body(self, instance: Uuid) -> ContainerCreateBody {
        let spec = self.spec;
        let mut labels: HashMap<String, String> = spec.labels.clone().into_iter().collect();
        // Ours last, so that no other label overrides them.
        labels.extend([
            (CONTAINER.to_owned(), spec.id.to_string()),
            (INSTANCE.to_owned(), instance.to_string()),
            (PART.to_owned(), self.part().label().to_owned()),
            ("raptor.name".to_owned(), spec.name.clone()),
        ]);
        let common = ContainerCreateBody {
            hostname: Some(spec.id.short()),
            env: Some(self.env.clone()),
            tty: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            labels: Some(labels),
            ..ContainerCreateBody::default()
        };
        match self.install {
            None => ContainerCreateBody {
                image: Some(spec.image.trim_start_matches('~').to_owned()),
                user: Some(format!("{}:{}", self.user.0, self.user.1)),
                open_stdin: Some(true),
                attach_stdin: Some(true),
                working_dir: Some("/home/container".into()),
                exposed_ports: Some(spec.ports.iter().flat_map(exposed).collect()),
                host_config: Some(self.server()),
                ..common
            },
            Some(install) => ContainerCreateBody {
                image: Some(install.image.trim_start_matches('~').to_owned()),
                user: Some("0:0".into()),
                cmd: Some(
                    install
                        .entrypoint
                        .split_whitespace()
                        .chain(["/mnt/install/install.sh"])
                        .map(str::to_owned)
                        .collect(),
                ),
                host_config: Some(self.installer()),
                ..common
            },
        }
    }

    fn server(&self) -> HostConfig {
        let spec = self.spec;
        let mut ports: HashMap<String, Option<Vec<DockerPort>>> = HashMap::new();
        for port in &spec.ports {
            for key in exposed(port) {
                let binding =
                    DockerPort { host_ip: Some(port.ip.to_string()), host_port: Some(port.port.to_string()) };
                ports.entry(key).or_default().get_or_insert_default().push(binding);
            }
        }
        let mut binds = vec![format!("{}:/home/container:rw", self.data.display())];
        binds.extend(spec.mounts.iter().map(|mount| {
            format!("{}:{}:{}", mount.source, mount.target, if mount.read_only { "ro" } else { "rw" })
        }));
        binds.extend(self.zone());
        HostConfig {
            binds: Some(binds),
            port_bindings: Some(ports),
            readonly_rootfs: Some(true),
            cap_drop: Some(DROPPED.map(str::to_owned).to_vec()),
            tmpfs: Some(HashMap::from([("/tmp".into(), "rw,exec,nosuid,mode=1777,size=100m".into())])),
            ..host(resources(&spec.limits), &self.network)
        }
    }

    /// The mount of the zone's file at the path where C libraries look it up. It replaces an equivalent file of the image.
    fn zone(&self) -> Option<String> {
        let zone = self.zone.as_ref()?;
        let target = format!("/usr/share/zoneinfo/{}", zone.name);
        let taken = self.install.is_none() && self.spec.mounts.iter().any(|mount| mount.target == target);
        (!taken).then(|| format!("{}:{target}:ro", zone.file.display()))
    }

    fn installer(&self) -> HostConfig {
        let mut binds = vec![
            format!("{}:/mnt/server:rw", self.data.display()),
            format!("{}:/mnt/install:rw", self.script.display()),
        ];
        binds.extend(self.zone());
        HostConfig {
            binds: Some(binds),
            cap_drop: Some(vec!["ALL".into()]),
            cap_add: Some(INSTALLER.map(str::to_owned).to_vec()),
            ..host(resources(&installer_limits(&self.spec.limits)), &self.network)
        }
    }
}

/// The memory of the installer of a container with these limits, in MiB.
pub fn installer_memory_mib(limits: &Limits) -> u64 {
    match limits.memory_mib {
        0 => INSTALLER_MEMORY_MAX_MIB,
        memory => memory.max(INSTALLER_MEMORY_MIB),
    }
}

/// The limits of an installer: at least what package managers need, and never unlimited.
fn installer_limits(limits: &Limits) -> Limits {
    Limits {
        memory_mib: installer_memory_mib(limits),
        swap_mib: 0,
        cpu_percent: match limits.cpu_percent {
            0 => 400,
            percent => percent.max(100),
        },
        pids: INSTALLER_PIDS,
        ..limits.clone()
    }
}

fn host(resources: Resources, network: &str) -> HostConfig {
    let log = [("max-size", "32m"), ("max-file", "2")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    HostConfig {
        memory: resources.memory,
        memory_reservation: resources.memory_reservation,
        memory_swap: resources.memory_swap,
        cpu_period: resources.cpu_quota.map(|_| CPU_PERIOD),
        cpu_quota: resources.cpu_quota,
        cpuset_cpus: resources.cpuset_cpus,
        blkio_weight: resources.blkio_weight,
        pids_limit: resources.pids_limit,
        privileged: Some(false),
        security_opt: Some(vec!["no-new-privileges".into()]),
        network_mode: Some(network.to_owned()),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".into()),
            config: Some(HashMap::from(log)),
        }),
        ..HostConfig::default()
    }
}

/// The limits in the engine's units; `None` if unlimited.
pub(super) fn resources(limits: &Limits) -> Resources {
    let memory = memory_bytes(limits.memory_mib);
    Resources {
        memory: (memory > 0).then(|| signed(memory)),
        memory_reservation: (memory > 0).then(|| signed(limits.memory_mib * MIB)),
        memory_swap: match limits.swap_mib {
            _ if memory == 0 => None,
            swap if swap < 0 => Some(-1),
            swap => Some(signed(memory + swap.unsigned_abs() * MIB)),
        },
        // Unlike the engine's `NanoCpus`, a quota may exceed the number of CPUs.
        cpu_quota: (limits.cpu_percent > 0).then(|| signed(limits.cpu_percent * 1_000)),
        cpuset_cpus: limits.cpuset.clone(),
        blkio_weight: Some(limits.io_weight),
        pids_limit: Some(signed(limits.pids.max(1))),
        ..Resources::default()
    }
}

fn exposed(port: &PortBinding) -> Vec<String> {
    let protocols: &[&str] = match port.protocol {
        Protocol::Both => &["tcp", "udp"],
        Protocol::Tcp => &["tcp"],
        Protocol::Udp => &["udp"],
    };
    protocols.iter().map(|protocol| format!("{}/{protocol}", port.port)).collect()
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The engine's limit for `mib`, including the overhead that [`raptor_model::containers::Limits`] documents.
fn memory_bytes(mib: u64) -> u64 {
    let percent = match mib {
        0..=2_048 => 115,
        2_049..=4_096 => 110,
        _ => 105,
    };
    mib * MIB / 100 * percent
}
