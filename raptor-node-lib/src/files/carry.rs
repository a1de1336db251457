//! Moves that `rename` can't do: between folders with separate quotas, as on btrfs.

use super::{FileError, FilePath, FileResult, Kind, Open, Root, Stat};
use rustix::fs as sys;
use std::io;
use uuid::Uuid;

impl Root {
    /// Copies, renames the copy into place, then deletes the source. The target never appears half-copied.
    pub(super) fn carry(
        &self,
        from: &FilePath,
        other: &Self,
        to: &FilePath,
        replace: bool,
    ) -> FileResult<()> {
        let parent = to.parent().ok_or(FileError::NotFound)?;
        // Within one account a move needs no additional space, although both copies exist for a moment.
        let other = &if std::sync::Arc::ptr_eq(self.usage(), other.usage()) {
            other.beyond_limit()
        } else {
            other.clone()
        };
        let beside = parent.join(&format!(".raptor-{}", Uuid::now_v7().simple()))?;
        let carried = self
            .copy_tree(from, other, &beside)
            .and_then(|()| other.rename_here(&beside, other, to, replace));
        if let Err(error) = carried {
            let _ = other.remove_tree(&beside, |_| true);
            return Err(error);
        }
        self.remove_tree(from, |_| true)
    }

    fn copy_tree(&self, from: &FilePath, other: &Self, to: &FilePath) -> FileResult<()> {
        let stat = self.lstat(from)?;
        self.copy_into(from, other, to, &stat)?;
        if stat.kind == Kind::Folder {
            for step in self.walk(from)? {
                let strange = || FileError::Invalid("A path in this folder is too long.".into());
                let path = step.file_path().ok_or_else(strange)?;
                let below = path.as_str().get(from.as_str().len()..).unwrap_or_default();
                self.copy_into(&path, other, &to.join(below)?, &step.stat)?;
            }
        }
        Ok(())
    }

    fn copy_into(&self, from: &FilePath, other: &Self, to: &FilePath, stat: &Stat) -> FileResult<()> {
        match stat.kind {
            Kind::Folder => other.create_dir(to, stat.mode | 0o700),
            Kind::File => {
                let source = self.open_file(from, Open::READ)?;
                let target = other.open_file(to, Open { mode: stat.mode, ..Open::NEW })?;
                let mut done = 0;
                while let copied @ 1.. = source.copy_to(done, &target, done, u64::MAX)? {
                    done += copied;
                }
                target.set_mode(stat.mode)?;
                other.set_times(to, stat.accessed, stat.modified, false)
            }
            // Copied as it is, wherever it leads: links are only ever followed within the folder.
            Kind::Symlink => {
                let (source, target) = (self.leaf(from)?, other.leaf(to)?);
                let leads_to =
                    sys::readlinkat(&source.dir, &source.name, Vec::new()).map_err(io::Error::from)?;
                sys::symlinkat(&leads_to, &target.dir, &target.name).map_err(io::Error::from)?;
                Ok(())
            }
            Kind::Special => Ok(()),
        }
    }
}
