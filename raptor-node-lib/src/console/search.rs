//! Searching a console's log, segment by segment. Blocking.

use super::{Console, log::Stored};
use raptor_model::{
    console::{Hits, SearchPattern, search},
    node::{ConsoleFound, ConsoleLine, ConsoleSearch},
};
use std::{
    fs,
    time::{Duration, Instant},
};

/// After this time a search returns what it has found, and a cursor to continue.
const SEARCH_TIME: Duration = Duration::from_secs(2);

impl Console {
    /// Searches for lines. Keeps one segment at a time in memory and does not block the writer.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the query.
    pub fn search(&self, wanted: &ConsoleSearch) -> Result<ConsoleFound, String> {
        let sought = SearchPattern::new(wanted)?;
        let (mut files, newest) = {
            let log = self.log();
            (log.files(), log.newest())
        };
        let oldest = files.first().map_or(0, |(first, _)| *first);
        // A segment is irrelevant if the next one begins at or before the cursor, or if it begins after the cursor itself.
        if let (Some(cursor), true) = (wanted.cursor, wanted.oldest_first) {
            let begun = files.iter().rposition(|(first, _)| *first <= cursor + 1).unwrap_or(0);
            files.drain(..begun);
        } else if let Some(cursor) = wanted.cursor {
            files.retain(|(first, _)| *first < cursor);
        }
        if !wanted.oldest_first {
            files.reverse();
        }
        let lines = files.iter().flat_map(|(_, path)| {
            // A segment that was deleted in the meantime has no lines.
            let mut lines = lines(&fs::read(path).unwrap_or_default());
            if !wanted.oldest_first {
                lines.reverse();
            }
            lines
        });
        let beyond = |line: &ConsoleLine| match (wanted.cursor, wanted.oldest_first) {
            (None, _) => true,
            (Some(cursor), true) => line.seq > cursor,
            (Some(cursor), false) => line.seq < cursor,
        };
        let begun = Instant::now();
        let enough = || begun.elapsed() >= SEARCH_TIME;
        let Hits { hits, next } = search(lines.filter(beyond), &sought, wanted.limit, enough);
        Ok(ConsoleFound { hits, next, oldest, newest })
    }
}

fn lines(file: &[u8]) -> Vec<ConsoleLine> {
    let stored = file.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
    stored.map(Stored::into_line).collect()
}
