//! Paths that a template, or somebody's access, hides from people.

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use raptor_model::node::{FileError, FilePath, FileResult};
use std::sync::Arc;

/// Most patterns that are evaluated.
const MAX_PATTERNS: usize = 512;

/// Patterns in the format of `.gitignore`, called `file_denylist` in eggs. Cheap to clone.
#[derive(Clone, Default)]
pub struct Denied(Vec<Arc<Gitignore>>);

impl Denied {
    /// Parses patterns. An invalid one denies nothing and is logged once.
    #[must_use]
    pub fn new<S: AsRef<str>>(patterns: &[S]) -> Self {
        let mut builder = GitignoreBuilder::new("");
        for pattern in patterns.iter().take(MAX_PATTERNS).map(AsRef::as_ref) {
            if let Err(error) = builder.add_line(None, pattern) {
                tracing::warn!(%error, pattern, "a pattern of protected files is invalid");
            }
        }
        match builder.build() {
            Ok(list) if !list.is_empty() => Self(vec![Arc::new(list)]),
            Ok(_) => Self::default(),
            Err(error) => {
                tracing::warn!(%error, "the patterns of protected files are invalid");
                Self::default()
            }
        }
    }

    /// Denies what either of the two denies.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self(self.0.iter().chain(&other.0).cloned().collect())
    }

    /// Whether it denies nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `path`, or one of its parent folders, is denied.
    #[must_use]
    pub fn covers(&self, path: &FilePath, is_folder: bool) -> bool {
        !path.is_root()
            && self
                .0
                .iter()
                .any(|list| list.matched_path_or_any_parents(path.as_str(), is_folder).is_ignore())
    }

    /// Refuses a denied path. If it is unknown whether the path is a folder, both are checked.
    pub(super) fn check(&self, path: &FilePath) -> FileResult<()> {
        if self.covers(path, false) || self.covers(path, true) { Err(FileError::Denied) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_gitignore() {
        let denied = Denied::new(&["*.key", "/secret/", "!public.key", "[", ""]);
        let covers = |path| denied.covers(&FilePath::parse(path).unwrap(), false);
        assert!(covers("a.key") && covers("x/y/a.key") && covers("secret/file"));
        assert!(!covers("public.key") && !covers("x/secret") && !covers("/"));
        assert!(Denied::new::<&str>(&[]).is_empty());
    }
}
