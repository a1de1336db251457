//! Roles and permissions on the wire.

use chrono::{DateTime, Utc};
use raptor_core::{
    authz::{ContainerPermission, Permission, SystemGrant, SystemPermission, SystemSet},
    containers::Level,
    id::RoleId,
    roles::RoleSummary,
};
use serde::Serialize;
use utoipa::ToSchema;

/// A role: permissions over the whole installation under a name.
//
// Differs from the domain's: with the number of its users; whether it is built in, not which one it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Role {
    /// Id of the role.
    pub id: RoleId,
    /// Its small stable number.
    pub number: i64,
    /// Name of the role, unique without regard to case.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Whether it comes with Raptor and stays as it is.
    pub builtin: bool,
    /// Its permissions, or `*`.
    #[schema(value_type = Vec<SystemGrant>)]
    pub permissions: SystemSet,
    /// How many users have it.
    pub user_count: i64,
    /// Whether its record in the database can't be read. It allows nothing then, until it is saved again.
    pub damaged: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

impl From<RoleSummary> for Role {
    fn from(RoleSummary { role, user_count }: RoleSummary) -> Self {
        Self {
            id: role.id,
            number: role.number,
            name: role.name,
            description: role.description,
            builtin: role.builtin.is_some(),
            permissions: role.permissions,
            user_count,
            damaged: role.damaged,
            created_at: role.created_at,
        }
    }
}

/// All roles of the installation.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoleList {
    /// In the order in which they were made.
    pub items: Vec<Role>,
}

macro_rules! permission_info {
    ($(#[$doc:meta])* $name:ident of $permission:ident) => {
        $(#[$doc])*
        #[derive(Debug, Serialize, ToSchema)]
        pub struct $name {
            /// Stable name of the permission.
            pub name: $permission,
            /// What the permission is about: the part of its name before the dot.
            pub group: &'static str,
            /// What the permission lets somebody do, in a few words of English.
            pub description: &'static str,
        }

        impl $name {
            fn all() -> Vec<Self> {
                let info = |permission: &$permission| Self {
                    name: *permission,
                    group: permission.group(),
                    description: permission.description(),
                };
                $permission::ALL.iter().map(info).collect()
            }
        }
    };
}

permission_info! {
    /// A permission that a role may hold.
    SystemPermissionInfo of SystemPermission
}
permission_info! {
    /// A permission that access to a container may hold.
    ContainerPermissionInfo of ContainerPermission
}

/// All permissions that there are.
#[derive(Debug, Serialize, ToSchema)]
pub struct PermissionList {
    /// What a role may hold.
    pub system: Vec<SystemPermissionInfo>,
    /// What access to a container may hold.
    pub container: Vec<ContainerPermissionInfo>,
    /// The levels of access that can be given, the least first.
    pub levels: Vec<LevelInfo>,
}

/// A level of access to a container.
#[derive(Debug, Serialize, ToSchema)]
pub struct LevelInfo {
    /// The name of the level, e.g. `admin`.
    pub level: Level,
    /// What it holds; nothing for `custom`, which holds what is chosen.
    pub permissions: Vec<ContainerPermission>,
}

impl PermissionList {
    /// What this version knows.
    pub fn new() -> Self {
        let level = |level: Level| LevelInfo { level, permissions: level.permissions().members().collect() };
        Self {
            system: SystemPermissionInfo::all(),
            container: ContainerPermissionInfo::all(),
            levels: Level::GIVEN.into_iter().map(level).collect(),
        }
    }
}
