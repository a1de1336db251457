//! Whether the scripted engine answers, and the connections to it.

use tokio::sync::watch;

/// Whether the engine answers. When it goes away, all connections to it are cut.
pub(super) struct Presence(watch::Sender<State>);

#[derive(Clone, Copy)]
struct State {
    away: bool,
    /// How many times it has gone away.
    times: u64,
}

impl Default for Presence {
    fn default() -> Self {
        Self(watch::Sender::new(State { away: false, times: 0 }))
    }
}

impl Presence {
    pub(super) fn is_away(&self) -> bool {
        self.0.borrow().away
    }

    pub(super) fn go(&self) {
        self.0.send_modify(|state| *state = State { away: true, times: state.times + 1 });
    }

    pub(super) fn come_back(&self) {
        self.0.send_modify(|state| state.away = false);
    }

    /// Opens a connection.
    pub(super) fn connect(&self) -> Link {
        let state = self.0.subscribe();
        let times = state.borrow().times;
        Link { state, times }
    }
}

/// A connection to the engine.
#[derive(Clone)]
pub(super) struct Link {
    state: watch::Receiver<State>,
    times: u64,
}

impl Link {
    pub(super) fn is_cut(&self) -> bool {
        self.state.borrow().times != self.times
    }

    /// Returns when the engine goes away.
    pub(super) async fn cut(&mut self) {
        let times = self.times;
        let _ = self.state.wait_for(|state| state.times != times).await;
    }
}
