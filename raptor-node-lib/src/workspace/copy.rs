//! Copying files and folders.

use super::{Workspace, enough, operations::Progress};
use crate::files::{File, FileError, FilePath, FileResult, Kind, Open, Stat};
use raptor_model::node::files::FileMove;

impl Workspace {
    pub(super) fn copy_all(&self, copies: &[FileMove], progress: &Progress) -> FileResult<()> {
        enough(copies.len())?;
        for copy in copies {
            let stat = self.root.lstat(&copy.from)?;
            if stat.kind == Kind::Folder && copy.to.is_within(&copy.from) {
                return Err(FileError::Invalid("A folder can't be copied into itself.".into()));
            }
            self.copy_one(&copy.from, &copy.to, &stat, progress)?;
            if stat.kind != Kind::Folder {
                continue;
            }
            // Adding entries changes a folder's timestamp, so it is set at the end.
            let mut folders = vec![(copy.to.clone(), stat)];
            for step in self.root.walk(&copy.from)? {
                let Some(from) = step.file_path() else { continue };
                let below = from.as_str().get(copy.from.as_str().len()..).unwrap_or_default();
                let to = copy.to.join(below)?;
                self.copy_one(&from, &to, &step.stat, progress)?;
                if step.stat.kind == Kind::Folder {
                    folders.push((to, step.stat));
                }
            }
            while let Some((to, stat)) = folders.pop() {
                let _ = self.root.set_times(&to, stat.accessed, stat.modified, false);
            }
        }
        Ok(())
    }

    fn copy_one(&self, from: &FilePath, to: &FilePath, stat: &Stat, progress: &Progress) -> FileResult<()> {
        match stat.kind {
            Kind::Folder => self.root.create_dir(to, stat.mode | 0o700)?,
            Kind::File => {
                let source = self.root.open_file(from, Open::READ)?;
                let target = self.root.open_file(to, Open { mode: stat.mode, ..Open::NEW })?;
                let copied = copy_content(&source, &target, progress);
                if copied.is_err() {
                    // A partial file could be taken for a complete one.
                    let _ = self.root.remove_file(to);
                }
                copied?;
                target.set_mode(stat.mode)?;
                target.set_times(stat.accessed, stat.modified)?;
            }
            Kind::Symlink => match self.root.symlink(&self.root.read_link(from)?, to) {
                // Links that lead out of the folder are not copied.
                Ok(()) => {
                    let _ = self.root.set_times(to, stat.accessed, stat.modified, false);
                }
                Err(FileError::Outside) => {}
                Err(error) => return Err(error),
            },
            Kind::Special => {}
        }
        progress.file()
    }
}

fn copy_content(from: &File, to: &File, progress: &Progress) -> FileResult<()> {
    let mut done = 0;
    while let copied @ 1.. = from.copy_to(done, to, done, u64::MAX)? {
        done += copied;
        progress.bytes(copied)?;
    }
    Ok(())
}
