//! What a container of the scripted engine does.

use std::{collections::VecDeque, time::Duration};

/// What a process does from its start on. It runs until its script ends it or it is asked to: by a signal, or by the stop command
/// of its declaration as a line of input. What else is typed it repeats, as `got <line>`.
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
    /// Whether it does nothing when it is asked to stop.
    pub(super) ignores_stop: bool,
    /// From being asked to stop to its end.
    pub(super) stop_takes: Duration,
    /// Its exit code when it was asked to stop.
    pub(super) stop_code: i64,
}

/// One thing that a process does.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Print(String),
    Wait(Duration),
    Exit { code: i64, out_of_memory: bool },
}

impl Script {
    /// A process that runs, writes nothing, and ends with code 0 as soon as it is asked to.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a line.
    #[must_use]
    pub fn print(self, line: impl Into<String>) -> Self {
        self.then(Act::Print(line.into() + "\n"))
    }

    /// Does nothing for so long.
    #[must_use]
    pub fn wait(self, time: Duration) -> Self {
        self.then(Act::Wait(time))
    }

    /// Ends with this exit code.
    #[must_use]
    pub fn exit(self, code: i64) -> Self {
        self.then(Act::Exit { code, out_of_memory: false })
    }

    /// Is killed for want of memory.
    #[must_use]
    pub fn run_out_of_memory(self) -> Self {
        self.then(Act::Exit { code: 137, out_of_memory: true })
    }

    /// Does not end when it is asked to; SIGKILL alone ends it.
    #[must_use]
    pub fn ignores_stop(mut self) -> Self {
        self.ignores_stop = true;
        self
    }

    /// Takes so long to end once it is asked to; no time unless given.
    #[must_use]
    pub fn takes_to_stop(mut self, time: Duration) -> Self {
        self.stop_takes = time;
        self
    }

    /// The exit code when it was asked to stop; 0 unless given.
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
