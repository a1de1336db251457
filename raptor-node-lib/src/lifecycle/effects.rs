//! Passing inputs to the state machine and carrying out its effects.

use super::{
    adoption::{Folder, QueryReason},
    boot::Boot,
    failure::Failure,
    install,
    monitor::{ASK_AGAIN, InputLine},
    stop_delivery::{StopDelivery, StopOrder},
    supervisor::{Msg, Supervisor},
};
use crate::runtime::{Part, RuntimeError};
use bytes::Bytes;
use chrono::TimeDelta;
use raptor_model::{
    containers::lifecycle::{Effect, Hold, Input, Outcome, Phase, backoff},
    node::{Happening, LineKind, Transition},
    templates::StopRule,
};
use std::time::Duration;
use tokio::time::Instant;
use tracing::Instrument;

/// How many output lines of a crash are kept.
const LAST_LINES: usize = 20;
/// How long the engine may take to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// How often a missing base folder is checked.
const LOOK_AGAIN: Duration = Duration::from_secs(3);

impl Supervisor {
    /// Passes an input to the state machine and carries out its effects.
    pub(super) async fn input(&mut self, input: Input) {
        let Ok((life, effects)) = self.life.step(self.spec.policy, input) else { return };
        self.life = life;
        self.show(&effects);
        // An end that is not a crash is reported before it is stored, since nothing later would report it.
        let end =
            Effect::outcome(&effects).filter(|end| matches!(end, Outcome::Finished | Outcome::EndedByHand));
        if let Some(end) = end {
            self.report_end(end);
        }
        // Stored first, so that a daemon that dies now continues from here.
        self.save();
        self.publish();
        for effect in effects {
            self.carry_out(effect).await;
        }
    }

    fn show(&mut self, effects: &[Effect]) {
        let (life, at) = (self.life, self.context.clock.now());
        let waits = effects.contains(&Effect::ArmBackoff);
        let again_at = waits.then(|| at + TimeDelta::from_std(backoff(life.crashes)).unwrap_or_default());
        let last_lines = match Effect::outcome(effects) {
            Some(Outcome::Crashed) => self.console.last_words(self.ended_after, LineKind::Output, LAST_LINES),
            _ => Vec::new(),
        };
        let step = Transition { life, effects, at, again_at, last_lines };
        self.status.send_modify(|status| status.follow(step));
        if effects.contains(&Effect::Boot) || effects.contains(&Effect::Install) {
            self.unexplained = None;
        }
        if life.phase != Phase::Running {
            self.calm_at = None;
        }
    }

    async fn carry_out(&mut self, effect: Effect) {
        tracing::debug!(?effect, "carrying out");
        match effect {
            Effect::Boot => self.boot(),
            Effect::AskToStop => self.ask_to_stop().await,
            Effect::Kill => self.kill().await,
            Effect::ArmStopDeadline => self.arm_deadline(),
            Effect::DisarmStopDeadline => self.stop_at = None,
            Effect::ArmBackoff => {
                let pause = backoff(self.life.crashes);
                self.context.say(&self.console, format!("Starting it again in {} s.", pause.as_secs()));
                self.again_at = Some(Instant::now() + pause);
            }
            Effect::DisarmBackoff => self.again_at = None,
            Effect::ArmCalm => self.calm_at = Some(Instant::now() + self.context.calm),
            // Already reported.
            Effect::Ended(Outcome::Finished | Outcome::EndedByHand) => {}
            Effect::Ended(outcome) => self.report_end(outcome),
            Effect::Install => {
                self.installer = None;
                self.install();
            }
            Effect::CancelInstall => self.end_install("The installation was cancelled.").await,
        }
    }

    fn boot(&mut self) {
        self.context.say(&self.console, "Starting…");
        let boot = Boot {
            context: self.context.clone(),
            place: self.place.clone(),
            spec: self.spec.clone(),
            console: self.console.clone(),
            messages: self.messages.clone(),
            disk: self.disk.clone(),
            folder: self.known_folder(),
            patient: self.life.by_itself,
            started: self.status.borrow().last_exit.is_some(),
        };
        let (messages, stop) = (self.messages.clone(), self.context.stop.clone());
        let booting = async move {
            if let Some(started) = stop.run_until_cancelled(boot.run()).await {
                tracing::debug!(succeeded = started.is_ok(), "the start has ended");
                let _ = messages.send(Msg::Booted(started)).await;
            }
        };
        self.booting = Some(self.context.tasks.spawn(booting.in_current_span()));
    }

    /// Cancels a preparation that has not started a process yet. Returns whether there was one.
    async fn cancel_boot(&mut self) -> bool {
        let Some(booting) = self.booting.take() else { return false };
        booting.abort();
        let _ = booting.await;
        // Once the run is recorded, the engine may have been told to start it.
        let may_run = self.run.take().is_some();
        let (context, place, messages) = (self.context.clone(), self.place.clone(), self.messages.clone());
        // Sent as a message, so that the state machine finishes its current step first.
        let clearing = async move {
            while let Err(error) = context.engine.remove(place.id, Part::Server).await {
                if !may_run {
                    tracing::warn!(%error, id = %place.id, "removing what was prepared for a cancelled start failed");
                    break;
                }
                tokio::time::sleep(ASK_AGAIN).await;
            }
            let _ = messages.send(Msg::Booted(Err("The start was cancelled.".to_owned().into()))).await;
        };
        let stop = self.context.stop.clone();
        let clearing = async move { stop.run_until_cancelled(clearing).await };
        self.context.tasks.spawn(clearing.in_current_span());
        true
    }

    pub(super) async fn ask_to_stop(&mut self) {
        if self.cancel_boot().await || self.run.is_none() {
            return;
        }
        let order = match &self.spec.stop {
            StopRule::Command { command } => {
                self.console.say(self.context.clock.now(), LineKind::Command, command.clone());
                // A stop command that the console's encoding can't represent is sent as UTF-8: the process decides what to make
                // of it.
                let typed = self
                    .typed(command, true)
                    .unwrap_or_else(|_| InputLine { bytes: Bytes::from(format!("{command}\n")), stop: true });
                StopOrder::Line(self.stdin.clone().map(|stdin| (stdin, typed)))
            }
            StopRule::Signal { signal } => StopOrder::Signal(signal.clone()),
            StopRule::Docker => StopOrder::Docker,
        };
        self.send(order);
    }

    /// Delivers `order` to the process, replacing a delivery in progress.
    pub(super) fn send(&mut self, order: StopOrder) {
        self.cancel_delivery();
        self.killing = matches!(order, StopOrder::Kill);
        let stop_delivery = StopDelivery {
            context: self.context.clone(),
            name: self.engine_name(),
            console: self.console.clone(),
            messages: self.messages.clone(),
        };
        let stop = self.context.stop.clone();
        let delivering = async move {
            stop.run_until_cancelled(stop_delivery.run(order)).await;
        };
        self.stop_delivery = Some(self.context.tasks.spawn(delivering.in_current_span()));
    }

    /// Cancels the delivery in progress.
    pub(super) fn cancel_delivery(&mut self) {
        if let Some(stop_delivery) = self.stop_delivery.take() {
            stop_delivery.abort();
        }
    }

    /// The time to stop is over.
    pub(super) async fn stop_timed_out(&mut self) {
        if self.killing {
            if self.stop_delivery.as_ref().is_some_and(|stop_delivery| !stop_delivery.is_finished()) {
                // The engine is unavailable: a kill is being delivered.
                return self.arm_deadline();
            }
            self.context.say(&self.console, "It is still running. Killing it again.");
            self.input(Input::StopDeadline).await;
        } else {
            self.probe_engine();
        }
    }

    /// Asks an engine that does not answer, although its socket exists, in the background until it answers: it may not have
    /// passed on the stop.
    fn probe_engine(&mut self) {
        self.cancel_delivery();
        self.stop_at = None;
        let (context, console, messages) =
            (self.context.clone(), self.console.clone(), self.messages.clone());
        let stop = self.context.stop.clone();
        let asking = async move {
            let mut silent = false;
            while !matches!(tokio::time::timeout(ANSWER, context.engine.version()).await, Ok(Ok(_))) {
                if !silent {
                    context.say(&console, "Docker does not answer, so it may not have passed on the stop. The time limit restarts when it answers.");
                }
                silent = true;
                tokio::time::sleep(ASK_AGAIN).await;
            }
            let _ = messages.send(Msg::Overdue { silent }).await;
        };
        let asking = async move {
            stop.run_until_cancelled(asking).await;
        };
        self.stop_delivery = Some(self.context.tasks.spawn(asking.in_current_span()));
    }

    /// Handles the engine's answer after the time to stop was over.
    pub(super) async fn probed(&mut self, silent: bool) {
        if self.killing || self.run.is_none() || self.life.phase != Phase::Stopping {
            return;
        }
        if silent {
            return self.arm_deadline();
        }
        let seconds = self.spec.stop_timeout_ms as f64 / 1_000.0;
        self.context.say(&self.console, format!("It did not stop within {seconds} s. Killing it."));
        self.input(Input::StopDeadline).await;
    }

    async fn kill(&mut self) {
        if self.cancel_boot().await || self.run.is_none() {
            return;
        }
        self.send(StopOrder::Kill);
    }

    pub(super) fn known_folder(&self) -> Folder {
        let ran = self.status.borrow().last_exit.is_some();
        Folder { inode: self.folder, used: ran || self.installed > 0 }
    }

    /// Starts an installation if a newer one is declared, and cancels one that is no longer wanted.
    pub(super) async fn apply_install(&mut self) {
        self.retry_install_at = None;
        if self.context.folder_problem().await.is_some() {
            // It isn't declared again when the folder is back.
            self.retry_install_at = Some(Instant::now() + LOOK_AGAIN);
            return;
        }
        match &self.spec.install {
            Some(install) if install.number > self.installed && self.life.hold != Some(Hold::Installing) => {
                let start = install.start;
                self.say_stopping("it is being installed");
                self.input(Input::Install { start }).await;
            }
            None if self.life.hold == Some(Hold::InstallFailed) => self.input(Input::InstallDropped).await,
            _ => {}
        }
    }

    pub(super) async fn install_deadline(&mut self) {
        self.install_by = None;
        if self.life.hold == Some(Hold::Installing) {
            self.end_install("The installation took longer than it may.").await;
        }
    }

    /// Ends the installer; what follows is handled when it has ended.
    pub(super) async fn end_install(&mut self, why: &str) {
        self.install_end = Some(why.to_owned());
        self.save();
        self.context.say(&self.console, why);
        // An installer that isn't running yet can't be killed, but its preparation can be cancelled.
        let runs = self
            .installer
            .as_ref()
            .map(|run| run.container.clone().unwrap_or_else(|| self.place.installer.clone()));
        if let Some(name) = &runs
            && self.context.engine.signal(name, "SIGKILL").await.is_ok()
        {
            return;
        }
        if let Some(installing) = self.installing.take() {
            installing.abort();
            let _ = installing.await;
        }
        let (context, place, messages, why) =
            (self.context.clone(), self.place.clone(), self.messages.clone(), why.to_owned());
        let (may_run, stop) = (runs.is_some(), self.context.stop.clone());
        let discarding = async move {
            // Nothing else begins in its folder while it may still run.
            while may_run
                && let Err(RuntimeError::Away(_)) = context.engine.remove(place.id, Part::Installer).await
            {
                tokio::time::sleep(ASK_AGAIN).await;
            }
            install::discard(&context, &place).await;
            let _ = messages.send(Msg::Installed(Err(why.into()))).await;
        };
        let discarding = async move {
            stop.run_until_cancelled(discarding).await;
        };
        self.installing = Some(self.context.tasks.spawn(discarding.in_current_span()));
    }

    pub(super) async fn install_ended(&mut self, result: Result<Option<String>, Failure>) {
        if self.life.hold != Some(Hold::Installing) {
            return;
        }
        let run = self.installer.take();
        (self.installing, self.install_by) = (None, None);
        // If we ended it ourselves, our reason is the better one.
        let (failure, warning) = match (result, self.install_end.take()) {
            (Ok(None), _) => (None, None),
            (Ok(Some(_)) | Err(_), Some(why)) => (Some(Failure::from(why)), None),
            (Err(failure), None) => (Some(failure), None),
            (Ok(warning), None) => (None, warning),
        };
        let number = self.spec.install.as_ref().map_or(self.installed, |install| install.number);
        self.installed = number;
        match &failure {
            Some(failure) => failure.say(&self.context, &self.console),
            None => self.context.say(&self.console, warning.clone().unwrap_or_else(|| "Installed.".into())),
        }
        let (problem, fault) = failure.map_or((None, None), |Failure { why, fault }| (Some(why), fault));
        let said = problem.as_ref().or(warning.as_ref());
        let lines = match (said, run) {
            (Some(_), Some(run)) => self.console.last_words(run.after_line, LineKind::Install, LAST_LINES),
            _ => Vec::new(),
        };
        self.report(Happening::Installed {
            number,
            problem: problem.clone(),
            warning: warning.clone(),
            lines,
        });
        let ok = problem.is_none();
        // The folder may have been wiped and created anew.
        self.note_folder().await;
        if !ok {
            // It may have failed because the container is running without our knowledge.
            self.query_engine(QueryReason::Again);
        }
        self.status.send_modify(|status| {
            (status.installed, status.progress, status.problem) = (number, None, problem);
            status.fault = fault.map(Box::new);
        });
        if warning.is_some() {
            // Left to somebody who reads the warning first.
            self.life.start_installed = false;
        }
        self.input(Input::InstallEnded { ok }).await;
        self.apply_install().await;
    }
}
