//! The container's life as a pure state machine: `step(life, input) -> (life, effects)`.

use serde::{Deserialize, Serialize};

/// Where a container is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// No process.
    Offline,
    /// Being prepared, or its process runs and has not said that it is ready.
    Starting,
    /// Its process runs and is ready.
    Running,
    /// Asked to stop; its process has not ended.
    Stopping,
}

impl Phase {
    /// Its stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
        }
    }

    /// The one with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Offline, Self::Starting, Self::Running, Self::Stopping]
            .into_iter()
            .find(|phase| phase.name() == name)
    }
}

/// Why a power action was refused.
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
    /// Start while suspended.
    #[error("The container is suspended. An administrator can lift that.")]
    Suspended,
}

impl Refused {
    /// The stable code in the HTTP contract.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::AlreadyRunning => "already_running",
            Self::StillStopping => "still_stopping",
            Self::Offline => "offline",
            Self::Suspended => "suspended",
        }
    }
}

/// Everything that decides what happens next to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Life {
    /// Where it is.
    pub phase: Phase,
    /// Whether it is to start again once it has stopped.
    pub restart: bool,
    /// Whether starting is refused.
    pub suspended: bool,
    /// Whether it crashed a moment ago: it is not started again by itself a second time.
    pub crashed_recently: bool,
}

/// Something that happened or is asked for. Not knowing is no input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// Somebody asks.
    Power(crate::node::PowerAction),
    /// Somebody typed the stop command into the console.
    StopTyped,
    /// The process said that it is ready.
    Ready,
    /// Preparing or starting the process failed, or was cancelled.
    BootFailed,
    /// The process ended, well or not.
    Exited {
        /// Whether it ended with another code than 0, or for want of memory.
        badly: bool,
    },
    /// It had its time to stop.
    StopDeadline,
    /// The last crash is long ago.
    CrashWindowOver,
    /// Starting is refused from now on.
    Suspend,
    /// Starting is allowed again.
    Unsuspend,
}

/// What is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Prepare and start the process.
    Boot,
    /// Ask the process to stop; cancel the preparation where there is none yet.
    AskToStop,
    /// End the process now; cancel the preparation where there is none yet.
    Kill,
    /// Say [`Input::StopDeadline`] after the container's time to stop.
    ArmStopDeadline,
    /// Don't.
    DisarmStopDeadline,
    /// Say [`Input::CrashWindowOver`] after a while.
    ArmCrashWindow,
    /// Tell people that it ended though nobody had asked.
    ReportCrash,
}

impl Life {
    /// A container that has never run.
    pub const NEW: Self =
        Self { phase: Phase::Offline, restart: false, suspended: false, crashed_recently: false };

    /// What follows from `input`.
    ///
    /// # Errors
    /// Why a power action is refused; then nothing has changed.
    pub fn step(self, input: Input) -> Result<(Self, Vec<Effect>), Refused> {
        use crate::node::PowerAction as Power;
        use {Effect as E, Phase as P};
        let to = |phase, restart, effects: &[Effect]| Ok((Self { phase, restart, ..self }, effects.to_vec()));
        let stay = Ok((self, Vec::new()));
        match (self.phase, input) {
            (_, Input::Power(Power::Start | Power::Restart)) if self.suspended => Err(Refused::Suspended),
            (P::Offline, Input::Power(Power::Start | Power::Restart)) => to(P::Starting, false, &[E::Boot]),
            (P::Starting | P::Running, Input::Power(Power::Start)) => Err(Refused::AlreadyRunning),
            (P::Stopping, Input::Power(Power::Start)) => Err(Refused::StillStopping),
            (P::Starting | P::Running, Input::Power(Power::Restart)) => {
                to(P::Stopping, true, &[E::AskToStop, E::ArmStopDeadline])
            }
            (P::Stopping, Input::Power(Power::Restart)) => to(P::Stopping, true, &[]),

            (P::Offline, Input::Power(Power::Stop | Power::Kill)) => Err(Refused::Offline),
            (P::Starting | P::Running, Input::Power(Power::Stop)) => {
                to(P::Stopping, false, &[E::AskToStop, E::ArmStopDeadline])
            }
            (P::Running, Input::StopTyped) => to(P::Stopping, false, &[E::ArmStopDeadline]),
            (P::Stopping, Input::Power(Power::Stop)) => to(P::Stopping, false, &[]),
            (P::Starting | P::Running, Input::Power(Power::Kill)) => {
                to(P::Stopping, false, &[E::Kill, E::ArmStopDeadline])
            }
            (P::Stopping, Input::Power(Power::Kill)) => to(P::Stopping, false, &[E::Kill]),
            (P::Stopping, Input::StopDeadline) => {
                to(P::Stopping, self.restart, &[E::Kill, E::ArmStopDeadline])
            }

            (P::Starting, Input::Ready) => to(P::Running, false, &[]),
            (P::Starting, Input::BootFailed) => to(P::Offline, false, &[]),
            (P::Stopping, Input::BootFailed | Input::Exited { .. }) if self.restart && !self.suspended => {
                to(P::Starting, false, &[E::DisarmStopDeadline, E::Boot])
            }
            (P::Stopping, Input::BootFailed | Input::Exited { .. }) => {
                to(P::Offline, false, &[E::DisarmStopDeadline])
            }
            (P::Starting | P::Running, Input::Exited { badly: false }) => to(P::Offline, false, &[]),
            (P::Starting | P::Running, Input::Exited { badly: true })
                if self.suspended || self.crashed_recently =>
            {
                to(P::Offline, false, &[E::ReportCrash])
            }
            (P::Starting | P::Running, Input::Exited { badly: true }) => Ok((
                Self { phase: P::Starting, restart: false, crashed_recently: true, ..self },
                vec![E::ReportCrash, E::ArmCrashWindow, E::Boot],
            )),
            (_, Input::CrashWindowOver) => Ok((Self { crashed_recently: false, ..self }, Vec::new())),

            (P::Starting | P::Running, Input::Suspend) => Ok((
                Self { phase: P::Stopping, restart: false, suspended: true, ..self },
                vec![E::AskToStop, E::ArmStopDeadline],
            )),
            (P::Offline | P::Stopping, Input::Suspend) => {
                Ok((Self { restart: false, suspended: true, ..self }, Vec::new()))
            }
            (_, Input::Unsuspend) => Ok((Self { suspended: false, ..self }, Vec::new())),

            // Late or repeated facts change nothing.
            (P::Offline | P::Running | P::Stopping, Input::Ready)
            | (P::Offline | P::Running, Input::BootFailed)
            | (P::Offline | P::Starting | P::Running, Input::StopDeadline)
            | (P::Offline | P::Starting | P::Stopping, Input::StopTyped)
            | (P::Offline, Input::Exited { .. }) => stay,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::PowerAction as Power;
    use std::collections::{HashSet, VecDeque};

    const INPUTS: [Input; 13] = [
        Input::Power(Power::Start),
        Input::Power(Power::Stop),
        Input::Power(Power::Restart),
        Input::Power(Power::Kill),
        Input::StopTyped,
        Input::Ready,
        Input::BootFailed,
        Input::Exited { badly: false },
        Input::Exited { badly: true },
        Input::StopDeadline,
        Input::CrashWindowOver,
        Input::Suspend,
        Input::Unsuspend,
    ];

    /// What the world really is, beside what the machine believes.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
    struct World {
        life: Life,
        process: bool,
        deadline: bool,
    }

    fn possible(world: World, input: Input) -> bool {
        match input {
            Input::Exited { .. } | Input::Ready => world.process,
            // What has booted can only exit.
            Input::BootFailed => world.process && world.life.phase != Phase::Running,
            Input::StopDeadline => world.deadline,
            _ => true,
        }
    }

    #[test]
    fn every_reachable_state_keeps_the_promises() {
        let mut seen = HashSet::new();
        let mut open = VecDeque::from([World { life: Life::NEW, process: false, deadline: false }]);
        while let Some(world) = open.pop_front() {
            if !seen.insert(world) {
                continue;
            }
            let life = world.life;
            assert_eq!(
                life.phase == Phase::Stopping,
                world.deadline,
                "{life:?}: stopping has a deadline, nothing else has"
            );
            assert_eq!(
                life.phase != Phase::Offline,
                world.process,
                "{life:?}: offline is when there is no process"
            );
            assert!(!life.restart || life.phase == Phase::Stopping, "{life:?}");
            for input in INPUTS.into_iter().filter(|input| possible(world, *input)) {
                let Ok((next, effects)) = life.step(input) else { continue };
                let ended = matches!(input, Input::Exited { .. } | Input::BootFailed);
                let mut after = World { life: next, process: world.process && !ended, ..world };
                for effect in effects {
                    match effect {
                        Effect::Boot => {
                            assert!(!after.process, "{life:?} {input:?} starts a second process");
                            assert!(!next.suspended, "{life:?} {input:?} starts what is suspended");
                            after.process = true;
                        }
                        Effect::ArmStopDeadline => after.deadline = true,
                        Effect::DisarmStopDeadline => after.deadline = false,
                        _ => {}
                    }
                }
                open.push_back(after);
            }
        }
        assert!(seen.len() > 10, "only {} states were reached", seen.len());
    }

    #[test]
    fn kill_always_ends_offline() {
        for phase in [Phase::Starting, Phase::Running, Phase::Stopping] {
            let life = Life { phase, restart: phase == Phase::Stopping, ..Life::NEW };
            let (life, effects) = life.step(Input::Power(Power::Kill)).unwrap();
            assert!(effects.contains(&Effect::Kill));
            let (life, effects) = life.step(Input::Exited { badly: true }).unwrap();
            assert_eq!(life.phase, Phase::Offline);
            assert!(!effects.contains(&Effect::Boot));
        }
    }

    #[test]
    fn a_crash_is_answered_by_one_start_and_a_second_one_soon_after_by_none() {
        let running = Life { phase: Phase::Running, ..Life::NEW };
        let (life, effects) = running.step(Input::Exited { badly: true }).unwrap();
        assert!(effects.contains(&Effect::Boot));
        let (life, _) = life.step(Input::Ready).unwrap();
        let (life, effects) = life.step(Input::Exited { badly: true }).unwrap();
        assert_eq!((life.phase, effects), (Phase::Offline, vec![Effect::ReportCrash]));
    }

    #[test]
    fn a_player_who_types_the_stop_command_causes_no_crash() {
        let running = Life { phase: Phase::Running, ..Life::NEW };
        let (life, _) = running.step(Input::StopTyped).unwrap();
        let (life, effects) = life.step(Input::Exited { badly: true }).unwrap();
        assert_eq!((life.phase, effects), (Phase::Offline, vec![Effect::DisarmStopDeadline]));
    }
}
