//! Filters and orders of container lists.

use super::lifecycle::Phase;
use crate::id::{ContainerId, DaemonId, TemplateId, UserId};

/// Narrows a list of containers. A `None` field does not filter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ContainerFilter {
    /// Only these; all if empty.
    pub ids: Vec<ContainerId>,
    /// Part of a name, short id or owner; a full id; a port; or an address such as `10.0.0.1:25565` or `play.example.com`.
    pub search: Option<String>,
    pub phase: Option<Phase>,
    pub daemon_id: Option<DaemonId>,
    pub owner_id: Option<UserId>,
    pub template_id: Option<TemplateId>,
    /// Only containers that the actor owns or has access to.
    pub mine: bool,
    pub sort: Sort,
}

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sort {
    #[default]
    Name,
    Oldest,
    Newest,
}
