//! Handling requests to a supervisor.

use super::{
    adoption::QueryReason,
    monitor::InputLine,
    stop_delivery::StopOrder,
    supervisor::{Supervisor, SupervisorRequest},
};
use bytes::Bytes;
use raptor_model::{
    containers::{
        Limits,
        lifecycle::{Hold, Input, Phase, Refused},
    },
    node::{ContainerSpec, Fault, Happening, LineKind, NodeError, PowerAction},
    templates::StopRule,
    text::Encoding,
};

impl Supervisor {
    pub(super) async fn handle(&mut self, request: SupervisorRequest) {
        match request {
            SupervisorRequest::Power { action, by, reply } => {
                let accepted = self.request(Input::Power(action));
                if accepted.is_ok() {
                    self.say_who(action, &by);
                }
                let _ = reply.send(accepted);
                self.input(Input::Power(action)).await;
            }
            SupervisorRequest::CancelInstall(reply) => {
                let _ = reply.send(self.request(Input::CancelInstall));
                self.input(Input::CancelInstall).await;
            }
            SupervisorRequest::Command { line, by, reply } => {
                let _ = reply.send(self.command(line, &by).await);
            }
            SupervisorRequest::Declare(spec, reply) => {
                let declared = self.declare(*spec).await;
                let _ = reply.send(declared.map(|()| self.status.borrow().clone()));
            }
            SupervisorRequest::DiskFull { used_bytes, limit_bytes } => {
                self.disk_full(used_bytes, limit_bytes).await
            }
            SupervisorRequest::TrashEmptied => self.trash_emptied().await,
            SupervisorRequest::Inspect => self.query_engine(QueryReason::Again),
            SupervisorRequest::Remove(_) => {}
        }
    }

    /// Whether the request is accepted. Its effects are reported by events.
    fn request(&self, input: Input) -> Result<(), NodeError> {
        self.life.step(self.spec.policy, input).map(drop).map_err(NodeError::from)
    }

    /// Writes to the console who ends the process, since people ask when a game has ended.
    fn say_who(&self, action: PowerAction, by: &str) {
        let what = match (action, self.life.phase) {
            (PowerAction::Stop, Phase::Starting | Phase::Running) => "Stopping it",
            (PowerAction::Restart, Phase::Starting | Phase::Running) => "Restarting it",
            (PowerAction::Kill, Phase::Starting | Phase::Running | Phase::Stopping) => "Killing it",
            _ => return,
        };
        let who = if by.is_empty() { " as was asked".to_owned() } else { format!(": {by} asked for it") };
        self.context.say(&self.console, format!("{what}{who}."));
    }

    async fn command(&mut self, line: String, by: &str) -> Result<(), NodeError> {
        if line.chars().any(|c| c == '\n' || c == '\r') || line.len() > 4_096 {
            return Err(NodeError::Invalid("A command is one line of at most 4,096 bytes.".into()));
        }
        if self.run.is_none() || self.booting.is_some() {
            return Err(NodeError::Refused(Refused::Offline));
        }
        let typed_stop = matches!(&self.spec.stop, StopRule::Command { command } if *command == line);
        let typed = self.typed(&line, typed_stop)?;
        let shown = if by.is_empty() { line.clone() } else { format!("{by}> {line}") };
        self.console.say(self.context.clock.now(), LineKind::Command, shown);
        let Some(stdin) = &self.stdin else {
            return Err(NodeError::Docker("The console is not connected. Try again in a moment.".into()));
        };
        let full = || NodeError::Docker("The container does not read its input.".into());
        stdin.try_send(typed).map_err(|_| full())?;
        if typed_stop && self.life.phase == Phase::Running {
            self.input(Input::StopTyped).await;
            self.send(StopOrder::Line(None));
        }
        Ok(())
    }

    /// The bytes of a line for the standard input of the process.
    pub(super) fn typed(&self, line: &str, stop: bool) -> Result<InputLine, NodeError> {
        let line = format!("{line}\n");
        let bytes = self.console.encoding().encode(&line).map_err(|lacking| {
            NodeError::Invalid(format!("{lacking} The console's encoding is in the container's settings."))
        })?;
        Ok(InputLine { bytes: Bytes::copy_from_slice(&bytes), stop })
    }

    async fn declare(&mut self, spec: ContainerSpec) -> Result<(), NodeError> {
        if spec.revision <= self.spec.revision {
            return Ok(());
        }
        if !self.context.kept.is_covered() {
            self.place.state.keep_spec(&spec).map_err(|error| NodeError::Internal(error.to_string()))?;
        }
        let suspend = (spec.suspended != self.spec.suspended).then_some(spec.suspended);
        self.status.send_modify(|status| status.revision = spec.revision);
        let before = std::mem::replace(&mut self.spec, spec);
        self.console.set_encoding(self.spec.console_encoding.unwrap_or(Encoding::UTF_8));
        match suspend {
            Some(true) => {
                self.say_stopping("it was suspended");
                self.input(Input::Suspend).await;
            }
            Some(false) => self.input(Input::Unsuspend).await,
            None => self.publish(),
        }
        if before.limits.disk_mib != self.spec.limits.disk_mib {
            self.change_disk().await;
        }
        if before.limits != self.spec.limits {
            self.limit(&before.limits).await;
        }
        self.apply_install().await;
        Ok(())
    }

    /// Makes the kernel enforce a changed disk limit at once; if it enforced none so far, from the next start on.
    async fn change_disk(&self) {
        let (context, place, mib) = (self.context.clone(), self.place.clone(), self.spec.limits.disk_mib);
        if !context.quota.by_kernel() || !place.data.exists() {
            return;
        }
        let changed = tokio::task::spawn_blocking(move || {
            let project = place.state.project(&context.base)?;
            context.quota.change(&place.data, project, mib)
        });
        if let Ok(Err(error)) = changed.await {
            self.context.say(&self.console, super::unlimited(&error));
        }
    }

    /// Changes the limits of a running process. Those that can't be changed now apply from the next start, which is reported.
    async fn limit(&mut self, before: &Limits) {
        if self.run.is_none() || self.booting.is_some() {
            return;
        }
        let limits = self.spec.limits.clone();
        let limited = self.context.engine.limit(&self.engine_name(), &limits, before).await;
        let pending = limited.err().map(|error| format!("The new limits apply from the next start: {error}"));
        let said = pending.clone().unwrap_or_else(|| "The new limits apply from now on.".into());
        self.context.say(&self.console, said);
        self.status.send_modify(|status| status.pending = pending);
        self.publish();
    }

    /// Writes to the console why the container is being stopped, if it is running.
    pub(super) fn say_stopping(&self, why: &str) {
        if matches!(self.life.phase, Phase::Starting | Phase::Running) {
            self.context.say(&self.console, format!("Stopping it: {why}."));
        }
    }

    async fn disk_full(&mut self, used_bytes: u64, limit_bytes: u64) {
        if !matches!(self.life.phase, Phase::Starting | Phase::Running) {
            return;
        }
        let mib = |bytes: u64| bytes.div_ceil(1024 * 1024);
        let trash = self.trash().await;
        let text = format!(
            "It uses {} MiB of disk and may use {} MiB: stopping it. {}",
            mib(used_bytes),
            mib(limit_bytes),
            super::way_out(trash)
        );
        self.context.say(&self.console, text.clone());
        self.report(Happening::DiskFull { used_bytes, limit_bytes });
        let fault = Fault::DiskFull { used_bytes, limit_bytes, trash_bytes: trash };
        self.status
            .send_modify(|status| (status.problem, status.fault) = (Some(text), Some(Box::new(fault))));
        self.input(Input::Power(PowerAction::Stop)).await;
    }

    /// After the trash was emptied, withdraws the advice to do so; and the problem, if there is enough free space now.
    async fn trash_emptied(&mut self) {
        let advised = |fault: &Fault| matches!(fault, Fault::DiskFull { trash_bytes: 1.., .. });
        if !self.status.borrow().fault.as_deref().is_some_and(advised) {
            return;
        }
        let limit_mib = self.spec.limits.disk_mib;
        let usage = self.context.accounts.of(self.place.id, limit_mib);
        let measured = tokio::task::spawn_blocking(move || (usage.used(), usage.free(), usage.trash()));
        let Ok((used, free, trash)) = measured.await else { return };
        let still_full = free == Some(0);
        let problem = || {
            let used_mib = used.div_ceil(1024 * 1024);
            format!("It uses {used_mib} MiB of disk and may use {limit_mib} MiB. {}", super::way_out(trash))
        };
        self.status.send_modify(|status| {
            let failed_installation = status.hold == Some(Hold::InstallFailed);
            // A problem of a process or installation that ended describes the situation at that time.
            if status.problem.is_some() && !failed_installation {
                status.problem = still_full.then(problem);
            }
            status.fault = still_full.then(|| Box::new(super::disk_full(used, limit_mib, trash)));
        });
        self.save();
        self.publish();
    }

    /// The size of the container's trash in bytes.
    async fn trash(&self) -> u64 {
        let usage = self.context.accounts.of(self.place.id, self.spec.limits.disk_mib);
        tokio::task::spawn_blocking(move || usage.trash()).await.unwrap_or(0)
    }

    pub(super) async fn remove(&mut self) -> Result<(), NodeError> {
        let broken = |error: std::io::Error| {
            NodeError::Internal(format!("The container's files can't be removed: {error}"))
        };
        // From here on it is never started again, whatever happens.
        self.place.state.condemn().map_err(broken)?;
        if self.run.is_some() {
            self.context.say(&self.console, "Killing it: the container is being deleted.");
        }
        self.cancel_delivery();
        for task in [self.booting.take(), self.installing.take()].into_iter().flatten() {
            task.abort();
            let _ = task.await;
        }
        (self.again_at, self.calm_at, self.stop_at, self.install_by) = (None, None, None, None);
        crate::removal::remove(&self.context, &self.place).await
    }
}
