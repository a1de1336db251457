//! Running containers: installation, crashes, maintenance, registries, and the events that hosts report.

use crate::world::{World, on_both, see, until};
use raptor_core::{
    Error,
    activity::{Activity, ActorKind},
    auth::Origin,
    authz::{Actor, actions},
    containers::{Behaviour, InstallState, Mount, lifecycle::Phase, service::NewContainer},
    id::{ContainerId, UserId},
    paging::PageRequest,
    roles::Builtin,
};

async fn made(world: &World, owner: UserId, start: bool) -> ContainerId {
    let template = world.template().await.id;
    let new = NewContainer { owner_id: Some(owner), start, ..NewContainer::new("Trains", template) };
    world.container(new).await.unwrap()
}

async fn phase(world: &World, id: ContainerId, phase: Phase) {
    until("it is in that phase", || async {
        see(&world.raptor, &Actor::System, id).await.is_ok_and(|seen| seen.summary.live.phase == phase)
    })
    .await;
}

async fn state(world: &World, id: ContainerId) -> InstallState {
    see(&world.raptor, &Actor::System, id).await.unwrap().summary.installation.state
}

/// The activity that daemons reported about the container, oldest first.
async fn told(world: &World, id: ContainerId) -> Vec<Activity> {
    let permit =
        world.raptor.authz().permit::<actions::ReadContainerActivity>(&Actor::System, id).await.unwrap();
    let page = PageRequest { limit: 100, ..PageRequest::default() };
    let page = world.raptor.containers().activity(permit, &page).await.unwrap();
    let mut told: Vec<_> =
        page.items.into_iter().filter(|activity| activity.actor_kind == ActorKind::Daemon).collect();
    told.reverse();
    told
}

async fn actor(world: &World, id: UserId) -> Actor {
    world.raptor.auth().vouch(id, &Origin::default()).await.unwrap()
}

#[tokio::test]
async fn a_new_container_is_installed_before_it_starts_and_its_end_is_written_down_once() {
    on_both(|world| async move {
        let steve = world.user("steve", Builtin::User).await.id;
        world.daemon("one", "30000").await;
        let id = made(&world, steve, true).await;
        phase(&world, id, Phase::Running).await;
        until("the installation is written down", || async {
            state(&world, id).await == InstallState::Installed
        })
        .await;
        let steve = actor(&world, steve).await;
        let (containers, authz) = (world.raptor.containers(), world.raptor.authz());
        let host = world.hosts.of("one");
        host.hold_up_declarations(true);
        let permit = authz.permit::<actions::InstallContainer>(&steve, id).await.unwrap();
        containers.install(permit, false, true).await.unwrap();
        assert_eq!(state(&world, id).await, InstallState::Pending);
        let permit = authz.permit::<actions::InstallContainer>(&steve, id).await.unwrap();
        assert_eq!(containers.install(permit, false, true).await.unwrap_err().code(), "installing");
        host.hold_up_declarations(false);
        until("it is installed again", || async { state(&world, id).await == InstallState::Installed }).await;
        phase(&world, id, Phase::Running).await;
        let actions: Vec<_> = told(&world, id).await.into_iter().map(|told| told.action).collect();
        assert_eq!(actions, ["container.installed", "container.installed"]);
    })
    .await;
}

#[tokio::test]
async fn crashes_reach_the_audit_trail_in_order_and_end_in_quarantine() {
    on_both(|world| async move {
        let steve = world.user("steve", Builtin::User).await.id;
        world.daemon("one", "30000").await;
        let id = made(&world, steve, true).await;
        let steve = actor(&world, steve).await;
        let (containers, authz) = (world.raptor.containers(), world.raptor.authz());
        let mut behaviour = Behaviour::default();
        behaviour.policy.max_crashes = 2;
        let permit = authz.permit::<actions::UpdateBehaviour>(&steve, id).await.unwrap();
        containers.set_behaviour(permit, behaviour.clone()).await.unwrap();
        until("the host knows", || async { see(&world.raptor, &Actor::System, id).await.unwrap().synced })
            .await;
        for crash in 1..=2 {
            phase(&world, id, Phase::Running).await;
            world.hosts.of("one").end_process(id, 3).unwrap();
            until("the crash is known", || async {
                let live = see(&world.raptor, &Actor::System, id).await.unwrap().summary.live;
                live.crashes.is_some_and(|crashes| crashes.count == crash)
            })
            .await;
        }
        until("it is in quarantine", || async {
            let live = see(&world.raptor, &Actor::System, id).await.unwrap().summary.live;
            live.crashes.is_some_and(|crashes| crashes.quarantined)
        })
        .await;
        until("all is written down", || async { told(&world, id).await.len() == 3 }).await;
        let told = told(&world, id).await;
        let actions: Vec<_> = told.iter().map(|told| told.action.as_str()).collect();
        assert_eq!(actions, ["container.installed", "container.crashed", "container.quarantined"]);
        assert_eq!(told[1].actor_name, "one");
        assert_eq!(told[1].detail["exit_code"], 3);

        behaviour.mounts = vec![Mount { source: "/srv".into(), target: "/maps".into(), read_only: true }];
        let permit = authz.permit::<actions::UpdateBehaviour>(&steve, id).await.unwrap();
        let refused = containers.set_behaviour(permit, behaviour).await;
        assert!(matches!(refused, Err(Error::Forbidden { .. })), "the host's folders are not a user's");
    })
    .await;
}

#[tokio::test]
async fn what_happens_on_a_host_whose_folder_is_older_than_what_is_known_is_written_down() {
    on_both(|world| async move {
        let steve = world.user("steve", Builtin::User).await.id;
        world.daemon("one", "30000").await;
        let id = made(&world, steve, true).await;
        let crash = async |count| {
            phase(&world, id, Phase::Running).await;
            world.hosts.of("one").end_process(id, 3).unwrap();
            until("the crash is written down", || async {
                let told = told(&world, id).await;
                told.iter().filter(|told| told.action == "container.crashed").count() == count
            })
            .await;
        };
        crash(1).await;
        crash(2).await;
        // Its next event has a known number, but different content.
        world.hosts.of("one").go_back();
        crash(3).await;
        world.hosts.of("one").go_back();
        let steve = actor(&world, steve).await;
        phase(&world, id, Phase::Running).await;
        let permit = world.raptor.authz().permit::<actions::InstallContainer>(&steve, id).await.unwrap();
        world.raptor.containers().install(permit, false, true).await.unwrap();
        until("it is installed", || async { state(&world, id).await == InstallState::Installed }).await;
    })
    .await;
}

#[tokio::test]
async fn a_host_in_maintenance_takes_nothing_new_and_is_left_alone_by_users() {
    on_both(|world| async move {
        let steve = world.user("steve", Builtin::User).await.id;
        let daemon = world.daemon("one", "30000-30001").await.id;
        let id = made(&world, steve, true).await;
        phase(&world, id, Phase::Running).await;
        let authz = world.raptor.authz();
        let permit = authz.permit::<actions::MaintainDaemon>(&Actor::System, daemon).await.unwrap();
        world.raptor.daemons().set_maintenance(permit, Some("New disks".into())).await.unwrap();
        let steve = actor(&world, steve).await;
        let permit = authz.permit::<actions::StopContainer>(&steve, id).await.unwrap();
        let refused = world.raptor.containers().stop(permit).await.unwrap_err();
        assert_eq!(refused.code(), "maintenance");
        assert!(refused.to_string().contains("New disks"));
        let template = world.template().await.id;
        let new = NewContainer { owner_id: steve.user_id(), ..NewContainer::new("More", template) };
        let refused = world.container(new).await.unwrap_err().to_string();
        assert!(refused.contains("maintenance (New disks)"), "{refused}");
        let permit = authz.permit::<actions::MaintainDaemon>(&Actor::System, daemon).await.unwrap();
        world.raptor.daemons().set_maintenance(permit, None).await.unwrap();
        let permit = authz.permit::<actions::StopContainer>(&steve, id).await.unwrap();
        world.raptor.containers().stop(permit).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_login_for_a_registry_is_one_for_each_host_and_its_password_is_never_given_back() {
    on_both(|world| async move {
        let (authz, registries) = (world.raptor.authz(), world.raptor.registries());
        for password in ["first", "second"] {
            let permit = authz.allow::<actions::SaveRegistry>(&Actor::System).unwrap();
            registries.save(permit, "Registry.Example.com", "raptor", password).await.unwrap();
        }
        let permit = authz.allow::<actions::ListRegistries>(&Actor::System).unwrap();
        let all = registries.list(permit).await.unwrap();
        assert_eq!(
            all.iter().map(|registry| registry.host.as_str()).collect::<Vec<_>>(),
            ["registry.example.com"]
        );
        assert!(!format!("{all:?}").contains("second"));
        let permit = authz.permit::<actions::DeleteRegistry>(&Actor::System, all[0].id).await.unwrap();
        registries.delete(permit).await.unwrap();
        let permit = authz.allow::<actions::ListRegistries>(&Actor::System).unwrap();
        assert!(registries.list(permit).await.unwrap().is_empty());
    })
    .await;
}
