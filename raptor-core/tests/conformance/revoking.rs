//! Revoking access while the host is not connected.

use crate::world::{World, daemon_draft, on_both};
use raptor_core::{
    authz::{
        Actor,
        actions::{ReadAccess, UpdateDaemon},
    },
    containers::service::NewContainer,
    daemons::DaemonDraft,
    id::{ContainerId, DaemonId, UserId},
    roles::Builtin,
};

async fn container(world: &World, owner: UserId, daemon: DaemonId) -> ContainerId {
    let template = world.template().await.id;
    let new = NewContainer {
        owner_id: Some(owner),
        daemon_id: Some(daemon),
        skip_install: true,
        ..NewContainer::new("Trains", template)
    };
    world.container(new).await.unwrap()
}

/// The notices that are shown where access is revoked and where keys are deleted.
async fn notices(world: &World, actor: &Actor, id: ContainerId) -> (Option<String>, Option<String>) {
    let permit = world.raptor.authz().permit::<ReadAccess>(actor, id).await.unwrap();
    let access = world.raptor.containers().access(permit).await.unwrap().notice;
    (access, world.raptor.ssh_keys().notice(actor).await.unwrap())
}

#[tokio::test]
async fn it_is_said_where_one_revokes_and_how_long_known_keys_keep_working() {
    on_both(|world| async move {
        let near = world.daemon("near", "30000").await.id;
        let away = world.daemon("away", "30000").await.id;
        let steve = world.user("steve", Builtin::User).await.id;
        let alex = world.user("alex", Builtin::User).await.id;
        let there = container(&world, steve, away).await;
        let here = container(&world, alex, near).await;
        let steve = world.signed_in("steve").await.1;
        let alex = world.signed_in("alex").await.1;
        assert_eq!(notices(&world, &alex, here).await, (None, None), "their daemon is connected");

        for (hours, said) in [
            (0, "nobody can sign in there by SFTP."),
            (1, "SSH keys that it knows keep working for up to an hour."),
            (8, "SSH keys that it knows keep working for up to 8 hours."),
        ] {
            let permit = world.raptor.authz().permit::<UpdateDaemon>(&Actor::System, away).await.unwrap();
            let draft = DaemonDraft { sftp_offline_hours: Some(hours), ..daemon_draft("away") };
            world.raptor.daemons().update(permit, draft).await.unwrap();
            let (access, keys) = notices(&world, &steve, there).await;
            let notice = access.unwrap();
            assert!(notice.starts_with("away is not connected") && notice.ends_with(said), "{notice}");
            assert_eq!(keys, Some(notice));
        }
    })
    .await;
}
