//! Scripts for containers of the scripted engine.

use std::{collections::VecDeque, time::Duration};

/// What a process does after its start. It runs until its script ends it or it is asked to stop, by a signal or by the stop
/// command of its declaration as a line of input. Any other input is echoed as `got <line>`.
///
/// ```
/// # use raptor_node_lib::runtime::Script;
/// # use std::time::Duration;
/// let crashes_late = Script::new().print("ready").wait(Duration::from_secs(90)).exit(3);
/// let never_stops = Script::new().print("ready").ignores_stop();
/// ```
#[derive(Clone, Debug, Default)]
pub struct Script {
    pub(super) acts: VecDeque<Act>,
    /// Whether it ignores stop requests.
    pub(super) ignores_stop: bool,
    /// The time from a stop request to its end.
    pub(super) stop_takes: Duration,
    /// Its exit code after a stop request.
    pub(super) stop_code: i64,
}

/// One step of a script.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Print(String),
    Wait(Duration),
    Exit { code: i64, out_of_memory: bool },
}

impl Script {
    /// A process that runs, prints nothing, and exits with code 0 as soon as it is asked to stop.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Then prints a line to its output.
    #[must_use]
    pub fn print(self, line: impl Into<String>) -> Self {
        self.then(Act::Print(line.into() + "\n"))
    }

    /// Does nothing for this long.
    #[must_use]
    pub fn wait(self, time: Duration) -> Self {
        self.then(Act::Wait(time))
    }

    /// Exits with this code.
    #[must_use]
    pub fn exit(self, code: i64) -> Self {
        self.then(Act::Exit { code, out_of_memory: false })
    }

    /// Is killed because it ran out of memory.
    #[must_use]
    pub fn run_out_of_memory(self) -> Self {
        self.then(Act::Exit { code: 137, out_of_memory: true })
    }

    /// Ignores stop requests; only SIGKILL ends it.
    #[must_use]
    pub fn ignores_stop(mut self) -> Self {
        self.ignores_stop = true;
        self
    }

    /// The time from a stop request to its end; none by default.
    #[must_use]
    pub fn takes_to_stop(mut self, time: Duration) -> Self {
        self.stop_takes = time;
        self
    }

    /// The exit code after a stop request; 0 by default.
    #[must_use]
    pub fn stops_with(mut self, code: i64) -> Self {
        self.stop_code = code;
        self
    }

    fn then(mut self, act: Act) -> Self {
        self.acts.push_back(act);
        self
    }
}
