//! The seam to a host: everything the control side may ask of a daemon, and the words of that conversation.
//!
//! [`Node`] has three implementations: one over HTTP and WebSocket (`raptor_core::daemons::remote`), one in process
//! (`raptor-node-lib`) and a simulated one (`raptor_core::daemons::simulated`). The types here are the wire format of the first
//! one as well. What is asked is in [`requests`], one type for each request; the first implementation sends all of them in the
//! same way.

mod console;
mod error;
mod events;
mod fault;
mod file_error;
pub mod files;
mod history;
mod images;
mod link;
pub mod names;
mod path;
pub mod requests;
mod sftp;
mod spec;
mod status;
mod system;
mod text;
pub mod tolerant;
mod transition;

pub use crate::containers::lifecycle::PowerAction;
pub use console::{ConsoleLine, LineKind, LiveFrame, LiveParts, Since};
pub use error::{NodeError, TOO_LATE};
pub use events::{Happened, Happening, HostedContainer, NodeEvent};
pub use fault::{Fault, hide_network};
pub use file_error::{FileError, FileResult, amount};
pub use history::{
    ConsoleExport, ConsoleFound, ConsoleHit, ConsoleSearch, Download, HitPart, MAX_HITS, Series,
    StatsHistory, StatsRange,
};
pub use images::{CleanedImages, RegistryLogin};
pub use link::{Answer, HostAction, HostActivity, HostMessage, Question, Redacted, SftpChange};
pub use path::{FilePath, PathError};
pub use requests::{Done, Handler, Request};
pub use sftp::{SftpAnswer, SftpGrant, SftpProof, SftpQuestion, SftpServer};
pub use spec::{ContainerSpec, InstallSpec, PortBinding, Protocol};
pub use status::{ContainerStats, ContainerStatus, Crashes, Exit, Progress, Stats};
pub use system::{DiskLimits, Isolation, MAX_CLOCK_SKEW_S, OLDEST_PROTOCOL, PROTOCOL, SystemInfo};
pub use text::{MAX_TEXT, TextFile, TextRead, TextWrite};
pub use transition::Transition;

use crate::id::ContainerId;
use async_trait::async_trait;
use files::{Body, FileAnswer, FileContent, FileRead, FileWrite, Scoped};
use futures_util::stream::BoxStream;
use requests::{
    AllRequests, CommandRequest, ConsoleQuery, GetContainer, GetSystem, ListContainers, PowerRequest,
    RemoveContainer,
};

/// Everything the control side may ask of a host: all [`requests`], and what is answered by a stream.
///
/// What is asked most has a shorthand here; everything else is asked by [`Handler::handle`].
#[async_trait]
pub trait Node: AllRequests {
    /// The container's live stream: status first, then console from `since`, then everything as it happens.
    async fn live(
        &self,
        id: ContainerId,
        since: Since,
        parts: LiveParts,
    ) -> Result<BoxStream<'static, LiveFrame>, NodeError>;

    /// What happens on the host, beginning with a snapshot. The stream ends when the host goes away.
    async fn events(&self) -> Result<BoxStream<'static, NodeEvent>, NodeError>;

    /// Tells the host something over the link that [`Node::events`] opened.
    async fn tell(&self, word: HostMessage) -> Result<(), NodeError>;

    /// The console as text: what is kept of it at the time of the call.
    async fn export_console(&self, id: ContainerId, export: ConsoleExport) -> Result<Download, NodeError>;

    /// Reads a file, a part of it, or many as an archive.
    async fn read_file(&self, id: ContainerId, request: Scoped<FileRead>) -> Result<FileContent, NodeError>;

    /// Writes a file or a piece of one. The answer is [`FileAnswer::File`] or [`FileAnswer::Upload`].
    async fn write_file(
        &self,
        id: ContainerId,
        request: Scoped<FileWrite>,
        body: Body,
    ) -> Result<FileAnswer, NodeError>;

    /// Whether a daemon that was spoken to by plain HTTP before is spoken to by HTTPS now: to be kept, so that it stays so.
    fn upgraded(&self) -> bool {
        false
    }

    /// What the host is and how it does.
    async fn system(&self) -> Result<SystemInfo, NodeError> {
        self.handle((), GetSystem).await
    }

    /// All containers that the host has.
    async fn containers(&self) -> Result<Vec<ContainerStatus>, NodeError> {
        Ok(self.handle((), ListContainers).await?.items)
    }

    /// Declares a container. Declaring the same or an older revision again changes nothing.
    async fn declare(&self, spec: ContainerSpec) -> Result<ContainerStatus, NodeError> {
        self.handle(spec.id, spec).await
    }

    /// What was declared of a container last.
    async fn declared(&self, id: ContainerId) -> Result<ContainerSpec, NodeError> {
        self.handle(id, GetContainer).await
    }

    /// Ends its process at once and removes the container and its files. A container that isn't there is no error.
    async fn remove(&self, id: ContainerId) -> Result<(), NodeError> {
        let Done = self.handle(id, RemoveContainer).await?;
        Ok(())
    }

    /// Accepts or refuses a power action; what follows is told by events. `by` is the name that the console gives as who asked;
    /// empty where nobody is to be named.
    async fn power(&self, id: ContainerId, action: PowerAction, by: &str) -> Result<(), NodeError> {
        let request = PowerRequest { action, by: by.to_owned(), not_after: None };
        let Done = self.handle(id, request).await?;
        Ok(())
    }

    /// Writes one line to the container's standard input. `by` is the name shown beside it in the console.
    async fn command(&self, id: ContainerId, line: &str, by: &str) -> Result<(), NodeError> {
        let request = CommandRequest { command: line.to_owned(), by: by.to_owned(), not_after: None };
        let Done = self.handle(id, request).await?;
        Ok(())
    }

    /// A page of console lines in order: at most `limit` after number `after`, or the newest `limit` without it.
    async fn console(
        &self,
        id: ContainerId,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<ConsoleLine>, NodeError> {
        Ok(self.handle(id, ConsoleQuery { after, limit: Some(limit) }).await?.lines)
    }
}
