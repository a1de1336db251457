//! The host: every container on it, behind the seam that the control side knows.

mod builder;
mod held;
mod periodic;
mod remount;

pub use builder::Builder;
pub use remount::start_again;

use crate::{
    files::{Denied, FileError, Root},
    lifecycle::{Ask, Handle, HostContext, Supervisor},
    removal, sftp,
    system::Meter,
    workspace::Workspace,
};
use async_trait::async_trait;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use ipnet::IpNet;
use raptor_model::{
    id::ContainerId,
    node::{
        CleanedImages, ConsoleLine, ContainerSpec, ContainerStatus, HostMessage, LiveFrame, LiveParts, Node,
        NodeError, NodeEvent, NodeHistory, PowerAction, RegistryLogin, Since, Stats, SystemInfo,
        files::NodeFiles,
    },
};
use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, OnceLock, PoisonError, RwLock},
    time::Duration,
};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio_stream::wrappers::WatchStream;
use uuid::Uuid;

/// This host's containers. Cheap to clone.
#[derive(Clone)]
pub struct Host(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) context: Arc<HostContext>,
    containers: RwLock<HashMap<ContainerId, Handle>>,
    meter: Arc<Meter>,
    system: Mutex<Option<SystemInfo>>,
    /// Held while a new container is made, and never while something is waited for: a declaration that arrived before a removal
    /// has been carried out by the time of the removal.
    declaring: tokio::sync::Mutex<()>,
    sftp: OnceLock<Arc<sftp::Server>>,
}

impl Host {
    /// Begins to build a host that keeps its containers' files and state below `base`.
    pub fn builder(base: &Path) -> Builder {
        Builder::new(base)
    }

    async fn serve_sftp(&self, addr: SocketAddr, exempt: Vec<IpNet>, old_clients: bool) -> io::Result<()> {
        let context = &self.0.context;
        let host = Arc::downgrade(&self.0);
        let server = sftp::Server::start(sftp::Settings {
            addr,
            exempt,
            old_clients,
            folder: context.base.join(".raptor/sftp"),
            roots: Box::new(move |id| Host(host.upgrade()?).root(id).ok()),
            link: context.link.clone(),
            clock: context.clock.clone(),
            tasks: context.tasks.clone(),
            stop: context.stop.clone(),
        });
        let _ = self.0.sftp.set(server.await?);
        Ok(())
    }

    /// Ends the daemon's own work. Containers run on.
    pub async fn shutdown(&self) {
        self.0.context.stop.cancel();
        self.0.context.tasks.close();
        // Whoever waits for a process would wait for its end.
        let _ = tokio::time::timeout(Duration::from_millis(200), self.0.context.tasks.wait()).await;
        self.keep_history().await;
        self.0.context.kept.release();
    }

    /// A container's files, counted against its disk limit and without what its template protects. Blocking.
    ///
    /// # Errors
    /// [`NodeError::NotFound`], or another when the folder can't be used.
    pub fn root(&self, id: ContainerId) -> Result<Root, NodeError> {
        self.handle(id)?;
        let (context, place) = (&self.0.context, self.0.context.place(id));
        let spec = place.state.spec().ok_or(NodeError::NotFound)?;
        let usage = context.accounts.of(id, spec.limits.disk_mib);
        let root = Root::measured(&place.data, &place.state.files(), context.uid, context.gid, usage)
            .map_err(|error| match FileError::from(error) {
                // The disk is full, read-only or failing, which is no fault of ours.
                subscription @ (FileError::NoSpace { .. } | FileError::Io(_)) => subscription.into(),
                other => NodeError::Internal(format!("The container's folder can't be used: {other}")),
            })?;
        Ok(root.denying(&Denied::new(&spec.denied_files)))
    }

    /// A container's files with its trash, versions and uploads, for somebody from whom `denied` is kept. Blocking.
    pub(crate) fn workspace(&self, id: ContainerId, denied: &[String]) -> Result<Workspace, NodeError> {
        let root = self.root(id)?.denying(&Denied::new(denied));
        let beside = self.0.context.place(id).state.files();
        let (clock, operations) = (self.0.context.clock.clone(), self.0.context.operations.of(id));
        Ok(Workspace::open(root, &beside, clock, operations))
    }

    fn supervise(&self, spec: ContainerSpec) -> Result<Handle, NodeError> {
        let id = spec.id;
        let mut containers = self.0.containers.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = containers.get(&id) {
            return Ok(handle.clone());
        }
        let handle = Supervisor::start(self.0.context.clone(), spec)
            .map_err(|error| NodeError::Internal(error.to_string()))?;
        containers.insert(id, handle.clone());
        Ok(handle)
    }

    pub(crate) fn handle(&self, id: ContainerId) -> Result<Handle, NodeError> {
        let containers = self.0.containers.read().unwrap_or_else(PoisonError::into_inner);
        containers.get(&id).cloned().ok_or(NodeError::NotFound)
    }

    fn let_go(&self, id: ContainerId) {
        self.0.containers.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    fn handles(&self) -> Vec<(ContainerId, Handle)> {
        let containers = self.0.containers.read().unwrap_or_else(PoisonError::into_inner);
        containers.iter().map(|(id, handle)| (*id, handle.clone())).collect()
    }

    async fn ask<T>(
        &self,
        id: ContainerId,
        ask: impl FnOnce(oneshot::Sender<Result<T, NodeError>>) -> Ask,
    ) -> Result<T, NodeError> {
        let (reply, answer) = oneshot::channel();
        self.handle(id)?.asks.send(ask(reply)).await.map_err(|_| NodeError::NotFound)?;
        answer.await.map_err(|_| NodeError::NotFound)?
    }

    async fn snapshot(&self) -> NodeEvent {
        let system = self.0.system.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let system = match system {
            // The time has to be that of the answer: it is how clocks that are apart are found.
            Some(system) => SystemInfo { time: self.0.context.clock.now(), ..system },
            None => self.measure().await,
        };
        NodeEvent::Snapshot { system, containers: self.statuses(), held: self.held().await }
    }

    fn statuses(&self) -> Vec<ContainerStatus> {
        self.handles().into_iter().map(|(_, handle)| handle.status.borrow().clone()).collect()
    }
}

#[async_trait]
impl Node for Host {
    async fn system(&self) -> Result<SystemInfo, NodeError> {
        Ok(self.measure().await)
    }

    async fn containers(&self) -> Result<Vec<ContainerStatus>, NodeError> {
        Ok(self.statuses())
    }

    async fn declare(&self, spec: ContainerSpec) -> Result<ContainerStatus, NodeError> {
        let turn = if self.handle(spec.id).is_err() { Some(self.0.declaring.lock().await) } else { None };
        // Another declaration of it may have come first.
        if self.handle(spec.id).is_ok() {
            drop(turn);
            return self.ask(spec.id, |reply| Ask::Declare(Box::new(spec), reply)).await;
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

    async fn declared(&self, id: ContainerId) -> Result<ContainerSpec, NodeError> {
        let state = self.0.context.place(id).state;
        let read = tokio::task::spawn_blocking(move || state.spec()).await;
        read.map_err(|error| NodeError::Internal(error.to_string()))?.ok_or(NodeError::NotFound)
    }

    async fn remove(&self, id: ContainerId) -> Result<(), NodeError> {
        loop {
            match self.ask(id, Ask::Remove).await {
                Err(NodeError::NotFound) => {}
                other => {
                    other?;
                    self.let_go(id);
                    break;
                }
            }
            // A declaration may just be making it: without waiting, its supervisor would be left without anybody who knows it.
            let turn = self.0.declaring.lock().await;
            match self.handle(id) {
                Ok(handle) if !handle.asks.is_closed() => continue,
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
        Ok(())
    }

    async fn power(&self, id: ContainerId, action: PowerAction, by: &str) -> Result<(), NodeError> {
        let by = by.to_owned();
        self.ask(id, |reply| Ask::Power { action, by, reply }).await
    }

    async fn cancel_install(&self, id: ContainerId) -> Result<(), NodeError> {
        self.ask(id, Ask::CancelInstall).await
    }

    async fn acknowledge(&self, spool: Uuid, number: u64) -> Result<(), NodeError> {
        let context = self.0.context.clone();
        let done = tokio::task::spawn_blocking(move || context.spool.acknowledge(spool, number)).await;
        let done = done.map_err(|error| NodeError::Internal(error.to_string()))?;
        done.map_err(|error| NodeError::Internal(error.to_string()))
    }

    async fn set_registries(&self, logins: Vec<RegistryLogin>) -> Result<(), NodeError> {
        self.0.context.engine.set_logins(logins);
        Ok(())
    }

    async fn clean_images(&self, unused_s: u64) -> Result<CleanedImages, NodeError> {
        crate::images::clean(&self.0.context, unused_s).await
    }

    async fn command(&self, id: ContainerId, line: &str, by: &str) -> Result<(), NodeError> {
        self.ask(id, |reply| Ask::Command { line: line.to_owned(), by: by.to_owned(), reply }).await
    }

    async fn console(
        &self,
        id: ContainerId,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<ConsoleLine>, NodeError> {
        let console = self.handle(id)?.console;
        let read = tokio::task::spawn_blocking(move || console.page(after, limit as usize));
        read.await.map_err(|error| NodeError::Internal(error.to_string()))
    }

    async fn live(
        &self,
        id: ContainerId,
        since: Since,
        parts: LiveParts,
    ) -> Result<BoxStream<'static, LiveFrame>, NodeError> {
        let handle = self.handle(id)?;
        let status = WatchStream::new(handle.status.clone()).map(|status| LiveFrame::Status { status });
        let stats = WatchStream::new(handle.stats.subscribe()).filter_map(|stats: Option<Stats>| {
            std::future::ready(stats.map(|stats| LiveFrame::Stats { stats }))
        });
        let console = handle.console.follow(since);
        let console = stream::unfold((console, false), |(mut console, mut caught_up)| async move {
            if !caught_up {
                return Some(match console.ready().await {
                    Some(frame) => (frame, (console, false)),
                    None => {
                        caught_up = true;
                        (LiveFrame::CaughtUp, (console, caught_up))
                    }
                });
            }
            let frame = console.next().await?;
            Some((frame, (console, caught_up)))
        });
        let mut live = status.boxed();
        if parts.stats {
            live = stream::select(live, stats).boxed();
        }
        if parts.console {
            live = stream::select(live, console).boxed();
        }
        Ok(live)
    }

    async fn events(&self) -> Result<BoxStream<'static, NodeEvent>, NodeError> {
        // Listening begins before the snapshot is taken: what happens between the two is told twice rather than not at all.
        let events = self.0.context.events.subscribe();
        let spool = self.0.context.spool.watch();
        let first = self.snapshot().await;
        let own = self.0.context.link.join();
        let subscription = Subscription { events, own, spool, after: 0, host: self.clone() };
        let follow = stream::unfold(subscription, |mut subscription| async move {
            Some((subscription.next().await?, subscription))
        });
        Ok(stream::once(std::future::ready(first)).chain(follow).boxed())
    }

    async fn tell(&self, word: HostMessage) -> Result<(), NodeError> {
        self.0.context.link.hear(word);
        Ok(())
    }

    fn history(&self) -> &dyn NodeHistory {
        self
    }

    fn files(&self) -> &dyn NodeFiles {
        self
    }
}

/// What one listener has been told.
struct Subscription {
    events: broadcast::Receiver<Arc<NodeEvent>>,
    /// Questions and reports of its own.
    own: mpsc::Receiver<NodeEvent>,
    spool: watch::Receiver<u64>,
    /// The newest event of the spool that it was told.
    after: u64,
    host: Host,
}

impl Subscription {
    async fn next(&mut self) -> Option<NodeEvent> {
        loop {
            self.spool.borrow_and_update();
            if let Some(event) = self.host.0.context.spool.after(self.after) {
                self.after = event.number;
                return Some(NodeEvent::Happened(event));
            }
            tokio::select! {
                event = self.events.recv() => return match event {
                    Ok(event) => Some((*event).clone()),
                    Err(broadcast::error::RecvError::Lagged(_)) => Some(self.host.snapshot().await),
                    Err(broadcast::error::RecvError::Closed) => None,
                },
                Some(event) = self.own.recv() => return Some(event),
                changed = self.spool.changed() => changed.ok()?,
            }
        }
    }
}
