//! What the host needs of a container engine, whichever it is.

use super::{Found, Made, OurNetwork, Ours, Part, Pool, Pulled, RuntimeError, Sample, Shape};
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

/// The way into a process's terminal.
#[async_trait]
pub trait Stdin: Send {
    /// Writes `bytes`.
    ///
    /// # Errors
    /// When the process or the engine has gone.
    async fn write(&mut self, bytes: Bytes) -> io::Result<()>;

    /// What was written last, where the engine went away without having passed it on; none where it was delivered.
    fn undelivered(self: Box<Self>) -> Option<Bytes>;
}

/// A process that one is attached to.
pub struct Attached {
    /// What its terminal writes. Ends with the process, and with the engine.
    pub output: BoxStream<'static, Bytes>,
    /// The way in.
    pub stdin: Box<dyn Stdin>,
}

/// A container engine: [`super::Docker`], or [`super::Scripted`] where nothing real is to run.
///
/// `name` is the engine's id or name of one of its containers. Every call fails with [`RuntimeError::Away`] while the engine does
/// not answer: then nothing is known, and above all not that a process has ended.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// The same engine for the daemon `instance`: what it makes carries this id, and only that counts as its own.
    fn for_daemon(&self, instance: Uuid) -> Arc<dyn Engine>;

    /// Whether its networks are bridges of this host, which the host's firewall has to know.
    fn makes_bridges(&self) -> bool;

    /// The engine's version.
    async fn version(&self) -> Result<String, RuntimeError>;

    /// Why containers could not open their files though the engine answers: it maps their users to others of the host. None where
    /// it does not.
    async fn mapped_users(&self) -> Result<Option<&'static str>, RuntimeError>;

    /// Replaces the logins for registries.
    fn set_logins(&self, logins: Vec<RegistryLogin>);

    /// Creates a container anew, from its shape alone, and gives the engine's id of it. What was begun is finished even if the
    /// caller is cancelled. What is left of an earlier one goes, but never one that runs.
    async fn create(&self, shape: Shape<'_>) -> Result<String, RuntimeError>;

    /// Attaches to what was created, before it is started, so that nothing of its output is missed.
    async fn attach(&self, name: &str) -> Result<Attached, RuntimeError>;

    /// Attaches to a process that was started before: its output without the first `consumed` bytes, and the way in. Refused once
    /// the process has ended.
    async fn rejoin(&self, name: &str, consumed: u64) -> Result<Attached, RuntimeError>;

    /// All that the process has written and will write, without the first `consumed` bytes. Works after its end too.
    async fn replay(&self, name: &str, consumed: u64) -> Result<BoxStream<'static, Bytes>, RuntimeError>;

    /// Starts what was created.
    async fn start(&self, name: &str) -> Result<(), RuntimeError>;

    /// Changes the limits of a running container. What it had and should have no more stays until the next start where the
    /// engine can't take it away: then the error says so.
    async fn limit(&self, name: &str, limits: &Limits, before: &Limits) -> Result<(), RuntimeError>;

    /// Sends a signal, such as `SIGTERM`.
    async fn signal(&self, name: &str, signal: &str) -> Result<(), RuntimeError>;

    /// Sends the image's stop signal and returns soon; the deadline is the caller's.
    async fn stop(&self, name: &str) -> Result<(), RuntimeError>;

    /// Waits until the process has ended. Returns early, with an error, when the engine goes away.
    async fn wait(&self, name: &str) -> Result<(), RuntimeError>;

    /// What the engine knows of the container.
    async fn inspect(&self, name: &str) -> Result<Found, RuntimeError>;

    /// When the container's process was started; none where that can't be found out.
    async fn started_at(&self, name: &str) -> Option<DateTime<Utc>>;

    /// Whether the engine was told to end the container's process within ten minutes before `at`, by whomever.
    async fn ended_by_hand(&self, name: &str, at: DateTime<Utc>) -> bool;

    /// Bytes that a container wrote into its own root file system.
    async fn written(&self, name: &str) -> Result<u64, RuntimeError>;

    /// Measures a running container; CPU use is since the sample `before`.
    async fn sample(&self, name: &str, before: Option<&Sample>) -> Result<Sample, RuntimeError>;

    /// Makes everything in `folder` belong to `uid`:`gid`, by a container `name` of `image` that runs as root.
    async fn give(
        &self,
        id: ContainerId,
        name: &str,
        image: &str,
        folder: &Path,
        owner: (u32, u32),
    ) -> Result<(), RuntimeError>;

    /// What the engine has of one container, made by this daemon or another.
    async fn found(&self, id: ContainerId) -> Result<Vec<Ours>, RuntimeError>;

    /// All containers that this daemon made.
    async fn ours(&self) -> Result<Vec<Ours>, RuntimeError>;

    /// The containers of any daemon that keep their files below `base`.
    async fn made_for(&self, base: &Path) -> Result<Vec<Made>, RuntimeError>;

    /// Removes what the engine has of a container's part, running or not, whatever it is called there. Nothing is no error.
    async fn remove(&self, id: ContainerId, part: Part) -> Result<(), RuntimeError>;

    /// Removes one of the engine's containers, running or not. One that isn't there is no error.
    async fn discard(&self, name: &str) -> Result<(), RuntimeError>;

    /// The id of an image; none where it is not on this host.
    async fn image_id(&self, image: &str) -> Result<Option<String>, RuntimeError>;

    /// Pulls an image and tells how far it is, layer by layer.
    fn pull(&self, image: &str) -> BoxStream<'static, Result<Pulled, RuntimeError>>;

    /// Removes an image unless a container uses it, and gives the bytes that it had.
    async fn remove_image(&self, image: &str) -> Result<u64, RuntimeError>;

    /// The references and ids of all images in use by any container of the engine, including those that Raptor did not create.
    async fn used_images(&self) -> Result<HashSet<String>, RuntimeError>;

    /// Makes the container's network where it is missing, and gives its name. What was begun is finished even if the caller is
    /// cancelled.
    async fn network(&self, spec: &ContainerSpec, pool: Pool) -> Result<String, RuntimeError>;

    /// All networks that this daemon made.
    async fn our_networks(&self) -> Result<Vec<OurNetwork>, RuntimeError>;

    /// The address of the host inside a network.
    async fn gateway(&self, network: &str) -> Option<String>;

    /// Removes a network. One that isn't there, or that a container still uses, is no error.
    async fn remove_network(&self, name: &str) -> Result<(), RuntimeError>;
}
