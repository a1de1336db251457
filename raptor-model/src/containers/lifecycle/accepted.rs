//! Which power actions the state machine accepts, said by the machine itself.

use super::{Hold, Life, Phase, PowerAction, Rest};

impl Life {
    /// A life that accepts the same power actions as the one behind a container's reported state. `waiting`: whether it is started
    /// again by itself after a pause.
    #[must_use]
    pub const fn reported(phase: Phase, hold: Option<Hold>, waiting: bool, suspended: bool) -> Self {
        let rest = if waiting { Rest::Waiting } else { Rest::Idle };
        Self { phase, hold, rest, suspended, ..Self::NEW }
    }

    /// Whether `action` is accepted now.
    #[must_use]
    pub fn accepts(self, action: PowerAction) -> bool {
        self.power(action).is_ok()
    }
}
