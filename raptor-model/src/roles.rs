//! Roles: named sets of system permissions.

use crate::{
    Error, Result,
    authz::{SystemPermission as P, SystemSet},
    id::RoleId,
};
use chrono::{DateTime, Utc};
use serde::Deserialize;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    pub id: RoleId,
    /// A short number that never changes, counted from 1.
    pub number: i64,
    /// Unique without regard to case.
    pub name: String,
    pub description: String,
    pub permissions: SystemSet,
    /// The built-in role that it is, if it is one; those can't be changed or deleted.
    pub builtin: Option<Builtin>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// Whether its record is damaged. It grants nothing then, until it is saved again.
    pub damaged: bool,
}

/// A role and the number of its users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleSummary {
    /// The role itself, with its permissions.
    pub role: Role,
    /// The number of users with this role.
    pub user_count: i64,
}

/// A role to create, or what a role is changed to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RoleDraft {
    /// Name of 1 to 64 characters, unique without regard to case.
    pub name: String,
    /// Description of at most 500 characters.
    #[serde(default)]
    pub description: String,
    /// Its permissions, none of which the caller lacks. `*` means all that there are.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<crate::authz::SystemGrant>))]
    pub permissions: SystemSet,
}

impl RoleDraft {
    /// Validates the draft and trims its texts.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the field.
    pub fn checked(mut self) -> Result<Self> {
        self.name = self.name.trim().to_owned();
        self.description = self.description.trim().to_owned();
        if self.name.is_empty() || self.name.chars().count() > 64 || self.name.chars().any(char::is_control) {
            return Err(Error::invalid("name", "Give the role a name of 1 to 64 characters.")
                .because("name_length")
                .with("max", 64));
        }
        if self.description.chars().count() > 500 {
            return Err(Error::invalid("description", "Use at most 500 characters.")
                .because("too_long")
                .with("max", 500));
        }
        Ok(self)
    }
}

/// The built-in roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Builtin {
    /// Holds every permission, including those that later versions add.
    Admin,
    /// The admin area: users, containers, allocations.
    Manager,
    /// Holds no permission: sees and controls only containers that it owns or has access to.
    User,
}

impl Builtin {
    /// All of them, the most powerful first.
    pub const ALL: [Self; 3] = [Self::Admin, Self::Manager, Self::User];

    /// The name in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Manager => "manager",
            Self::User => "user",
        }
    }

    /// The role with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// The description for people.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Admin => "May do everything",
            Self::Manager => "Manages users, containers and allocations",
            Self::User => "Uses the containers that they own or were given access to",
        }
    }

    #[must_use]
    pub fn permissions(self) -> SystemSet {
        match self {
            Self::Admin => SystemSet::ALL,
            Self::Manager => [
                P::UsersRead,
                P::UsersCreate,
                P::UsersUpdate,
                P::UsersDelete,
                P::RolesRead,
                P::DaemonsRead,
                P::AllocationsRead,
                P::AllocationsCreate,
                P::AllocationsUpdate,
                P::AllocationsDelete,
                P::TemplatesRead,
                P::ContainersRead,
                P::ContainersCreate,
                P::ContainersUpdate,
                P::ContainersDelete,
                P::ContainersControl,
                P::ContainersAccess,
                P::ActivityRead,
            ]
            .into_iter()
            .collect(),
            Self::User => SystemSet::NONE,
        }
    }
}
