//! The history of a simulated host: the lines in its memory, and no measurements.

use super::{SimulatedHost, locked};
use crate::{
    console::{Hits, SearchPattern, search},
    id::ContainerId,
    node::{
        ConsoleFound, ConsoleLine, ConsoleSearch, Handler, NodeError, StatsHistory, StatsRange,
        requests::{ContainerStatsQuery, SystemStatsQuery},
    },
};
use async_trait::async_trait;

#[async_trait]
impl Handler<ConsoleSearch> for SimulatedHost {
    async fn handle(&self, id: ContainerId, wanted: ConsoleSearch) -> Result<ConsoleFound, NodeError> {
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
}

#[async_trait]
impl Handler<ContainerStatsQuery> for SimulatedHost {
    async fn handle(&self, id: ContainerId, query: ContainerStatsQuery) -> Result<StatsHistory, NodeError> {
        self.container(id)?;
        Ok(self.unmeasured(query.range))
    }
}

#[async_trait]
impl Handler<SystemStatsQuery> for SimulatedHost {
    async fn handle(&self, (): (), query: SystemStatsQuery) -> Result<StatsHistory, NodeError> {
        Ok(self.unmeasured(query.range))
    }
}

impl SimulatedHost {
    fn unmeasured(&self, range: StatsRange) -> StatsHistory {
        let mut history = StatsHistory::until(self.0.clock.now(), range);
        (0..range.steps()).for_each(|_| history.push(None));
        history
    }

    pub(super) fn lines(&self, id: ContainerId) -> Result<Vec<ConsoleLine>, NodeError> {
        Ok(locked(&self.container(id)?.state).lines.iter().cloned().collect())
    }
}
