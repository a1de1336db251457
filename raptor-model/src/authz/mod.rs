//! Permissions, and the policy that decides by them.

pub mod permission;
pub mod policy;

pub use permission::{ContainerPermission, ContainerSet, Permission, SystemPermission, SystemSet, by_name};
