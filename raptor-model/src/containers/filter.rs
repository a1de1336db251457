//! Which containers a list is about, and in which order.

use super::lifecycle::Phase;
use crate::id::{ContainerId, DaemonId, TemplateId, UserId};

/// Which containers a list is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ContainerFilter {
    /// These only; all where it is empty.
    pub ids: Vec<ContainerId>,
    /// Part of a name, short id or owner; a full id; a port; or an address such as `10.0.0.1:25565` or `play.example.com`.
    pub search: Option<String>,
    /// In this phase.
    pub phase: Option<Phase>,
    /// On this daemon.
    pub daemon_id: Option<DaemonId>,
    /// Of this user.
    pub owner_id: Option<UserId>,
    /// From this template.
    pub template_id: Option<TemplateId>,
    /// Only those that the actor owns or has access to.
    pub mine: bool,
    /// In which order.
    pub sort: Sort,
}

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sort {
    /// By name.
    #[default]
    Name,
    /// The oldest first.
    Oldest,
    /// The newest first.
    Newest,
}
