//! The task that owns a container.

use super::{
    Ground, Handle, Place,
    attend::{ASK_AGAIN, Attendant},
    boot::{self, Started},
};
use crate::{
    console::Console,
    desired::{Run, Saved},
    runtime::{Ended, RuntimeError},
};
use bytes::Bytes;
use raptor_core::{
    containers::lifecycle::{Effect, Input, Life, Phase},
    node::{ContainerSpec, ContainerStatus, Exit, LineKind, NodeError, NodeEvent, PowerAction, Progress},
    templates::{DoneRules, StopRule},
};
use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::Instant,
};

/// A crash sooner than this after the last one is not answered by another start.
const CRASH_WINDOW: Duration = Duration::from_secs(60);

type Reply<T> = oneshot::Sender<Result<T, NodeError>>;

/// What others ask of a supervisor.
pub(crate) enum Ask {
    Power(PowerAction, Reply<()>),
    Command { line: String, by: String, reply: Reply<()> },
    Declare(Box<ContainerSpec>, Reply<ContainerStatus>),
    Remove(Reply<()>),
}

/// What a supervisor's own tasks tell it.
pub(super) enum Msg {
    Progress(Option<Progress>),
    Booted(Result<Started, String>),
    Ready,
    Exited(Ended),
}

/// Owns one container.
pub(crate) struct Supervisor {
    ground: Arc<Ground>,
    place: Place,
    spec: ContainerSpec,
    life: Life,
    run: Option<Run>,
    console: Arc<Console>,
    status: watch::Sender<ContainerStatus>,
    tell: mpsc::Sender<Msg>,
    booting: Option<JoinHandle<()>>,
    stdin: Option<mpsc::Sender<Bytes>>,
    stop_at: Option<Instant>,
    calm_at: Option<Instant>,
}

impl Supervisor {
    /// Takes over the container of `spec`, as the state on disk has it, and gives the handle for it.
    pub(crate) fn start(ground: Arc<Ground>, spec: ContainerSpec) -> io::Result<Handle> {
        let place = ground.place(spec.id);
        let console = Arc::new(Console::open(&place.state.console())?);
        let saved = place.state.saved();
        let now = ground.clock.now();
        let (phase, since) = saved.as_ref().map_or((Phase::Offline, now), |saved| (saved.phase, saved.since));
        let run = saved.as_ref().and_then(|saved| saved.run.clone());
        let status = watch::Sender::new(ContainerStatus {
            id: spec.id,
            revision: spec.revision,
            phase,
            since,
            started_at: run.as_ref().map(|run| run.started_at),
            last_exit: saved.as_ref().and_then(|saved| saved.last_exit),
            problem: None,
            progress: None,
        });
        let (asks, asked) = mpsc::channel(32);
        let (tell, told) = mpsc::channel(64);
        let handle = Handle {
            asks,
            status: status.subscribe(),
            stats: watch::Sender::new(None),
            console: console.clone(),
            disk: Arc::new(Mutex::new(0)),
        };
        let restart = saved.is_some_and(|saved| saved.restart);
        let life = Life { phase, restart, suspended: spec.suspended, ..Life::NEW };
        let (booting, stdin, stop_at, calm_at) = (None, None, None, None);
        let supervisor =
            Self { ground, place, spec, life, run, console, status, tell, booting, stdin, stop_at, calm_at };
        supervisor.ground.tasks.clone().spawn(supervisor.run(asked, told));
        Ok(handle)
    }

    async fn run(mut self, mut asked: mpsc::Receiver<Ask>, mut told: mpsc::Receiver<Msg>) {
        let stop = self.ground.stop.clone();
        self.take_up();
        loop {
            let (stop_at, calm_at) = (self.stop_at, self.calm_at);
            tokio::select! {
                () = stop.cancelled() => return,
                ask = asked.recv() => match ask {
                    None => return,
                    Some(Ask::Remove(reply)) => {
                        let removed = self.remove().await;
                        let gone = removed.is_ok();
                        let _ = reply.send(removed);
                        if gone { return }
                    }
                    Some(ask) => self.heed(ask).await,
                },
                Some(msg) = told.recv() => self.hear(msg).await,
                () = at(stop_at) => self.input(Input::StopDeadline).await,
                () = at(calm_at) => { self.calm_at = None; self.input(Input::CrashWindowOver).await }
            }
        }
    }

    /// Goes on where the last daemon was.
    fn take_up(&mut self) {
        if self.life.phase == Phase::Offline {
            return;
        }
        if self.life.phase == Phase::Stopping {
            self.arm_deadline();
        }
        match self.run.clone() {
            Some(run) => self.attend(&run, None),
            // It was being prepared: nothing had been started, so what is there is half-made.
            None => {
                let (ground, id, tell) = (self.ground.clone(), self.place.id, self.tell.clone());
                self.ground.tasks.spawn(async move {
                    while ground.docker.remove(id).await.is_err() {
                        tokio::time::sleep(ASK_AGAIN).await;
                    }
                    let _ = tell
                        .send(Msg::Booted(
                            Err("The daemon was restarted while it prepared the start.".into()),
                        ))
                        .await;
                });
            }
        }
    }

    async fn heed(&mut self, ask: Ask) {
        match ask {
            Ask::Power(action, reply) => {
                let accepted = self.life.step(Input::Power(action)).map(drop).map_err(NodeError::from);
                let go_on = accepted.is_ok();
                // The answer is whether it was accepted; what follows is told by events.
                let _ = reply.send(accepted);
                if go_on {
                    self.input(Input::Power(action)).await;
                }
            }
            Ask::Command { line, by, reply } => {
                let _ = reply.send(self.command(line, &by).await);
            }
            Ask::Declare(spec, reply) => {
                let declared = self.declare(*spec).await;
                let _ = reply.send(declared.map(|()| self.status.borrow().clone()));
            }
            Ask::Remove(_) => {}
        }
    }

    async fn hear(&mut self, msg: Msg) {
        match msg {
            Msg::Progress(progress) if self.booting.is_some() => {
                self.status.send_modify(|status| status.progress = progress);
                self.publish();
            }
            Msg::Progress(_) => {}
            Msg::Booted(Ok(started)) => {
                self.booting = None;
                let run = Run { started_at: self.ground.clock.now(), after_line: self.console.newest() };
                self.run = Some(run.clone());
                self.save();
                self.attend(&run, Some(started));
                let started_at = Some(run.started_at);
                self.status.send_modify(|status| (status.started_at, status.progress) = (started_at, None));
                self.publish();
                if self.life.phase == Phase::Starting && self.spec.done.is_empty() {
                    self.input(Input::Ready).await;
                } else if self.life.phase == Phase::Stopping {
                    // Stopping was asked for while it started.
                    self.ask_to_stop().await;
                }
            }
            Msg::Booted(Err(why)) => {
                self.booting = None;
                self.ground.say(&self.console, why.clone());
                self.status.send_modify(|status| (status.problem, status.progress) = (Some(why), None));
                self.input(Input::BootFailed).await;
            }
            Msg::Ready => self.input(Input::Ready).await,
            Msg::Exited(ended) => self.exited(ended).await,
        }
    }

    async fn exited(&mut self, ended: Ended) {
        if self.run.take().is_none() {
            return;
        }
        self.stdin = None;
        let crash = self.life.phase != Phase::Stopping && (ended.code != 0 || ended.out_of_memory);
        let exit =
            Exit { code: ended.code, out_of_memory: ended.out_of_memory, crash, at: self.ground.clock.now() };
        self.status.send_modify(|status| (status.last_exit, status.started_at) = (Some(exit), None));
        self.console.set_partial("");
        let why = if ended.out_of_memory { "it ran out of memory" } else { "the process ended" };
        self.ground.say(&self.console, format!("Stopped: {why} (exit code {}).", ended.code));
        self.input(Input::Exited { badly: ended.code != 0 || ended.out_of_memory }).await;
    }

    /// Lets the state machine decide and carries out what follows.
    async fn input(&mut self, input: Input) {
        let Ok((life, effects)) = self.life.step(input) else { return };
        let moved = life.phase != self.life.phase;
        self.life = life;
        if moved {
            let (phase, since) = (life.phase, self.ground.clock.now());
            self.status.send_modify(|status| (status.phase, status.since) = (phase, since));
            if effects.contains(&Effect::Boot) {
                self.status.send_modify(|status| status.problem = None);
            }
        }
        // On disk first: a daemon that dies now goes on from here.
        self.save();
        self.publish();
        for effect in effects {
            match effect {
                Effect::Boot => self.boot(),
                Effect::AskToStop => self.ask_to_stop().await,
                Effect::Kill => self.kill().await,
                Effect::ArmStopDeadline => self.arm_deadline(),
                Effect::DisarmStopDeadline => self.stop_at = None,
                Effect::ArmCrashWindow => self.calm_at = Some(Instant::now() + CRASH_WINDOW),
                Effect::ReportCrash => {
                    let again =
                        if life.phase == Phase::Starting { "starting it again" } else { "it stays offline" };
                    self.ground.say(&self.console, format!("The container crashed; {again}."));
                }
            }
        }
    }

    fn boot(&mut self) {
        let (ground, place, spec) = (self.ground.clone(), self.place.clone(), self.spec.clone());
        let (console, tell) = (self.console.clone(), self.tell.clone());
        self.ground.say(&self.console, "Starting…");
        self.booting = Some(self.ground.tasks.spawn(async move {
            let started = boot::boot(&ground, &place, &spec, &console, &tell).await;
            let _ = tell.send(Msg::Booted(started)).await;
        }));
    }

    fn arm_deadline(&mut self) {
        self.stop_at = Some(Instant::now() + Duration::from_millis(self.spec.stop_timeout_ms));
    }

    /// Ends a preparation that has not come to a process yet. Tells whether there was one.
    async fn cancel_boot(&mut self) -> bool {
        let Some(booting) = self.booting.take() else { return false };
        booting.abort();
        let _ = booting.await;
        if let Err(error) = self.ground.docker.remove(self.place.id).await {
            tracing::warn!(%error, id = %self.place.id, "what was prepared for a cancelled start is still there");
        }
        // Told, not called: the state machine finishes the step that it is in first.
        let tell = self.tell.clone();
        self.ground.tasks.spawn(async move {
            let _ = tell.send(Msg::Booted(Err("The start was cancelled.".into()))).await;
        });
        true
    }

    async fn ask_to_stop(&mut self) {
        if self.run.is_none() {
            self.cancel_boot().await;
            return;
        }
        let asked = match &self.spec.stop {
            StopRule::Command { command } => {
                let line = command.clone();
                self.console.say(self.ground.clock.now(), LineKind::Command, line.clone());
                self.write(&line).await.map_err(|error| RuntimeError::Refused(error.to_string()))
            }
            StopRule::Signal { signal } => self.ground.docker.signal(self.place.id, signal).await,
            StopRule::Docker => self.ground.docker.stop(self.place.id).await,
        };
        if let Err(error) = asked {
            self.ground.say(&self.console, format!("Asking it to stop failed: {error}"));
        }
    }

    async fn kill(&mut self) {
        if self.run.is_none() {
            self.cancel_boot().await;
            return;
        }
        self.ground.say(&self.console, "Killing it.");
        match self.ground.docker.signal(self.place.id, "SIGKILL").await {
            // Its end is noticed by whoever waits for it.
            Ok(()) | Err(RuntimeError::NotFound | RuntimeError::Refused(_)) => {}
            Err(error) => self.ground.say(&self.console, format!("Killing it failed: {error}")),
        }
    }

    async fn command(&mut self, line: String, by: &str) -> Result<(), NodeError> {
        if line.chars().any(|c| c == '\n' || c == '\r') || line.len() > 4_096 {
            return Err(NodeError::Invalid("A command is one line of at most 4,096 bytes.".into()));
        }
        if self.run.is_none() {
            return Err(NodeError::Refused(raptor_core::containers::lifecycle::Refused::Offline));
        }
        let typed_stop = matches!(&self.spec.stop, StopRule::Command { command } if *command == line);
        let shown = if by.is_empty() { line.clone() } else { format!("{by}> {line}") };
        self.console.say(self.ground.clock.now(), LineKind::Command, shown);
        if typed_stop {
            self.input(Input::StopTyped).await;
        }
        self.write(&line).await
    }

    async fn write(&mut self, line: &str) -> Result<(), NodeError> {
        let Some(stdin) = &self.stdin else {
            return Err(NodeError::Docker("The console is not connected. Try again in a moment.".into()));
        };
        let full = || NodeError::Docker("The container does not read its input.".into());
        stdin.try_send(Bytes::from(format!("{line}\n"))).map_err(|_| full())
    }

    async fn declare(&mut self, spec: ContainerSpec) -> Result<(), NodeError> {
        if spec.revision <= self.spec.revision {
            return Ok(());
        }
        self.place.state.keep_spec(&spec).map_err(|error| NodeError::Internal(error.to_string()))?;
        let suspend = (spec.suspended != self.spec.suspended).then_some(spec.suspended);
        self.status.send_modify(|status| status.revision = spec.revision);
        self.spec = spec;
        match suspend {
            Some(true) => self.input(Input::Suspend).await,
            Some(false) => self.input(Input::Unsuspend).await,
            None => self.publish(),
        }
        Ok(())
    }

    async fn remove(&mut self) -> Result<(), NodeError> {
        if let Some(booting) = self.booting.take() {
            booting.abort();
            let _ = booting.await;
        }
        self.ground
            .docker
            .remove(self.place.id)
            .await
            .map_err(|error| NodeError::Docker(error.to_string()))?;
        let place = self.place.clone();
        let gone = tokio::task::spawn_blocking(move || {
            crate::files::remove(&place.data)?;
            place.state.remove()
        });
        let gone = gone.await.map_err(|error| NodeError::Internal(error.to_string()))?;
        gone.map_err(|error| NodeError::Internal(format!("The container's files can't be removed: {error}")))
    }

    /// Leaves the process to a task that stays with it; `started` is none for one that an earlier daemon started.
    fn attend(&mut self, run: &Run, started: Option<Started>) {
        let (writer, input) = mpsc::channel(64);
        self.stdin = Some(writer);
        let attendant = Attendant {
            ground: self.ground.clone(),
            id: self.place.id,
            console: self.console.clone(),
            after_line: run.after_line,
            done: DoneRules::new(&self.spec.done, self.spec.strip_ansi),
            tell: self.tell.clone(),
        };
        self.ground.tasks.spawn(attendant.attend(started, input));
    }

    fn save(&self) {
        let status = self.status.borrow().clone();
        let saved = Saved {
            phase: self.life.phase,
            since: status.since,
            restart: self.life.restart,
            run: self.run.clone(),
            last_exit: status.last_exit,
        };
        if let Err(error) = self.place.state.save(&saved) {
            tracing::error!(%error, id = %self.place.id, "the container's state was not saved");
        }
    }

    fn publish(&self) {
        let status = self.status.borrow().clone();
        // An error says that nobody listens.
        let _ = self.ground.events.send(Arc::new(NodeEvent::Status { status }));
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
