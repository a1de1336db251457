//! Allocations: each belongs to at most one container, and requests only fail when none is left.

use crate::world::{World, on_both, see};
use raptor_core::{
    Error,
    allocations::{Allocation, service::AllocationFilter},
    authz::{
        Actor,
        actions::{AddAllocation, CreateContainer, DeleteAllocation, DeleteContainer, ListAllocations},
    },
    containers::service::NewContainer,
    id::{ContainerId, DaemonId},
    paging::PageRequest,
    roles::Builtin,
};
use std::collections::BTreeSet;
use tokio::task::JoinSet;

async fn list(world: &World, daemon: DaemonId, filter: AllocationFilter) -> Vec<Allocation> {
    let permit = world.raptor.authz().permit::<ListAllocations>(&Actor::System, daemon).await.unwrap();
    let page = PageRequest { limit: 100, ..PageRequest::default() };
    world.raptor.allocations().list(permit, &filter, &page).await.unwrap().items
}

/// Creates `count` containers at the same time, half of them on another replica if there can be one.
async fn create_at_once(world: &World, count: usize, new: &NewContainer) -> Vec<Result<ContainerId, Error>> {
    let replica = if world.raptor.shares_database() {
        World::replica(&world.url, &world.clock, &world.hosts).await
    } else {
        world.raptor.clone()
    };
    let mut creators = JoinSet::new();
    for place in 0..count {
        let raptor = if place % 2 == 0 { world.raptor.clone() } else { replica.clone() };
        let new = NewContainer { name: format!("Server {place}"), ..new.clone() };
        creators.spawn(async move {
            let permit = raptor.authz().allow::<CreateContainer>(&Actor::System).unwrap();
            raptor.containers().create(permit, new).await
        });
    }
    creators.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_creators_at_once_get_fifty_allocations_and_the_next_one_is_told_that_none_is_left() {
    on_both(|world| async move {
        let steve = world.user("steve", Builtin::User).await;
        let daemon = world.daemon("one", "30000-30049").await;
        let template = world.template().await;
        let new = NewContainer {
            owner_id: Some(steve.id),
            daemon_id: Some(daemon.id),
            ..NewContainer::new("", template.id)
        };
        let made = create_at_once(&world, 50, &new).await;
        let made: BTreeSet<_> = made.into_iter().map(Result::unwrap).collect();
        assert_eq!(made.len(), 50);
        let taken = list(&world, daemon.id, AllocationFilter::default()).await;
        let holders: BTreeSet<_> = taken.iter().filter_map(|of| Some(of.container.as_ref()?.id)).collect();
        assert_eq!(holders, made, "each container has one of its own");
        assert!(taken.iter().all(|allocation| allocation.primary));
        let refused = world.container(NewContainer { name: "Late".into(), ..new }).await.unwrap_err();
        assert_eq!(refused.code(), "no_room");
        assert!(refused.to_string().contains("0 free allocations"), "{refused}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_allocation_goes_to_one_of_twenty_who_name_it() {
    on_both(|world| async move {
        let steve = world.user("steve", Builtin::User).await;
        let daemon = world.daemon("one", "30000-30001").await;
        let template = world.template().await;
        let wanted = list(&world, daemon.id, AllocationFilter::default()).await[1].id;
        let new = NewContainer {
            owner_id: Some(steve.id),
            allocation_ids: vec![wanted],
            ..NewContainer::new("", template.id)
        };
        let (made, refused): (Vec<_>, Vec<_>) =
            create_at_once(&world, 20, &new).await.into_iter().partition(Result::is_ok);
        assert_eq!(made.len(), 1);
        assert!(refused.iter().all(|refused| refused.as_ref().unwrap_err().code() == "allocation_taken"));
    })
    .await;
}

#[tokio::test]
async fn an_allocation_in_use_stays_and_a_deleted_container_gives_its_own_back() {
    on_both(|world| async move {
        let steve = world.user("steve", Builtin::User).await;
        let daemon = world.daemon("one", "30000-30002").await;
        let template = world.template().await;
        let new = NewContainer { owner_id: Some(steve.id), ..NewContainer::new("Mine", template.id) };
        let id = world.container(new).await.unwrap();
        let authz = world.raptor.authz();
        let add = || authz.permit::<AddAllocation>(&Actor::System, id);
        world.raptor.containers().add_allocation(add().await.unwrap(), None).await.unwrap();
        let mine = see(&world.raptor, &Actor::System, id).await.unwrap().summary.allocations;
        assert_eq!(
            mine.iter().map(|of| (of.port, of.primary)).collect::<Vec<_>>(),
            [(30000, true), (30001, false)]
        );

        let delete = authz.permit::<DeleteAllocation>(&Actor::System, mine[1].id).await.unwrap();
        assert_eq!(world.raptor.allocations().delete(delete).await.unwrap_err().code(), "in_use");
        let primary = authz.permit::<AddAllocation>(&Actor::System, id).await.unwrap();
        world.raptor.containers().set_primary_allocation(primary, mine[1].id).await.unwrap();
        let mine = see(&world.raptor, &Actor::System, id).await.unwrap().summary.allocations;
        assert_eq!(mine[0].port, 30001, "the primary one comes first");

        let delete = authz.permit::<DeleteContainer>(&Actor::System, id).await.unwrap();
        world.raptor.containers().delete(delete, false).await.unwrap();
        crate::world::until("its allocations are free", || async {
            let free = AllocationFilter { free: Some(true), ..AllocationFilter::default() };
            list(&world, daemon.id, free).await.len() == 3
        })
        .await;
        assert!(see(&world.raptor, &Actor::System, id).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn allocations_are_found_by_port_alias_and_container() {
    on_both(|world| async move {
        let steve = world.user("steve", Builtin::User).await;
        let daemon = world.daemon("one", "30000-30009").await;
        let template = world.template().await;
        let new = NewContainer { owner_id: Some(steve.id), ..NewContainer::new("Trains", template.id) };
        world.container(new).await.unwrap();
        let search = |text: &str| AllocationFilter { search: Some(text.into()), free: None };
        assert_eq!(list(&world, daemon.id, search("30007")).await.len(), 1);
        assert_eq!(list(&world, daemon.id, search("trains")).await.len(), 1);
        assert_eq!(list(&world, daemon.id, search("%")).await.len(), 0, "a wildcard is a letter like others");
    })
    .await;
}
