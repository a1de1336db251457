//! Starts and installations from the supervisor's view: beginning, waiting and the result.

use super::{
    failure::Failure,
    install::Installation,
    monitor::ProcessMonitor,
    supervisor::{Msg, Supervisor},
};
use crate::{desired::Run, runtime::Attached};
use raptor_model::{
    containers::lifecycle::{Input, Phase},
    node::{Happening, LineKind},
    templates::DoneRules,
};
use std::{sync::PoisonError, time::Duration};
use tokio::{sync::mpsc, time::Instant};
use tracing::Instrument;

impl Supervisor {
    /// Keeps an accepted request while the engine is unavailable, and shows what it waits for.
    pub(super) fn wait_for_engine(&mut self, why: Option<String>) {
        if self.booting.is_none() && self.installing.is_none() {
            return;
        }
        self.waiting = why.is_some();
        let what = if self.installing.is_some() { "installed" } else { "started" };
        let problem = why.map(|why| format!("{why} It is {what} as soon as Docker answers."));
        if let Some(problem) = &problem {
            self.context.say(&self.console, problem.clone());
        }
        if self.installing.is_some() {
            // The time limit is for the installer, and does not run while the engine is unavailable.
            self.install_by = if self.waiting { None } else { self.install_ends() };
        }
        self.status.send_modify(|status| {
            (status.problem, status.fault, status.progress) = (problem, None, None);
        });
        self.save();
        self.publish();
    }

    pub(super) async fn booted(&mut self, booted: Result<Option<Attached>, Failure>) {
        match booted {
            Ok(started) => {
                self.booting = None;
                // It was cancelled in the meantime.
                let Some(run) = self.run.clone() else { return };
                self.monitor(&run, started);
                self.note_folder().await;
                let (started_at, revision) = (Some(run.started_at), Some(run.revision));
                self.status.send_modify(|status| {
                    (status.started_at, status.progress, status.pending) = (started_at, None, None);
                    status.process_revision = revision;
                });
                self.publish();
                if self.life.phase == Phase::Starting && self.spec.done.is_empty() {
                    self.input(Input::Ready).await;
                } else if self.life.phase == Phase::Stopping {
                    // A stop was requested while it was starting.
                    self.ask_to_stop().await;
                }
            }
            Err(failure) => {
                (self.booting, self.run) = (None, None);
                failure.say(&self.context, &self.console);
                let Failure { why, fault } = failure;
                if self.life.phase == Phase::Starting && self.life.by_itself {
                    self.report(Happening::StartFailed { why: why.clone() });
                }
                // A start that was cancelled has not failed.
                let cancelled = self.life.phase == Phase::Stopping;
                let waited = std::mem::take(&mut self.waiting);
                self.status.send_modify(|status| {
                    status.progress = None;
                    match cancelled {
                        false => (status.problem, status.fault) = (Some(why), fault.map(Box::new)),
                        true if waited => (status.problem, status.fault) = (None, None),
                        true => {}
                    }
                });
                self.input(Input::BootFailed).await;
            }
        }
    }

    /// Spawns the task that attends the process; `started` is `None` for one that an earlier daemon started.
    pub(super) fn monitor(&mut self, run: &Run, started: Option<Attached>) {
        let (writer, input) = mpsc::channel(64);
        let name = run.container.clone().unwrap_or_else(|| self.place.name.clone());
        self.engine.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&name);
        self.stdin = Some(writer);
        let monitor = ProcessMonitor {
            context: self.context.clone(),
            name: name.clone(),
            console: self.console.clone(),
            kind: LineKind::Output,
            after_line: run.after_line,
            other_boot: run.boot_id != self.context.boot_id,
            done: Some(DoneRules::new(&self.spec.done, self.spec.strip_ansi)),
            messages: self.messages.clone(),
        };
        let (messages, stop) = (self.messages.clone(), self.context.stop.clone());
        let monitoring = async move {
            if let Some(end) = stop.run_until_cancelled(monitor.run(started, input)).await {
                let _ = messages.send(Msg::Exited(end)).await;
            }
        };
        // For as long as the process lives: longer than what it was started for.
        self.context.tasks.spawn(monitoring.instrument(self.own.clone()));
    }

    pub(super) fn arm_deadline(&mut self) {
        self.stop_at = Some(Instant::now() + Duration::from_millis(self.spec.stop_timeout_ms));
    }

    /// Runs the declared installation, or continues the one that an earlier daemon began.
    pub(super) fn install(&mut self) {
        let run = self.installer.clone();
        let Some(install) = self.spec.install.clone() else {
            let messages = self.messages.clone();
            self.context.tasks.spawn(async move {
                let _ = messages
                    .send(Msg::Installed(Err("The template has nothing to install.".to_owned().into())))
                    .await;
            });
            return;
        };
        self.install_end = None;
        self.install_by = self.install_ends();
        let again = if run.is_some() { "Continuing the installation…" } else { "Installing…" };
        self.context.say(&self.console, again);
        let installation = Installation {
            context: self.context.clone(),
            place: self.place.clone(),
            spec: self.spec.clone(),
            install,
            console: self.console.clone(),
            messages: self.messages.clone(),
        };
        let (messages, stop) = (self.messages.clone(), self.context.stop.clone());
        let installing = async move {
            if let Some(result) = stop.run_until_cancelled(installation.run(run)).await {
                let _ = messages.send(Msg::Installed(result)).await;
            }
        };
        self.installing = Some(self.context.tasks.spawn(installing.in_current_span()));
    }

    /// The deadline of the installation.
    fn install_ends(&self) -> Option<Instant> {
        let timeout = Duration::from_millis(self.spec.install.as_ref()?.timeout_ms);
        let began = self.installer.as_ref().map(|run| run.started_at);
        let spent = began.and_then(|began| (self.context.clock.now() - began).to_std().ok());
        Some(Instant::now() + timeout.saturating_sub(spent.unwrap_or_default()))
    }
}
