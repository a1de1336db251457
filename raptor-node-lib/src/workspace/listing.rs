//! What is in a folder, sorted.

use super::{Workspace, kind, time};
use crate::files::{Entry, FilePath, FileResult, Kind};
use raptor_core::node::files::{FilePage, FileSort};
use std::cmp::Ordering;

/// The most entries in one answer.
const MAX_LIMIT: u64 = 2_000;

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
        let wanted = search.map(str::to_lowercase);
        let mut entries = Vec::new();
        for entry in self.root.entries(path)? {
            let entry = entry?;
            if wanted.as_ref().is_none_or(|wanted| entry.name.to_lowercase().contains(wanted)) {
                entries.push(entry);
            }
        }
        entries.sort_by(|a, b| {
            let folders = (a.stat.kind != Kind::Folder).cmp(&(b.stat.kind != Kind::Folder));
            let order = compare(a, b, sort);
            folders.then(if descending { order.reverse() } else { order })
        });
        let total = entries.len() as u64;
        let (offset, limit) = (usize::try_from(offset).unwrap_or(usize::MAX), limit.clamp(1, MAX_LIMIT));
        let items = entries
            .into_iter()
            .skip(offset)
            .take(usize::try_from(limit).unwrap_or(usize::MAX))
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

/// Without regard to case, and numbers by their value: `world2` before `world10`.
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

/// The digits at the start without leading zeros, and the rest.
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
