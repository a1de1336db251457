//! Roles: named sets of rights over the whole system.

use crate::{
    Error, Result,
    authz::{SystemPermission as P, SystemSet},
    id::RoleId,
};
use chrono::{DateTime, Utc};
use serde::Deserialize;

/// A role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its id.
    pub id: RoleId,
    /// Its small stable number.
    pub number: i64,
    /// Unique without regard to case.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it holds.
    pub permissions: SystemSet,
    /// Which of Raptor's own roles it is; those can't be changed or deleted.
    pub builtin: Option<Builtin>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Whether its record in the database can't be read. It allows nothing then, until it is saved again.
    pub damaged: bool,
}

/// A role and how many users have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleSummary {
    /// The role.
    pub role: Role,
    /// How many users have it, 0 or more.
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
    /// Checks it and trims what people leave at the ends.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the field.
    pub fn checked(mut self) -> Result<Self> {
        self.name = self.name.trim().to_owned();
        self.description = self.description.trim().to_owned();
        if self.name.is_empty() || self.name.chars().count() > 64 || self.name.chars().any(char::is_control) {
            return Err(Error::invalid("name", "Give the role a name of 1 to 64 characters."));
        }
        if self.description.chars().count() > 500 {
            return Err(Error::invalid("description", "Use at most 500 characters."));
        }
        Ok(self)
    }
}

/// The roles that are always there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Builtin {
    /// Everything.
    Admin,
    /// The admin area: users, containers, allocations.
    Manager,
    /// Own containers only.
    User,
}

impl Builtin {
    /// All of them, the most powerful first.
    pub const ALL: [Self; 3] = [Self::Admin, Self::Manager, Self::User];

    /// Its stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Manager => "manager",
            Self::User => "user",
        }
    }

    /// The one with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// What it is for.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Admin => "May do everything",
            Self::Manager => "Manages users, containers and allocations",
            Self::User => "Uses the containers that they own or were given access to",
        }
    }

    /// What it holds.
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
