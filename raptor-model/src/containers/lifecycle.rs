//! The lifecycle of a container as a pure state machine: `step(life, policy, input) -> (life, effects)`.

mod accepted;
mod policy;
mod power;
#[cfg(test)]
mod walk;

pub use policy::{Policy, RestartPolicy, backoff};
pub use power::PowerAction;

use power::PowerAction as Power;
use serde::{Deserialize, Serialize};

/// Where a container is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// There is no process, and none is being started.
    Offline,
    /// Being prepared, or its process runs and has not said that it is ready.
    Starting,
    /// Its process runs and is ready.
    Running,
    /// Asked to stop; its process has not ended.
    Stopping,
}

impl Phase {
    /// The name in the database and on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
        }
    }

    /// The phase with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Offline, Self::Starting, Self::Running, Self::Stopping]
            .into_iter()
            .find(|phase| phase.name() == name)
    }
}

/// What keeps a container from being started though nobody suspended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// The installer runs, or waits for its turn.
    Installing,
    /// Its installation failed or was cancelled.
    InstallFailed,
}

/// Why something that was asked for was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    /// Start of what runs.
    #[error("The container is already running.")]
    AlreadyRunning,
    /// Start of what is on its way down.
    #[error("The container is still stopping. Wait for it or kill it.")]
    StillStopping,
    /// Stop, kill or command where nothing runs.
    #[error("The container is offline.")]
    Offline,
    /// It was asked to start while it is suspended.
    #[error("The container is suspended. An administrator can lift that.")]
    Suspended,
    /// Anything while it is being installed.
    #[error("The container is being installed. Wait until that has ended, or cancel it.")]
    Installing,
    /// Start after an installation that failed.
    #[error("The installation failed. Install the container again, or mark it as installed.")]
    InstallFailed,
    /// Cancelling where nothing is being installed.
    #[error("Nothing is being installed.")]
    NotInstalling,
}

impl Refused {
    const ALL: [Self; 7] = [
        Self::AlreadyRunning,
        Self::StillStopping,
        Self::Offline,
        Self::Suspended,
        Self::Installing,
        Self::InstallFailed,
        Self::NotInstalling,
    ];

    /// The code on the wire.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::AlreadyRunning => "already_running",
            Self::StillStopping => "still_stopping",
            Self::Offline => "offline",
            Self::Suspended => "suspended",
            Self::Installing => "installing",
            Self::InstallFailed => "install_failed",
            Self::NotInstalling => "not_installing",
        }
    }

    /// The variant with this code.
    #[must_use]
    pub fn coded(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|refused| refused.code() == code)
    }
}

/// What follows once a stopping process has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// It stays offline until somebody starts it.
    #[default]
    Nothing,
    /// It is started again.
    Start,
    /// The installation that was asked for begins.
    Install,
}

/// What an offline container waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rest {
    #[default]
    Idle,
    /// The pause after a crash; then it is started again.
    Waiting,
    /// A person: it crashed too often to be restarted automatically.
    Quarantined,
}

/// The complete state of a container's lifecycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Life {
    pub phase: Phase,
    /// What follows once it has stopped.
    pub next: Next,
    /// What prevents it from being started.
    pub hold: Option<Hold>,
    /// Whether it is started after its installation.
    pub start_installed: bool,
    /// Whether starting is refused.
    pub suspended: bool,
    /// Whether people want it to run.
    pub wanted: bool,
    /// Whether the current start is automatic, i.e. requested by nobody.
    pub by_itself: bool,
    /// Crashes since it last ran without one for a while.
    pub crashes: u8,
    /// What it waits for while it is offline.
    pub rest: Rest,
    /// Whether it is stopping and its process has not been told yet.
    #[serde(default)]
    pub asking: bool,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// With exit code 0.
    Clean,
    /// With another exit code, or because it ran out of memory.
    Badly,
    /// Together with its host or engine: not its own fault.
    Interrupted,
    /// By a person on the host, with the engine's own commands. Counts as a stop.
    ByHand,
}

/// What the end of a process means. Only the state machine decides it; hosts show it and pass it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was asked to stop, and ended.
    Stopped,
    Crashed,
    /// It ended by itself, which is not a crash under its policy.
    Finished,
    /// A person ended it on the host, with the engine's own commands.
    EndedByHand,
    /// It ended with its host or engine and stays offline.
    Interrupted,
    /// It ended with its host or engine and is started again.
    Recovered,
}

/// An event or a request. An unknown state is not an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// A power action.
    Power(Power),
    /// Somebody typed the stop command into the console. Whether it was delivered is reported by [`Input::StopDelivered`].
    StopTyped,
    /// The process was asked to stop: the engine has sent the signal, or accepted the command.
    StopDelivered,
    /// The engine became unavailable before it had passed on the stop command, which is sent again.
    StopLost,
    /// The process is ready.
    Ready,
    /// Preparing or starting the process failed or was cancelled.
    BootFailed,
    Exited(Ending),
    /// The daemon ended while preparing the process, before anything was started.
    BootInterrupted,
    /// The time limit for stopping has passed.
    StopDeadline,
    /// The pause after a crash is over.
    BackoffOver,
    /// It has run for a while without a crash.
    Calm,
    Suspend,
    Unsuspend,
    /// It is to be installed, and with `start` started afterwards.
    Install {
        /// Whether to start it afterwards.
        start: bool,
    },
    /// The installation has ended.
    InstallEnded {
        /// Whether the installation ended with success.
        ok: bool,
    },
    /// Somebody cancelled the installation.
    CancelInstall,
    /// No installation is wanted any more, so a failed one no longer matters.
    InstallDropped,
    /// The daemon took over an offline container from an earlier daemon.
    TakenOver,
    /// The engine has a running process of a container that should be offline.
    FoundRunning,
}

/// What to do as a result of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Prepare and start the process.
    Boot,
    /// Ask the process to stop, retrying until that is delivered, then report [`Input::StopDelivered`]. If there is no process
    /// yet, cancel the preparation.
    AskToStop,
    /// Kill the process. If there is none yet, cancel the preparation.
    Kill,
    /// Report [`Input::StopDeadline`] after the container's stop timeout.
    ArmStopDeadline,
    /// Cancel that timer.
    DisarmStopDeadline,
    /// Report [`Input::BackoffOver`] after the [`backoff`] for its crashes.
    ArmBackoff,
    /// Cancel that timer.
    DisarmBackoff,
    /// Report [`Input::Calm`] after a while.
    ArmCalm,
    /// The process has ended with this meaning: record it, and report to the API what people should know.
    Ended(Outcome),
    /// Run the installation.
    Install,
    /// Cancel the installation.
    CancelInstall,
}

impl Effect {
    /// The meaning of the process's end, if `effects` follow from one.
    #[must_use]
    pub fn outcome(effects: &[Self]) -> Option<Outcome> {
        effects.iter().find_map(|effect| match effect {
            Self::Ended(outcome) => Some(*outcome),
            _ => None,
        })
    }
}

type Step = Result<(Life, Vec<Effect>), Refused>;

impl Life {
    /// A container that has never run.
    pub const NEW: Self = Self {
        phase: Phase::Offline,
        next: Next::Nothing,
        hold: None,
        start_installed: false,
        suspended: false,
        wanted: false,
        by_itself: false,
        crashes: 0,
        rest: Rest::Idle,
        asking: false,
    };

    /// The state and the effects that follow from `input`.
    ///
    /// # Errors
    /// Why a request is refused; then nothing has changed.
    pub fn step(self, policy: Policy, input: Input) -> Step {
        use Phase as P;
        match (self.phase, input) {
            (_, Input::Power(action)) => self.power(action),
            (P::Running, Input::StopTyped) => {
                self.go(|life| (life.phase, life.wanted, life.asking) = (P::Stopping, false, true), &[])
            }
            // The stop timeout begins when the process has been told, not when somebody requested it.
            (P::Stopping, Input::StopDelivered) if self.asking => {
                self.go(|life| life.asking = false, &[Effect::ArmStopDeadline])
            }
            (P::Stopping, Input::StopLost) if !self.asking => {
                self.go(|life| life.asking = true, &[Effect::DisarmStopDeadline])
            }
            (P::Stopping, Input::StopDeadline) if !self.asking => {
                self.go(|_| {}, &[Effect::Kill, Effect::ArmStopDeadline])
            }
            (P::Starting, Input::Ready) => self.go(|life| life.phase = P::Running, &[Effect::ArmCalm]),
            (P::Running, Input::Calm) => self.go(|life| life.crashes = 0, &[]),

            (P::Stopping, Input::BootFailed | Input::BootInterrupted) => self.stopped(&[]),
            (P::Stopping, Input::Exited(_)) => self.stopped(&[Effect::Ended(Outcome::Stopped)]),
            // The person who requested a start sees that it failed. An automatic start is retried later.
            (P::Starting, Input::BootFailed) if self.by_itself => self.crashed(policy, &[]),
            (P::Starting, Input::BootFailed) => {
                self.go(|life| (life.phase, life.wanted) = (P::Offline, false), &[])
            }
            (P::Starting, Input::BootInterrupted) => self.interrupted(policy, false),
            (P::Starting | P::Running, Input::Exited(ending)) => self.ended(policy, ending),
            (P::Offline, Input::BackoffOver) if self.rest == Rest::Waiting => self.boot(true),
            (P::Offline, Input::TakenOver) => self.taken_over(policy),
            (P::Offline, Input::FoundRunning) if self.hold != Some(Hold::Installing) => self.found_running(),

            (_, Input::Suspend) => self.suspend(),
            (_, Input::Unsuspend) => self.go(|life| life.suspended = false, &[]),

            (_, Input::Install { .. }) if self.hold == Some(Hold::Installing) => Err(Refused::Installing),
            (_, Input::Install { start }) => self.install(start),
            (P::Offline, Input::InstallEnded { ok }) if self.hold == Some(Hold::Installing) => {
                self.installed(ok)
            }
            (P::Offline, Input::CancelInstall) if self.hold == Some(Hold::Installing) => {
                self.go(|life| life.start_installed = false, &[Effect::CancelInstall])
            }
            (_, Input::CancelInstall) => Err(Refused::NotInstalling),
            (_, Input::InstallDropped) if self.hold == Some(Hold::InstallFailed) => {
                self.go(|life| life.hold = None, &[])
            }
            // Late or repeated events change nothing.
            _ => self.go(|_| {}, &[]),
        }
    }

    fn go(mut self, change: impl FnOnce(&mut Self), effects: &[Effect]) -> Step {
        change(&mut self);
        Ok((self, effects.to_vec()))
    }

    fn power(self, action: Power) -> Step {
        use {Effect as E, Phase as P};
        let up = matches!(self.phase, P::Starting | P::Running);
        match action {
            Power::Start | Power::Restart if self.suspended => Err(Refused::Suspended),
            Power::Start if up => Err(Refused::AlreadyRunning),
            Power::Start if self.phase == P::Stopping => Err(Refused::StillStopping),
            Power::Start | Power::Restart if self.phase == P::Offline => match self.hold {
                Some(Hold::Installing) => Err(Refused::Installing),
                Some(Hold::InstallFailed) => Err(Refused::InstallFailed),
                None => Self { crashes: 0, ..self }.boot(false),
            },
            Power::Restart | Power::Start if up => self.go(
                |life| {
                    (life.phase, life.next) = (P::Stopping, Next::Start);
                    (life.wanted, life.asking) = (true, true);
                },
                &[E::AskToStop],
            ),
            Power::Restart | Power::Start => self.go(
                |life| match life.next {
                    Next::Install => life.start_installed = true,
                    _ => (life.next, life.wanted) = (Next::Start, true),
                },
                &[],
            ),
            Power::Stop | Power::Kill if self.phase == P::Offline => match (self.hold, self.rest) {
                (Some(Hold::Installing), _) => Err(Refused::Installing),
                (_, Rest::Waiting) => {
                    self.go(|life| (life.rest, life.wanted) = (Rest::Idle, false), &[E::DisarmBackoff])
                }
                _ => Err(Refused::Offline),
            },
            Power::Stop | Power::Kill => {
                let kill = action == Power::Kill;
                let effects: &[Effect] = match (kill, up) {
                    (true, _) => &[E::Kill, E::ArmStopDeadline],
                    (false, true) => &[E::AskToStop],
                    (false, false) => &[],
                };
                self.go(
                    |life| {
                        (life.phase, life.wanted, life.start_installed) = (P::Stopping, false, false);
                        life.asking = !kill && (up || life.asking);
                        if life.next == Next::Start {
                            life.next = Next::Nothing;
                        }
                    },
                    effects,
                )
            }
        }
    }

    fn boot(self, by_itself: bool) -> Step {
        self.go(
            |life| {
                (life.phase, life.next, life.rest) = (Phase::Starting, Next::Nothing, Rest::Idle);
                (life.wanted, life.by_itself) = (true, by_itself);
            },
            &[Effect::DisarmBackoff, Effect::Boot],
        )
    }

    /// A process ended that was asked to.
    fn stopped(self, ended: &[Effect]) -> Step {
        let next = self.next;
        let life = Self { phase: Phase::Offline, next: Next::Nothing, asking: false, ..self };
        let (life, effects) = match next {
            Next::Start if !self.suspended => life.boot(false)?,
            Next::Install => life.install(self.start_installed)?,
            _ => (life, Vec::new()),
        };
        let ended = ended.iter().copied().chain([Effect::DisarmStopDeadline]);
        Ok((life, ended.chain(effects).collect()))
    }

    /// A process ended that was not asked to.
    fn ended(self, policy: Policy, ending: Ending) -> Step {
        let off = |outcome| {
            self.go(|life| (life.phase, life.wanted) = (Phase::Offline, false), &[Effect::Ended(outcome)])
        };
        match ending {
            Ending::Interrupted => self.interrupted(policy, true),
            Ending::Badly if policy.detect_crashes => {
                self.crashed(policy, &[Effect::Ended(Outcome::Crashed)])
            }
            Ending::Clean if policy.detect_crashes && policy.clean_exit_is_crash => {
                self.crashed(policy, &[Effect::Ended(Outcome::Crashed)])
            }
            Ending::Badly | Ending::Clean => off(Outcome::Finished),
            // Not even with the policy "always": somebody stopped it on purpose.
            Ending::ByHand => off(Outcome::EndedByHand),
        }
    }

    /// It ended through no fault of its own; `ran`: whether a process had been started.
    fn interrupted(self, policy: Policy, ran: bool) -> Step {
        let comes_back = policy.restart != RestartPolicy::Never && !self.suspended;
        let (life, effects) = if comes_back {
            self.boot(true)?
        } else {
            self.go(|life| (life.phase, life.wanted) = (Phase::Offline, false), &[])?
        };
        let outcome = if comes_back { Outcome::Recovered } else { Outcome::Interrupted };
        let ended = ran.then_some(Effect::Ended(outcome));
        Ok((life, ended.into_iter().chain(effects).collect()))
    }

    fn crashed(self, policy: Policy, effects: &[Effect]) -> Step {
        let crashes = self.crashes.saturating_add(1);
        let rest = match policy.restart {
            RestartPolicy::Never => Rest::Idle,
            _ if self.suspended => Rest::Idle,
            _ if policy.max_crashes > 0 && crashes >= policy.max_crashes => Rest::Quarantined,
            _ => Rest::Waiting,
        };
        let wait = (rest == Rest::Waiting).then_some(Effect::ArmBackoff);
        let life = Self { phase: Phase::Offline, crashes, rest, wanted: rest == Rest::Waiting, ..self };
        Ok((life, effects.iter().copied().chain(wait).collect()))
    }

    fn taken_over(self, policy: Policy) -> Step {
        let runs = match policy.restart {
            RestartPolicy::Always => true,
            RestartPolicy::UnlessStopped => self.wanted,
            RestartPolicy::Never => false,
        };
        match self.rest {
            Rest::Waiting => self.go(|_| {}, &[Effect::ArmBackoff]),
            Rest::Idle if runs && self.hold.is_none() && !self.suspended => self.boot(true),
            _ => self.go(|_| {}, &[]),
        }
    }

    /// The process keeps running; if the container is suspended, it is asked to stop.
    fn found_running(self) -> Step {
        // What is running counts as installed.
        let life = Self { rest: Rest::Idle, hold: None, wanted: !self.suspended, by_itself: true, ..self };
        if self.suspended {
            life.go(
                |life| (life.phase, life.asking) = (Phase::Stopping, true),
                &[Effect::DisarmBackoff, Effect::AskToStop],
            )
        } else {
            life.go(|life| life.phase = Phase::Running, &[Effect::DisarmBackoff, Effect::ArmCalm])
        }
    }

    fn suspend(self) -> Step {
        let life = Self { suspended: true, wanted: false, start_installed: false, ..self };
        match self.phase {
            Phase::Starting | Phase::Running => life.go(
                |life| (life.phase, life.next, life.asking) = (Phase::Stopping, Next::Nothing, true),
                &[Effect::AskToStop],
            ),
            Phase::Stopping if self.next == Next::Start => life.go(|life| life.next = Next::Nothing, &[]),
            Phase::Offline if self.rest == Rest::Waiting => {
                life.go(|life| life.rest = Rest::Idle, &[Effect::DisarmBackoff])
            }
            _ => life.go(|_| {}, &[]),
        }
    }

    fn install(self, start: bool) -> Step {
        let start_installed = start && !self.suspended;
        match self.phase {
            Phase::Offline => self.go(
                |life| {
                    (life.hold, life.start_installed) = (Some(Hold::Installing), start_installed);
                    (life.rest, life.crashes) = (Rest::Idle, 0);
                },
                &[Effect::DisarmBackoff, Effect::Install],
            ),
            Phase::Stopping => {
                self.go(|life| (life.next, life.start_installed) = (Next::Install, start_installed), &[])
            }
            Phase::Starting | Phase::Running => self.go(
                |life| {
                    (life.phase, life.next, life.wanted) = (Phase::Stopping, Next::Install, false);
                    (life.start_installed, life.asking) = (start_installed, true);
                },
                &[Effect::AskToStop],
            ),
        }
    }

    fn installed(self, ok: bool) -> Step {
        let life = Self { hold: (!ok).then_some(Hold::InstallFailed), start_installed: false, ..self };
        if ok && self.start_installed && !self.suspended { life.boot(false) } else { life.go(|_| {}, &[]) }
    }
}
