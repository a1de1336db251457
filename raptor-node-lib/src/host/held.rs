//! All containers that the host has, whether the control side knows them or not.

use super::Host;
use crate::runtime::{EngineContainer, Part};
use raptor_model::{
    id::ContainerId,
    node::{ContainerSpec, HostedContainer, NodeError},
};
use std::collections::BTreeMap;

impl Host {
    /// All containers: those that were declared, and those that only the engine has under this daemon's label. While the engine
    /// is unavailable, the latter are unknown.
    pub(super) async fn held(&self) -> Vec<HostedContainer> {
        let handles = self.handles();
        let context = self.0.context.clone();
        let declared = tokio::task::spawn_blocking(move || {
            let held = handles.into_iter().filter_map(|(id, handle)| {
                let spec: ContainerSpec = context.place(id).state.spec()?;
                let running = handle.status.borrow().started_at.is_some();
                let (name, owner, ports) = (spec.name, spec.owner, spec.ports);
                Some((id, HostedContainer { id, name, owner, ports, running, declared: true }))
            });
            held.collect::<BTreeMap<_, _>>()
        });
        let mut held = declared.await.unwrap_or_default();
        for found in self.strays().await.unwrap_or_default() {
            held.entry(found.id).or_insert_with(|| HostedContainer {
                id: found.id,
                name: found.title,
                owner: None,
                ports: found.ports,
                running: found.runs,
                declared: false,
            });
        }
        held.into_values().collect()
    }

    /// Whether only the engine has this container.
    pub(super) async fn is_stray(&self, id: ContainerId) -> Result<bool, NodeError> {
        let strays = self.strays().await.map_err(|error| NodeError::Docker(error.to_string()))?;
        Ok(strays.iter().any(|found| found.id == id))
    }

    async fn strays(&self) -> Result<Vec<EngineContainer>, crate::runtime::RuntimeError> {
        let mut found = self.0.context.engine.ours().await?;
        found.retain(|found| found.part == Part::Server && self.handle_of(found.id).is_err());
        Ok(found)
    }
}
