//! The task that owns a container.

use super::{
    ContainerPaths, Handle, HostContext,
    adoption::QueryReason,
    failure::Failure,
    monitor::{ASK_AGAIN, End, InputLine},
    stop_delivery::StopOrder,
};
use crate::{
    console::Console,
    desired::{Run, Saved},
    runtime::{Attached, EngineContainer, Part},
};
use raptor_model::{
    containers::lifecycle::{Hold, Input, Life, Phase},
    node::{
        ContainerSpec, ContainerStatus, Exit, Fault, Happening, NodeError, NodeEvent, PowerAction, Progress,
    },
    text::Encoding,
};
use std::{
    io,
    sync::{Arc, Mutex},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::Instant,
};
use tracing::{Instrument, Span};

type Reply<T> = oneshot::Sender<Result<T, NodeError>>;

/// A request to a supervisor.
pub(crate) enum SupervisorRequest {
    Power {
        action: PowerAction,
        /// Who asks, for the console; empty for nobody in particular.
        by: String,
        reply: Reply<()>,
    },
    Command {
        line: String,
        by: String,
        reply: Reply<()>,
    },
    Declare(Box<ContainerSpec>, Reply<ContainerStatus>),
    CancelInstall(Reply<()>),
    /// The container exceeds its disk limit.
    DiskFull {
        used_bytes: u64,
        limit_bytes: u64,
    },
    /// Something was deleted from the trash for good.
    TrashEmptied,
    /// The engine has a running process although the container is offline.
    Inspect,
    Remove(Reply<()>),
}

/// A request to a supervisor with the span in which it was made. What is done for it is logged within that span.
pub(crate) struct TracedRequest {
    pub(crate) request: SupervisorRequest,
    pub(crate) span: Span,
}

impl From<SupervisorRequest> for TracedRequest {
    fn from(request: SupervisorRequest) -> Self {
        Self { request, span: Span::current() }
    }
}

/// A message from one of the supervisor's own tasks.
pub(super) enum Msg {
    Progress(Option<Progress>),
    /// The configuration files were edited; one sentence for each that could not be.
    Edited(Vec<String>),
    /// The process is ready to start, once this was stored.
    Prepared(Run, oneshot::Sender<()>),
    /// The started process, or why it failed. `None` if it runs but is not attached, because the engine became unavailable.
    Booted(Result<Option<Attached>, Failure>),
    /// Why the start or installation waits for the engine; `None` once it no longer waits.
    Waiting(Option<String>),
    /// The process was asked to stop.
    StopDelivered,
    /// The stop timeout is over and the engine answers; `silent`: it did not at first.
    Overdue {
        silent: bool,
    },
    /// A stop command was lost with the engine and is being sent again.
    StopLost,
    Ready,
    Exited(End),
    /// What was determined about the end of a process.
    Measured(Exit, Option<Fault>),
    /// What the engine has of this container.
    Looked(QueryReason, Vec<EngineContainer>),
    /// What an earlier daemon was preparing was removed.
    Cleared,
    InstallerPrepared(Run, oneshot::Sender<()>),
    /// The installation ended, possibly with a warning.
    Installed(Result<Option<String>, Failure>),
}

/// The owner of one container.
pub(crate) struct Supervisor {
    pub(super) context: Arc<HostContext>,
    pub(super) place: ContainerPaths,
    pub(super) spec: ContainerSpec,
    pub(super) life: Life,
    pub(super) run: Option<Run>,
    /// The newest console line before the run that ended last.
    pub(super) ended_after: u64,
    /// The run that ended last; the engine can start its container again.
    pub(super) last: Option<Run>,
    pub(super) installer: Option<Run>,
    pub(super) installed: u64,
    pub(super) console: Arc<Console>,
    pub(super) status: watch::Sender<ContainerStatus>,
    pub(super) disk: Arc<Mutex<u64>>,
    /// The engine's id or name of the container.
    pub(super) engine: Arc<Mutex<String>>,
    /// The inode number of the data folder, once it exists.
    pub(super) folder: Option<u64>,
    pub(super) messages: mpsc::Sender<Msg>,
    pub(super) booting: Option<JoinHandle<()>>,
    pub(super) installing: Option<JoinHandle<()>>,
    /// Why the installation is being killed, if it is.
    pub(super) install_end: Option<String>,
    pub(super) stdin: Option<mpsc::Sender<InputLine>>,
    /// The task that delivers a stop request.
    pub(super) stop_delivery: Option<JoinHandle<()>>,
    /// Whether the process was or is being killed.
    pub(super) killing: bool,
    /// Whether a start or an installation waits for the engine.
    pub(super) waiting: bool,
    /// How the process ended, until it is known whether the disk was full.
    pub(super) unexplained: Option<Exit>,
    /// Whether disk usage is being measured for that reason.
    pub(super) measuring: bool,
    pub(super) stop_at: Option<Instant>,
    pub(super) calm_at: Option<Instant>,
    pub(super) again_at: Option<Instant>,
    pub(super) install_by: Option<Instant>,
    /// When to check again whether the base folder is back, so that a declared installation can begin.
    pub(super) retry_install_at: Option<Instant>,
    /// Its own span, in which nobody's request is carried out.
    pub(super) own: Span,
    /// The span of what is being done: within the request that it is for, until the container is at rest again.
    pub(super) span: Span,
}

impl Supervisor {
    /// Takes over the container of `spec` in its stored state, and returns its handle.
    pub(crate) fn start(context: Arc<HostContext>, spec: ContainerSpec) -> io::Result<Handle> {
        let place = context.place(spec.id);
        let console = Arc::new(Console::open(&place.state.console())?);
        console.set_encoding(spec.console_encoding.unwrap_or(Encoding::UTF_8));
        let new = place.state.saved().is_none();
        let saved = place.state.saved().unwrap_or_else(|| Saved {
            life: Life { suspended: spec.suspended, ..Life::NEW },
            since: context.clock.now(),
            run: None,
            installer: None,
            install_end: None,
            installed: 0,
            last_exit: None,
            crashes: None,
            problem: None,
            config_problems: Vec::new(),
            folder: None,
            fault: None,
        });
        let status = watch::Sender::new(ContainerStatus {
            id: spec.id,
            revision: spec.revision,
            phase: saved.life.phase,
            since: saved.since,
            started_at: saved.run.as_ref().map(|run| run.started_at),
            last_exit: saved.last_exit,
            problem: saved.problem,
            config_problems: saved.config_problems,
            progress: None,
            hold: saved.life.hold,
            installed: saved.installed,
            crashes: saved.crashes,
            pending: None,
            process_revision: saved.run.as_ref().map(|run| run.revision),
            fault: saved.fault,
        });
        let (requests, requests_in) = mpsc::channel(32);
        let (messages, messages_in) = mpsc::channel(64);
        let disk = Arc::new(Mutex::new(0));
        let engine = Arc::new(Mutex::new(place.name.clone()));
        let handle = Handle {
            requests,
            status: status.subscribe(),
            stats: watch::Sender::new(None),
            console: console.clone(),
            disk: disk.clone(),
            engine: engine.clone(),
        };
        // Of no request, whichever one is the first that names it.
        let own = tracing::info_span!(parent: None, "container", id = %place.id);
        let supervisor = Self {
            place,
            spec,
            life: saved.life,
            run: saved.run,
            ended_after: 0,
            last: None,
            installer: saved.installer,
            installed: saved.installed,
            console,
            status,
            disk,
            engine,
            folder: saved.folder,
            messages,
            booting: None,
            installing: None,
            install_end: saved.install_end,
            stdin: None,
            stop_delivery: None,
            killing: false,
            waiting: false,
            unexplained: None,
            measuring: false,
            stop_at: None,
            calm_at: None,
            again_at: None,
            install_by: None,
            retry_install_at: None,
            own: own.clone(),
            span: own.clone(),
            context,
        };
        supervisor.context.tasks.clone().spawn(supervisor.run(new, requests_in, messages_in).instrument(own));
        Ok(handle)
    }

    async fn run(
        mut self,
        new: bool,
        mut requests: mpsc::Receiver<TracedRequest>,
        mut messages: mpsc::Receiver<Msg>,
    ) {
        let stop = self.context.stop.clone();
        if new {
            self.check_engine(QueryReason::New).await;
            self.report_missing_files().await;
        } else {
            self.resume().await;
        }
        self.apply_install().await;
        // A message that came with the shutdown is for the next daemon, which asks the engine itself.
        while !stop.is_cancelled() {
            let (stop_at, calm_at) = (self.stop_at, self.calm_at);
            let (again_at, install_by, retry_install_at) =
                (self.again_at, self.install_by, self.retry_install_at);
            tokio::select! {
                () = stop.cancelled() => return,
                request = requests.recv() => match request {
                    None => return,
                    Some(TracedRequest { request: SupervisorRequest::Remove(reply), span }) => {
                        let span = self.within(&span);
                        let removed = self.remove().instrument(span).await;
                        let gone = removed.is_ok();
                        let _ = reply.send(removed);
                        if gone { return }
                    }
                    Some(TracedRequest { request, span }) => {
                        self.span = self.within(&span);
                        let span = self.span.clone();
                        self.handle(request).instrument(span).await;
                    }
                },
                Some(msg) = messages.recv() => {
                    let span = self.span.clone();
                    self.receive(msg).instrument(span).await;
                }
                () = at(stop_at) => {
                    let span = self.span.clone();
                    self.stop_timed_out().instrument(span).await;
                }
                () = at(calm_at) => { self.calm_at = None; self.input(Input::Calm).await }
                () = at(again_at) => { self.again_at = None; self.input(Input::BackoffOver).await }
                () = at(install_by) => self.install_deadline().await,
                () = at(retry_install_at) => self.apply_install().await,
            }
            if self.is_at_rest() {
                self.span = self.own.clone();
            }
        }
    }

    /// Its span within the one in which something is asked of it.
    fn within(&self, asked: &Span) -> Span {
        match asked.is_none() {
            true => self.own.clone(),
            false => tracing::info_span!(parent: asked, "container", id = %self.place.id),
        }
    }

    /// Whether what was asked for last is done: nothing of it is under way any more.
    fn is_at_rest(&self) -> bool {
        let delivers = self.stop_delivery.as_ref().is_some_and(|delivery| !delivery.is_finished());
        let busy = self.booting.is_some() || self.installing.is_some() || delivers;
        !busy && matches!(self.life.phase, Phase::Offline | Phase::Running)
    }

    /// Resumes where the previous daemon stopped.
    async fn resume(&mut self) {
        match self.life.phase {
            Phase::Offline if self.life.hold == Some(Hold::Installing) => match self.install_end.take() {
                // The previous daemon was about to end it.
                Some(why) => self.end_install(&why).await,
                None => self.install(),
            },
            Phase::Offline => self.check_engine(QueryReason::TakenOver).await,
            phase => {
                match phase {
                    Phase::Stopping if !self.life.asking => self.arm_deadline(),
                    Phase::Running => self.calm_at = Some(Instant::now() + self.context.calm),
                    _ => {}
                }
                match self.run.clone() {
                    Some(run) => {
                        self.monitor(&run, None);
                        if self.life.asking {
                            self.ask_to_stop().await;
                        }
                    }
                    // Only preparations had been made, which are removed.
                    None => self.clear(),
                }
            }
        }
    }

    fn clear(&self) {
        let (context, id, messages) = (self.context.clone(), self.place.id, self.messages.clone());
        let clearing = async move {
            loop {
                if let Ok(found) = context.engine.found(id).await {
                    if found.iter().any(|found| found.part == Part::Server && found.ours && found.runs) {
                        let _ = messages.send(Msg::Looked(QueryReason::Again, found)).await;
                        return;
                    }
                    if context.engine.remove(id, Part::Server).await.is_ok() {
                        let _ = messages.send(Msg::Cleared).await;
                        return;
                    }
                }
                tokio::time::sleep(ASK_AGAIN).await;
            }
        };
        let stop = self.context.stop.clone();
        let clearing = async move { stop.run_until_cancelled(clearing).await };
        self.context.tasks.spawn(clearing.in_current_span());
    }

    /// The engine's id or name of the container.
    pub(super) fn engine_name(&self) -> String {
        self.run.as_ref().and_then(|run| run.container.clone()).unwrap_or_else(|| self.place.name.clone())
    }

    async fn receive(&mut self, msg: Msg) {
        match msg {
            Msg::Progress(progress) if self.booting.is_some() || self.installing.is_some() => {
                self.status.send_modify(|status| status.progress = progress);
                self.publish();
            }
            Msg::Edited(problems) if self.booting.is_some() => {
                self.status.send_modify(|status| status.config_problems = problems);
            }
            Msg::Progress(_) | Msg::Edited(_) => {}
            Msg::Prepared(run, noted) if self.booting.is_some() => {
                self.run = Some(run);
                self.save();
                let _ = noted.send(());
            }
            Msg::Booted(booted) => self.booted(booted).await,
            Msg::Ready => self.input(Input::Ready).await,
            Msg::Waiting(why) => self.wait_for_engine(why),
            Msg::StopDelivered => {
                if !self.killing {
                    self.cancel_delivery();
                }
                self.input(Input::StopDelivered).await;
            }
            Msg::Overdue { silent } => self.probed(silent).await,
            Msg::StopLost => {
                if !self.killing {
                    self.send(StopOrder::Line(None));
                }
                self.input(Input::StopLost).await;
            }
            Msg::Exited(end) => self.exited(end).await,
            Msg::Measured(exit, fault) => self.measured(exit, fault),
            Msg::Looked(reason, found) => self.looked(reason, found).await,
            Msg::Cleared => self.input(Input::BootInterrupted).await,
            Msg::InstallerPrepared(run, noted) if self.installing.is_some() => {
                self.installer = Some(run);
                self.save();
                let _ = noted.send(());
            }
            // The receiver was cancelled.
            Msg::Prepared(..) | Msg::InstallerPrepared(..) => {}
            Msg::Installed(result) => self.install_ended(result).await,
        }
    }

    pub(super) fn save(&self) {
        if self.context.kept.is_covered() {
            return;
        }
        let status = self.status.borrow().clone();
        let saved = Saved {
            life: self.life,
            since: status.since,
            run: self.run.clone(),
            installer: self.installer.clone(),
            install_end: self.install_end.clone(),
            installed: self.installed,
            last_exit: status.last_exit,
            crashes: status.crashes,
            problem: status.problem,
            config_problems: status.config_problems,
            folder: self.folder,
            fault: status.fault,
        };
        if let Err(error) = self.place.state.save(&saved) {
            tracing::error!(%error, id = %self.place.id, "storing the container's state failed");
        }
    }

    pub(super) fn publish(&self) {
        let status = self.status.borrow().clone();
        // Fails only if there are no subscribers.
        let _ = self.context.events.send(Arc::new(NodeEvent::Status { status }));
    }

    /// Stores an event for the API, which must not be lost.
    pub(super) fn report(&self, what: Happening) {
        self.context.spool.add(self.context.clock.now(), self.place.id, what);
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
