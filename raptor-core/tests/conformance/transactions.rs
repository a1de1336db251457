//! No host is asked for anything inside a transaction: a slow one would hold up everybody who writes.

use crate::world::{on_both, until};
use raptor_core::{
    authz::{Actor, actions::StartContainer},
    containers::service::NewContainer,
    node::Node,
    roles::Builtin,
};
use std::time::Duration;

#[tokio::test]
async fn everybody_else_writes_while_a_host_takes_its_time() {
    on_both(|world| async move {
        world.daemon("one", "30000-30009").await;
        let template = world.template().await.id;
        let owner_id = Some(world.user("steve", Builtin::User).await.id);
        let host = world.hosts.of("one");
        // While it is being installed, a start is refused.
        let new = NewContainer { owner_id, skip_install: true, ..NewContainer::new("Slow", template) };
        let id = world.container(new).await.unwrap();
        until("the host has it", async || host.containers().await.unwrap().iter().any(|one| one.id == id))
            .await;
        let writes = async |name: &str| {
            let writing = world.user(name, Builtin::User);
            assert!(tokio::time::timeout(Duration::from_secs(5), writing).await.is_ok(), "{name}");
        };

        host.hold_up_declarations(true);
        world.container(NewContainer { owner_id, ..NewContainer::new("Slower", template) }).await.unwrap();
        until("a declaration is on its way", async || host.waiting_declarations() > 0).await;
        writes("during-a-declaration").await;
        host.hold_up_declarations(false);

        host.hold_up_orders(true);
        let permit = world.raptor.authz().permit::<StartContainer>(&Actor::System, id).await.unwrap();
        let containers = world.raptor.containers();
        let (started, ()) = tokio::join!(containers.start(permit), async {
            until("it was asked", async || host.waiting_orders() > 0).await;
            writes("during-an-order").await;
            host.hold_up_orders(false);
        });
        started.unwrap();
    })
    .await;
}
