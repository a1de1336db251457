//! Faults of an engine at a chosen call.

use std::time::Duration;

/// A kind of call to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// Whether the engine answers.
    Version,
    /// Finding one container.
    Found,
    /// Listing this daemon's containers.
    Ours,
    /// Looking up an image.
    Image,
    /// Pulling an image.
    Pull,
    /// Creating a network.
    Network,
    /// Creating a container.
    Create,
    /// Attaching before the start.
    Attach,
    /// Attaching to a process that was started before.
    Rejoin,
    /// Starting a container.
    Start,
    /// Waiting for the end of a process.
    Wait,
    /// Inspecting a container.
    Inspect,
    /// Sending a signal, or the image's stop signal.
    Signal,
    /// Changing limits.
    Limit,
    /// Removing a container.
    Remove,
    /// Removing a network.
    RemoveNetwork,
    /// Measuring a container.
    Sample,
}

impl Call {
    /// The calls of a start on an engine without leftovers, in their order.
    pub const OF_A_START: [Self; 8] = [
        Self::Version,
        Self::Found,
        Self::Image,
        Self::Pull,
        Self::Network,
        Self::Create,
        Self::Attach,
        Self::Start,
    ];
}

/// A fault of a call.
#[derive(Clone, Debug)]
pub enum InjectedFault {
    /// The engine goes away without having done it.
    Away,
    /// The engine does it, and goes away before it answers.
    AwayAfterwards,
    /// The call takes this long. It completes even if nobody waits for it any more.
    Late(Duration),
    /// The engine refuses, with this message.
    Refused(String),
    /// Somebody removes the container, with its process, just before the call.
    Removed,
}
