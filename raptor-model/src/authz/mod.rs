//! Permissions, and the policy based on them.

pub mod permission;
pub mod policy;

pub use permission::{ContainerPermission, ContainerSet, Permission, SystemPermission, SystemSet, by_name};
