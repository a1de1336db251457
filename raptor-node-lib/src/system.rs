//! Information about the host and its current load.

use crate::firewall;
use raptor_model::{
    clock::Clock,
    node::{DiskLimits, OLDEST_PROTOCOL, PROTOCOL, SystemInfo},
};
use std::{
    collections::BTreeSet,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};
use sysinfo::{Disks, Networks, System};

/// All addresses of this host's interfaces, except for the bridges of containers' networks, which are of no use for
/// allocations.
fn addresses() -> Vec<IpAddr> {
    let Ok(networks) = Networks::new_with_refreshed_list() else { return Vec::new() };
    let own = networks.iter().filter(|(name, _)| !firewall::is_bridge_name(&name.to_string_lossy()));
    let all = own.flat_map(|(_, data)| data.ip_networks().iter().map(|network| network.addr));
    all.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Measures the host. Blocks for some milliseconds.
pub struct Meter {
    system: Mutex<System>,
    base: PathBuf,
    ips: Vec<IpAddr>,
    disk_limits: DiskLimits,
    mounts: Vec<PathBuf>,
    clock: Clock,
}

impl Meter {
    /// A meter that includes the file system of `base`.
    ///
    /// # Errors
    /// If this platform is not supported.
    pub fn new(
        base: &Path,
        ips: Vec<IpAddr>,
        disk_limits: DiskLimits,
        mounts: Vec<PathBuf>,
        clock: Clock,
    ) -> Result<Self, String> {
        let system = System::new().map_err(|error| error.to_string())?;
        Ok(Self { system: Mutex::new(system), base: base.to_owned(), ips, disk_limits, mounts, clock })
    }

    /// Bytes received and sent over the host's external interfaces since they came up. Blocks for some milliseconds.
    pub fn network(&self) -> (u64, u64) {
        // Traffic among containers passes bridges and veth pairs only; traffic that leaves the host also passes one of the
        // others.
        let inner = ["lo", "veth", "br-", "docker", "podman", "cni", "virbr", "tap", "tun"];
        let Ok(networks) = Networks::new_with_refreshed_list() else { return (0, 0) };
        let own = networks.iter().filter(|(name, _)| {
            let name = name.to_string_lossy();
            !inner.iter().any(|prefix| name.starts_with(prefix))
        });
        own.fold((0, 0), |(rx, tx), (_, data)| (rx + data.total_received(), tx + data.total_transmitted()))
    }

    /// The current state; CPU usage is since the previous call. The caller adds what Docker reports.
    pub fn measure(&self) -> SystemInfo {
        let mut system = self.system.lock().unwrap_or_else(PoisonError::into_inner);
        system.refresh_cpu_usage();
        system.refresh_memory();
        let disks = Disks::new_with_refreshed_list().ok();
        let base = self.base.canonicalize().unwrap_or_else(|_| self.base.clone());
        let disk = disks
            .iter()
            .flat_map(|disks| disks.iter())
            .filter(|disk| base.starts_with(disk.mount_point()))
            .max_by_key(|disk| disk.mount_point().as_os_str().len());
        let (disk_total, disk_free) =
            disk.map_or((0, 0), |disk| (disk.total_space(), disk.available_space()));
        SystemInfo {
            protocol: OLDEST_PROTOCOL,
            newest_protocol: Some(PROTOCOL),
            version: env!("CARGO_PKG_VERSION").into(),
            time: self.clock.now(),
            hostname: System::host_name().unwrap_or_default(),
            os: System::long_os_version().unwrap_or_default(),
            kernel: System::kernel_version().unwrap_or_default(),
            architecture: std::env::consts::ARCH.into(),
            cpu_count: u32::try_from(system.cpus().len()).unwrap_or(u32::MAX),
            cpu_percent: system.cpus().iter().map(|cpu| f64::from(cpu.usage())).sum(),
            memory_total_bytes: system.total_memory(),
            memory_used_bytes: system.used_memory(),
            disk_total_bytes: disk_total,
            disk_used_bytes: disk_total.saturating_sub(disk_free),
            uptime_seconds: System::uptime().unwrap_or(0),
            docker_version: None,
            docker_problem: None,
            ips: self.ips.clone(),
            addresses: addresses(),
            sftp: None,
            isolation: None,
            user_note: None,
            disk_limits: self.disk_limits.clone(),
            folder_problem: None,
            allowed_mounts: self.mounts.iter().map(|mount| mount.display().to_string()).collect(),
        }
    }
}
