//! What a step of the state machine changes in what others see, the same for every host.

use super::{ContainerStatus, Crashes, Exit, Happening};
use crate::containers::lifecycle::{Effect, Hold, Life, Outcome, Rest};
use chrono::{DateTime, Utc};

/// A step of the state machine with what only the host knows of it.
#[derive(Clone, Debug)]
pub struct Transition<'a> {
    /// Where the step led.
    pub life: Life,
    /// What follows from it.
    pub effects: &'a [Effect],
    /// When it was made.
    pub at: DateTime<Utc>,
    /// When the container is started again, where the step arms that.
    pub again_at: Option<DateTime<Utc>>,
    /// The last lines of a process that crashed; of other steps they are not used.
    pub last_lines: Vec<String>,
}

impl ContainerStatus {
    /// Follows a step: phase, hold, crashes, whether the newest exit was a crash, and problems that are over.
    pub fn follow(&mut self, step: Transition<'_>) {
        let Transition { life, effects, at, again_at, last_lines } = step;
        if self.phase != life.phase {
            (self.phase, self.since) = (life.phase, at);
        }
        let crashed = Effect::outcome(effects).map(|outcome| outcome == Outcome::Crashed);
        if let (Some(exit), Some(crashed)) = (&mut self.last_exit, crashed) {
            exit.crash = crashed;
        }
        // What was wrong with an installation that counts as done now is no reason why a start failed.
        let dropped = self.hold == Some(Hold::InstallFailed) && life.hold.is_none();
        self.hold = life.hold;
        if dropped || effects.contains(&Effect::Boot) || effects.contains(&Effect::Install) {
            (self.problem, self.fault) = (None, None);
        }
        let before = self.crashes.take();
        self.crashes = (life.crashes > 0).then(|| {
            let (armed, lines) = before.map_or((None, Vec::new()), |before| (before.again_at, before.lines));
            Crashes {
                count: life.crashes.into(),
                quarantined: life.rest == Rest::Quarantined,
                again_at: again_at.or(armed.filter(|_| life.rest == Rest::Waiting)),
                lines: if crashed == Some(true) { last_lines } else { lines },
            }
        });
    }

    /// The event that reports the end of the process to the API, for a status that [`Self::follow`] has updated. None for ends that
    /// are not reported, such as after a stop that was asked for.
    #[must_use]
    pub fn news_of(&self, outcome: Outcome) -> Option<Happening> {
        let exit: Exit = self.last_exit?;
        match outcome {
            Outcome::Crashed => {
                let Crashes { count, quarantined, lines, .. } = self.crashes.clone()?;
                Some(Happening::Crashed { exit, count, quarantined, lines })
            }
            Outcome::Finished => Some(Happening::Ended { exit, by_hand: false }),
            Outcome::EndedByHand => Some(Happening::Ended { exit, by_hand: true }),
            Outcome::Recovered => Some(Happening::Recovered),
            Outcome::Stopped | Outcome::Interrupted => None,
        }
    }
}
