//! Pages of the container list in memory: lists are read often and change rarely.

use super::{Container, service::ContainerFilter};
use crate::{
    allocations::Allocation,
    authz::ContainerSet,
    id::UserId,
    paging::{Page, PageRequest},
    store::{Cache, Feed, Invalidation, Subject},
};
use std::sync::Arc;

/// Most containers on all cached pages together.
const CAPACITY: u64 = 20_000;

/// The user, filter and page of a list.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) user: Option<UserId>,
    pub(crate) only_theirs: bool,
    pub(crate) filter: ContainerFilter,
    pub(crate) page: PageRequest,
}

/// A page as stored: each container, the user's access to it, and its allocations.
pub(crate) type Stored = Arc<Page<(Arc<Container>, Option<ContainerSet>, Arc<[Allocation]>)>>;

pub(crate) type ListCache = Cache<Key, Stored>;

pub(crate) fn list_cache(feed: &Feed) -> Arc<ListCache> {
    let weight = |_: &Key, page: &Stored| u32::try_from(page.items.len() + 1).unwrap_or(u32::MAX);
    Cache::new(feed, CAPACITY, weight, |change| match change.subject {
        // Everything whose name or state a list shows.
        Subject::Container
        | Subject::Access
        | Subject::Allocation
        | Subject::User
        | Subject::Daemon
        | Subject::Template => Invalidation::All,
        Subject::Declaration
        | Subject::Session
        | Subject::Role
        | Subject::Job
        | Subject::Registry
        | Subject::Mail => Invalidation::None,
    })
}
