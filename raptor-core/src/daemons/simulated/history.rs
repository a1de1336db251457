//! What a simulated host keeps: the lines in its memory, and no measurements.

use super::{SimulatedHost, locked};
use crate::{
    console::{Hits, SearchPattern, search, written},
    id::ContainerId,
    node::{
        ConsoleExport, ConsoleFound, ConsoleLine, ConsoleSearch, Download, NodeError, NodeHistory,
        StatsHistory, StatsRange,
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};

#[async_trait]
impl NodeHistory for SimulatedHost {
    async fn search(&self, id: ContainerId, wanted: ConsoleSearch) -> Result<ConsoleFound, NodeError> {
        let sought = SearchPattern::new(&wanted).map_err(NodeError::Invalid)?;
        let mut lines = self.lines(id)?;
        let oldest = lines.first().map_or(0, |line| line.seq);
        let newest = lines.last().map_or(0, |line| line.seq);
        if !wanted.oldest_first {
            lines.reverse();
        }
        let beyond = |line: &ConsoleLine| match (wanted.cursor, wanted.oldest_first) {
            (None, _) => true,
            (Some(cursor), true) => line.seq > cursor,
            (Some(cursor), false) => line.seq < cursor,
        };
        let Hits { hits, next } = search(lines.into_iter().filter(beyond), &sought, wanted.limit, || false);
        Ok(ConsoleFound { hits, next, oldest, newest })
    }

    /// Never compressed.
    async fn export(&self, id: ContainerId, export: ConsoleExport) -> Result<Download, NodeError> {
        if export.gzip {
            return Err(NodeError::Invalid("A simulated host compresses nothing.".into()));
        }
        let text: String = self.lines(id)?.iter().map(|line| written(line, &export)).collect();
        Ok(stream::iter([Ok(Bytes::from(text))]).boxed())
    }

    async fn stats(&self, of: Option<ContainerId>, range: StatsRange) -> Result<StatsHistory, NodeError> {
        if let Some(id) = of {
            self.container(id)?;
        }
        let mut history = StatsHistory::until(self.0.clock.now(), range);
        (0..range.steps()).for_each(|_| history.push(None));
        Ok(history)
    }
}

impl SimulatedHost {
    fn lines(&self, id: ContainerId) -> Result<Vec<ConsoleLine>, NodeError> {
        Ok(locked(&self.container(id)?.state).lines.iter().cloned().collect())
    }
}
