//! Disk limits: by the kernel's project quotas where the file system has them, else by measuring.
//!
//! The programs of the file systems set them (`xfs_quota`; `chattr` and `setquota`): the system calls behind them have no
//! interface that is safe and kept.

use raptor_core::node::DiskLimits;
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};
use uuid::Uuid;

/// Which programs set the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Xfs,
    Ext4,
    Measured,
}

/// How this host keeps disk limits.
#[derive(Clone, Debug)]
pub(crate) struct Quota {
    way: Way,
    mount: PathBuf,
    file_system: String,
    note: String,
    /// The first project of this daemon: others may share the file system.
    first: u32,
}

/// A line of `/proc/self/mountinfo`.
struct Mount {
    point: PathBuf,
    file_system: String,
    options: Vec<String>,
}

impl Quota {
    /// Looks at the file system that holds `base`.
    pub(crate) fn detect(base: &Path, instance: Uuid) -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let mount = mounts
            .lines()
            .filter_map(parse)
            .filter(|mount| base.starts_with(&mount.point))
            // Of mounts one over another, the last is the one that is seen.
            .max_by_key(|mount| mount.point.as_os_str().len());
        let mount =
            mount.unwrap_or(Mount { point: "/".into(), file_system: String::new(), options: Vec::new() });
        let has =
            |options: &[&str]| options.iter().any(|option| mount.options.iter().any(|has| has == option));
        let (way, note) = match mount.file_system.as_str() {
            "xfs" if !has(&["prjquota", "pquota"]) => (
                Way::Measured,
                "Measured once a minute. Mount this XFS with the option prjquota for limits that the kernel keeps.".to_owned(),
            ),
            "xfs" => with_programs(Way::Xfs, &["xfs_quota"], "xfsprogs"),
            "ext4" if !has(&["prjquota"]) => (
                Way::Measured,
                "Measured once a minute. For limits that the kernel keeps, run tune2fs -O project,quota on this ext4 while it is not mounted, and mount it with the option prjquota.".to_owned(),
            ),
            "ext4" => with_programs(Way::Ext4, &["setquota", "chattr"], "quota"),
            other => (
                Way::Measured,
                format!("Measured once a minute. Put the containers' folder on XFS or ext4 with project quotas for limits that the kernel keeps; {other} has none that are used here."),
            ),
        };
        let bytes = instance.into_bytes();
        let first = u32::from_be_bytes([0, bytes[14], bytes[15], 0]) << 7;
        Self { way, mount: mount.point, file_system: mount.file_system, note, first: first.max(1 << 10) }
    }

    /// Whether the kernel keeps the limits.
    pub(crate) fn by_kernel(&self) -> bool {
        self.way != Way::Measured
    }

    /// What people are told.
    pub(crate) fn info(&self) -> DiskLimits {
        DiskLimits {
            by_kernel: self.by_kernel(),
            file_system: self.file_system.clone(),
            note: self.note.clone(),
        }
    }

    /// The number of the project at place `place`.
    fn project(&self, place: u32) -> u32 {
        self.first.saturating_add(place)
    }

    /// Limits what lies in `folder` to `mib`; 0 lifts the limit. Blocking.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(crate) fn limit(&self, folder: &Path, place: u32, mib: u64) -> io::Result<()> {
        let (project, mount) = (self.project(place).to_string(), self.mount.to_string_lossy().into_owned());
        let folder = folder.to_string_lossy().into_owned();
        match self.way {
            Way::Measured => Ok(()),
            Way::Xfs => {
                run("xfs_quota", &["-x", "-c", &format!("project -s -p {folder} {project}"), &mount])?;
                run("xfs_quota", &["-x", "-c", &format!("limit -p bhard={mib}m {project}"), &mount])
            }
            Way::Ext4 => {
                run("chattr", &["-R", "-f", "+P", "-p", &project, &folder])?;
                run("setquota", &["-P", &project, "0", &(mib * 1024).to_string(), "0", "0", &mount])
            }
        }
    }
}

fn with_programs(way: Way, programs: &[&str], package: &str) -> (Way, String) {
    let missing = programs.iter().find(|program| {
        ["/usr/sbin", "/sbin", "/usr/bin", "/bin"]
            .iter()
            .all(|folder| !Path::new(folder).join(program).exists())
    });
    match missing {
        Some(program) => (
            Way::Measured,
            format!(
                "Measured once a minute. The file system has project quotas; install {program} (package {package}) for limits that the kernel keeps."
            ),
        ),
        None => {
            (way, "The kernel keeps the limits (project quotas): a container finds its disk full.".into())
        }
    }
}

fn run(program: &str, args: &[&str]) -> io::Result<()> {
    let output = Command::new(program).args(args).output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    // xfs_quota ends well whatever happened.
    let failed = !output.status.success() || (program == "xfs_quota" && !errors.trim().is_empty());
    if failed { Err(io::Error::other(format!("{program}: {}", errors.trim()))) } else { Ok(()) }
}

/// Fields of the kernel's format: id, parent, device, root, mount point, options, optional ones, `-`, type, source, super
/// options (proc_pid_mountinfo(5)).
fn parse(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let point = before.split(' ').nth(4)?.replace("\\040", " ");
    let mut after = after.split(' ');
    let file_system = after.next()?.to_owned();
    let options = after.nth(1)?.split(',').map(str::to_owned).collect();
    Some(Mount { point: point.into(), file_system, options })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_list_of_mounts_is_read() {
        let line = "36 35 98:0 / /data/my\\040games rw,noatime shared:1 - xfs /dev/loop0 rw,attr2,prjquota";
        let mount = parse(line).unwrap();
        assert_eq!(mount.point, Path::new("/data/my games"));
        assert_eq!(mount.file_system, "xfs");
        assert!(mount.options.contains(&"prjquota".to_owned()));
    }

    #[test]
    fn who_measures_says_how_to_do_better() {
        let quota = Quota::detect(Path::new("/proc"), Uuid::now_v7());
        assert!(!quota.by_kernel());
        assert!(quota.info().note.contains("XFS"));
    }
}
