//! What the host requires of a container engine.

use super::{
    EngineContainer, Found, OurNetwork, OwnedContainer, Part, Pool, Pulled, RuntimeError, Sample, Shape,
};
use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;
use raptor_model::{
    containers::Limits,
    id::ContainerId,
    node::{ContainerSpec, RegistryLogin},
};
use std::{collections::HashSet, io, path::Path, sync::Arc};
use uuid::Uuid;

/// The input of a process's terminal.
#[async_trait]
pub trait Stdin: Send {
    /// Writes `bytes`.
    ///
    /// # Errors
    /// If the process or the engine is gone.
    async fn write(&mut self, bytes: Bytes) -> io::Result<()>;

    /// The last write, if the engine became unavailable before passing it on; `None` if it was delivered.
    fn undelivered(self: Box<Self>) -> Option<Bytes>;
}

/// The streams of a process that the daemon is attached to.
pub struct Attached {
    /// Its output. Ends with the process, and when the engine becomes unavailable.
    pub output: BoxStream<'static, Bytes>,
    pub stdin: Box<dyn Stdin>,
}

/// A container engine: [`super::Docker`], or [`super::Scripted`] which runs nothing real.
///
/// `name` is the engine's id or name of a container. Every call fails with [`RuntimeError::Away`] while the engine does not
/// answer: then nothing is known, and in particular not that a process has ended.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// The same engine for the daemon `instance`: everything it creates carries this id, and only that counts as its own.
    fn for_daemon(&self, instance: Uuid) -> Arc<dyn Engine>;

    /// Whether its networks are bridges of this host, which the host's firewall has to handle.
    fn makes_bridges(&self) -> bool;

    async fn version(&self) -> Result<String, RuntimeError>;

    /// Why containers could not open their files although the engine answers: it maps their users to other users of the host.
    /// `None` if it doesn't.
    async fn mapped_users(&self) -> Result<Option<&'static str>, RuntimeError>;

    /// Replaces the logins for image registries.
    fn set_logins(&self, logins: Vec<RegistryLogin>);

    /// Creates a container from its shape, and returns the engine's id. Completes even if the caller is cancelled. Removes an
    /// old container of the same name, unless it is running.
    async fn create(&self, shape: Shape<'_>) -> Result<String, RuntimeError>;

    /// Attaches to a created container before it is started, so that none of its output is missed.
    async fn attach(&self, name: &str) -> Result<Attached, RuntimeError>;

    /// Attaches to a process that was started before: its output without the first `consumed` bytes, and its input. Fails once
    /// the process has ended.
    async fn rejoin(&self, name: &str, consumed: u64) -> Result<Attached, RuntimeError>;

    /// All past and future output of the process without the first `consumed` bytes. Works after its end too.
    async fn replay(&self, name: &str, consumed: u64) -> Result<BoxStream<'static, Bytes>, RuntimeError>;

    /// Starts a created container.
    async fn start(&self, name: &str) -> Result<(), RuntimeError>;

    /// Changes the limits of a running container. If the engine can't lift a limit now, it stays until the next start, and the
    /// error says so.
    async fn limit(&self, name: &str, limits: &Limits, before: &Limits) -> Result<(), RuntimeError>;

    /// Sends a signal, such as `SIGTERM`.
    async fn signal(&self, name: &str, signal: &str) -> Result<(), RuntimeError>;

    /// Sends the image's stop signal and returns soon; the caller enforces the deadline.
    async fn stop(&self, name: &str) -> Result<(), RuntimeError>;

    /// Waits until the process has ended. Returns early, with an error, if the engine becomes unavailable.
    async fn wait(&self, name: &str) -> Result<(), RuntimeError>;

    /// The state of a container in the engine.
    async fn inspect(&self, name: &str) -> Result<Found, RuntimeError>;

    /// When the container's process was started; `None` if unknown.
    async fn started_at(&self, name: &str) -> Option<DateTime<Utc>>;

    /// Whether the engine was told by anybody to end the container's process within ten minutes before `at`.
    async fn ended_by_hand(&self, name: &str, at: DateTime<Utc>) -> bool;

    /// Bytes that a container has written into its own root file system.
    async fn written(&self, name: &str) -> Result<u64, RuntimeError>;

    /// Measures a running container; CPU usage is since the sample `before`.
    async fn sample(&self, name: &str, before: Option<&Sample>) -> Result<Sample, RuntimeError>;

    /// Makes `uid`:`gid` the owner of everything in `folder`, with a container `name` of `image` that runs as root.
    async fn chown(
        &self,
        id: ContainerId,
        name: &str,
        image: &str,
        folder: &Path,
        owner: (u32, u32),
    ) -> Result<(), RuntimeError>;

    /// The engine's containers for one container of Raptor, created by this daemon or another.
    async fn found(&self, id: ContainerId) -> Result<Vec<EngineContainer>, RuntimeError>;

    /// All containers that this daemon created.
    async fn ours(&self) -> Result<Vec<EngineContainer>, RuntimeError>;

    /// The containers of any daemon that store their files below `base`.
    async fn made_for(&self, base: &Path) -> Result<Vec<OwnedContainer>, RuntimeError>;

    /// Removes a container's part, running or not, whatever its current name is. Succeeds if it doesn't exist.
    async fn remove(&self, id: ContainerId, part: Part) -> Result<(), RuntimeError>;

    /// Removes a container, running or not. Succeeds if it doesn't exist.
    async fn discard(&self, name: &str) -> Result<(), RuntimeError>;

    /// The id of an image; `None` if it is not on this host.
    async fn image_id(&self, image: &str) -> Result<Option<String>, RuntimeError>;

    /// Pulls an image and reports the progress layer by layer.
    fn pull(&self, image: &str) -> BoxStream<'static, Result<Pulled, RuntimeError>>;

    /// Removes an image unless a container uses it, and returns the bytes freed.
    async fn remove_image(&self, image: &str) -> Result<u64, RuntimeError>;

    /// The references and ids of all images in use by any container of the engine, including those that Raptor did not create.
    async fn used_images(&self) -> Result<HashSet<String>, RuntimeError>;

    /// Creates the container's network if it doesn't exist, and returns its name. Completes even if the caller is cancelled.
    async fn network(&self, spec: &ContainerSpec, pool: Pool) -> Result<String, RuntimeError>;

    /// All networks that this daemon created.
    async fn our_networks(&self) -> Result<Vec<OurNetwork>, RuntimeError>;

    /// The host's address in a network.
    async fn gateway(&self, network: &str) -> Option<String>;

    /// Removes a network. Succeeds if it doesn't exist, or is still used by a container.
    async fn remove_network(&self, name: &str) -> Result<(), RuntimeError>;
}
