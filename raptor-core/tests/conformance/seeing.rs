//! What people with a part of the permissions see of a container: the same in views, live streams and activity.

use crate::world::{PASSWORD, World, new_user, on_both, run, see, until};
use chrono::TimeDelta;
use futures_util::{FutureExt, StreamExt};
use raptor_core::{
    Error,
    activity::Activity,
    auth::Origin,
    authz::{
        Actor, ContainerPermission as P, ContainerSet, Revoked, SystemPermission, SystemSet,
        actions::{
            CreateContainer, CreateRole, CreateUser, GrantAccess, ReadContainerActivity, SeeContainer,
            SendCommand, StartContainer, UpdateAccess,
        },
    },
    containers::{Behaviour, Level, access::AccessChange, lifecycle::Phase, service::NewContainer},
    id::ContainerId,
    live::FollowerEvent,
    node::{ContainerStatus, LiveFrame, Since},
    paging::PageRequest,
    roles::{Builtin, RoleDraft},
    store::Subject,
};
use serde_json::json;

const LINE: &str = "a line of the console";

/// Steve's running container.
async fn running(world: &World) -> (Actor, ContainerId) {
    let steve = world.user("steve", Builtin::User).await.id;
    world.daemon("one", "30000-30009").await;
    let template = world.template().await.id;
    let new =
        NewContainer { owner_id: Some(steve), skip_install: true, ..NewContainer::new("Trains", template) };
    let id = world.container(new).await.unwrap();
    let origin = Origin { ip: Some("192.0.2.7".parse().unwrap()), user_agent: None };
    let steve = world.raptor.auth().sign_in("steve", PASSWORD.into(), origin).await.unwrap().actor;
    let permit = world.raptor.authz().permit::<StartContainer>(&steve, id).await.unwrap();
    world.raptor.containers().start(permit).await.unwrap();
    until("it runs", async || {
        see(&world.raptor, &steve, id).await.unwrap().summary.live.phase == Phase::Running
    })
    .await;
    (steve, id)
}

fn custom(permissions: &[P]) -> AccessChange {
    let permissions: ContainerSet = permissions.iter().copied().collect();
    AccessChange { level: Level::Custom, permissions, denied_files: None }
}

/// A new user with exactly these permissions.
async fn with(world: &World, owner: &Actor, id: ContainerId, name: &str, permissions: &[P]) -> Actor {
    world.user(name, Builtin::User).await;
    let permit = world.raptor.authz().permit::<GrantAccess>(owner, id).await.unwrap();
    world.raptor.containers().grant(permit, name, custom(permissions)).await.unwrap();
    world.signed_in(name).await.1
}

/// The first container state in the live stream.
async fn status(world: &World, actor: &Actor, id: ContainerId) -> ContainerStatus {
    let permit = world.raptor.authz().permit::<SeeContainer>(actor, id).await.unwrap();
    let mut live = world.raptor.containers().live(permit, Since::Tail(0)).await.unwrap();
    loop {
        if let LiveFrame::Status { status } = &*live.frames.next().await.unwrap() {
            return status.clone();
        }
    }
}

async fn did(world: &World, actor: &Actor, id: ContainerId, action: &str) -> Activity {
    let permit = world.raptor.authz().permit::<ReadContainerActivity>(actor, id).await.unwrap();
    let page = world.raptor.containers().activity(permit, &PageRequest::default()).await.unwrap();
    page.items.into_iter().find(|row| row.action == action).unwrap()
}

#[tokio::test]
async fn a_short_id_finds_only_what_its_actor_may_see() {
    on_both(|world| async move {
        let (steve, id) = running(&world).await;
        world.user("stranger", Builtin::User).await;
        let stranger = world.signed_in("stranger").await.1;
        let guest = with(&world, &steve, id, "guest", &[P::StatsRead]).await;
        let containers = world.raptor.containers();
        for actor in [&steve, &guest, &Actor::System] {
            assert_eq!(containers.id_of(actor, &id.short()).await.unwrap(), Some(id));
            assert_eq!(containers.id_of(actor, &id.short().to_uppercase()).await.unwrap(), Some(id));
            assert_eq!(containers.id_of(actor, "ffffffff").await.unwrap(), None);
        }
        // As if it did not exist.
        assert_eq!(containers.id_of(&stranger, &id.short()).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn who_may_not_read_the_console_sees_none_of_its_lines_anywhere() {
    on_both(|world| async move {
        let (steve, id) = running(&world).await;
        let reads = with(&world, &steve, id, "reads", &[P::ActivityRead, P::ConsoleRead]).await;
        let blind = with(&world, &steve, id, "blind", &[P::ActivityRead]).await;
        let permit = world.raptor.authz().permit::<SendCommand>(&steve, id).await.unwrap();
        world.raptor.containers().command(permit, "op steve").await.unwrap();
        world.hosts.of("one").crash(id, 3, [LINE.to_owned()]).unwrap();
        until("the crash is written down", async || {
            let permit = world.raptor.authz().permit::<ReadContainerActivity>(&steve, id).await.unwrap();
            let page = world.raptor.containers().activity(permit, &PageRequest::default()).await.unwrap();
            page.items.iter().any(|row| row.action == "container.crashed")
        })
        .await;

        for (actor, lines) in [(&steve, &[LINE][..]), (&reads, &[LINE]), (&blind, &[])] {
            let who = actor.name();
            let live = see(&world.raptor, actor, id).await.unwrap().summary.live;
            assert_eq!(live.crashes.unwrap().lines, lines, "view of {who}");
            assert_eq!(status(&world, actor, id).await.crashes.unwrap().lines, lines, "stream of {who}");
            let crash = did(&world, actor, id, "container.crashed").await.detail;
            let told = if lines.is_empty() { None } else { Some(&json!(lines)) };
            assert_eq!(crash.get("lines"), told, "activity of {who}");
            assert_eq!(crash["exit_code"], 3, "the rest of it stays");
        }
        assert_eq!(did(&world, &reads, id, "container.command").await.detail["command"], "op steve");
        assert_eq!(did(&world, &blind, id, "container.command").await.detail, json!({}));
    })
    .await;
}

#[tokio::test]
async fn addresses_in_activity_are_for_the_actor_and_for_those_who_read_everybodys() {
    on_both(|world| async move {
        let (steve, id) = running(&world).await;
        let other = with(&world, &steve, id, "other", &[P::ActivityRead]).await;
        world.user("root", Builtin::Admin).await;
        let root = world.signed_in("root").await.1;
        let own = Some("192.0.2.7".parse().unwrap());
        for (actor, ip) in [(&steve, own), (&other, None), (&root, own), (&Actor::System, own)] {
            assert_eq!(did(&world, actor, id, "container.power.start").await.ip, ip, "{}", actor.name());
        }
        let granted = did(&world, &steve, id, "container.access_granted").await.detail;
        assert_eq!(granted["user"], "other");
        assert_eq!(did(&world, &other, id, "container.access_granted").await.detail, json!({}));
    })
    .await;
}

#[tokio::test]
async fn what_is_revoked_while_changes_are_missed_is_revoked_all_the_same() {
    on_both(|world| async move {
        if !world.raptor.shares_database() {
            return;
        }
        let (steve, id) = running(&world).await;
        let reads = with(&world, &steve, id, "reads", &[P::ConsoleRead]).await;
        let permit = world.raptor.authz().permit::<SeeContainer>(&reads, id).await.unwrap();
        let live = world.raptor.containers().live(permit, Since::Tail(0)).await.unwrap();
        let mut follower = world.raptor.follow(reads.clone(), None);
        // In one statement, so that nobody is listening when the change is published.
        run(
            &world,
            "WITH cut AS (SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                          WHERE query LIKE 'LISTEN%' AND datname = current_database())
             DELETE FROM container_access WHERE (SELECT COUNT(*) FROM cut) >= 0",
        )
        .await;
        assert_eq!(live.revoked.await, Revoked::Access);
        assert_eq!(follower.next().await, Some(FollowerEvent::Resync));
        world.hosts.of("one").end_process(id, 3).unwrap();
        let told = tokio::time::timeout(std::time::Duration::from_secs(3), async {
            loop {
                if let Some(FollowerEvent::Live(ids)) = follower.next().await {
                    return ids;
                }
            }
        });
        assert!(told.await.is_err(), "the container's news are no longer theirs");
    })
    .await;
}

#[tokio::test]
async fn nobody_is_given_access_that_holds_nothing() {
    on_both(|world| async move {
        let (steve, id) = running(&world).await;
        world.user("alex", Builtin::User).await;
        let permit = world.raptor.authz().permit::<GrantAccess>(&steve, id).await.unwrap();
        let refused = world.raptor.containers().grant(permit, "alex", custom(&[])).await.unwrap_err();
        assert!(matches!(&refused, Error::Invalid { field, .. } if field == "permissions"), "{refused}");
    })
    .await;
}

#[tokio::test]
async fn who_only_creates_containers_asks_nothing_of_the_host_and_learns_no_names() {
    on_both(|world| async move {
        let (_, id) = running(&world).await;
        let permit = world.raptor.authz().allow::<CreateRole>(&Actor::System).unwrap();
        let permissions = SystemSet::NONE.with(SystemPermission::ContainersCreate);
        let draft = RoleDraft { name: "maker".into(), description: String::new(), permissions };
        let role = world.raptor.roles().create(permit, draft).await.unwrap().id;
        let permit = world.raptor.authz().allow::<CreateUser>(&Actor::System).unwrap();
        world.raptor.users().create(permit, new_user("maker", role)).await.unwrap();
        let maker = world.signed_in("maker").await.1;
        let create = async |new: NewContainer| {
            let permit = world.raptor.authz().allow::<CreateContainer>(&maker).unwrap();
            world.raptor.containers().create(permit, new).await
        };
        let template = world.template().await.id;
        let new = || NewContainer { skip_install: true, ..NewContainer::new("Mine", template) };
        let behaviour = Behaviour { outgoing_ip: Some([192, 0, 2, 9].into()), ..Behaviour::default() };
        let refused = create(NewContainer { behaviour, ..new() }).await.unwrap_err();
        assert!(matches!(&refused, Error::Forbidden { permission } if permission == "containers.update"));
        let taken = see(&world.raptor, &Actor::System, id).await.unwrap().summary.allocations[0].id;
        let refused = create(NewContainer { allocation_ids: vec![taken], ..new() }).await.unwrap_err();
        assert!(refused.to_string().starts_with("Another container has port"), "{refused}");
        create(new()).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_live_stream_is_revoked_with_what_it_shows_with_the_container_and_with_the_session() {
    on_both(|world| async move {
        let (steve, id) = running(&world).await;
        let open = async |actor: &Actor| {
            let permit = world.raptor.authz().permit::<SeeContainer>(actor, id).await.unwrap();
            world.raptor.containers().live(permit, Since::Tail(0)).await.unwrap()
        };
        let change = async |actor: &Actor, permissions: &[P]| {
            let permit = world.raptor.authz().permit::<UpdateAccess>(&steve, id).await.unwrap();
            let user = actor.user_id().unwrap();
            world.raptor.containers().change_access(permit, user, custom(permissions)).await.unwrap();
        };
        let reads = with(&world, &steve, id, "reads", &[P::ConsoleRead, P::StatsRead]).await;
        let mut live = open(&reads).await;
        // Permissions for parts that it does not show can change.
        change(&reads, &[P::ConsoleRead, P::StatsRead, P::FileRead]).await;
        change(&reads, &[P::ConsoleRead, P::StatsRead]).await;
        let frame = live.frames.next();
        tokio::select! {
            biased;
            revoked = &mut live.revoked => panic!("{revoked:?}"),
            frame = frame => assert!(frame.is_some()),
        }
        change(&reads, &[P::ConsoleRead]).await;
        assert_eq!(live.revoked.await, Revoked::Access);

        change(&reads, &[P::ConsoleRead, P::NetworkRead]).await;
        let live = open(&reads).await;
        change(&reads, &[P::ConsoleRead]).await;
        assert_eq!(live.revoked.await, Revoked::Access, "its state names ports");

        let live = open(&reads).await;
        world.raptor.auth().sign_out(&reads).await.unwrap();
        assert_eq!(live.revoked.await, Revoked::Session);

        // No event reports that a session has expired.
        let reads = world.signed_in("reads").await.1;
        let live = open(&reads).await;
        world.clock.advance(TimeDelta::days(8));
        assert_eq!(live.revoked.await, Revoked::Session);
    })
    .await;
}

/// More than the database has connections.
const READERS: usize = 64;

#[tokio::test]
async fn readers_who_stop_reading_keep_no_database_connection() {
    on_both(|world| async move {
        let (steve, id) = running(&world).await;
        let mut readers = Vec::new();
        for _ in 0..READERS {
            let permit = world.raptor.authz().permit::<SeeContainer>(&steve, id).await.unwrap();
            let mut live = world.raptor.containers().live(permit, Since::Tail(0)).await.unwrap();
            live.frames.next().await.unwrap();
            readers.push(live);
        }
        let mut changes = world.raptor.follow(steve.clone(), None);
        with(&world, &steve, id, "guest", &[P::StatsRead]).await;
        while !matches!(changes.next().await.unwrap(), FollowerEvent::Change(change) if change.subject == Subject::Access) {}
        // What each of them may see is looked up again now, and nobody reads on until it is known.
        for reader in &mut readers {
            assert!((&mut reader.revoked).now_or_never().is_none());
            let _ = reader.frames.next().now_or_never();
        }
        see(&world.raptor, &steve, id).await.unwrap();
        world.user("alex", Builtin::User).await;
        for reader in &mut readers {
            reader.frames.next().await.unwrap();
        }
    })
    .await;
}
