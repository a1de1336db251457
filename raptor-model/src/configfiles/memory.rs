//! What Raptor wrote into a file at earlier starts.
//!
//! In INI files nothing distinguishes a comment after a value from part of that value. Text that was there before Raptor first
//! wrote the key is a comment and stays; what Raptor wrote itself is replaced as a whole.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};

/// How many written values are remembered per key.
const MAX_WRITTEN: usize = 32;
/// How many comments are remembered per key, in case it occurs several times.
const MAX_TAILS: usize = 8;

/// What is remembered about the files of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Whether files may have been written by a version that remembered nothing.
    blank: bool,
    files: BTreeMap<String, FileMemory>,
}

impl Memory {
    /// An empty memory. `started`: whether the container was started before, so that its files may contain what Raptor wrote.
    #[must_use]
    pub fn new(started: bool) -> Self {
        Self { blank: started, files: BTreeMap::new() }
    }

    /// The memory of one file, cleared if the file no longer exists.
    pub fn file(&mut self, path: &str, exists: bool) -> &mut FileMemory {
        let fresh = FileMemory { blank: self.blank && exists, keys: BTreeMap::new() };
        let memory = self.files.entry(path.to_owned()).or_insert_with(|| fresh.clone());
        if !exists {
            *memory = fresh;
        }
        memory
    }
}

/// What is remembered about one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMemory {
    /// Whether keys may have been written by a version that remembered nothing.
    blank: bool,
    keys: BTreeMap<String, KeyMemory>,
}

/// What is remembered about one key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeyMemory {
    /// Hashes of the values written, newest last. Hashes, since values can be secrets.
    written: VecDeque<String>,
    /// Comments of the file itself, including the whitespace before them.
    tails: Vec<String>,
}

/// What follows a key's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail<'t> {
    /// Nothing: all of it is the value.
    None,
    /// A comment of the file itself.
    Own(&'t str),
    /// A comment or part of an earlier value: it is replaced with the value, and stays as long as the value does.
    Unsure(&'t str),
}

impl FileMemory {
    /// Classifies `tail`, which may be a comment after the value in `whole`.
    pub(super) fn judge<'t>(&self, key: &str, whole: &'t str, tail: Option<&'t str>) -> Tail<'t> {
        let Some(memory) = self.keys.get(key) else {
            return match tail {
                None => Tail::None,
                Some(tail) if self.blank => Tail::Unsure(tail),
                Some(tail) => Tail::Own(tail),
            };
        };
        let known = memory
            .tails
            .iter()
            .filter_map(|tail| whole.strip_suffix(tail.as_str()))
            .min_by_key(|bare| bare.len());
        if let Some(bare) = known {
            return whole.get(bare.len()..).map_or(Tail::None, Tail::Own);
        }
        // Somebody added it after what Raptor wrote.
        let bare = tail.and_then(|tail| whole.strip_suffix(tail)).map(str::trim_end);
        match (tail, bare) {
            (Some(tail), Some(bare)) if !memory.wrote(whole) && memory.wrote(bare) => Tail::Own(tail),
            _ => Tail::None,
        }
    }

    /// Remembers what follows a key now.
    pub(super) fn note(&mut self, key: &str, whole: &str, tail: Option<&str>) {
        let memory = self.keys.entry(key.to_owned()).or_default();
        let bare = tail.and_then(|tail| whole.strip_suffix(tail)).unwrap_or(whole).trim_end();
        for text in [bare, whole] {
            let hash = hash(text);
            memory.written.retain(|known| *known != hash);
            memory.written.push_back(hash);
        }
        while memory.written.len() > MAX_WRITTEN {
            memory.written.pop_front();
        }
        if let Some(tail) = tail
            && memory.tails.len() < MAX_TAILS
            && !memory.tails.iter().any(|known| known == tail)
        {
            memory.tails.push(tail.to_owned());
        }
    }
}

impl KeyMemory {
    fn wrote(&self, text: &str) -> bool {
        let hash = hash(text);
        self.written.contains(&hash)
    }
}

fn hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
