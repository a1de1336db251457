//! The implementation of [`Engine`] for Docker.

use super::{
    Attached, Docker, Engine, EngineContainer, Found, OurNetwork, OwnedContainer, Part, Pool, Pulled,
    RuntimeError, Sample, Shape,
};
use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream::BoxStream};
use raptor_model::{
    containers::Limits,
    id::ContainerId,
    node::{ContainerSpec, RegistryLogin},
};
use std::{collections::HashSet, path::Path, sync::Arc};
use uuid::Uuid;

/// Each method calls the inherent one of the same name, defined in the file of its noun.
#[async_trait]
impl Engine for Docker {
    fn for_daemon(&self, instance: Uuid) -> Arc<dyn Engine> {
        Arc::new(Self { instance, ..self.clone() })
    }

    fn makes_bridges(&self) -> bool {
        true
    }

    async fn version(&self) -> Result<String, RuntimeError> {
        Self::version(self).await
    }

    async fn mapped_users(&self) -> Result<Option<&'static str>, RuntimeError> {
        Self::mapped_users(self).await
    }

    fn set_logins(&self, logins: Vec<RegistryLogin>) {
        Self::set_logins(self, logins);
    }

    async fn create(&self, shape: Shape<'_>) -> Result<String, RuntimeError> {
        Self::create(self, shape).await
    }

    async fn attach(&self, name: &str) -> Result<Attached, RuntimeError> {
        let (output, stdin) = Self::attach(self, name).await?;
        Ok(Attached { output: output.boxed(), stdin: Box::new(stdin) })
    }

    async fn rejoin(&self, name: &str, consumed: u64) -> Result<Attached, RuntimeError> {
        let (output, stdin) = Self::rejoin(self, name, consumed).await?;
        Ok(Attached { output: output.boxed(), stdin: Box::new(stdin) })
    }

    async fn replay(&self, name: &str, consumed: u64) -> Result<BoxStream<'static, Bytes>, RuntimeError> {
        Ok(Self::replay(self, name, consumed).await?.boxed())
    }

    async fn start(&self, name: &str) -> Result<(), RuntimeError> {
        Self::start(self, name).await
    }

    async fn limit(&self, name: &str, limits: &Limits, before: &Limits) -> Result<(), RuntimeError> {
        Self::limit(self, name, limits, before).await
    }

    async fn signal(&self, name: &str, signal: &str) -> Result<(), RuntimeError> {
        Self::signal(self, name, signal).await
    }

    async fn stop(&self, name: &str) -> Result<(), RuntimeError> {
        Self::stop(self, name).await
    }

    async fn wait(&self, name: &str) -> Result<(), RuntimeError> {
        Self::wait(self, name).await
    }

    async fn inspect(&self, name: &str) -> Result<Found, RuntimeError> {
        Self::inspect(self, name).await
    }

    async fn started_at(&self, name: &str) -> Option<DateTime<Utc>> {
        Self::started_at(self, name).await
    }

    async fn ended_by_hand(&self, name: &str, at: DateTime<Utc>) -> bool {
        Self::ended_by_hand(self, name, at).await
    }

    async fn written(&self, name: &str) -> Result<u64, RuntimeError> {
        Self::written(self, name).await
    }

    async fn sample(&self, name: &str, before: Option<&Sample>) -> Result<Sample, RuntimeError> {
        Self::sample(self, name, before).await
    }

    async fn chown(
        &self,
        id: ContainerId,
        name: &str,
        image: &str,
        folder: &Path,
        owner: (u32, u32),
    ) -> Result<(), RuntimeError> {
        Self::chown(self, id, name, image, folder, owner).await
    }

    async fn found(&self, id: ContainerId) -> Result<Vec<EngineContainer>, RuntimeError> {
        Self::found(self, id).await
    }

    async fn ours(&self) -> Result<Vec<EngineContainer>, RuntimeError> {
        Self::ours(self).await
    }

    async fn made_for(&self, base: &Path) -> Result<Vec<OwnedContainer>, RuntimeError> {
        Self::made_for(self, base).await
    }

    async fn remove(&self, id: ContainerId, part: Part) -> Result<(), RuntimeError> {
        Self::remove(self, id, part).await
    }

    async fn discard(&self, name: &str) -> Result<(), RuntimeError> {
        Self::discard(self, name).await
    }

    async fn image_id(&self, image: &str) -> Result<Option<String>, RuntimeError> {
        Self::image_id(self, image).await
    }

    fn pull(&self, image: &str) -> BoxStream<'static, Result<Pulled, RuntimeError>> {
        Self::pull(self, image).boxed()
    }

    async fn remove_image(&self, image: &str) -> Result<u64, RuntimeError> {
        Self::remove_image(self, image).await
    }

    async fn used_images(&self) -> Result<HashSet<String>, RuntimeError> {
        Self::used_images(self).await
    }

    async fn network(&self, spec: &ContainerSpec, pool: Pool) -> Result<String, RuntimeError> {
        Self::network(self, spec, pool).await
    }

    async fn our_networks(&self) -> Result<Vec<OurNetwork>, RuntimeError> {
        Self::our_networks(self).await
    }

    async fn gateway(&self, network: &str) -> Option<String> {
        Self::gateway(self, network).await
    }

    async fn remove_network(&self, name: &str) -> Result<(), RuntimeError> {
        Self::remove_network(self, name).await
    }
}
