//! Full-text search over entries, without regard to case and accents.

use super::{Catalogue, Entry};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// The searchable text of an entry, folded.
#[derive(Debug)]
pub(super) struct Searched {
    name: String,
    /// Name, category and description.
    all: String,
}

impl Searched {
    pub(super) fn new(entry: &Entry, category: &str) -> Self {
        let name = fold(&entry.name);
        let all = [name.as_str(), &fold(category), &fold(&entry.description)].join("\n");
        Self { name, all }
    }

    /// The rank of the match, 0 being the best; `None` if a word is missing.
    fn rank(&self, query: &str) -> Option<u8> {
        let words = || query.split_whitespace();
        if !words().all(|word| self.all.contains(word)) {
            return None;
        }
        Some(match () {
            () if self.name.starts_with(query) => 0,
            () if words().all(|word| self.name.contains(word)) => 1,
            () => 2,
        })
    }
}

/// Lower case, without accents.
fn fold(text: &str) -> String {
    text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect()
}

impl Catalogue {
    /// The entries that contain every word of `query` in their name, category or description; matches in the name come first.
    /// An empty query returns all entries in the catalogue's order.
    #[must_use]
    pub fn find(&self, query: &str) -> Vec<&Entry> {
        let query = fold(query.trim());
        let ranked = self.entries.iter().zip(&self.searched);
        let mut found: Vec<(u8, &Entry)> =
            ranked.filter_map(|(entry, searched)| Some((searched.rank(&query)?, entry))).collect();
        // A stable sort: entries of the same rank keep the catalogue's order.
        found.sort_by_key(|(rank, _)| *rank);
        found.into_iter().map(|(_, entry)| entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::catalogue::builtin;

    fn found(query: &str) -> Vec<String> {
        builtin::catalogue().find(query).iter().map(|entry| entry.id.clone()).collect()
    }

    #[test]
    fn words_are_found_in_any_case_and_accent_and_names_come_first() {
        assert_eq!(found("OPENTTD")[0], "openttd");
        assert_eq!(found("Öpénttd"), found("openttd"));
        assert_eq!(found("  "), found(""));
        assert_eq!(found("").len(), builtin::catalogue().entries.len());
        assert!(found("voice").len() >= 8, "by category");
        assert!(found("static pictures").contains(&"static-site".to_owned()), "by description, any order");
        assert!(found("openttd zzzz").is_empty());
    }
}
