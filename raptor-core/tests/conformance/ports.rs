//! Ports: one that a process still publishes is not given to others, the limit applies to everybody, and none is created on an
//! address that the host does not have.

use crate::world::{World, daemon_draft, on_both, see, until};
use raptor_core::{
    Error,
    allocations::{
        Allocation,
        service::{AllocationDraft, AllocationFilter, CreatedAllocations},
    },
    authz::{
        Actor,
        actions::{
            AddAllocation, CreateAllocations, DeleteAllocation, DeleteContainer, LimitContainer,
            ListAllocations, RemoveAllocation, RestartContainer, StartContainer, StopContainer, UpdateDaemon,
        },
    },
    containers::ContainerRef,
    containers::{Limits, lifecycle::Phase, service::NewContainer},
    daemons::{DaemonDraft, simulated::SimulatedHost},
    id::{AllocationId, ContainerId, DaemonId, UserId},
    node::Protocol,
    paging::PageRequest,
    roles::Builtin,
};
use tokio::task::JoinSet;

async fn all(world: &World, daemon: DaemonId) -> Vec<Allocation> {
    let permit = world.raptor.authz().permit::<ListAllocations>(&Actor::System, daemon).await.unwrap();
    let page = PageRequest { limit: 100, ..PageRequest::default() };
    world.raptor.allocations().list(permit, &AllocationFilter::default(), &page).await.unwrap().items
}

async fn with_port(world: &World, daemon: DaemonId, port: u16) -> Allocation {
    all(world, daemon).await.into_iter().find(|allocation| allocation.port == port).unwrap()
}

async fn container(
    world: &World,
    owner: UserId,
    name: &str,
    ports: &[AllocationId],
) -> Result<ContainerId, Error> {
    let template = world.template().await.id;
    let new = NewContainer {
        owner_id: Some(owner),
        allocation_ids: ports.to_vec(),
        skip_install: true,
        ..NewContainer::new(name, template)
    };
    world.container(new).await
}

async fn add(world: &World, by: &Actor, id: ContainerId, wanted: Option<AllocationId>) -> Result<(), Error> {
    let permit = world.raptor.authz().permit::<AddAllocation>(by, id).await.unwrap();
    world.raptor.containers().add_allocation(permit, wanted).await
}

async fn remove(world: &World, id: ContainerId, port: AllocationId) {
    let permit = world.raptor.authz().permit::<RemoveAllocation>(&Actor::System, id).await.unwrap();
    world.raptor.containers().remove_allocation(permit, port).await.unwrap();
}

async fn set_limit(world: &World, id: ContainerId, limit: u32) -> Result<(), Error> {
    let permit = world.raptor.authz().permit::<LimitContainer>(&Actor::System, id).await.unwrap();
    world.raptor.containers().set_limits(permit, Limits::default(), 30_000, Some(limit)).await
}

async fn running(world: &World, id: ContainerId) {
    let permit = world.raptor.authz().permit::<StartContainer>(&Actor::System, id).await.unwrap();
    world.raptor.containers().start(permit).await.unwrap();
    phase(world, id, Phase::Running).await;
}

async fn phase(world: &World, id: ContainerId, phase: Phase) {
    until("its phase", || async {
        see(&world.raptor, &Actor::System, id).await.is_ok_and(|seen| seen.summary.live.phase == phase)
    })
    .await;
}

/// `net1` runs with 24056 and 24057, and gives up 24057.
async fn scene(world: &World) -> (UserId, DaemonId, ContainerId, Allocation) {
    let owner = world.user("steve", Builtin::User).await.id;
    let daemon = world.daemon("one", "24056-24058").await.id;
    let (first, second) = (with_port(world, daemon, 24056).await, with_port(world, daemon, 24057).await);
    let net1 = container(world, owner, "net1", &[first.id, second.id]).await.unwrap();
    running(world, net1).await;
    remove(world, net1, second.id).await;
    (owner, daemon, net1, second)
}

#[tokio::test]
async fn a_port_that_a_running_container_gave_up_is_not_given_away_until_it_is_restarted_or_stopped() {
    on_both(|world| async move {
        let (owner, daemon, net1, port) = scene(&world).await;
        let held = with_port(&world, daemon, 24057).await;
        assert_eq!(held.held_by, Some(ContainerRef { id: net1, name: "net1".into() }));
        let refused = container(&world, owner, "net2", &[port.id]).await.unwrap_err();
        assert_eq!(refused.code(), "allocation_held");
        assert!(
            refused.to_string().starts_with("net1 still holds port 24057 until it is stopped or restarted."),
            "{refused}"
        );
        let permit = world.raptor.authz().permit::<DeleteAllocation>(&Actor::System, port.id).await.unwrap();
        let refused = world.raptor.allocations().delete(permit).await.unwrap_err();
        assert!(refused.to_string().contains("net1 still holds port 24057"), "{refused}");
        // The automatic choice skips it as well.
        let net2 = container(&world, owner, "net2", &[]).await.unwrap();
        assert_eq!(with_port(&world, daemon, 24058).await.container.unwrap().id, net2);
        assert!(add(&world, &Actor::System, net2, None).await.is_err(), "there is none left");

        let permit = world.raptor.authz().permit::<RestartContainer>(&Actor::System, net1).await.unwrap();
        world.raptor.containers().restart(permit).await.unwrap();
        until("it is free", || async { with_port(&world, daemon, 24057).await.held_by.is_none() }).await;
        add(&world, &Actor::System, net2, Some(port.id)).await.unwrap();
        running(&world, net2).await;
        remove(&world, net2, port.id).await;
        let permit = world.raptor.authz().permit::<StopContainer>(&Actor::System, net2).await.unwrap();
        world.raptor.containers().stop(permit).await.unwrap();
        until("it is free", || async { with_port(&world, daemon, 24057).await.held_by.is_none() }).await;
        add(&world, &Actor::System, net1, Some(port.id)).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_port_that_a_container_gave_up_may_come_back_to_it_and_one_of_a_stopped_container_is_free_at_once()
{
    on_both(|world| async move {
        let (owner, daemon, net1, port) = scene(&world).await;
        let steve = world.signed_in("steve").await.1;
        add(&world, &steve, net1, Some(port.id)).await.unwrap();
        let back = with_port(&world, daemon, 24057).await;
        assert_eq!((back.container.unwrap().id, back.held_by), (net1, None));
        let permit = world.raptor.authz().permit::<StopContainer>(&Actor::System, net1).await.unwrap();
        world.raptor.containers().stop(permit).await.unwrap();
        phase(&world, net1, Phase::Offline).await;
        remove(&world, net1, port.id).await;
        container(&world, owner, "net2", &[port.id]).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_plain_user_is_not_told_what_the_container_of_somebody_else_is_called() {
    on_both(|world| async move {
        let (_, _, _, port) = scene(&world).await;
        let alex = world.user("alex", Builtin::User).await.id;
        let mine = container(&world, alex, "mine", &[]).await.unwrap();
        set_limit(&world, mine, 5).await.unwrap();
        let alex = world.signed_in("alex").await.1;
        let refused = add(&world, &alex, mine, Some(port.id)).await.unwrap_err();
        assert_eq!(refused.code(), "allocation_held");
        assert!(refused.to_string().starts_with("Another container still holds port 24057"), "{refused}");
    })
    .await;
}

#[tokio::test]
async fn a_replaced_primary_is_held_too() {
    on_both(|world| async move {
        let (owner, daemon, net1, _) = scene(&world).await;
        let steve = world.signed_in("steve").await.1;
        let old = with_port(&world, daemon, 24056).await;
        // The limit of 1 is used up, and replacing needs no more.
        let permit = world.raptor.authz().permit::<AddAllocation>(&steve, net1).await.unwrap();
        world.raptor.containers().replace_allocation(permit, old.id).await.unwrap();
        let new = with_port(&world, daemon, 24058).await;
        assert!(new.primary && new.container.unwrap().id == net1, "the new one is the primary one");
        let old = with_port(&world, daemon, 24056).await;
        assert!(!old.primary && old.container.is_none());
        assert_eq!(old.held_by, Some(ContainerRef { id: net1, name: "net1".into() }));
        assert_eq!(container(&world, owner, "net2", &[old.id]).await.unwrap_err().code(), "allocation_held");
    })
    .await;
}

#[tokio::test]
async fn the_ports_of_a_container_that_is_deleted_while_its_daemon_is_away_are_not_given_away() {
    on_both(|world| async move {
        let owner = world.user("steve", Builtin::User).await.id;
        let daemon = world.daemon("away", "24056").await.id;
        let port = with_port(&world, daemon, 24056).await;
        let template = world.template().await.id;
        let there = async |name: &str| {
            let new = NewContainer {
                owner_id: Some(owner),
                daemon_id: Some(daemon),
                allocation_ids: vec![port.id],
                ..NewContainer::new(name, template)
            };
            world.container(new).await
        };
        let net1 = there("net1").await.unwrap();
        for force in [false, true] {
            let permit = world.raptor.authz().permit::<DeleteContainer>(&Actor::System, net1).await.unwrap();
            world.raptor.containers().delete(permit, force).await.unwrap();
            let refused = there("net2").await.unwrap_err();
            assert_eq!(
                refused.code(),
                if force { "allocation_held" } else { "allocation_taken" },
                "{refused}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn the_ports_of_a_container_that_was_deleted_by_force_are_free_once_its_host_has_removed_it() {
    on_both(|world| async move {
        let (owner, daemon, net1, port) = scene(&world).await;
        let permit = world.raptor.authz().permit::<DeleteContainer>(&Actor::System, net1).await.unwrap();
        world.raptor.containers().delete(permit, true).await.unwrap();
        until("all are free", || async {
            all(&world, daemon).await.iter().all(|port| port.held_by.is_none())
        })
        .await;
        container(&world, owner, "net2", &[port.id]).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_owner_adds_no_more_than_the_limit_says_and_none_unless_somebody_set_one() {
    on_both(|world| async move {
        let owner = world.user("steve", Builtin::User).await.id;
        let daemon = world.daemon("one", "30000-30009").await.id;
        let id = container(&world, owner, "net1", &[]).await.unwrap();
        let steve = world.signed_in("steve").await.1;
        let refused = add(&world, &steve, id, None).await.unwrap_err();
        assert_eq!(refused.code(), "allocations");
        assert!(refused.to_string().contains("have more than its one allocation"), "{refused}");
        let chosen = with_port(&world, daemon, 30005).await.id;
        assert_eq!(add(&world, &steve, id, Some(chosen)).await.unwrap_err().code(), "allocations");
        add(&world, &Actor::System, id, None).await.unwrap();

        set_limit(&world, id, 2).await.unwrap();
        add(&world, &steve, id, None).await.unwrap();
        assert_eq!(add(&world, &steve, id, None).await.unwrap_err().code(), "allocations");
        // A lower limit removes nothing.
        set_limit(&world, id, 0).await.unwrap();
        let count = all(&world, daemon).await.iter().filter(|port| port.container.is_some()).count();
        assert_eq!(count, 3);
        assert!(matches!(set_limit(&world, id, 1_001).await, Err(Error::Invalid { field, .. }) if field == "allocation_limit"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_at_once_never_exceed_the_limit() {
    on_both(|world| async move {
        let owner = world.user("steve", Builtin::User).await.id;
        let daemon = world.daemon("one", "30000-30049").await.id;
        let id = container(&world, owner, "net1", &[]).await.unwrap();
        set_limit(&world, id, 3).await.unwrap();
        let steve = world.signed_in("steve").await.1;
        let replica = if world.raptor.shares_database() {
            World::replica(&world.url, &world.clock, &world.hosts).await
        } else {
            world.raptor.clone()
        };
        let mut callers = JoinSet::new();
        for place in 0..30 {
            let raptor = if place % 2 == 0 { world.raptor.clone() } else { replica.clone() };
            let steve = steve.clone();
            callers.spawn(async move {
                let permit = raptor.authz().permit::<AddAllocation>(&steve, id).await.unwrap();
                raptor.containers().add_allocation(permit, None).await
            });
        }
        let answers = callers.join_all().await;
        let refused: Vec<_> =
            answers.iter().filter_map(|answer| answer.as_ref().err()).map(Error::code).collect();
        assert_eq!(refused, ["allocations"; 27]);
        let count = all(&world, daemon).await.iter().filter(|port| port.container.is_some()).count();
        assert_eq!(count, 4, "the first one and three more");
        replica.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn nobody_takes_the_ports_of_a_host_by_giving_up_one_after_another() {
    on_both(|world| async move {
        let owner = world.user("steve", Builtin::User).await.id;
        let daemon = world.daemon("one", "30000-30019").await.id;
        let id = container(&world, owner, "net1", &[]).await.unwrap();
        running(&world, id).await;
        let steve = world.signed_in("steve").await.1;
        let of_it = async || {
            let mut all = all(&world, daemon).await.into_iter();
            all.find(|port| port.container.as_ref().is_some_and(|holder| holder.id == id) && port.primary)
                .unwrap()
        };
        let replace = async || {
            let permit = world.raptor.authz().permit::<AddAllocation>(&steve, id).await.unwrap();
            world.raptor.containers().replace_allocation(permit, of_it().await.id).await
        };
        replace().await.unwrap();
        let refused = replace().await.unwrap_err();
        assert_eq!(refused.code(), "allocations_held", "{refused}");
        assert!(refused.to_string().starts_with("net1 still uses"), "{refused}");

        set_limit(&world, id, 1).await.unwrap();
        for _ in 0..20 {
            let before = all(&world, daemon).await;
            if add(&world, &steve, id, None).await.is_err() {
                break;
            }
            let now = all(&world, daemon).await;
            let new =
                now.iter().zip(&before).find(|(now, before)| now.container != before.container).unwrap().0;
            remove(&world, id, new.id).await;
        }
        let taken = all(&world, daemon)
            .await
            .iter()
            .filter(|port| port.container.is_some() || port.held_by.is_some())
            .count();
        assert!(taken <= 4, "{taken} ports");

        let permit = world.raptor.authz().permit::<RestartContainer>(&Actor::System, id).await.unwrap();
        world.raptor.containers().restart(permit).await.unwrap();
        until("they are free", || async {
            all(&world, daemon).await.iter().all(|port| port.held_by.is_none())
        })
        .await;
        replace().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn owners_are_given_ports_of_the_daemons_range_only() {
    on_both(|world| async move {
        let owner = world.user("steve", Builtin::User).await.id;
        let daemon = world.daemon("one", "30000-30009").await;
        let draft = |ports: &str| DaemonDraft {
            sftp_offline_hours: None,
            self_service_ports: Some(ports.into()),
            ..daemon_draft("one")
        };
        let update = async |ports: &str| {
            let permit =
                world.raptor.authz().permit::<UpdateDaemon>(&Actor::System, daemon.id).await.unwrap();
            world.raptor.daemons().update(permit, draft(ports)).await
        };
        let refused = update("30005-30004").await.unwrap_err();
        assert!(matches!(refused, Error::Invalid { field, .. } if field == "self_service_ports"));
        let many: Vec<String> = (0..65).map(|n| (30_000 + 2 * n).to_string()).collect();
        assert_eq!(update(&many.join(",")).await.unwrap_err().code(), "invalid", "too many for a statement");
        update("30007-30008, 30003").await.unwrap();
        let id = container(&world, owner, "net1", &[]).await.unwrap();
        set_limit(&world, id, 9).await.unwrap();
        let steve = world.signed_in("steve").await.1;
        let outside = with_port(&world, daemon.id, 30005).await.id;
        assert_eq!(add(&world, &steve, id, Some(outside)).await.unwrap_err().code(), "allocation_reserved");
        for _ in 0..3 {
            add(&world, &steve, id, None).await.unwrap();
        }
        let refused = add(&world, &steve, id, None).await.unwrap_err();
        assert_eq!(refused.code(), "none_free");
        let mut ports: Vec<u16> = all(&world, daemon.id)
            .await
            .iter()
            .filter(|port| port.container.is_some())
            .map(|port| port.port)
            .collect();
        ports.sort_unstable();
        assert_eq!(ports, [30000, 30003, 30007, 30008]);
        add(&world, &Actor::System, id, Some(outside)).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn allocations_on_an_address_that_the_host_lacks_are_refused_while_it_can_be_asked() {
    on_both(|world| async move {
        let has = ["127.0.0.1", "192.0.2.1", "2001:db8::5"].map(|ip| ip.parse().unwrap());
        world.hosts.put("one", SimulatedHost::builder().addresses(has.into()).build());
        let one = world.daemon("one", "30000").await.id;
        let away = world.daemon("away", "30000").await.id;
        let make = async |daemon: DaemonId, ip: &str| -> Result<CreatedAllocations, Error> {
            let permit =
                world.raptor.authz().permit::<CreateAllocations>(&Actor::System, daemon).await.unwrap();
            let draft = AllocationDraft {
                ip: ip.into(),
                ports: "24111".into(),
                alias: None,
                note: None,
                protocol: Protocol::Both,
            };
            world.raptor.allocations().create(permit, draft).await
        };
        for ip in ["10.99.99.99", "192.0.2.0/29", "2001:db8::6", "fe80::1", "[::1"] {
            let refused = make(one, ip).await.unwrap_err();
            assert!(matches!(&refused, Error::Invalid { field, .. } if field == "ip"), "{ip}: {refused}");
        }
        for ip in ["0.0.0.0", "::", "[2001:DB8:0::5]", "::ffff:127.0.0.1", "192.0.2.1"] {
            let made = make(one, ip).await.unwrap();
            assert_eq!((made.created, made.existing, made.checked), (1, 0, true), "{ip}");
        }
        let mut ips: Vec<String> = all(&world, one)
            .await
            .into_iter()
            .filter(|port| port.port == 24111)
            .map(|port| port.ip)
            .collect();
        ips.sort();
        assert_eq!(ips, ["0.0.0.0", "127.0.0.1", "192.0.2.1", "2001:db8::5", "::"]);
        let made = make(away, "10.99.99.99").await.unwrap();
        assert!(made.created == 1 && !made.checked, "it is said that nobody checked it");
    })
    .await;
}

#[tokio::test]
async fn an_owner_does_not_hold_every_port_of_a_host_by_giving_up_and_asking_again() {
    on_both(|world| async move {
        let owner = world.user("steve", Builtin::User).await.id;
        let daemon = world.daemon("one", "24056-24075").await.id;
        let net1 = container(&world, owner, "net1", &[]).await.unwrap();
        running(&world, net1).await;
        let steve = world.signed_in("steve").await.1;
        let own = async || {
            let of = |one: &Allocation| one.container.as_ref().is_some_and(|holder| holder.id == net1);
            all(&world, daemon).await.into_iter().find(of).unwrap().id
        };
        let replace = async || {
            let id = own().await;
            let permit = world.raptor.authz().permit::<AddAllocation>(&steve, net1).await.unwrap();
            world.raptor.containers().replace_allocation(permit, id).await
        };
        replace().await.unwrap();
        let refused = replace().await.unwrap_err();
        assert_eq!(refused.code(), "allocations_held", "{refused}");
        let held = all(&world, daemon).await.iter().filter(|one| one.held_by.is_some()).count();
        assert_eq!(held, 1, "the one that its process publishes");
        // Adding and removing within a limit does not help either.
        set_limit(&world, net1, 1).await.unwrap();
        let mut codes = Vec::new();
        for _ in 0..4 {
            match add(&world, &steve, net1, None).await {
                Err(error) => codes.push(error.code()),
                Ok(()) => {
                    let extra = all(&world, daemon).await.into_iter().find(|one| {
                        !one.primary && one.container.as_ref().is_some_and(|holder| holder.id == net1)
                    });
                    remove(&world, net1, extra.unwrap().id).await;
                }
            }
        }
        assert_eq!(codes, ["allocations_held"; 3]);
        // Once stopped, it holds none and can get another one.
        let permit = world.raptor.authz().permit::<StopContainer>(&Actor::System, net1).await.unwrap();
        world.raptor.containers().stop(permit).await.unwrap();
        phase(&world, net1, Phase::Offline).await;
        until("it holds none", || async {
            all(&world, daemon).await.iter().all(|one| one.held_by.is_none())
        })
        .await;
        replace().await.unwrap();
        replace().await.unwrap();
    })
    .await;
}
