//! References to other objects with their names.

use crate::id::{ContainerId, DaemonId, TemplateId, UserId};
use serde::{Deserialize, Serialize};

/// A user by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserRef {
    /// The user's id, as in `GET /users/{id}`.
    pub id: UserId,
    /// The name that the user signs in with.
    pub username: String,
}

/// A container by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContainerRef {
    /// The container's id, as in `GET /containers/{id}`.
    pub id: ContainerId,
    /// The container's name, up to 100 characters.
    pub name: String,
}

/// A daemon by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DaemonRef {
    /// The daemon's id, as in `GET /daemons/{id}`.
    pub id: DaemonId,
    /// The daemon's name, up to 64 characters.
    pub name: String,
    /// Its host, which is what people connect to where an allocation is on all addresses (0.0.0.0); none for the host of the API and for callers
    /// without `network.read`.
    pub host: Option<String>,
}

/// A template by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TemplateRef {
    /// The template's id, as in `GET /templates/{id}`.
    pub id: TemplateId,
    /// The template's name, as its author wrote it.
    pub name: String,
}
