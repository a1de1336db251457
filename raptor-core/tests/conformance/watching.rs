//! Following the state of one container.

use crate::world::{World, on_both, wanted};
use futures_util::StreamExt;
use raptor_core::{
    authz::{
        Actor, ContainerSet,
        actions::{DeleteContainer, GrantAccess, KillContainer, RevokeAccess, SeeContainer, StartContainer},
    },
    containers::{Level, lifecycle::Phase, service::NewContainer},
    id::{ContainerId, UserId},
    roles::Builtin,
};

/// A container of Steve's that Alex has access to.
struct Shared {
    id: ContainerId,
    guest: UserId,
    steve: Actor,
    alex: Actor,
}

async fn shared(world: &World) -> Shared {
    world.daemon("near", "30000").await;
    let owner = world.user("steve", Builtin::User).await.id;
    let guest = world.user("alex", Builtin::User).await.id;
    let template = world.template().await.id;
    let new =
        NewContainer { owner_id: Some(owner), skip_install: true, ..NewContainer::new("Trains", template) };
    let id = world.container(new).await.unwrap();
    let (steve, alex) = (world.signed_in("steve").await.1, world.signed_in("alex").await.1);
    let permit = world.raptor.authz().permit::<GrantAccess>(&steve, id).await.unwrap();
    let access = wanted(Level::User, ContainerSet::NONE);
    world.raptor.containers().grant(permit, "alex", access).await.unwrap();
    Shared { id, guest, steve, alex }
}

#[tokio::test]
async fn a_container_is_followed_until_it_runs_by_those_who_may_see_it_and_no_longer() {
    on_both(|world| async move {
        let Shared { id, guest, steve, alex } = shared(&world).await;
        let (authz, containers) = (world.raptor.authz(), world.raptor.containers());
        let see = async |actor| authz.permit::<SeeContainer>(actor, id).await.unwrap();

        // The host receives it a moment after it was created.
        containers.wait_until(see(&steve).await, Phase::Offline).await.unwrap();
        let mut states = containers.watch(see(&alex).await);
        assert_eq!(states.next().await.unwrap().phase, Phase::Offline, "what is known comes first");

        containers.start(authz.permit::<StartContainer>(&steve, id).await.unwrap()).await.unwrap();
        let running = containers.wait_until(see(&steve).await, Phase::Running).await.unwrap();
        assert!(running.known && running.stats.is_none());
        while states.next().await.unwrap().phase != Phase::Running {}

        let permit = authz.permit::<RevokeAccess>(&steve, id).await.unwrap();
        containers.revoke(permit, guest).await.unwrap();
        while states.next().await.is_some() {}
        assert!(authz.permit::<SeeContainer>(&alex, id).await.is_err(), "it ended with the access");

        let never = containers.wait_until(see(&steve).await, Phase::Starting);
        let delete = containers.delete(authz.permit::<DeleteContainer>(&steve, id).await.unwrap(), false);
        let (never, deleted) = tokio::join!(never, delete);
        deleted.unwrap();
        assert_eq!(never.unwrap_err().code(), "not_found", "what is gone is waited for in vain");
    })
    .await;
}

#[tokio::test]
async fn a_container_that_changes_all_the_time_is_followed_no_longer_than_its_follower_may() {
    on_both(|world| async move {
        let Shared { id, guest, steve, alex } = shared(&world).await;
        let (authz, containers) = (world.raptor.authz(), world.raptor.containers());
        let see = async |actor| authz.permit::<SeeContainer>(actor, id).await.unwrap();
        containers.wait_until(see(&steve).await, Phase::Offline).await.unwrap();

        let mut states = containers.watch(see(&alex).await);
        let mut own = containers.watch(see(&steve).await);
        let (mut shown, mut after) = (own.next().await.unwrap(), 0);
        for round in 0..20 {
            if round == 5 {
                let permit = authz.permit::<RevokeAccess>(&steve, id).await.unwrap();
                containers.revoke(permit, guest).await.unwrap();
            }
            // There is a change to be told whenever the next one is asked for.
            let goal = if shown.phase == Phase::Offline { Phase::Running } else { Phase::Offline };
            match goal {
                Phase::Running => {
                    containers
                        .start(authz.permit::<StartContainer>(&steve, id).await.unwrap())
                        .await
                        .unwrap();
                }
                _ => containers.kill(authz.permit::<KillContainer>(&steve, id).await.unwrap()).await.unwrap(),
            }
            while shown.phase != goal {
                shown = own.next().await.unwrap();
            }
            let told = states.next().await;
            assert!(round >= 5 || told.is_some());
            if told.is_none() {
                after = round;
                break;
            }
        }
        assert!(after >= 5, "it ends soon after the access, though each change finds another one behind it");
    })
    .await;
}
