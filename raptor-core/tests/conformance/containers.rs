//! Containers: placement, visibility, and what is sent to their hosts.

use crate::world::{World, count, on_both, run, see, until, wanted};
use raptor_core::{
    Error,
    auth::Origin,
    authz::{
        Actor, ContainerPermission, ContainerSet,
        actions::{
            DeleteContainer, GrantAccess, LimitContainer, ReadConsole, RevokeAccess, SendCommand,
            StartContainer, StopContainer, SuspendContainer, UpdateAccess, UpdateContainer, UpdateStartup,
        },
    },
    containers::{
        Level, Limits,
        lifecycle::Phase,
        service::{ContainerFilter, NewContainer, Sort, StartupChange},
    },
    id::{ContainerId, TemplateId, UserId},
    node::Node,
    paging::PageRequest,
    roles::Builtin,
};
use std::collections::BTreeMap;

fn of(owner: UserId, name: &str, template: TemplateId) -> NewContainer {
    NewContainer { owner_id: Some(owner), skip_install: true, ..NewContainer::new(name, template) }
}

async fn names(world: &World, actor: &Actor, filter: ContainerFilter) -> Vec<String> {
    let page = PageRequest { limit: 100, ..PageRequest::default() };
    let page = world.raptor.containers().list(actor, &filter, &page).await.unwrap();
    page.items.into_iter().map(|listed| listed.name).collect()
}

async fn actor(world: &World, id: UserId) -> Actor {
    world.raptor.auth().vouch(id, &Origin::default()).await.unwrap()
}

async fn phase(world: &World, id: ContainerId, phase: Phase) {
    until("it is in that phase", || async {
        see(&world.raptor, &Actor::System, id).await.is_ok_and(|seen| seen.summary.live.phase == phase)
    })
    .await;
}

#[tokio::test]
async fn a_container_goes_where_there_is_most_room() {
    on_both(|world| async move {
        let steve = world.user("steve", Builtin::User).await.id;
        let template = world.template().await.id;
        let refused = world.container(of(steve, "Early", template)).await.unwrap_err();
        assert!(refused.to_string().contains("There is no daemon yet"), "{refused}");
        world.daemon("away", "30000-30009").await;
        world.daemon("one", "30000-30001").await;
        world.daemon("two", "30000-30001").await;
        for name in ["A", "B", "C", "D"] {
            world.container(of(steve, name, template)).await.unwrap();
        }
        let actor = actor(&world, steve).await;
        let page = PageRequest::default();
        let page = world.raptor.containers().list(&actor, &ContainerFilter::default(), &page).await.unwrap();
        let mut homes: Vec<_> = page.items.iter().map(|item| item.daemon.name.as_str()).collect();
        homes.sort_unstable();
        assert_eq!(homes, ["one", "one", "two", "two"]);
        let refused = world.container(of(steve, "E", template)).await.unwrap_err().to_string();
        for lack in ["away: it is offline", "one: it has 0 free allocations", "two: it has 0 free"] {
            assert!(refused.contains(lack), "{refused}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_declared_reaches_the_host_and_what_happens_there_comes_back() {
    on_both(|world| async move {
        let steve = world.user("steve", Builtin::User).await.id;
        world.daemon("one", "30000").await;
        let template = world.template().await.id;
        let id =
            world.container(NewContainer { start: true, ..of(steve, "Trains", template) }).await.unwrap();
        phase(&world, id, Phase::Running).await;
        let (containers, authz) = (world.raptor.containers(), world.raptor.authz());
        let steve = actor(&world, steve).await;
        let permit = authz.permit::<StartContainer>(&steve, id).await.unwrap();
        assert_eq!(containers.start(permit).await.unwrap_err().code(), "already_running");
        let permit = authz.permit::<SendCommand>(&steve, id).await.unwrap();
        containers.command(permit, "status").await.unwrap();
        let permit = authz.permit::<ReadConsole>(&steve, id).await.unwrap();
        let lines = containers.console(permit, None, 10).await.unwrap();
        assert_eq!(
            lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(),
            ["Ready", "steve> status", "status"]
        );

        world.hosts.of("one").end_process(id, 3).unwrap();
        until("the crash is known", || async {
            let live = see(&world.raptor, &Actor::System, id).await.unwrap().summary.live;
            live.last_exit.is_some_and(|exit| exit.crash && exit.code == 3)
        })
        .await;
        phase(&world, id, Phase::Running).await;
        let permit = authz.permit::<StopContainer>(&steve, id).await.unwrap();
        containers.stop(permit).await.unwrap();
        phase(&world, id, Phase::Offline).await;
        until("the phase is written down", || async {
            count(&world, "SELECT COUNT(*) FROM containers WHERE phase = 'offline'").await == 1
        })
        .await;

        let permit = authz.permit::<DeleteContainer>(&steve, id).await.unwrap();
        containers.delete(permit, false).await.unwrap();
        until("the host has it no more", || async {
            world.hosts.of("one").containers().await.unwrap().is_empty()
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn each_change_is_declared_and_a_suspended_container_does_not_start() {
    on_both(|world| async move {
        let steve = world.user("steve", Builtin::User).await.id;
        world.daemon("one", "30000").await;
        let template = world.template().await.id;
        let id = world.container(of(steve, "Trains", template)).await.unwrap();
        let (containers, authz) = (world.raptor.containers(), world.raptor.authz());
        let permit = authz.permit::<UpdateContainer>(&Actor::System, id).await.unwrap();
        containers.update(permit, "Planes", Some("New".into())).await.unwrap();
        let permit = authz.permit::<LimitContainer>(&Actor::System, id).await.unwrap();
        let limits = Limits { memory_mib: 2_048, ..Limits::default() };
        containers.set_limits(permit, limits.clone(), 5_000, None).await.unwrap();
        let permit = authz.permit::<UpdateStartup>(&Actor::System, id).await.unwrap();
        let variables = BTreeMap::from([("srv_name".to_owned(), "Planes".to_owned())]);
        let change = StartupChange { image: None, startup: None, variables };
        containers.set_startup(permit, change).await.unwrap();
        let permit = authz.permit::<SuspendContainer>(&Actor::System, id).await.unwrap();
        containers.set_suspended(permit, true).await.unwrap();
        until("the host has the newest declaration", || async {
            world.hosts.of("one").containers().await.unwrap().iter().any(|status| status.revision == 5)
        })
        .await;
        let seen = see(&world.raptor, &Actor::System, id).await.unwrap().summary;
        assert_eq!((seen.name.as_str(), &seen.limits), ("Planes", &limits));
        let permit = authz.permit::<StartContainer>(&Actor::System, id).await.unwrap();
        assert_eq!(containers.start(permit).await.unwrap_err().code(), "suspended");
        let permit = authz.permit::<SuspendContainer>(&Actor::System, id).await.unwrap();
        containers.set_suspended(permit, false).await.unwrap();
        let permit = authz.permit::<StartContainer>(&Actor::System, id).await.unwrap();
        containers.start(permit).await.unwrap();
        phase(&world, id, Phase::Running).await;
    })
    .await;
}

#[tokio::test]
async fn a_list_shows_what_the_actor_may_see_and_is_searched_sorted_and_paged() {
    on_both(|world| async move {
        let steve = world.user("steve", Builtin::User).await.id;
        let alex = world.user("alex", Builtin::User).await.id;
        world.daemon("one", "30000-30009").await;
        let template = world.template().await.id;
        for (owner, name) in [(steve, "beta"), (alex, "Alpha"), (steve, "Gamma"), (alex, "delta")] {
            world.container(of(owner, name, template)).await.unwrap();
            world.clock.advance(chrono::TimeDelta::seconds(1));
        }
        let all = ContainerFilter::default;
        assert_eq!(names(&world, &Actor::System, all()).await, ["Alpha", "beta", "delta", "Gamma"]);
        let newest = ContainerFilter { sort: Sort::Newest, ..all() };
        assert_eq!(names(&world, &Actor::System, newest).await, ["delta", "Gamma", "Alpha", "beta"]);
        let search = |text: &str| ContainerFilter { search: Some(text.into()), ..all() };
        assert_eq!(names(&world, &Actor::System, search("ALPH")).await, ["Alpha"]);
        assert_eq!(names(&world, &Actor::System, search("steve")).await, ["beta", "Gamma"]);
        let ids =
            world.raptor.containers().list(&Actor::System, &all(), &PageRequest::default()).await.unwrap();
        let ids: Vec<_> = ids.items.iter().map(|listed| listed.id).collect();
        // With and without duplicate ids, and combined with other conditions.
        let these = |ids: &[ContainerId]| ContainerFilter { ids: ids.to_vec(), ..all() };
        assert_eq!(names(&world, &Actor::System, these(&ids[..2])).await, ["Alpha", "beta"]);
        assert_eq!(names(&world, &Actor::System, these(&ids[1..])).await, ["beta", "delta", "Gamma"]);
        let both = ContainerFilter { search: Some("steve".into()), ..these(&ids[..3]) };
        assert_eq!(names(&world, &Actor::System, both).await, ["beta"]);
        let actor = actor(&world, steve).await;
        assert_eq!(names(&world, &actor, these(&ids[..3])).await, ["beta"]);
        assert_eq!(names(&world, &actor, all()).await, ["beta", "Gamma"]);
        assert_eq!(names(&world, &actor, search("alpha")).await, Vec::<String>::new());

        let mut cursor = None;
        let mut seen = Vec::new();
        loop {
            let page = PageRequest { limit: 3, cursor, with_total: true };
            let page = world.raptor.containers().list(&Actor::System, &all(), &page).await.unwrap();
            assert_eq!(page.total, Some(4));
            assert!(page.items.iter().all(|listed| listed.allocations.len() == 1));
            seen.extend(page.items.into_iter().map(|listed| listed.name));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, ["Alpha", "beta", "delta", "Gamma"]);
    })
    .await;
}

#[tokio::test]
async fn a_container_is_found_by_its_whole_id_its_port_and_its_address_by_those_who_may_see_them() {
    on_both(|world| async move {
        let steve = world.user("steve", Builtin::User).await.id;
        let alex = world.user("alex", Builtin::User).await.id;
        let daemon = world.daemon("one", "30000-30009").await;
        let template = world.template().await.id;
        let beta = world.container(of(steve, "beta", template)).await.unwrap();
        let alpha = world.container(of(alex, "Alpha", template)).await.unwrap();
        let port = async |id| {
            let allocations = see(&world.raptor, &Actor::System, id).await.unwrap().summary.allocations;
            allocations[0].port.to_string()
        };
        let (port, other_port) = (port(beta).await, port(alpha).await);
        let search = |text: &str| ContainerFilter { search: Some(text.into()), ..ContainerFilter::default() };
        let id = beta.to_string();
        for text in [&id, &id.to_uppercase(), &port, &format!(" {port} "), &format!("192.0.2.1:{port}")] {
            assert_eq!(names(&world, &Actor::System, search(text)).await, ["beta"], "{text}");
        }
        assert_eq!(names(&world, &Actor::System, search("192.0.2.1")).await, ["Alpha", "beta"]);
        for text in ["30009", "192.0.2.1:30009", "192.0.2.2", "192.0.2"] {
            assert_eq!(names(&world, &Actor::System, search(text)).await, [""; 0], "{text}");
        }
        // Only ASCII letters are compared without regard to case.
        run(&world, "UPDATE allocations SET alias = 'Play.KÖLN.example' WHERE container_id IS NOT NULL")
            .await;
        for (text, found) in [
            ("play.kÖln.example", ["Alpha", "beta"].as_slice()),
            ("PLAY.KÖLN.EXAMPLE", &["Alpha", "beta"]),
            ("play.köln.example", &[]),
        ] {
            assert_eq!(names(&world, &Actor::System, search(text)).await, found, "{text}");
        }
        let by_port =
            ContainerFilter { daemon_id: Some(daemon.id), owner_id: Some(alex), ..search(&other_port) };
        assert_eq!(names(&world, &Actor::System, by_port).await, ["Alpha"], "beside other conditions");

        // Others find it by the fields that they may see.
        let permit = world.raptor.authz().permit::<GrantAccess>(&Actor::System, beta).await.unwrap();
        let console = wanted(Level::Custom, [ContainerPermission::ConsoleRead].into_iter().collect());
        world.raptor.containers().grant(permit, "alex", console).await.unwrap();
        let (alex_id, alex) = (alex, actor(&world, alex).await);
        assert_eq!(names(&world, &alex, search(&id)).await, ["beta"]);
        assert_eq!(names(&world, &alex, search(&port)).await, [""; 0]);
        assert_eq!(names(&world, &alex, search(&other_port)).await, ["Alpha"]);
        let permit = world.raptor.authz().permit::<UpdateAccess>(&Actor::System, beta).await.unwrap();
        let level = wanted(Level::User, ContainerSet::NONE);
        world.raptor.containers().change_access(permit, alex_id, level).await.unwrap();
        assert_eq!(names(&world, &alex, search(&port)).await, ["beta"]);
    })
    .await;
}

/// The list shows the current state, whatever was listed before.
#[tokio::test]
async fn a_list_follows_every_change_at_once() {
    on_both(|world| async move {
        let steve = world.user("steve", Builtin::User).await.id;
        let alex = world.user("alex", Builtin::User).await.id;
        world.daemon("one", "30000-30009").await;
        let template = world.template().await.id;
        let (steve, alex) = (actor(&world, steve).await, actor(&world, alex).await);
        let all = ContainerFilter::default;
        assert_eq!(names(&world, &steve, all()).await, Vec::<String>::new());
        let id = world.container(of(steve.user_id().unwrap(), "Trains", template)).await.unwrap();
        assert_eq!(names(&world, &steve, all()).await, ["Trains"]);
        let (containers, authz) = (world.raptor.containers(), world.raptor.authz());
        let permit = authz.permit::<UpdateContainer>(&steve, id).await.unwrap();
        containers.update(permit, "Planes", None).await.unwrap();
        assert_eq!(names(&world, &steve, all()).await, ["Planes"]);
        assert_eq!(names(&world, &alex, all()).await, Vec::<String>::new());
        let permit = authz.permit::<GrantAccess>(&steve, id).await.unwrap();
        containers.grant(permit, "alex", wanted(Level::User, ContainerSet::NONE)).await.unwrap();
        assert_eq!(names(&world, &alex, all()).await, ["Planes"]);
        let permit = authz.permit::<RevokeAccess>(&steve, id).await.unwrap();
        containers.revoke(permit, alex.user_id().unwrap()).await.unwrap();
        assert_eq!(names(&world, &alex, all()).await, Vec::<String>::new());
        let running = ContainerFilter { phase: Some(Phase::Running), ..all() };
        assert_eq!(names(&world, &steve, running.clone()).await, Vec::<String>::new());
        let permit = authz.permit::<StartContainer>(&steve, id).await.unwrap();
        containers.start(permit).await.unwrap();
        until("it is listed among what runs", || async {
            names(&world, &steve, running.clone()).await == ["Planes"]
        })
        .await;
        let permit = authz.permit::<DeleteContainer>(&steve, id).await.unwrap();
        containers.delete(permit, true).await.unwrap();
        assert_eq!(names(&world, &steve, all()).await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn nobody_gives_or_takes_more_than_they_hold() {
    on_both(|world| async move {
        let steve = world.user("steve", Builtin::User).await.id;
        let (alex, sam) =
            (world.user("alex", Builtin::User).await.id, world.user("sam", Builtin::User).await.id);
        world.daemon("one", "30000").await;
        let template = world.template().await.id;
        let id = world.container(of(steve, "Trains", template)).await.unwrap();
        let (containers, authz) = (world.raptor.containers(), world.raptor.authz());
        let (steve, alex) = (actor(&world, steve).await, actor(&world, alex).await);
        assert!(matches!(authz.permit::<ReadConsole>(&alex, id).await, Err(Error::NotFound { .. })));
        let custom: ContainerSet = [
            ContainerPermission::ConsoleRead,
            ContainerPermission::AccessCreate,
            ContainerPermission::AccessUpdate,
        ]
        .into_iter()
        .collect();
        let permit = authz.permit::<GrantAccess>(&steve, id).await.unwrap();
        containers.grant(permit, "alex@example.com", wanted(Level::Custom, custom)).await.unwrap();
        assert!(authz.permit::<ReadConsole>(&alex, id).await.is_ok());
        assert!(matches!(authz.permit::<DeleteContainer>(&alex, id).await, Err(Error::Forbidden { .. })));
        let permit = authz.permit::<GrantAccess>(&alex, id).await.unwrap();
        let refused = containers.grant(permit, "sam", wanted(Level::Admin, ContainerSet::NONE)).await;
        assert!(matches!(refused, Err(Error::Forbidden { .. })));
        let permit = authz.permit::<GrantAccess>(&steve, id).await.unwrap();
        containers.grant(permit, "sam", wanted(Level::Admin, ContainerSet::NONE)).await.unwrap();
        let permit = authz.permit::<UpdateAccess>(&alex, id).await.unwrap();
        let less = ContainerSet::NONE.with(ContainerPermission::ConsoleRead);
        let refused = containers.change_access(permit, sam, wanted(Level::Custom, less)).await;
        assert!(matches!(refused, Err(Error::Forbidden { .. })), "who holds more is not theirs to change");
    })
    .await;
}
