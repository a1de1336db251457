//! The host's history of measurements and console lines.

use crate::{console, host::Host};
use async_trait::async_trait;
use raptor_model::{
    id::ContainerId,
    node::{
        ConsoleExport, ConsoleFound, ConsoleSearch, Download, NodeError, NodeHistory, StatsHistory,
        StatsRange,
    },
};

fn failed(error: impl std::fmt::Display) -> NodeError {
    NodeError::Internal(error.to_string())
}

#[async_trait]
impl NodeHistory for Host {
    async fn search(&self, id: ContainerId, search: ConsoleSearch) -> Result<ConsoleFound, NodeError> {
        let console = self.handle(id)?.console;
        let _turn = self.0.context.searches.acquire().await.map_err(failed)?;
        let found = tokio::task::spawn_blocking(move || console.search(&search)).await;
        found.map_err(failed)?.map_err(NodeError::Invalid)
    }

    async fn export(&self, id: ContainerId, export: ConsoleExport) -> Result<Download, NodeError> {
        Ok(console::export(self.handle(id)?.console, export))
    }

    async fn stats(&self, of: Option<ContainerId>, range: StatsRange) -> Result<StatsHistory, NodeError> {
        if let Some(id) = of {
            self.handle(id)?;
        }
        let context = self.0.context.clone();
        let read = move || context.history.read(of, context.clock.now(), range);
        let history = tokio::task::spawn_blocking(read).await.map_err(failed)?;
        history.map_err(|error| failed(format!("The measurements can't be read: {error}")))
    }
}
