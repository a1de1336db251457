//! Formats made of lines, and plain files, in which lines that begin with a key are replaced as a whole.

use super::{ConfigFileError, line_end, plain, wanted};
use crate::templates::ConfigEdit;

/// If several keys match a line, the longest one counts, and of equal ones the last whose condition is met. Nothing is added if
/// no line matches.
pub(super) fn replace(text: &str, edits: &[ConfigEdit]) -> Result<String, ConfigFileError> {
    let mut written = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let body = line.trim_end_matches(['\r', '\n']);
        let end = line.get(body.len()..).unwrap_or_default();
        let mut best: Option<(usize, String)> = None;
        for edit in edits.iter().filter(|edit| !edit.key.is_empty() && body.starts_with(&edit.key)) {
            let rest = body.get(edit.key.len()..).unwrap_or_default();
            let present = rest.trim_start_matches(['=', ':', ' ', '\t']).trim_end();
            if best.as_ref().is_some_and(|(length, _)| *length > edit.key.len()) {
                continue;
            }
            if let Some(value) = wanted(edit, Some(present))? {
                best = Some((edit.key.len(), plain(&value)));
            }
        }
        match best {
            Some((_, new)) => {
                written.push_str(&new);
                written.push_str(end);
            }
            None => written.push_str(line),
        }
    }
    Ok(written)
}

/// The lines of a text, each with its own line end.
pub(super) struct Lines {
    lines: Vec<(String, &'static str)>,
    end: &'static str,
}

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        let line = |line: &str| match (line.strip_suffix("\r\n"), line.strip_suffix('\n')) {
            (Some(body), _) => (body.to_owned(), "\r\n"),
            (None, Some(body)) => (body.to_owned(), "\n"),
            // A last line that was cut off before its line feed.
            (None, None) => match line.strip_suffix('\r') {
                Some(body) => (body.to_owned(), "\r"),
                None => (line.to_owned(), ""),
            },
        };
        Self { lines: text.split_inclusive('\n').map(line).collect(), end: line_end(text) }
    }

    pub(super) fn count(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn get(&self, place: usize) -> Option<&str> {
        self.lines.get(place).map(|(body, _)| body.as_str())
    }

    pub(super) fn set(&mut self, place: usize, body: String) {
        if let Some((line, _)) = self.lines.get_mut(place) {
            *line = body;
        }
    }

    pub(super) fn remove(&mut self, places: std::ops::Range<usize>) {
        let end = places.end.min(self.lines.len());
        self.lines.drain(places.start.min(end)..end);
    }

    /// Inserts a new line, and ends the line before it if it has no line end yet.
    pub(super) fn insert(&mut self, place: usize, body: String) {
        let place = place.min(self.lines.len());
        if let Some((_, end)) = self.lines.get_mut(..place).and_then(<[_]>::last_mut)
            && !end.ends_with('\n')
        {
            *end = self.end;
        }
        self.lines.insert(place, (body, self.end));
    }

    pub(super) fn join(self) -> String {
        self.lines.into_iter().map(|(body, end)| body + end).collect()
    }
}
