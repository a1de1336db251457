//! Pages of containers in memory: people look at the same list again and again, and it changes far more seldom.

use super::{Container, service::ContainerFilter};
use crate::{
    allocations::Allocation,
    authz::ContainerSet,
    id::UserId,
    paging::{Page, PageRequest},
    store::{Cache, Concern, Feed, Subject},
};
use std::sync::Arc;

/// Containers on all kept pages together at most.
const CAPACITY: u64 = 20_000;

/// Whose list it is and which page of it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) user: Option<UserId>,
    pub(crate) only_theirs: bool,
    pub(crate) filter: ContainerFilter,
    pub(crate) page: PageRequest,
}

/// A page as the store has it: each container, the access that the user has to it, and its allocations.
pub(crate) type Stored = Arc<Page<(Arc<Container>, Option<ContainerSet>, Arc<[Allocation]>)>>;

pub(crate) type ListCache = Cache<Key, Stored>;

pub(crate) fn list_cache(feed: &Feed) -> Arc<ListCache> {
    let weight = |_: &Key, page: &Stored| u32::try_from(page.items.len() + 1).unwrap_or(u32::MAX);
    Cache::new(feed, CAPACITY, weight, |change| match change.subject {
        // All whose names or standing a list shows.
        Subject::Container
        | Subject::Access
        | Subject::Allocation
        | Subject::User
        | Subject::Daemon
        | Subject::Template => Concern::All,
        Subject::Declaration
        | Subject::Session
        | Subject::Role
        | Subject::Job
        | Subject::Registry
        | Subject::Mail => Concern::Nothing,
    })
}
