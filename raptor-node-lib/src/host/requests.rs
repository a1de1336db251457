//! What the host answers to each request.

use super::Host;
use crate::{lifecycle::SupervisorRequest, removal};
use async_trait::async_trait;
use raptor_model::{
    id::ContainerId,
    node::{
        CleanedImages, ConsoleFound, ConsoleSearch, ContainerSpec, ContainerStatus, Done, Handler, NodeError,
        NodeEvent, StatsHistory, StatsRange, SystemInfo,
        requests::{
            Acknowledgement, CancelInstall, CleaningRequest, CommandRequest, ConsolePage, ConsoleQuery,
            ContainerList, ContainerStatsQuery, GetContainer, GetSystem, ListContainers, PowerRequest,
            RegistryLogins, RemoveContainer, SystemStatsQuery,
        },
    },
};
use std::sync::Arc;

fn failed(error: impl std::fmt::Display) -> NodeError {
    NodeError::Internal(error.to_string())
}

#[async_trait]
impl Handler<GetSystem> for Host {
    async fn handle(&self, (): (), _: GetSystem) -> Result<SystemInfo, NodeError> {
        Ok(self.measure().await)
    }
}

#[async_trait]
impl Handler<ListContainers> for Host {
    async fn handle(&self, (): (), _: ListContainers) -> Result<ContainerList, NodeError> {
        Ok(ContainerList { items: self.statuses() })
    }
}

#[async_trait]
impl Handler<ContainerSpec> for Host {
    async fn handle(&self, _: ContainerId, spec: ContainerSpec) -> Result<ContainerStatus, NodeError> {
        let turn = if self.handle_of(spec.id).is_err() { Some(self.0.declaring.lock().await) } else { None };
        // Another declaration of it may have come first.
        if self.handle_of(spec.id).is_ok() {
            drop(turn);
            return self.request(spec.id, |reply| SupervisorRequest::Declare(Box::new(spec), reply)).await;
        }
        if self.0.context.kept.is_covered() {
            return Err(NodeError::Docker("The daemon is restarting with the disk that was mounted.".into()));
        }
        let state = self.0.context.place(spec.id).state;
        if let Err(error) = state.keep_spec(&spec) {
            // Where the disk is full, half of it is there; what that takes is needed by others.
            if let Err(error) = state.remove_unborn() {
                tracing::warn!(%error, id = %spec.id, "removing an incomplete declaration failed");
            }
            return Err(NodeError::Internal(format!("The declaration can't be stored: {error}")));
        }
        let handle = self.supervise(spec)?;
        let status = handle.status.borrow().clone();
        let _ = self.0.context.events.send(Arc::new(NodeEvent::Status { status: status.clone() }));
        Ok(status)
    }
}

#[async_trait]
impl Handler<GetContainer> for Host {
    async fn handle(&self, id: ContainerId, _: GetContainer) -> Result<ContainerSpec, NodeError> {
        let state = self.0.context.place(id).state;
        let read = tokio::task::spawn_blocking(move || state.spec()).await;
        read.map_err(|error| NodeError::Internal(error.to_string()))?.ok_or(NodeError::NotFound)
    }
}

#[async_trait]
impl Handler<RemoveContainer> for Host {
    async fn handle(&self, id: ContainerId, _: RemoveContainer) -> Result<Done, NodeError> {
        loop {
            match self.request(id, SupervisorRequest::Remove).await {
                Err(NodeError::NotFound) => {}
                other => {
                    other?;
                    self.let_go(id);
                    break;
                }
            }
            // A declaration may just be making it: without waiting, its supervisor would be left without anybody who knows it.
            let turn = self.0.declaring.lock().await;
            match self.handle_of(id) {
                Ok(handle) if !handle.requests.is_closed() => continue,
                // It has ended with a removal whose caller did not wait for the answer.
                Ok(_) => self.let_go(id),
                Err(_) => {}
            }
            let place = self.0.context.place(id);
            // One whose removal an earlier daemon began, or that left nothing but its state, has nobody to ask.
            if place.state.is_condemned() || place.state.spec().is_some() {
                removal::remove(&self.0.context, &place).await?;
                break;
            }
            drop(turn);
            if self.is_stray(id).await? {
                removal::remove(&self.0.context, &place).await?;
            }
            break;
        }
        self.0.context.operations.forget(id);
        self.0.context.accounts.forget(id);
        self.0.context.history.forget(id);
        let _ = self.0.context.events.send(Arc::new(NodeEvent::Removed { id }));
        Ok(Done)
    }
}

#[async_trait]
impl Handler<PowerRequest> for Host {
    async fn handle(&self, id: ContainerId, request: PowerRequest) -> Result<Done, NodeError> {
        let PowerRequest { action, by, .. } = request;
        self.request(id, |reply| SupervisorRequest::Power { action, by, reply }).await?;
        Ok(Done)
    }
}

#[async_trait]
impl Handler<CancelInstall> for Host {
    async fn handle(&self, id: ContainerId, _: CancelInstall) -> Result<Done, NodeError> {
        self.request(id, SupervisorRequest::CancelInstall).await?;
        Ok(Done)
    }
}

#[async_trait]
impl Handler<Acknowledgement> for Host {
    async fn handle(&self, (): (), request: Acknowledgement) -> Result<Done, NodeError> {
        let Acknowledgement { spool, number } = request;
        let context = self.0.context.clone();
        let done = tokio::task::spawn_blocking(move || context.spool.acknowledge(spool, number)).await;
        done.map_err(failed)?.map_err(failed)?;
        Ok(Done)
    }
}

#[async_trait]
impl Handler<RegistryLogins> for Host {
    async fn handle(&self, (): (), logins: RegistryLogins) -> Result<Done, NodeError> {
        self.0.context.engine.set_logins(logins.items);
        Ok(Done)
    }
}

#[async_trait]
impl Handler<CleaningRequest> for Host {
    async fn handle(&self, (): (), request: CleaningRequest) -> Result<CleanedImages, NodeError> {
        crate::images::clean(&self.0.context, request.unused_s).await
    }
}

#[async_trait]
impl Handler<CommandRequest> for Host {
    async fn handle(&self, id: ContainerId, request: CommandRequest) -> Result<Done, NodeError> {
        let CommandRequest { command: line, by, .. } = request;
        self.request(id, |reply| SupervisorRequest::Command { line, by, reply }).await?;
        Ok(Done)
    }
}

#[async_trait]
impl Handler<ConsoleQuery> for Host {
    async fn handle(&self, id: ContainerId, query: ConsoleQuery) -> Result<ConsolePage, NodeError> {
        let console = self.handle_of(id)?.console;
        let read = move || console.page(query.after, query.most() as usize);
        Ok(ConsolePage { lines: tokio::task::spawn_blocking(read).await.map_err(failed)? })
    }
}

#[async_trait]
impl Handler<ConsoleSearch> for Host {
    async fn handle(&self, id: ContainerId, search: ConsoleSearch) -> Result<ConsoleFound, NodeError> {
        let console = self.handle_of(id)?.console;
        let _turn = self.0.context.searches.acquire().await.map_err(failed)?;
        let found = tokio::task::spawn_blocking(move || console.search(&search)).await;
        found.map_err(failed)?.map_err(NodeError::Invalid)
    }
}

#[async_trait]
impl Handler<ContainerStatsQuery> for Host {
    async fn handle(&self, id: ContainerId, query: ContainerStatsQuery) -> Result<StatsHistory, NodeError> {
        self.handle_of(id)?;
        self.stats_history(Some(id), query.range).await
    }
}

#[async_trait]
impl Handler<SystemStatsQuery> for Host {
    async fn handle(&self, (): (), query: SystemStatsQuery) -> Result<StatsHistory, NodeError> {
        self.stats_history(None, query.range).await
    }
}

impl Host {
    async fn stats_history(
        &self,
        of: Option<ContainerId>,
        range: StatsRange,
    ) -> Result<StatsHistory, NodeError> {
        let context = self.0.context.clone();
        let read = move || context.history.read(of, context.clock.now(), range);
        let history = tokio::task::spawn_blocking(read).await.map_err(failed)?;
        history.map_err(|error| failed(format!("The measurements can't be read: {error}")))
    }
}
