//! What can be done with a container's files. The files are the host's; here it is decided who may, and written down who did.

mod gate;
pub mod links;
pub mod service;

pub(crate) use gate::{open, while_held};
