//! The host: all its containers, behind the interface that the control side uses.

mod builder;
mod held;
mod periodic;
mod remount;
mod requests;

pub use builder::Builder;
pub use remount::start_again;

use crate::{
    console,
    files::{Denied, FileError, Root},
    lifecycle::{Handle, HostContext, Supervisor, SupervisorRequest},
    sftp,
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
        ConsoleExport, ContainerSpec, ContainerStatus, Download, HostMessage, LiveFrame, LiveParts, Node,
        NodeError, NodeEvent, Since, Stats, SystemInfo,
        files::{Body, FileAnswer, FileContent, FileRead, FileWrite, Scoped},
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

/// How long a shutdown waits for the host's tasks, which end where they wait next.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// This host's containers. Cheap to clone.
#[derive(Clone)]
pub struct Host(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) context: Arc<HostContext>,
    containers: RwLock<HashMap<ContainerId, Handle>>,
    meter: Arc<Meter>,
    system: Mutex<Option<SystemInfo>>,
    /// Held while a new container is created, but never while waiting for anything else. This way a declaration that arrived
    /// before a removal has been carried out before it.
    declaring: tokio::sync::Mutex<()>,
    sftp: OnceLock<Arc<sftp::Server>>,
}

impl Host {
    /// A builder for a host that stores its containers' files and state below `base`.
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

    /// Stops the daemon's own tasks. Containers keep running.
    pub async fn shutdown(&self) {
        self.0.context.stop.cancel();
        self.0.context.tasks.close();
        // Every task ends where it waits next. On a busy host that takes a moment, and until then one could still take the end of
        // a process for a crash.
        let _ = tokio::time::timeout(SHUTDOWN_TIMEOUT, self.0.context.tasks.wait()).await;
        self.keep_history().await;
        self.0.context.kept.release();
    }

    /// A container's files, counted against its disk limit and without those that its template protects. Blocking.
    ///
    /// # Errors
    /// [`NodeError::NotFound`], or another error if the folder can't be used.
    pub fn root(&self, id: ContainerId) -> Result<Root, NodeError> {
        self.handle_of(id)?;
        let (context, place) = (&self.0.context, self.0.context.place(id));
        let spec = place.state.spec().ok_or(NodeError::NotFound)?;
        let usage = context.accounts.of(id, spec.limits.disk_mib);
        let root = Root::measured(&place.data, &place.state.files(), context.uid, context.gid, usage)
            .map_err(|error| match FileError::from(error) {
                // The disk is full, read-only or failing, which is no fault of ours.
                refused @ (FileError::NoSpace { .. } | FileError::Io(_)) => refused.into(),
                other => NodeError::Internal(format!("The container's folder can't be used: {other}")),
            })?;
        Ok(root.denying(&Denied::new(&spec.denied_files)))
    }

    /// A container's files with its trash, versions and uploads, without those that match `denied`. Blocking.
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

    pub(crate) fn handle_of(&self, id: ContainerId) -> Result<Handle, NodeError> {
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

    async fn request<T>(
        &self,
        id: ContainerId,
        request: impl FnOnce(oneshot::Sender<Result<T, NodeError>>) -> SupervisorRequest,
    ) -> Result<T, NodeError> {
        let (reply, answer) = oneshot::channel();
        self.handle_of(id)?.requests.send(request(reply).into()).await.map_err(|_| NodeError::NotFound)?;
        answer.await.map_err(|_| NodeError::NotFound)?
    }

    async fn snapshot(&self) -> NodeEvent {
        let system = self.0.system.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let system = match system {
            // The time must be that of the answer, because it is used to detect clock differences.
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
    async fn live(
        &self,
        id: ContainerId,
        since: Since,
        parts: LiveParts,
    ) -> Result<BoxStream<'static, LiveFrame>, NodeError> {
        let handle = self.handle_of(id)?;
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
        // Subscribes before taking the snapshot: an event in between is reported twice rather than not at all.
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

    async fn export_console(&self, id: ContainerId, export: ConsoleExport) -> Result<Download, NodeError> {
        Ok(console::export(self.handle_of(id)?.console, export))
    }

    async fn read_file(&self, id: ContainerId, asked: Scoped<FileRead>) -> Result<FileContent, NodeError> {
        let Scoped { request, denied } = asked;
        self.with_workspace(id, denied, move |workspace| Ok(workspace.read(request)?)).await
    }

    async fn write_file(
        &self,
        id: ContainerId,
        asked: Scoped<FileWrite>,
        body: Body,
    ) -> Result<FileAnswer, NodeError> {
        self.write(id, asked, body).await
    }
}

/// The state of one listener's stream.
struct Subscription {
    events: broadcast::Receiver<Arc<NodeEvent>>,
    /// Questions and reports for this listener only.
    own: mpsc::Receiver<NodeEvent>,
    spool: watch::Receiver<u64>,
    /// The number of the newest event of the spool that it was sent.
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
