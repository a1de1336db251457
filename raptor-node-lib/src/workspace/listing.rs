//! Sorted listings of folders.

use super::{Workspace, kind, time};
use crate::{
    bounded_sort::BoundedSort,
    files::{Entry, FilePath, FileResult, Kind},
};
use raptor_model::node::files::{FilePage, FileSort};
use std::cmp::Ordering;

/// The most entries in one answer.
const MAX_LIMIT: u64 = 2_000;
/// Most entries skipped in one pass: a page far down in a large folder is found by reading the folder several times, rather
/// than by holding all of it.
const SKIPPED: usize = 16_384;

impl Workspace {
    pub(super) fn list(
        &self,
        path: &FilePath,
        sort: FileSort,
        descending: bool,
        offset: u64,
        limit: u64,
        search: Option<&str>,
    ) -> FileResult<FilePage> {
        self.list_by(SKIPPED, path, (sort, descending), (offset, limit), search)
    }

    /// With at most `most_skipped` entries skipped per pass.
    pub(super) fn list_by(
        &self,
        most_skipped: usize,
        path: &FilePath,
        (sort, descending): (FileSort, bool),
        (offset, limit): (u64, u64),
        search: Option<&str>,
    ) -> FileResult<FilePage> {
        let order = |a: &Entry, b: &Entry| {
            let folders = (a.stat.kind != Kind::Folder).cmp(&(b.stat.kind != Kind::Folder));
            let order = compare(a, b, sort);
            folders.then(if descending { order.reverse() } else { order })
        };
        let wanted = search.map(str::to_lowercase);
        let wanted =
            |entry: &Entry| wanted.as_ref().is_none_or(|wanted| entry.name.to_lowercase().contains(wanted));
        let limit = usize::try_from(limit.clamp(1, MAX_LIMIT)).unwrap_or(1);
        let mut skip = usize::try_from(offset).unwrap_or(usize::MAX);
        let (mut total, mut after) = (0, None::<Entry>);
        let page = loop {
            let most = if skip <= most_skipped { skip + limit } else { most_skipped };
            let mut first = BoundedSort::new(most, &order);
            let mut seen = 0;
            for entry in self.root.entries(path)? {
                let entry = entry?;
                if wanted(&entry) {
                    seen += 1;
                    if after.as_ref().is_none_or(|after| order(&entry, after) == Ordering::Greater) {
                        first.push(entry);
                    }
                }
            }
            // As counted in the first pass, since files may come and go.
            total = if after.is_none() { seen } else { total };
            let mut first = first.sorted();
            if skip <= most_skipped {
                first.drain(..skip.min(first.len()));
                break first;
            }
            skip -= first.len();
            match first.pop() {
                Some(last) if first.len() + 1 == most && (skip as u64) < total => after = Some(last),
                // The page is beyond the end.
                _ => break Vec::new(),
            }
        };
        let items = page
            .into_iter()
            .take(limit)
            .filter_map(|entry| Some(self.describe(path.join(&entry.name).ok()?, &entry.stat)))
            .collect();
        let usage = self.root.usage();
        let mut folder = self.info(path)?;
        let there = self.root.stat(path)?;
        (folder.kind, folder.modified_at) = (kind(there.kind), time(&there));
        Ok(FilePage { items, total, folder, used_bytes: usage.used(), limit_bytes: usage.limit() })
    }
}

fn compare(a: &Entry, b: &Entry, sort: FileSort) -> Ordering {
    let first = match sort {
        FileSort::Name => Ordering::Equal,
        FileSort::Size => a.stat.len.cmp(&b.stat.len),
        FileSort::Modified => a.stat.modified.cmp(&b.stat.modified),
    };
    first.then_with(|| natural(&a.name, &b.name)).then_with(|| a.name.cmp(&b.name))
}

/// Compares without regard to case, and numbers by value: `world2` before `world10`.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (Some(x), Some(y)) = (a.chars().next(), b.chars().next()) else { return a.len().cmp(&b.len()) };
        if x.is_ascii_digit() && y.is_ascii_digit() {
            let (left, right);
            ((left, a), (right, b)) = (digits(a), digits(b));
            match left.len().cmp(&right.len()).then_with(|| left.cmp(right)) {
                Ordering::Equal => continue,
                order => return order,
            }
        }
        match x.to_lowercase().cmp(y.to_lowercase()) {
            Ordering::Equal => {}
            order => return order,
        }
        a = a.get(x.len_utf8()..).unwrap_or_default();
        b = b.get(y.len_utf8()..).unwrap_or_default();
    }
}

/// The leading digits without leading zeros, and the rest.
fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    (number.trim_start_matches('0'), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_as_people_count() {
        let mut names = ["b", "World10", "world2", "a10", "A9", "world", "a09b"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["A9", "a09b", "a10", "b", "world", "world2", "World10"]);
    }
}
