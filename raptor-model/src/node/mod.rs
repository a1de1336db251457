//! The seam to a host: everything the control side may ask of a daemon, and the words of that conversation.
//!
//! [`Node`] has three implementations: one over HTTP and WebSocket (`raptor_core::daemons::remote`), one in process
//! (`raptor-node-lib`) and a simulated one (`raptor_core::daemons::simulated`). The types here are the wire format of the first
//! one as well.

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
mod sftp;
mod spec;
mod status;
mod system;
mod text;
mod transition;

pub use crate::containers::lifecycle::PowerAction;
pub use console::{ConsoleLine, LineKind, LiveFrame, LiveParts, Since};
pub use error::{NodeError, TOO_LATE};
pub use events::{Happened, Happening, HostedContainer, NodeEvent};
pub use fault::{Fault, hide_network};
pub use file_error::{FileError, FileResult, amount};
pub use history::{
    ConsoleExport, ConsoleFound, ConsoleHit, ConsoleSearch, Download, HitPart, MAX_HITS, NodeHistory, Series,
    StatsHistory, StatsRange,
};
pub use images::{CleanedImages, RegistryLogin};
pub use link::{Answer, HostAction, HostActivity, HostMessage, Question, Redacted, SftpChange};
pub use path::{FilePath, PathError};
pub use sftp::{SftpAnswer, SftpGrant, SftpProof, SftpQuestion, SftpServer};
pub use spec::{ContainerSpec, InstallSpec, PortBinding, Protocol};
pub use status::{ContainerStats, ContainerStatus, Crashes, Exit, Progress, Stats};
pub use system::{DiskLimits, Isolation, MAX_CLOCK_SKEW_S, PROTOCOL, SystemInfo};
pub use text::{MAX_TEXT, TextFile, TextRead, TextWrite};
pub use transition::Transition;

use crate::id::ContainerId;
use async_trait::async_trait;
use futures_util::stream::BoxStream;
use uuid::Uuid;

/// Everything the control side may ask of a host.
#[async_trait]
pub trait Node: Send + Sync {
    /// What the host is and how it does.
    async fn system(&self) -> Result<SystemInfo, NodeError>;

    /// All containers that the host has.
    async fn containers(&self) -> Result<Vec<ContainerStatus>, NodeError>;

    /// Declares a container. Declaring the same or an older revision again changes nothing.
    async fn declare(&self, spec: ContainerSpec) -> Result<ContainerStatus, NodeError>;

    /// Ends its process at once and removes the container and its files. A container that isn't there is no error.
    async fn remove(&self, id: ContainerId) -> Result<(), NodeError>;

    /// What was declared of a container last.
    async fn declared(&self, id: ContainerId) -> Result<ContainerSpec, NodeError>;

    /// Accepts or refuses a power action; what follows is told by events. What is accepted while the engine is away is done
    /// when it is back. `by` is the name that the console gives as who asked; empty where nobody is to be named.
    async fn power(&self, id: ContainerId, action: PowerAction, by: &str) -> Result<(), NodeError>;

    /// Ends the installation that runs.
    async fn cancel_install(&self, id: ContainerId) -> Result<(), NodeError>;

    /// Says that the events of `spool` up to `number` are written down: the host forgets them.
    async fn acknowledge(&self, spool: Uuid, number: u64) -> Result<(), NodeError>;

    /// Replaces the logins for registries.
    async fn set_registries(&self, logins: Vec<RegistryLogin>) -> Result<(), NodeError>;

    /// Removes the images that no container of this host uses and none has used for `unused_s` seconds, of those that were
    /// pulled for containers of this host.
    async fn clean_images(&self, unused_s: u64) -> Result<CleanedImages, NodeError>;

    /// Writes one line to the container's standard input. `by` is the name shown beside it in the console.
    async fn command(&self, id: ContainerId, line: &str, by: &str) -> Result<(), NodeError>;

    /// A page of console lines in order: at most `limit` after number `after`, or the newest `limit` without it.
    async fn console(
        &self,
        id: ContainerId,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<ConsoleLine>, NodeError>;

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

    /// Whether a daemon that was spoken to by plain HTTP before is spoken to by HTTPS now: to be kept, so that it stays so.
    fn upgraded(&self) -> bool {
        false
    }

    /// What it keeps of the past.
    fn history(&self) -> &dyn NodeHistory;

    /// Its containers' files.
    fn files(&self) -> &dyn files::NodeFiles {
        &files::NoFiles
    }
}
