//! Roles and permissions on the wire.

use chrono::{DateTime, Utc};
use raptor_core::{
    authz::{ContainerPermission, Permission, SystemPermission, SystemSet},
    containers::Level,
    id::RoleId,
    roles::RoleSummary,
};
use serde::Serialize;
use utoipa::ToSchema;

/// A role.
//
// Differs from the domain's: with the number of its users; whether it is built in, not which one it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Role {
    /// Its id.
    pub id: RoleId,
    /// Its small stable number.
    pub number: i64,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Whether it comes with Raptor and stays as it is.
    pub builtin: bool,
    /// The names of its permissions, or `*`.
    pub permissions: Vec<String>,
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
            permissions: names(role.permissions),
            user_count,
            damaged: role.damaged,
            created_at: role.created_at,
        }
    }
}

/// The names in a set, as the wire has them.
pub fn names(set: SystemSet) -> Vec<String> {
    set.names().into_iter().map(str::to_owned).collect()
}

/// All roles.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoleList {
    /// In the order in which they were made.
    pub items: Vec<Role>,
}

/// One permission.
#[derive(Debug, Serialize, ToSchema)]
pub struct PermissionInfo {
    /// Its stable name.
    pub name: &'static str,
    /// What it is about: the part of the name before the dot.
    pub group: &'static str,
    /// What it lets somebody do.
    pub description: &'static str,
}

/// All permissions that there are.
#[derive(Debug, Serialize, ToSchema)]
pub struct PermissionList {
    /// What a role may hold.
    pub system: Vec<PermissionInfo>,
    /// What access to a container may hold.
    pub container: Vec<PermissionInfo>,
    /// The levels of access that can be given, the least first.
    pub levels: Vec<LevelInfo>,
}

/// A level of access to a container.
#[derive(Debug, Serialize, ToSchema)]
pub struct LevelInfo {
    /// Its stable name.
    pub level: Level,
    /// What it holds; nothing for `custom`, which holds what is chosen.
    pub permissions: Vec<&'static str>,
}

impl PermissionList {
    /// What this version knows.
    pub fn new() -> Self {
        fn list<P: Permission>() -> Vec<PermissionInfo> {
            let info =
                |p: &P| PermissionInfo { name: p.name(), group: p.group(), description: p.description() };
            P::ALL.iter().map(info).collect()
        }
        let level = |level: Level| LevelInfo {
            level,
            permissions: level.permissions().members().map(Permission::name).collect(),
        };
        Self {
            system: list::<SystemPermission>(),
            container: list::<ContainerPermission>(),
            levels: Level::GIVEN.into_iter().map(level).collect(),
        }
    }
}
