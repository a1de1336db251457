//! Looking through what is kept of a console, file by file. Blocking.

use super::{Console, log::Stored};
use raptor_model::{
    console::{Hits, SearchPattern, search},
    node::{ConsoleFound, ConsoleLine, ConsoleSearch},
};
use std::{
    fs,
    time::{Duration, Instant},
};

/// After so long, what was found is answered and the asker goes on from there.
const PATIENCE: Duration = Duration::from_secs(2);

impl Console {
    /// Looks for lines. One file of the log at a time is in memory, and the writer is not kept waiting.
    ///
    /// # Errors
    /// A sentence that says what is wrong with what is looked for.
    pub fn search(&self, wanted: &ConsoleSearch) -> Result<ConsoleFound, String> {
        let sought = SearchPattern::new(wanted)?;
        let (mut files, newest) = {
            let log = self.log();
            (log.files(), log.newest())
        };
        let oldest = files.first().map_or(0, |(first, _)| *first);
        // A file holds nothing beyond the cursor where the next one begins at or before it, or it begins after it itself.
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
            // One that was removed meanwhile is kept no more.
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
        let enough = || begun.elapsed() >= PATIENCE;
        let Hits { hits, next } = search(lines.filter(beyond), &sought, wanted.limit, enough);
        Ok(ConsoleFound { hits, next, oldest, newest })
    }
}

fn lines(file: &[u8]) -> Vec<ConsoleLine> {
    let stored = file.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
    stored.map(Stored::into_line).collect()
}
