//! Operations on a container's files. The host has the files; this module checks permissions and writes the audit trail.

mod gate;
pub mod links;
pub mod service;

pub(crate) use gate::{open, while_held};
