//! Who may do what: actors, permissions, the policy, and permits as its proof.

#[cfg(feature = "store")]
pub mod actions;
mod actor;
pub mod permission;
#[cfg(feature = "store")]
mod permit;
pub mod policy;

pub use actor::{Actor, UserActor};
pub use permission::{ContainerPermission, ContainerSet, Permission, SystemPermission, SystemSet};
#[cfg(feature = "store")]
pub use permit::{Act, Authz, Permit, Target};
