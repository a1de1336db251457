//! A small disk for a test: an ext4 file system in a file, which can be filled to the last block or made to fail.

use crate::programs::folder;
use std::{
    fs,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
};

pub struct Disk {
    folder: tempfile::TempDir,
    repairs: u32,
}

impl Disk {
    /// `None` if this user may not mount one, with a message; this fails in CI.
    pub fn new(mib: u64) -> Option<Self> {
        let own = Self { folder: folder(), repairs: 0 };
        fs::create_dir(own.root()).unwrap();
        fs::File::create(own.image()).unwrap().set_len(mib << 20).unwrap();
        // Without blocks reserved for root, because the tests run as root.
        let made = run("mkfs.ext4", &["-q", "-m", "0", path(&own.image())]);
        if let Err(why) = made.and_then(|()| own.mount()) {
            assert!(
                std::env::var("CI").map_or(true, |ci| ci != "true"),
                "a mounted disk is needed in CI: {why}"
            );
            println!("SKIP: no disk of one's own can be mounted: {why}");
            return None;
        }
        Some(own)
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join(format!("image {}", self.repairs))
    }

    pub fn root(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    fn mount(&self) -> Result<(), String> {
        run("mount", &["-o", "loop,errors=remount-ro", path(&self.image()), path(&self.root())])
    }

    /// Uses up every free block.
    pub fn fill(&self) {
        let mut filler = fs::File::options().create(true).append(true).open(self.filler()).unwrap();
        for size in [1 << 20, 4096, 1] {
            let block = vec![7; size];
            loop {
                match filler.write_all(&block).and_then(|()| filler.sync_data()) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    fn filler(&self) -> PathBuf {
        self.root().join("filler")
    }

    pub fn make_room(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    /// Makes the kernel consider it faulty and read-only, as after a real fault. Earlier writes are kept.
    pub fn fail(&self) {
        run("sync", &["-f", path(&self.root())]).unwrap();
        let found = Command::new("findmnt").args(["-no", "SOURCE"]).arg(self.root()).output().unwrap();
        let device = String::from_utf8(found.stdout).unwrap();
        let device = device.trim().trim_start_matches("/dev/");
        fs::write(format!("/sys/fs/ext4/{device}/trigger_fs_error"), "a test").unwrap();
        let refused = fs::write(self.root().join("probe"), "").unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ReadOnlyFilesystem);
    }

    /// Checks and mounts it again, as an administrator does after a fault. It must not be in use.
    pub fn mend(&mut self) {
        run("umount", &[path(&self.root())]).unwrap();
        // 1: errors were corrected.
        let checked = Command::new("e2fsck").args(["-fy", path(&self.image())]).output().unwrap();
        assert!(checked.status.code().is_some_and(|code| code <= 1), "{checked:?}");
        // The kernel keeps the faulty file system as long as it is mounted in any mount namespace.
        let faulty = self.image();
        self.repairs += 1;
        fs::copy(&faulty, self.image()).unwrap();
        fs::remove_file(faulty).unwrap();
        self.mount().unwrap();
    }

    /// Mounts it read-only. Nothing must be writing to it.
    pub fn forbid_writing(&self) {
        run("mount", &["-o", "remount,ro", path(&self.root())]).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = run("umount", &["-l", path(&self.root())]);
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn run(program: &str, args: &[&str]) -> Result<(), String> {
    let done = Command::new(program).args(args).output().map_err(|error| format!("{program}: {error}"))?;
    if done.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).into_owned()) }
}
