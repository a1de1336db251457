//! Walking everything below a folder page by page, so that memory use is bounded for folders of any size.

use super::{
    entries::{Entries, Entry},
    root::Root,
    stat::{Kind, Stat},
};
use crate::bounded_sort::BoundedSort;
use raptor_model::node::{FileError, FilePath, FileResult};
use std::{
    collections::HashSet,
    ffi::{CStr, CString, OsStr},
    ops::Bound,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// Most entries of one folder in memory. Larger folders are read several times.
const PAGE: usize = 16_384;
/// Most pages in memory, over all folders on the current path. Beyond it, the outermost folder is read again when the walk
/// returns to it.
const PAGES: usize = 4;

/// An entry that a walk visits.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its path relative to the container's folder.
    pub path: PathBuf,
    /// Its metadata; for a link, that of the link itself.
    pub stat: Stat,
}

impl Step {
    /// The path for people; `None` if it is too long to be expressed.
    #[must_use]
    pub fn file_path(&self) -> Option<FilePath> {
        FilePath::from_bytes(self.path.as_os_str().as_bytes()).ok()
    }
}

/// Everything below a folder, ordered by name, folders before their content, without following links. Folders that disappear or
/// can't be read, and denied entries, are left out. What is created or deleted during the walk may be visited or not.
///
/// Holds at most [`PAGES`] pages of [`PAGE`] entries, and the one being read.
pub struct Walk {
    root: Root,
    page: usize,
    levels: Vec<Level>,
    held: usize,
}

/// A folder on the current path.
struct Level {
    folder: PathBuf,
    /// The next entries, in reverse order.
    ahead: Vec<(CString, Stat)>,
    /// Where to continue reading the folder; `None` if it was read completely.
    rest: Option<Bound<CString>>,
}

impl Iterator for Walk {
    type Item = Step;
    fn next(&mut self) -> Option<Step> {
        loop {
            let level = self.levels.last_mut()?;
            if let Some((name, stat)) = level.ahead.pop() {
                self.held -= 1;
                let path = level.folder.join(OsStr::from_bytes(name.to_bytes()));
                if stat.kind == Kind::Folder {
                    self.enter(path.clone());
                }
                return Some(Step { path, stat });
            }
            match level.rest.take() {
                Some(from) => self.read(from),
                None => drop(self.levels.pop()),
            }
        }
    }
}

impl Walk {
    fn new(root: Root, page: usize, folder: PathBuf) -> Self {
        let mut walk = Self { root, page, levels: Vec::new(), held: 0 };
        walk.enter(folder);
        walk
    }

    fn enter(&mut self, folder: PathBuf) {
        self.levels.push(Level { folder, ahead: Vec::new(), rest: None });
        self.read(Bound::Unbounded);
    }

    /// Reads the next page of the innermost folder.
    fn read(&mut self, from: Bound<CString>) {
        self.forget_outermost();
        let Some(level) = self.levels.last_mut() else { return };
        // Opened by path, so that a deep tree needs no open descriptors; the kernel keeps each step inside of the container.
        let at = if level.folder.as_os_str().is_empty() { Path::new(".") } else { &level.folder };
        let Ok(entries) = self.root.entries_at(at) else { return };
        let (entries, rest) = entries.page(&from, self.page);
        level.ahead = entries.into_iter().rev().map(|entry| (entry.raw, entry.stat)).collect();
        level.rest = rest.map(Bound::Excluded);
        self.held += level.ahead.len();
    }

    /// Drops a page to make room for another.
    fn forget_outermost(&mut self) {
        let most = self.page * (PAGES - 1);
        let innermost = self.levels.len().saturating_sub(1);
        for level in self.levels.iter_mut().take(innermost) {
            if self.held <= most {
                return;
            }
            if let Some((next, _)) = level.ahead.last() {
                level.rest = Some(Bound::Included(next.clone()));
                self.held -= level.ahead.len();
                level.ahead = Vec::new();
            }
        }
    }
}

impl Entries {
    /// The first `most` entries by name within a bound, and the name after which there are more.
    fn page(mut self, from: &Bound<CString>, most: usize) -> (Vec<Entry>, Option<CString>) {
        let comes = |name: &CStr| match from {
            Bound::Unbounded => true,
            Bound::Included(first) => name >= first.as_c_str(),
            Bound::Excluded(last) => name > last.as_c_str(),
        };
        let (mut first, mut seen) = (BoundedSort::new(most, CString::cmp), 0_usize);
        while let Some(Ok(name)) = self.next_name() {
            if comes(&name) {
                seen += 1;
                first.push(name);
            }
        }
        let names = first.sorted();
        let rest = names.last().filter(|_| seen > most).cloned();
        (names.into_iter().filter_map(|name| self.entry(name)?.ok()).collect(), rest)
    }
}

impl Root {
    /// Everything below a folder; nothing if it doesn't exist.
    ///
    /// # Errors
    /// [`FileError::Denied`].
    pub fn walk(&self, path: &FilePath) -> FileResult<Walk> {
        self.walk_by(PAGE, path)
    }

    /// With another page size.
    pub(super) fn walk_by(&self, page: usize, path: &FilePath) -> FileResult<Walk> {
        self.denied.check(path)?;
        Ok(Walk::new(
            self.clone(),
            page,
            if path.is_root() { PathBuf::new() } else { path.as_path().into_owned() },
        ))
    }

    /// Refuses if anything below a folder is denied, since it would not be denied at its new path.
    pub(super) fn check_below(&self, path: &FilePath) -> FileResult<()> {
        if self.denied.is_empty() {
            return Ok(());
        }
        for step in self.undenied().walk(path)? {
            let path = FilePath::from_bytes(step.path.as_os_str().as_bytes())?;
            if self.denied.covers(&path, step.stat.kind == Kind::Folder) {
                return Err(FileError::Denied);
            }
        }
        Ok(())
    }

    /// Bytes on disk of everything in it. A file with several hard links counts once.
    #[must_use]
    pub fn size(&self) -> u64 {
        let mut seen = HashSet::new();
        let Ok(walk) = self.undenied().walk(&FilePath::ROOT) else { return 0 };
        walk.filter(|step| {
            let linked = step.stat.links > 1 && step.stat.kind != Kind::Folder;
            !linked || seen.insert((step.stat.device, step.stat.inode))
        })
        .map(|step| step.stat.allocated())
        .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, sync::Arc};

    fn root(folder: &Path) -> Root {
        Root::measured(&folder.join("data"), &folder.join("kept"), 0, 0, Arc::default()).unwrap()
    }

    fn below(folder: &Path, prefix: &Path, all: &mut Vec<PathBuf>) {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        for name in names {
            let path = prefix.join(&name);
            all.push(path.clone());
            if folder.join(&name).is_dir() {
                below(&folder.join(&name), &path, all);
            }
        }
    }

    #[test]
    fn of_200_000_no_more_is_held_than_a_page() {
        let folder = tempfile::tempdir().unwrap();
        let root = root(folder.path());
        let data = folder.path().join("data");
        for number in 0..200_000 {
            // Hard links to the same file, to save inodes.
            if number % 50_000 == 0 {
                fs::write(data.join(format!("{number}")), "").unwrap();
            } else {
                let first = data.join(format!("{}", number - number % 50_000));
                fs::hard_link(first, data.join(format!("{number}"))).unwrap();
            }
        }
        let mut walk = root.walk(&FilePath::ROOT).unwrap();
        let (mut count, mut last) = (0, PathBuf::new());
        while let Some(step) = walk.next() {
            assert!(walk.held <= PAGE, "{} entries are held", walk.held);
            assert!(step.path > last, "{} came after {}", step.path.display(), last.display());
            (count, last) = (count + 1, step.path);
        }
        assert_eq!(count, 200_000);
    }

    #[test]
    fn however_deep_and_large_folders_are_few_pages_are_held_and_everything_comes_once_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let root = root(folder.path());
        let mut at = folder.path().join("data");
        for depth in 0..12 {
            for number in 0..25 {
                fs::write(at.join(format!("file {number}")), "").unwrap();
                fs::create_dir(at.join(format!("folder {number}"))).unwrap();
                fs::write(at.join(format!("folder {number}/in it")), "").unwrap();
            }
            at = at.join(format!("folder {}", depth % 25));
        }
        let mut all = Vec::new();
        below(&folder.path().join("data"), Path::new(""), &mut all);
        for page in [1, 2, 7, 24, 25, 26, 1_000] {
            let mut walk = root.walk_by(page, &FilePath::ROOT).unwrap();
            let mut came = Vec::new();
            while let Some(step) = walk.next() {
                assert!(walk.held <= page * PAGES, "{} entries are held", walk.held);
                came.push(step.path);
            }
            assert_eq!(came, all, "pages of {page}");
            assert_eq!((walk.held, walk.levels.len()), (0, 0));
        }
    }

    #[test]
    fn what_goes_away_meanwhile_does_not_end_a_walk() {
        let folder = tempfile::tempdir().unwrap();
        let root = root(folder.path());
        let data = folder.path().join("data");
        for number in 10..30 {
            fs::write(data.join(format!("{number}")), "").unwrap();
        }
        let mut walk = root.walk_by(5, &FilePath::ROOT).unwrap();
        assert_eq!(walk.next().unwrap().path, Path::new("10"));
        for number in 14..28 {
            fs::remove_file(data.join(format!("{number}"))).unwrap();
        }
        let left: Vec<_> = walk.map(|step| step.path.display().to_string()).collect();
        assert_eq!(left, ["11", "12", "13", "14", "28", "29"], "14 was read before");
    }

    #[test]
    fn the_order_is_that_of_names_below_a_folder_with_a_similar_name_too() {
        let folder = tempfile::tempdir().unwrap();
        let root = root(folder.path());
        for path in ["a/x", "a b/y", "a-b/z"] {
            fs::create_dir_all(folder.path().join("data").join(path)).unwrap();
        }
        let came: Vec<_> =
            root.walk(&FilePath::ROOT).unwrap().map(|step| step.path.display().to_string()).collect();
        assert_eq!(came, ["a", "a/x", "a b", "a b/y", "a-b", "a-b/z"]);
    }
}
