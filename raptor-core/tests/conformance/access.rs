//! Files that are hidden from somebody with access.

use crate::world::{World, on_both};
use raptor_core::{
    Error,
    authz::{
        Actor, ContainerSet,
        actions::{GrantAccess, ReadAccess, ReadFiles, RevokeAccess, UpdateAccess},
    },
    containers::{Level, access::AccessChange, service::NewContainer},
    id::{ContainerId, UserId},
    roles::Builtin,
};

fn wanted(patterns: &[&str]) -> AccessChange {
    let denied_files = Some(patterns.iter().map(|&pattern| pattern.to_owned()).collect());
    AccessChange { level: Level::Admin, permissions: ContainerSet::NONE, denied_files }
}

/// Steve's container, and somebody with access to it for whom `*.key` is hidden.
async fn scene(world: &World) -> (Actor, Actor, ContainerId) {
    let owner = world.user("steve", Builtin::User).await.id;
    world.user("alex", Builtin::User).await;
    world.daemon("one", "30000").await;
    let template = world.template().await.id;
    let new =
        NewContainer { owner_id: Some(owner), skip_install: true, ..NewContainer::new("Trains", template) };
    let id = world.container(new).await.unwrap();
    let (steve, alex) = (world.signed_in("steve").await.1, world.signed_in("alex").await.1);
    give(world, &steve, id, "alex", &["*.key"]).await.unwrap();
    (steve, alex, id)
}

async fn give(
    world: &World,
    by: &Actor,
    id: ContainerId,
    to: &str,
    patterns: &[&str],
) -> raptor_core::Result<()> {
    let permit = world.raptor.authz().permit::<GrantAccess>(by, id).await?;
    world.raptor.containers().grant(permit, to, wanted(patterns)).await
}

async fn kept_from(world: &World, actor: &Actor, id: ContainerId) -> Vec<String> {
    world.raptor.authz().permit::<ReadFiles>(actor, id).await.unwrap().denied_files().to_vec()
}

#[tokio::test]
async fn what_is_kept_from_somebody_goes_with_every_permit_of_theirs_and_nobody_elses() {
    on_both(|world| async move {
        let (steve, alex, id) = scene(&world).await;
        assert_eq!(kept_from(&world, &alex, id).await, ["*.key"]);
        assert!(kept_from(&world, &steve, id).await.is_empty(), "the owner sees everything");
        let permit = world.raptor.authz().permit::<ReadAccess>(&steve, id).await.unwrap();
        let access = world.raptor.containers().access(permit).await.unwrap();
        assert_eq!(access.items[1].denied_files, ["*.key"]);

        let alex_id = alex.user_id().unwrap();
        let permit = world.raptor.authz().permit::<UpdateAccess>(&steve, id).await.unwrap();
        let changed = wanted(&[" /* ", "", "!/plugins"]);
        world.raptor.containers().change_access(permit, alex_id, changed).await.unwrap();
        assert_eq!(kept_from(&world, &alex, id).await, ["/*", "!/plugins"], "it counts at once");

        world.user("root", Builtin::Admin).await;
        let root = world.signed_in("root").await.1;
        give(&world, &steve, id, "root", &["*"]).await.unwrap();
        assert!(kept_from(&world, &root, id).await.is_empty(), "their role opens all files");
    })
    .await;
}

#[tokio::test]
async fn nobody_shows_others_what_is_kept_from_them() {
    on_both(|world| async move {
        let (steve, alex, id) = scene(&world).await;
        let sam: UserId = world.user("sam", Builtin::User).await.id;
        for patterns in [&[][..], &["*.pem"], &["*.key", "!a.key"], &["*.pem", "*.key"]] {
            let refused = give(&world, &alex, id, "sam", patterns).await;
            assert!(
                matches!(&refused, Err(Error::Invalid { field, .. }) if field == "denied_files"),
                "{patterns:?}: {refused:?}"
            );
        }
        give(&world, &alex, id, "sam", &["*.key", "*.pem"]).await.unwrap();
        let kept = AccessChange { denied_files: None, ..wanted(&[]) };
        let permit = world.raptor.authz().permit::<UpdateAccess>(&steve, id).await.unwrap();
        world.raptor.containers().change_access(permit, sam, kept.clone()).await.unwrap();
        let sam_actor = world.signed_in("sam").await.1;
        assert_eq!(
            kept_from(&world, &sam_actor, id).await,
            ["*.key", "*.pem"],
            "nothing said, nothing changed"
        );
        let permit = world.raptor.authz().permit::<RevokeAccess>(&steve, id).await.unwrap();
        world.raptor.containers().revoke(permit, sam).await.unwrap();
        let permit = world.raptor.authz().permit::<GrantAccess>(&alex, id).await.unwrap();
        world.raptor.containers().grant(permit, "sam", kept).await.unwrap();
        assert_eq!(kept_from(&world, &sam_actor, id).await, ["*.key"], "what is kept from the giver");

        give(&world, &steve, id, "sam", &[]).await.unwrap();
        let authz = world.raptor.authz();
        let permit = authz.permit::<UpdateAccess>(&alex, id).await.unwrap();
        let refused = world.raptor.containers().change_access(permit, sam, wanted(&["*.key"])).await;
        assert!(refused.is_err(), "whoever sees more is not theirs to change");
        let permit = authz.permit::<RevokeAccess>(&alex, id).await.unwrap();
        assert!(world.raptor.containers().revoke(permit, sam).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn a_pattern_that_would_keep_nothing_is_refused() {
    on_both(|world| async move {
        let (steve, _, id) = scene(&world).await;
        let long = "x".repeat(257);
        let many: Vec<String> = (0..101).map(|number| format!("f{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for patterns in [&["{a"][..], &["#comment"], &["a\0b"], &[long.as_str()], &many] {
            let refused = give(&world, &steve, id, "alex", patterns).await;
            assert!(matches!(refused, Err(Error::Invalid { field, .. }) if field == "denied_files"));
        }
    })
    .await;
}
