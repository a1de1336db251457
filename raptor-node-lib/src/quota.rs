//! Disk limits: by the kernel's quotas where the file system has them, else by measuring.
//!
//! XFS and ext4 limit projects, which a container's folder and what is kept beside it (trash, versions, uploads) share. btrfs
//! limits subvolumes: the container's folder becomes one. The programs of the file systems set the limits (`xfs_quota`;
//! `find`, `chattr` and `setquota`; `btrfs`): the system calls behind them have no interface that is safe and kept.

use raptor_model::node::DiskLimits;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::{
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Command,
};
use uuid::Uuid;

/// Which programs set the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Xfs,
    Ext4,
    Btrfs,
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
            "ext4" => with_programs(Way::Ext4, &["setquota", "chattr", "find"], "quota"),
            "btrfs" => match with_programs(Way::Btrfs, &["btrfs"], "btrfs-progs") {
                (Way::Btrfs, _) if run("btrfs", &["qgroup", "show", &mount.point.to_string_lossy()]).is_err() => (
                    Way::Measured,
                    format!("Measured once a minute. Run btrfs quota enable {} for limits that the kernel keeps.", mount.point.display()),
                ),
                found => found,
            },
            other => (
                Way::Measured,
                format!("Measured once a minute. Put the containers' folder on XFS or ext4 with project quotas, or on btrfs, for limits that the kernel keeps; {other} has none that are used here."),
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

    /// Counts a container's `data` and what is kept `beside` it together and limits them to `mib`; 0 lifts the limit. Both
    /// folders are there. All that is in them is gone through: for a container that does not run. Blocking.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(crate) fn limit(&self, data: &Path, beside: &Path, place: u32, mib: u64) -> io::Result<()> {
        match self.way {
            Way::Measured => return Ok(()),
            Way::Btrfs => make_subvolume(data)?,
            Way::Xfs | Way::Ext4 => {
                for folder in [data, beside] {
                    // What is deleted meanwhile, over SFTP for example, is in the way once.
                    self.count(folder, place).or_else(|_| self.count(folder, place))?;
                }
            }
        }
        self.change(data, place, mib)
    }

    /// Counts what is in a folder for a project, and what will be.
    fn count(&self, folder: &Path, place: u32) -> io::Result<()> {
        let (project, folder) = (self.project(place).to_string(), folder.to_string_lossy());
        if self.way == Way::Xfs {
            let set = format!("project -s -p {folder} {project}");
            return run("xfs_quota", &["-x", "-c", &set, &self.mount.to_string_lossy()]);
        }
        // ext4 refuses files the flag by which a folder's files are counted as it is (`ext4_ioctl_setflags`).
        for (kind, change) in [("f", ["-p", &project].as_slice()), ("d", ["+P", "-p", &project].as_slice())] {
            let find = [&folder, "-xdev", "-type", kind, "-execdir", "chattr"];
            run("find", &[&find, change, &["{}", "+"]].concat())?;
        }
        Ok(())
    }

    /// Changes the limit of what [`Quota::limit`] has limited before. Blocking.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(crate) fn change(&self, data: &Path, place: u32, mib: u64) -> io::Result<()> {
        let (project, mount) = (self.project(place).to_string(), self.mount.to_string_lossy());
        match self.way {
            Way::Measured => Ok(()),
            Way::Xfs => run("xfs_quota", &["-x", "-c", &format!("limit -p bhard={mib}m {project}"), &mount]),
            Way::Ext4 => run("setquota", &["-P", &project, "0", &(mib * 1024).to_string(), "0", "0", &mount]),
            Way::Btrfs if !is_subvolume(data)? => Ok(()),
            Way::Btrfs => {
                let limit = if mib == 0 { "none".into() } else { format!("{mib}M") };
                run("btrfs", &["qgroup", "limit", &limit, &data.to_string_lossy()])
            }
        }
    }

    /// Takes a container's limit away before its folder is removed. Blocking.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(crate) fn lift(&self, data: &Path, place: u32) -> io::Result<()> {
        match self.way {
            Way::Btrfs if data.exists() && is_subvolume(data)? => {
                self.change(data, place, 0)?;
                let id = output("btrfs", &["inspect-internal", "rootid", &data.to_string_lossy()])?;
                run("btrfs", &["subvolume", "delete", "--commit-after", &data.to_string_lossy()])?;
                // The kernel gives the group up when it has cleaned up behind the subvolume; without a limit it binds nobody.
                let _ = run(
                    "btrfs",
                    &["qgroup", "destroy", &format!("0/{}", id.trim()), &self.mount.to_string_lossy()],
                );
                Ok(())
            }
            Way::Btrfs => Ok(()),
            _ => self.change(data, place, 0),
        }
    }
}

/// The number of every subvolume's own folder (btrfs(5)).
const SUBVOLUME: u64 = 256;

fn is_subvolume(folder: &Path) -> io::Result<bool> {
    Ok(fs::symlink_metadata(folder)?.ino() == SUBVOLUME)
}

/// Makes a subvolume of a folder, with all that is in it.
fn make_subvolume(folder: &Path) -> io::Result<()> {
    if is_subvolume(folder)? {
        return Ok(());
    }
    let was = fs::symlink_metadata(folder)?;
    let beside = folder.with_extension("subvolume");
    // What an earlier attempt left.
    if beside.exists() {
        crate::files::remove(&beside)?;
    }
    let (from, to) = (folder.to_string_lossy(), beside.to_string_lossy());
    run("btrfs", &["subvolume", "create", &to])?;
    // The blocks are shared, so that this takes no room and little time.
    run("cp", &["-a", "--reflink=auto", &format!("{from}/."), &to])?;
    chown(&beside, Some(was.uid()), Some(was.gid()))?;
    fs::set_permissions(&beside, fs::Permissions::from_mode(was.mode() & 0o7777))?;
    // In one step: after a crash there is the old or the new.
    renameat_with(CWD, &beside, CWD, folder, RenameFlags::EXCHANGE)?;
    crate::files::remove(&beside)
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
                "Measured once a minute. The file system has quotas; install {program} (package {package}) for limits that the kernel keeps."
            ),
        ),
        None => (way, "The kernel keeps the limits: a container finds its disk full.".into()),
    }
}

fn run(program: &str, args: &[&str]) -> io::Result<()> {
    output(program, args).map(drop)
}

fn output(program: &str, args: &[&str]) -> io::Result<String> {
    let output = Command::new(program).args(args).output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    // xfs_quota ends well whatever happened.
    let failed = !output.status.success() || (program == "xfs_quota" && !errors.trim().is_empty());
    if failed {
        return Err(io::Error::other(format!("{program}: {}", errors.trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
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
