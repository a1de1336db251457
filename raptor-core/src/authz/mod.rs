//! Authorisation: actors, permissions, the policy, and permits as its proof.

pub mod actions;
mod actor;
mod permit;
mod revocation;

pub use actor::{Actor, UserActor};
pub(crate) use permit::sealed;
pub use permit::{Act, Authz, Permit, Target};
pub use raptor_model::authz::*;
pub use revocation::Revoked;
pub(crate) use revocation::{Concern, HeldRights};
