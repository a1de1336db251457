//! Nobody can take over an account with more permissions than their own.

use crate::world::{PASSWORD, World, new_user, on_both};
use raptor_core::{
    Error,
    authz::{
        Actor, ContainerPermission as C, ContainerSet, SystemPermission as S, SystemSet,
        actions::{CreateRole, CreateUser, DeleteUser, GrantAccess, UpdateUser},
    },
    containers::{Level, access::AccessChange, service::NewContainer},
    id::{ContainerId, UserId},
    roles::{Builtin, RoleDraft},
    users::{User, UserChange},
};

/// A user with a custom role that has `more` besides the permissions for changing users.
async fn helper(world: &World, username: &str, more: &[S]) -> Actor {
    let held = [S::UsersRead, S::UsersUpdate, S::UsersDelete].into_iter().chain(more.iter().copied());
    let permissions: SystemSet = held.collect();
    let draft = RoleDraft { name: format!("role of {username}"), description: String::new(), permissions };
    let permit = world.raptor.authz().allow::<CreateRole>(&Actor::System).unwrap();
    let role = world.raptor.roles().create(permit, draft).await.unwrap();
    let permit = world.raptor.authz().allow::<CreateUser>(&Actor::System).unwrap();
    world.raptor.users().create(permit, new_user(username, role.id)).await.unwrap();
    world.signed_in(username).await.1
}

/// Attempts each operation that changes somebody else's account, and returns the results.
async fn attempts(world: &World, by: &Actor, user: &User) -> Vec<Result<(), Error>> {
    let (authz, users) = (world.raptor.authz(), world.raptor.users());
    let update = async || authz.permit::<UpdateUser>(by, user.id).await.unwrap();
    let change = |email: &str, suspended| UserChange {
        username: user.username.clone(),
        email: email.into(),
        name: None,
        role_id: user.role_id,
        suspended,
    };
    vec![
        users.set_password(update().await, PASSWORD.into(), false).await,
        users.end_sessions(update().await).await,
        users.update(update().await, change("mine@example.com", false)).await.map(drop),
        users.update(update().await, change(&user.email, true)).await.map(drop),
        users.delete(authz.permit::<DeleteUser>(by, user.id).await.unwrap()).await,
    ]
}

/// Asserts that each attempt was refused because `permission` is missing, and that the account is unchanged.
async fn all_refused(world: &World, by: &Actor, user: &User, permission: &str) {
    for attempt in attempts(world, by, user).await {
        let Err(Error::Outranked { permission: missing, message }) = attempt else { panic!("{attempt:?}") };
        assert_eq!(missing, permission, "{message}");
        assert!(message.contains(&user.username) && message.contains(permission), "{message}");
    }
    world.signed_in(&user.username).await;
}

async fn container(world: &World, owner: UserId) -> ContainerId {
    let template = world.template().await.id;
    let new =
        NewContainer { owner_id: Some(owner), skip_install: true, ..NewContainer::new("Lobby", template) };
    world.container(new).await.unwrap()
}

async fn give(world: &World, id: ContainerId, to: &str, held: &[C], denied: &[&str]) {
    let permit = world.raptor.authz().permit::<GrantAccess>(&Actor::System, id).await.unwrap();
    let permissions: ContainerSet = held.iter().copied().collect();
    let denied_files = Some(denied.iter().map(|&pattern| pattern.to_owned()).collect());
    let wanted = AccessChange { level: Level::Custom, permissions, denied_files };
    world.raptor.containers().grant(permit, to, wanted).await.unwrap();
}

#[tokio::test]
async fn the_account_of_an_owner_is_changed_by_those_only_who_hold_all_rights_over_containers() {
    on_both(|world| async move {
        let hal = helper(&world, "hal", &[]).await;
        let most = [S::ContainersRead, S::ContainersControl, S::ContainersUpdate, S::ContainersAccess];
        let ida = helper(&world, "ida", &most).await;
        let plain = world.user("plain", Builtin::User).await;
        let alice = world.user("alice", Builtin::User).await;
        world.daemon("one", "30000").await;
        container(&world, alice.id).await;

        all_refused(&world, &hal, &alice, "containers.read").await;
        all_refused(&world, &ida, &alice, "containers.delete").await;
        // People who see all containers see which one it is; others don't see its name.
        for (by, named) in [(&hal, false), (&ida, true)] {
            let permit = world.raptor.authz().permit::<UpdateUser>(by, alice.id).await.unwrap();
            let refused = world.raptor.users().end_sessions(permit).await.unwrap_err().to_string();
            assert_eq!(refused.contains("Lobby"), named, "{refused}");
        }
        for attempt in attempts(&world, &hal, &plain).await {
            attempt.unwrap();
        }
        let all = [&most[..], &[S::ContainersDelete]].concat();
        let kim = helper(&world, "kim", &all).await;
        let permit = world.raptor.authz().permit::<UpdateUser>(&kim, alice.id).await.unwrap();
        world.raptor.users().set_password(permit, PASSWORD.into(), false).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn access_counts_as_well_and_so_does_ones_own_to_the_same_container() {
    on_both(|world| async move {
        let hal = helper(&world, "hal", &[]).await;
        let owner = world.user("owner", Builtin::User).await;
        let bob = world.user("bob", Builtin::User).await;
        world.daemon("one", "30000").await;
        let id = container(&world, owner.id).await;
        let held = [C::ConsoleRead, C::FileRead, C::FileUpdate];
        give(&world, id, "bob", &held, &[]).await;
        all_refused(&world, &hal, &bob, "containers.read").await;
        give(&world, id, "hal", &held[..2], &[]).await;
        all_refused(&world, &hal, &bob, "containers.update").await;
        give(&world, id, "hal", &held, &["*.key"]).await;
        all_refused(&world, &hal, &bob, "containers.read").await;
        give(&world, id, "hal", &held, &[]).await;
        let permit = world.raptor.authz().permit::<UpdateUser>(&hal, bob.id).await.unwrap();
        world.raptor.users().set_password(permit, PASSWORD.into(), false).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_account_of_somebody_whose_role_holds_more_is_not_theirs_to_change() {
    on_both(|world| async move {
        let hal = helper(&world, "hal", &[]).await;
        let root = world.user("root", Builtin::Admin).await;
        let mara = world.user("mara", Builtin::Manager).await;
        all_refused(&world, &hal, &mara, "users.create").await;
        all_refused(&world, &hal, &root, "users.create").await;
    })
    .await;
}
