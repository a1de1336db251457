//! The streams of a simulated host.

use super::{MAX_SILENCE, SimulatedHost, locked};
use crate::{
    console::written,
    id::ContainerId,
    node::{
        ConsoleExport, Download, FileError, HostMessage, LiveFrame, LiveParts, Node, NodeError, NodeEvent,
        Since,
        files::{Body, FileAnswer, FileContent, FileRead, FileWrite, Scoped},
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::sync::broadcast;
use tokio_stream::wrappers::WatchStream;

#[async_trait]
impl Node for SimulatedHost {
    async fn live(
        &self,
        id: ContainerId,
        since: Since,
        parts: LiveParts,
    ) -> Result<BoxStream<'static, LiveFrame>, NodeError> {
        let container = self.container(id)?;
        let status =
            WatchStream::new(container.status.subscribe()).map(|status| LiveFrame::Status { status });
        let stats = WatchStream::new(container.stats.subscribe())
            .filter_map(|stats| std::future::ready(stats.map(|stats| LiveFrame::Stats { stats })));
        let mut live = status.boxed();
        if parts.stats {
            live = stream::select(live, stats).boxed();
        }
        if parts.console {
            live = stream::select(live, container.follow(since)).boxed();
        }
        Ok(live)
    }

    async fn events(&self) -> Result<BoxStream<'static, NodeEvent>, NodeError> {
        let events = self.0.events.subscribe();
        let first = self.snapshot();
        let waiting: Vec<_> =
            locked(&self.0.happened).waiting.iter().cloned().map(NodeEvent::Happened).collect();
        let follow = stream::unfold((events, self.clone()), |(mut events, host)| async move {
            let event = match tokio::time::timeout(MAX_SILENCE, events.recv()).await {
                Ok(Ok(event)) => event,
                Ok(Err(broadcast::error::RecvError::Lagged(_))) => host.snapshot(),
                Ok(Err(broadcast::error::RecvError::Closed)) => return None,
                // Like a daemon, whose silence would be taken for a broken connection.
                Err(_) => NodeEvent::System { system: host.info() },
            };
            Some((event, (events, host)))
        });
        Ok(stream::once(std::future::ready(first)).chain(stream::iter(waiting)).chain(follow).boxed())
    }

    /// Never compressed.
    async fn export_console(&self, id: ContainerId, export: ConsoleExport) -> Result<Download, NodeError> {
        if export.gzip {
            return Err(NodeError::Invalid("A simulated host compresses nothing.".into()));
        }
        let text: String = self.lines(id)?.iter().map(|line| written(line, &export)).collect();
        Ok(stream::iter([Ok(Bytes::from(text))]).boxed())
    }

    /// It has no files.
    async fn read_file(&self, _: ContainerId, _: Scoped<FileRead>) -> Result<FileContent, NodeError> {
        Err(FileError::NotFound.into())
    }

    /// It has no files.
    async fn write_file(
        &self,
        _: ContainerId,
        _: Scoped<FileWrite>,
        _: Body,
    ) -> Result<FileAnswer, NodeError> {
        Err(FileError::NotFound.into())
    }

    /// A simulated host sends no questions and fetches nothing. It only stores the addresses of the other hosts.
    async fn tell(&self, word: HostMessage) -> Result<(), NodeError> {
        if let HostMessage::Hosts { hosts } = word {
            *locked(&self.0.hosts) = hosts;
        }
        Ok(())
    }
}
