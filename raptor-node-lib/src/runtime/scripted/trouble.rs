//! What can go wrong with an engine, at a chosen call.

use std::time::Duration;

/// What is asked of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// Whether it answers at all.
    Version,
    /// What it has of one container.
    Found,
    /// What it has of this daemon's.
    Ours,
    /// Whether an image is there.
    Image,
    /// To pull an image.
    Pull,
    /// To make a network.
    Network,
    /// To create a container.
    Create,
    /// To attach to one before its start.
    Attach,
    /// To attach to one that was started before.
    Rejoin,
    /// To start one.
    Start,
    /// To tell when one ends.
    Wait,
    /// How one is.
    Inspect,
    /// To send a signal, or the image's stop signal.
    Signal,
    /// To change limits.
    Limit,
    /// To remove a container.
    Remove,
    /// To remove a network.
    RemoveNetwork,
    /// To measure.
    Sample,
}

impl Call {
    /// The calls that a start makes of an engine on which nothing runs, in their order.
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

/// What goes wrong with a call.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// The engine goes away, and has not done it.
    Away,
    /// It does it, and goes away before it answers.
    AwayAfterwards,
    /// It takes so long to do it, which it does also where nobody waits for it any more.
    Late(Duration),
    /// It refuses, in these words.
    Refused(String),
    /// Somebody else removes the container just before, with what runs in it.
    Removed,
}
