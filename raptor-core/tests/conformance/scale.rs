//! Lists of many. `RAPTOR_TEST_CONTAINERS` is how many containers there are, 130 unless set.

use crate::world::{World, on_both};
use raptor_core::{
    authz::Actor,
    containers::{
        Limits,
        service::{ContainerFilter, NewContainer, Sort},
    },
    id::ContainerId,
    paging::{MAX_LIMIT, PageRequest},
    roles::Builtin,
};
use std::collections::BTreeSet;

fn how_many() -> usize {
    let set = std::env::var("RAPTOR_TEST_CONTAINERS").ok();
    set.map_or(130, |count| count.parse().unwrap())
}

/// All ids that pages of this list give, in their order.
async fn listed(world: &World, actor: &Actor, filter: &ContainerFilter) -> Vec<ContainerId> {
    let (mut ids, mut cursor) = (Vec::new(), None);
    loop {
        let page = PageRequest { limit: MAX_LIMIT, cursor, with_total: true };
        let page = world.raptor.containers().list(actor, filter, &page).await.unwrap();
        assert!(page.total.is_some());
        ids.extend(page.items.iter().map(|container| container.id));
        cursor = page.next;
        if cursor.is_none() {
            return ids;
        }
    }
}

#[tokio::test]
async fn every_container_is_listed_once_in_every_order_however_many_there_are() {
    on_both(|world| async move {
        let count = how_many();
        // A daemon has few ports here: containers need none.
        world.daemon("one", "30000").await;
        let template = world.template().await.id;
        let mut made = BTreeSet::new();
        let (steve, alex) =
            (world.user("steve", Builtin::User).await.id, world.user("alex", Builtin::User).await.id);
        for number in 0..count {
            let new = NewContainer {
                owner_id: Some(if number % 10 == 0 { alex } else { steve }),
                allocation_count: 0,
                limits: Limits { memory_mib: 6, disk_mib: 1, ..Limits::default() },
                skip_install: true,
                // Many of the same name.
                ..NewContainer::new(format!("Server {}", number % 50), template)
            };
            made.insert(world.container(new).await.unwrap());
        }
        let (steve, alex) = (world.signed_in("steve").await.1, world.signed_in("alex").await.1);
        for sort in [Sort::Name, Sort::Oldest, Sort::Newest] {
            let filter = ContainerFilter { sort, ..ContainerFilter::default() };
            let all = listed(&world, &Actor::System, &filter).await;
            assert_eq!(all.len(), count, "{sort:?}: none twice");
            assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), made, "{sort:?}: none is left out");
            let (of_steve, of_alex) =
                (listed(&world, &steve, &filter).await, listed(&world, &alex, &filter).await);
            assert_eq!(of_alex.len(), count.div_ceil(10), "{sort:?}");
            assert_eq!(of_steve.len() + of_alex.len(), count, "{sort:?}");
        }
        let found = ContainerFilter { search: Some("server 49".into()), ..ContainerFilter::default() };
        assert_eq!(
            listed(&world, &Actor::System, &found).await.len(),
            (0..count).filter(|n| n % 50 == 49).count()
        );
    })
    .await;
}
