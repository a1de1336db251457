//! Disk usage of folders, and checksums of files.

use super::{Workspace, kind};
use crate::{
    bounded_sort::BoundedSort,
    files::{FilePath, FileResult, Kind, Open},
};
use md5::Md5;
use raptor_model::node::files::{ChecksumKind, FolderSize};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The most entries in one answer.
const MAX_SIZES: usize = 2_000;

impl Workspace {
    /// The entries of a folder with their disk usage, largest first, up to [`MAX_SIZES`].
    pub(super) fn sizes(&self, path: &FilePath) -> FileResult<Vec<FolderSize>> {
        let largest = |a: &FolderSize, b: &FolderSize| {
            b.disk_bytes.cmp(&a.disk_bytes).then_with(|| a.path.cmp(&b.path))
        };
        let mut items = BoundedSort::new(MAX_SIZES, largest);
        for entry in self.root.entries(path)? {
            let entry = entry?;
            let Ok(at) = path.join(&entry.name) else { continue };
            let mut size = FolderSize {
                path: at.clone(),
                kind: kind(entry.stat.kind),
                disk_bytes: entry.stat.allocated(),
                files: u64::from(entry.stat.kind != Kind::Folder),
            };
            if entry.stat.kind == Kind::Folder {
                for step in self.root.walk(&at)? {
                    size.disk_bytes += step.stat.allocated();
                    size.files += u64::from(step.stat.kind != Kind::Folder);
                }
            }
            items.push(size);
        }
        Ok(items.sorted())
    }

    pub(super) fn checksum(&self, path: &FilePath, algorithm: ChecksumKind) -> FileResult<String> {
        match algorithm {
            ChecksumKind::Sha256 => self.digest::<Sha256>(path),
            ChecksumKind::Sha1 => self.digest::<Sha1>(path),
            ChecksumKind::Md5 => self.digest::<Md5>(path),
        }
    }

    fn digest<D: Digest>(&self, path: &FilePath) -> FileResult<String> {
        let file = self.root.open_file(path, Open::READ)?;
        let (mut digest, mut buffer, mut offset) = (D::new(), vec![0; 256 * 1024], 0);
        while let read @ 1.. = file.read_at(&mut buffer, offset)? {
            digest.update(buffer.get(..read).unwrap_or_default());
            offset += read as u64;
        }
        Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}
