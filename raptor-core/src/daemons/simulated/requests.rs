//! The answers of a simulated host to requests.

use super::{Simulated, SimulatedHost, locked};
use crate::{
    containers::lifecycle::{Input, Refused},
    id::ContainerId,
    node::{
        CleanedImages, ContainerSpec, ContainerStatus, Done, FileError, Handler, Happened, LineKind,
        NodeError, NodeEvent, PowerAction, SystemInfo,
        files::{FileAnswer, FileRequest, Scoped},
        requests::{
            Acknowledgement, CancelInstall, CleaningRequest, CommandRequest, ConsolePage, ConsoleQuery,
            ContainerList, GetContainer, GetSystem, ListContainers, PowerRequest, RegistryLogins,
            RemoveContainer,
        },
    },
    templates::StopRule,
};
use async_trait::async_trait;
use std::sync::Arc;

#[async_trait]
impl Handler<GetSystem> for SimulatedHost {
    async fn handle(&self, (): (), _: GetSystem) -> Result<SystemInfo, NodeError> {
        Ok(self.info())
    }
}

#[async_trait]
impl Handler<ListContainers> for SimulatedHost {
    async fn handle(&self, (): (), _: ListContainers) -> Result<ContainerList, NodeError> {
        Ok(ContainerList {
            items: self.all().iter().map(|container| container.status.borrow().clone()).collect(),
        })
    }
}

#[async_trait]
impl Handler<ContainerSpec> for SimulatedHost {
    async fn handle(&self, _: ContainerId, spec: ContainerSpec) -> Result<ContainerStatus, NodeError> {
        // The sender lives as long as the host.
        let _ = self.0.held_up.subscribe().wait_for(|held_up| !held_up).await;
        let (container, new) = {
            let mut containers = locked(&self.0.containers);
            let new = !containers.contains_key(&spec.id);
            let made = || Arc::new(Simulated::new(spec.clone(), &self.0.clock));
            (containers.entry(spec.id).or_insert_with(made).clone(), new)
        };
        let suspend = {
            let mut state = locked(&container.state);
            let changed = spec.revision > state.spec.revision;
            let suspended = spec.suspended;
            if changed {
                container.status.send_modify(|status| status.revision = spec.revision);
                state.spec = spec;
            }
            (changed && suspended != state.life.suspended).then_some(suspended)
        };
        let install = {
            let state = locked(&container.state);
            let due = state.spec.install.as_ref();
            due.filter(|install| install.number > container.status.borrow().installed)
                .map(|install| install.start)
        };
        match suspend {
            Some(true) => self.input(&container, Input::Suspend)?,
            Some(false) => self.input(&container, Input::Unsuspend)?,
            None if install.is_some() => {}
            None if new => self.tell(NodeEvent::Status { status: container.status.borrow().clone() }),
            None => {}
        }
        if let Some(start) = install {
            // A refusal is ignored: the installation may already be running.
            let _ = self.input(&container, Input::Install { start });
        }
        let status = container.status.borrow().clone();
        Ok(status)
    }
}

#[async_trait]
impl Handler<GetContainer> for SimulatedHost {
    async fn handle(&self, id: ContainerId, _: GetContainer) -> Result<ContainerSpec, NodeError> {
        Ok(locked(&self.container(id)?.state).spec.clone())
    }
}

#[async_trait]
impl Handler<RemoveContainer> for SimulatedHost {
    async fn handle(&self, id: ContainerId, _: RemoveContainer) -> Result<Done, NodeError> {
        let removed = locked(&self.0.containers).remove(&id);
        if let Some(container) = removed {
            // Events that are still scheduled for its process are ignored.
            locked(&container.state).run += 1;
            self.tell(NodeEvent::Removed { id });
        }
        Ok(Done)
    }
}

#[async_trait]
impl Handler<PowerRequest> for SimulatedHost {
    async fn handle(&self, id: ContainerId, request: PowerRequest) -> Result<Done, NodeError> {
        let _ = self.0.orders_held_up.subscribe().wait_for(|held_up| !held_up).await;
        self.input(&self.container(id)?, Input::Power(request.action))?;
        Ok(Done)
    }
}

#[async_trait]
impl Handler<CancelInstall> for SimulatedHost {
    async fn handle(&self, id: ContainerId, _: CancelInstall) -> Result<Done, NodeError> {
        self.input(&self.container(id)?, Input::CancelInstall)?;
        Ok(Done)
    }
}

#[async_trait]
impl Handler<Acknowledgement> for SimulatedHost {
    async fn handle(&self, (): (), request: Acknowledgement) -> Result<Done, NodeError> {
        let Acknowledgement { spool, number } = request;
        let known = |event: &Happened| event.spool == spool && event.number <= number;
        locked(&self.0.happened).waiting.retain(|event| !known(event));
        Ok(Done)
    }
}

#[async_trait]
impl Handler<RegistryLogins> for SimulatedHost {
    async fn handle(&self, (): (), _: RegistryLogins) -> Result<Done, NodeError> {
        Ok(Done)
    }
}

#[async_trait]
impl Handler<CleaningRequest> for SimulatedHost {
    async fn handle(&self, (): (), _: CleaningRequest) -> Result<CleanedImages, NodeError> {
        Ok(CleanedImages::default())
    }
}

#[async_trait]
impl Handler<CommandRequest> for SimulatedHost {
    async fn handle(&self, id: ContainerId, request: CommandRequest) -> Result<Done, NodeError> {
        let CommandRequest { command: line, by, .. } = request;
        let container = self.container(id)?;
        if container.status.borrow().started_at.is_none() {
            return Err(Refused::Offline.into());
        }
        let shown = if by.is_empty() { line.clone() } else { format!("{by}> {line}") };
        container.say(&self.0.clock, LineKind::Command, [shown]);
        let stops =
            matches!(&locked(&container.state).spec.stop, StopRule::Command { command } if *command == line);
        if stops {
            self.input(&container, Input::Power(PowerAction::Stop))?;
            return Ok(Done);
        }
        container.say(&self.0.clock, LineKind::Output, [line.clone()]);
        Ok(Done)
    }
}

#[async_trait]
impl Handler<ConsoleQuery> for SimulatedHost {
    async fn handle(&self, id: ContainerId, query: ConsoleQuery) -> Result<ConsolePage, NodeError> {
        let container = self.container(id)?;
        let newest = *container.newest.borrow();
        let after = query.after.unwrap_or_else(|| newest.saturating_sub(u64::from(query.most())));
        let limit = query.most() as usize;
        let lines = container.read(after, limit).or_else(|next| container.read(next - 1, limit));
        Ok(ConsolePage { lines: lines.unwrap_or_default() })
    }
}

/// It has no files.
#[async_trait]
impl Handler<Scoped<FileRequest>> for SimulatedHost {
    async fn handle(&self, _: ContainerId, _: Scoped<FileRequest>) -> Result<FileAnswer, NodeError> {
        Err(FileError::NotFound.into())
    }
}
