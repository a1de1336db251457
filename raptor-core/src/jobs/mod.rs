//! What has to happen on hosts: rows that are committed with the change that needs them, and a worker that carries them out.

pub(crate) mod worker;

pub(crate) use raptor_model::jobs::{Job, Kind};
