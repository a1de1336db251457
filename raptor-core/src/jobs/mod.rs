//! Background jobs for hosts: rows committed together with the change that requires them, and a worker that processes them.

pub(crate) mod worker;

pub(crate) use raptor_model::jobs::{Job, Kind};
