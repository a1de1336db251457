//! What containers were told, on the wire.

use raptor_core::containers::Command;

super::page! {
    /// One page of commands, the newest first.
    SentCommandPage of Command
}
