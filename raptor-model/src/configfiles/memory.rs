//! What Raptor wrote into a file at earlier starts.
//!
//! In INI files nothing tells a comment behind a value from a part of that value. A tail that was there before Raptor first
//! wrote the key is a comment and stays; what Raptor wrote itself is replaced as a whole.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};

/// How many texts are remembered for each key.
const MAX_WRITTEN: usize = 32;
/// How many comments are remembered for each key, where it is in a file several times.
const MAX_TAILS: usize = 8;

/// What is remembered of all files of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Whether files were written that nothing is remembered of.
    blank: bool,
    files: BTreeMap<String, FileMemory>,
}

impl Memory {
    /// Nothing is remembered. `started`: whether the container was started before, so that its files may hold what Raptor wrote.
    #[must_use]
    pub fn new(started: bool) -> Self {
        Self { blank: started, files: BTreeMap::new() }
    }

    /// What is remembered of one file; it is forgotten where the file is gone.
    pub fn file(&mut self, path: &str, exists: bool) -> &mut FileMemory {
        let fresh = FileMemory { blank: self.blank && exists, keys: BTreeMap::new() };
        let memory = self.files.entry(path.to_owned()).or_insert_with(|| fresh.clone());
        if !exists {
            *memory = fresh;
        }
        memory
    }
}

/// What is remembered of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMemory {
    /// Whether keys were written that nothing is remembered of.
    blank: bool,
    keys: BTreeMap<String, KeyMemory>,
}

/// What is remembered of one key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeyMemory {
    /// Hashes of what was written behind it, the newest last: values can be secrets.
    written: VecDeque<String>,
    /// Comments that are the file's own, with the blanks before them.
    tails: Vec<String>,
}

/// What stands behind a key's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail<'t> {
    /// Nothing; all of it is the value.
    None,
    /// A comment of the file's own.
    Own(&'t str),
    /// A comment or a part of an earlier value: it goes with the value, and stays as long as the value does.
    Unsure(&'t str),
}

impl FileMemory {
    /// What `tail`, which may be a comment behind the value in `whole`, is.
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
        // A person put it behind what Raptor wrote.
        let bare = tail.and_then(|tail| whole.strip_suffix(tail)).map(str::trim_end);
        match (tail, bare) {
            (Some(tail), Some(bare)) if !memory.wrote(whole) && memory.wrote(bare) => Tail::Own(tail),
            _ => Tail::None,
        }
    }

    /// Remembers what stands behind a key now.
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
