//! Who may do what: actors, permissions, the policy, and permits as its proof.

#[cfg(feature = "store")]
pub mod actions;
mod actor;
pub mod permission;
#[cfg(feature = "store")]
mod permit;
pub mod policy;
#[cfg(feature = "store")]
mod revocation;

pub use actor::{Actor, UserActor};
#[cfg(feature = "store")]
pub(crate) use permission::by_name;
pub use permission::{ContainerPermission, ContainerSet, Permission, SystemPermission, SystemSet};
#[cfg(feature = "store")]
pub(crate) use permit::sealed;
#[cfg(feature = "store")]
pub use permit::{Act, Authz, Permit, Target};
#[cfg(feature = "store")]
pub use revocation::Revoked;
#[cfg(feature = "store")]
pub(crate) use revocation::{Concern, Held};
