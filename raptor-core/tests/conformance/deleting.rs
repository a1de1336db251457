//! Deleting a container while its declaration is still being sent to its host.

use crate::world::{World, count, on_both, run, see, until};
use raptor_core::{
    authz::{
        Actor,
        actions::{DeleteContainer, UpdateContainer},
    },
    containers::service::NewContainer,
    daemons::simulated::SimulatedHost,
    id::ContainerId,
    node::Node,
    roles::Builtin,
};

async fn delete(world: &World, id: ContainerId) {
    let permit = world.raptor.authz().permit::<DeleteContainer>(&Actor::System, id).await.unwrap();
    world.raptor.containers().delete(permit, false).await.unwrap();
    until("it is deleted", async || see(&world.raptor, &Actor::System, id).await.is_err()).await;
}

async fn jobs(world: &World) -> i64 {
    count(world, "SELECT COUNT(*) FROM jobs").await
}

async fn is_being_declared(host: &SimulatedHost) {
    until("a declaration is on its way", async || host.waiting_declarations() > 0).await;
}

#[tokio::test]
async fn a_container_deleted_while_its_declaration_is_on_its_way_is_not_left_on_its_host() {
    on_both(|world| async move {
        world.daemon("one", "30000").await;
        let host = world.hosts.of("one");
        let template = world.template().await.id;
        let owner_id = Some(world.user("steve", Builtin::User).await.id);
        for start in [false, true] {
            host.hold_up_declarations(true);
            let new = NewContainer { owner_id, start, ..NewContainer::new("Brief", template) };
            let id = world.container(new).await.unwrap();
            is_being_declared(&host).await;
            delete(&world, id).await;
            // Only now does the host receive it.
            host.hold_up_declarations(false);
            until("nothing is to be done any more", async || jobs(&world).await == 0).await;
            assert_eq!(host.containers().await.unwrap(), [], "start: {start}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_container_deleted_while_the_api_that_declared_it_is_killed_is_not_left_on_its_host() {
    on_both(|world| async move {
        world.daemon("one", "30000").await;
        let host = world.hosts.of("one");
        let template = world.template().await.id;
        let owner_id = Some(world.user("steve", Builtin::User).await.id);
        let new = NewContainer { owner_id, ..NewContainer::new("Brief", template) };
        let id = world.container(new).await.unwrap();
        until("nothing is to be done any more", async || jobs(&world).await == 0).await;
        let spec = host.declared(id).await.unwrap();
        host.hold_up_declarations(true);
        let permit = world.raptor.authz().permit::<UpdateContainer>(&Actor::System, id).await.unwrap();
        world.raptor.containers().update(permit, "Renamed", None).await.unwrap();
        is_being_declared(&host).await;
        run(&world, "CREATE TABLE interrupted AS SELECT * FROM jobs").await;
        delete(&world, id).await;
        // The declaration is still being carried out.
        until("the removal is over", async || jobs(&world).await == 1).await;
        host.hold_up_declarations(false);
        until("nothing is to be done any more", async || jobs(&world).await == 0).await;
        // If the API had been killed, its request would arrive just as late, and another API would continue its job.
        let world = world.restarted().await;
        host.declare(spec).await.unwrap();
        run(&world, "INSERT INTO jobs SELECT * FROM interrupted").await;
        run(&world, "UPDATE jobs SET leased_until = NULL").await;
        until("nothing is to be done any more", async || jobs(&world).await == 0).await;
        assert_eq!(host.containers().await.unwrap(), []);
    })
    .await;
}
