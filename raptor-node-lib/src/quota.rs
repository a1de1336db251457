//! Disk limits: enforced by the kernel's quotas if the file system has them, otherwise by measuring.
//!
//! XFS and ext4 limit projects; a container's folder and what is kept beside it (trash, versions, uploads) form one. btrfs
//! limits subvolumes; the container's folder becomes one. The limits are set with the file systems' programs (`xfs_quota`;
//! `find`, `chattr` and `setquota`; `btrfs`), since the system calls behind them have no safe and maintained bindings.

use raptor_model::node::DiskLimits;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::{
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Command,
};
use uuid::Uuid;

/// The programs that set the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Xfs,
    Ext4,
    Btrfs,
    Measured,
}

/// How this host enforces disk limits.
#[derive(Clone, Debug)]
pub(crate) struct Quota {
    method: Method,
    mount: PathBuf,
    file_system: String,
    note: String,
    /// The first project id of this daemon: others may share the file system.
    first: u32,
}

/// A line of `/proc/self/mountinfo`.
struct Mount {
    point: PathBuf,
    file_system: String,
    options: Vec<String>,
}

impl Quota {
    /// Determines the method for the file system of `base`.
    pub(crate) fn detect(base: &Path, instance: Uuid) -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let mount = mounts
            .lines()
            .filter_map(parse)
            .filter(|mount| base.starts_with(&mount.point))
            // Of several mounts at the same place, the last one is visible.
            .max_by_key(|mount| mount.point.as_os_str().len());
        let mount =
            mount.unwrap_or(Mount { point: "/".into(), file_system: String::new(), options: Vec::new() });
        let has =
            |options: &[&str]| options.iter().any(|option| mount.options.iter().any(|has| has == option));
        let (method, note) = match mount.file_system.as_str() {
            "xfs" if !has(&["prjquota", "pquota"]) => (
                Method::Measured,
                "Measured once a minute. Mount this XFS with the option prjquota for limits enforced by the kernel.".to_owned(),
            ),
            "xfs" => with_programs(Method::Xfs, &["xfs_quota"], "xfsprogs"),
            "ext4" if !has(&["prjquota"]) => (
                Method::Measured,
                "Measured once a minute. For limits enforced by the kernel, run tune2fs -O project,quota on this ext4 while it is not mounted, and mount it with the option prjquota.".to_owned(),
            ),
            "ext4" => with_programs(Method::Ext4, &["setquota", "chattr", "find"], "quota"),
            "btrfs" => match with_programs(Method::Btrfs, &["btrfs"], "btrfs-progs") {
                (Method::Btrfs, _) if run("btrfs", &["qgroup", "show", &mount.point.to_string_lossy()]).is_err() => (
                    Method::Measured,
                    format!("Measured once a minute. Run btrfs quota enable {} for limits enforced by the kernel.", mount.point.display()),
                ),
                found => found,
            },
            other => (
                Method::Measured,
                format!("Measured once a minute. Put the containers' folder on XFS or ext4 with project quotas, or on btrfs, for limits enforced by the kernel; {other} has no supported quotas."),
            ),
        };
        let bytes = instance.into_bytes();
        let first = u32::from_be_bytes([0, bytes[14], bytes[15], 0]) << 7;
        Self { method, mount: mount.point, file_system: mount.file_system, note, first: first.max(1 << 10) }
    }

    /// Whether the kernel enforces the limits.
    pub(crate) fn by_kernel(&self) -> bool {
        self.method != Method::Measured
    }

    /// What people are shown.
    pub(crate) fn info(&self) -> DiskLimits {
        DiskLimits {
            by_kernel: self.by_kernel(),
            file_system: self.file_system.clone(),
            note: self.note.clone(),
        }
    }

    /// The project id of the container with number `place`.
    fn project(&self, place: u32) -> u32 {
        self.first.saturating_add(place)
    }

    /// Limits a container's `data` folder together with what is kept `beside` it to `mib`; 0 removes the limit. Both folders
    /// must exist. Visits every file in them, so the container should not be running. Blocking.
    ///
    /// # Errors
    /// If the file system refuses.
    pub(crate) fn limit(&self, data: &Path, beside: &Path, place: u32, mib: u64) -> io::Result<()> {
        match self.method {
            Method::Measured => return Ok(()),
            Method::Btrfs => make_subvolume(data)?,
            Method::Xfs | Method::Ext4 => {
                for folder in [data, beside] {
                    // A file that is deleted meanwhile, e.g. over SFTP, makes it fail once.
                    self.count(folder, place).or_else(|_| self.count(folder, place))?;
                }
            }
        }
        self.change(data, place, mib)
    }

    /// Assigns everything in a folder, and files created in it later, to a project.
    fn count(&self, folder: &Path, place: u32) -> io::Result<()> {
        let (project, folder) = (self.project(place).to_string(), folder.to_string_lossy());
        if self.method == Method::Xfs {
            let set = format!("project -s -p {folder} {project}");
            return run("xfs_quota", &["-x", "-c", &set, &self.mount.to_string_lossy()]);
        }
        // ext4 refuses the inheritance flag on files (`ext4_ioctl_setflags`).
        for (kind, change) in [("f", ["-p", &project].as_slice()), ("d", ["+P", "-p", &project].as_slice())] {
            let find = [&folder, "-xdev", "-type", kind, "-execdir", "chattr"];
            run("find", &[&find, change, &["{}", "+"]].concat())?;
        }
        Ok(())
    }

    /// Changes a limit that [`Quota::limit`] has set before. Blocking.
    ///
    /// # Errors
    /// If the file system refuses.
    pub(crate) fn change(&self, data: &Path, place: u32, mib: u64) -> io::Result<()> {
        let (project, mount) = (self.project(place).to_string(), self.mount.to_string_lossy());
        match self.method {
            Method::Measured => Ok(()),
            Method::Xfs => {
                run("xfs_quota", &["-x", "-c", &format!("limit -p bhard={mib}m {project}"), &mount])
            }
            Method::Ext4 => {
                run("setquota", &["-P", &project, "0", &(mib * 1024).to_string(), "0", "0", &mount])
            }
            Method::Btrfs if !is_subvolume(data)? => Ok(()),
            Method::Btrfs => {
                let limit = if mib == 0 { "none".into() } else { format!("{mib}M") };
                run("btrfs", &["qgroup", "limit", &limit, &data.to_string_lossy()])
            }
        }
    }

    /// Removes a container's limit before its folder is deleted. Blocking.
    ///
    /// # Errors
    /// If the file system refuses.
    pub(crate) fn lift(&self, data: &Path, place: u32) -> io::Result<()> {
        match self.method {
            Method::Btrfs if data.exists() && is_subvolume(data)? => {
                self.change(data, place, 0)?;
                let id = output("btrfs", &["inspect-internal", "rootid", &data.to_string_lossy()])?;
                run("btrfs", &["subvolume", "delete", "--commit-after", &data.to_string_lossy()])?;
                // The kernel may delete the group only after it has cleaned up the subvolume; without a limit the group has no
                // effect.
                let _ = run(
                    "btrfs",
                    &["qgroup", "destroy", &format!("0/{}", id.trim()), &self.mount.to_string_lossy()],
                );
                Ok(())
            }
            Method::Btrfs => Ok(()),
            _ => self.change(data, place, 0),
        }
    }
}

/// The inode number of every subvolume's root (btrfs(5)).
const SUBVOLUME: u64 = 256;

fn is_subvolume(folder: &Path) -> io::Result<bool> {
    Ok(fs::symlink_metadata(folder)?.ino() == SUBVOLUME)
}

/// Turns a folder into a subvolume with the same content.
fn make_subvolume(folder: &Path) -> io::Result<()> {
    if is_subvolume(folder)? {
        return Ok(());
    }
    let was = fs::symlink_metadata(folder)?;
    let beside = folder.with_extension("subvolume");
    // Left by an earlier attempt.
    if beside.exists() {
        crate::files::remove(&beside)?;
    }
    let (from, to) = (folder.to_string_lossy(), beside.to_string_lossy());
    run("btrfs", &["subvolume", "create", &to])?;
    // Blocks are shared, so it takes no space and little time.
    run("cp", &["-a", "--reflink=auto", &format!("{from}/."), &to])?;
    chown(&beside, Some(was.uid()), Some(was.gid()))?;
    fs::set_permissions(&beside, fs::Permissions::from_mode(was.mode() & 0o7777))?;
    // Atomic: after a crash it is either the old or the new folder.
    renameat_with(CWD, &beside, CWD, folder, RenameFlags::EXCHANGE)?;
    crate::files::remove(&beside)
}

fn with_programs(method: Method, programs: &[&str], package: &str) -> (Method, String) {
    let missing = programs.iter().find(|program| {
        ["/usr/sbin", "/sbin", "/usr/bin", "/bin"]
            .iter()
            .all(|folder| !Path::new(folder).join(program).exists())
    });
    match missing {
        Some(program) => (
            Method::Measured,
            format!(
                "Measured once a minute. The file system has quotas; install {program} (package {package}) for limits enforced by the kernel."
            ),
        ),
        None => (method, "The kernel enforces the limits: a container finds its disk full.".into()),
    }
}

fn run(program: &str, args: &[&str]) -> io::Result<()> {
    output(program, args).map(drop)
}

fn output(program: &str, args: &[&str]) -> io::Result<String> {
    let output = Command::new(program).args(args).output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    // xfs_quota exits successfully even if it failed.
    let failed = !output.status.success() || (program == "xfs_quota" && !errors.trim().is_empty());
    if failed {
        return Err(io::Error::other(format!("{program}: {}", errors.trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Fields: id, parent, device, root, mount point, options, optional fields, `-`, type, source, super options
/// (proc_pid_mountinfo(5)).
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
