//! Permissions, and the policy based on them.

pub mod permission;
pub mod policy;
#[cfg(feature = "openapi")]
mod schema;

pub use permission::{ContainerPermission, ContainerSet, Permission, SystemPermission, SystemSet, by_name};
#[cfg(feature = "openapi")]
pub use schema::{ContainerGrant, SystemGrant};
