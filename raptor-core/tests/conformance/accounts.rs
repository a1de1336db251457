//! Users, roles and sessions.

use crate::world::{PASSWORD, World, new_user, on_both};
use raptor_core::{
    Error,
    auth::{Origin, service::AccountChange},
    authz::{
        Actor, SystemPermission, SystemSet,
        actions::{CreateRole, CreateUser, DeleteUser, ListUsers, ReadUser, UpdateRole, UpdateUser},
    },
    paging::PageRequest,
    roles::{Builtin, RoleDraft},
    users::{DEFAULT_PASSWORD, UserChange, service::UserFilter},
};

#[tokio::test]
async fn a_session_lives_until_it_is_ended() {
    on_both(|world| async move {
        world.user("steve", Builtin::User).await;
        let (token, actor) = world.signed_in("STEVE@example.com").await;
        let auth = world.raptor.auth();
        assert_eq!(auth.authenticate(&token, &Origin::default()).await.unwrap().name(), "steve");
        auth.sign_out(&actor).await.unwrap();
        assert_eq!(
            auth.authenticate(&token, &Origin::default()).await.unwrap_err().code(),
            "unauthenticated"
        );
    })
    .await;
}

#[tokio::test]
async fn a_session_expires() {
    on_both(|world| async move {
        world.user("steve", Builtin::User).await;
        let (token, _) = world.signed_in("steve").await;
        world.clock.advance(chrono::TimeDelta::days(8));
        assert!(world.raptor.auth().authenticate(&token, &Origin::default()).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_get_the_same_answer() {
    on_both(|world| async move {
        world.user("steve", Builtin::User).await;
        let auth = world.raptor.auth();
        let wrong = auth.sign_in("steve", "wrong".into(), Origin::default()).await.err().unwrap();
        let unknown = auth.sign_in("nobody", PASSWORD.into(), Origin::default()).await.err().unwrap();
        assert_eq!(wrong.to_string(), unknown.to_string());
        assert_eq!(wrong.code(), unknown.code());
    })
    .await;
}

#[tokio::test]
async fn suspending_a_user_ends_their_sessions_and_keeps_them_out() {
    on_both(|world| async move {
        let steve = world.user("steve", Builtin::User).await;
        let (token, _) = world.signed_in("steve").await;
        let auth = world.raptor.auth();
        auth.authenticate(&token, &Origin::default()).await.unwrap();
        let permit = world.raptor.authz().permit::<UpdateUser>(&Actor::System, steve.id).await.unwrap();
        let change = UserChange {
            username: steve.username,
            email: steve.email,
            name: None,
            role_id: steve.role_id,
            suspended: true,
        };
        world.raptor.users().update(permit, change).await.unwrap();
        assert!(auth.authenticate(&token, &Origin::default()).await.is_err());
        assert!(auth.sign_in("steve", PASSWORD.into(), Origin::default()).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions_only() {
    on_both(|world| async move {
        world.user("steve", Builtin::User).await;
        let (here, actor) = world.signed_in("steve").await;
        let (there, _) = world.signed_in("steve").await;
        let auth = world.raptor.auth();
        auth.authenticate(&there, &Origin::default()).await.unwrap();
        let refused =
            auth.change_password(&actor, "not it".into(), "another horse".into()).await.unwrap_err();
        assert!(matches!(refused, Error::Invalid { field, .. } if field == "current_password"));
        auth.change_password(&actor, PASSWORD.into(), "another horse".into()).await.unwrap();
        auth.authenticate(&here, &Origin::default()).await.unwrap();
        assert!(auth.authenticate(&there, &Origin::default()).await.is_err());
        assert!(auth.sign_in("steve", PASSWORD.into(), Origin::default()).await.is_err());
        auth.sign_in("steve", "another horse".into(), Origin::default()).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn names_are_unique_without_regard_to_case() {
    on_both(|world| async move {
        let role = world.role(Builtin::User).await;
        world.user("steve", Builtin::User).await;
        let permit = world.raptor.authz().allow::<CreateUser>(&Actor::System).unwrap();
        let error = world.raptor.users().create(permit, new_user("STEVE", role)).await.unwrap_err();
        assert_eq!(error.code(), "name_taken");
    })
    .await;
}

#[tokio::test]
async fn a_manager_never_gives_or_touches_more_than_they_hold() {
    on_both(|world| async move {
        let admin = world.user("root", Builtin::Admin).await;
        world.user("mia", Builtin::Manager).await;
        let (_, manager) = world.signed_in("mia").await;
        let authz = world.raptor.authz();

        let permit = authz.allow::<CreateUser>(&manager).unwrap();
        let as_admin = new_user("eve", world.role(Builtin::Admin).await);
        assert_eq!(world.raptor.users().create(permit, as_admin).await.unwrap_err().code(), "forbidden");

        let permit = authz.permit::<UpdateUser>(&manager, admin.id).await.unwrap();
        assert_eq!(
            world.raptor.users().set_password(permit, "taken over".into(), false).await.unwrap_err().code(),
            "forbidden"
        );
        let permit = authz.permit::<DeleteUser>(&manager, admin.id).await.unwrap();
        assert_eq!(world.raptor.users().delete(permit).await.unwrap_err().code(), "forbidden");

        let permit = authz.allow::<CreateUser>(&manager).unwrap();
        world.raptor.users().create(permit, new_user("eve", world.role(Builtin::User).await)).await.unwrap();
        assert_eq!(authz.allow::<CreateRole>(&manager).err().unwrap().code(), "forbidden");
    })
    .await;
}

#[tokio::test]
async fn a_user_does_not_see_other_users() {
    on_both(|world| async move {
        let admin = world.user("root", Builtin::Admin).await;
        world.user("steve", Builtin::User).await;
        let (_, steve) = world.signed_in("steve").await;
        let authz = world.raptor.authz();
        assert_eq!(authz.allow::<ListUsers>(&steve).err().unwrap().code(), "forbidden");
        assert_eq!(authz.permit::<ReadUser>(&steve, admin.id).await.err().unwrap().code(), "forbidden");
    })
    .await;
}

#[tokio::test]
async fn the_last_administrator_stays() {
    on_both(|world| async move {
        let admin = world.user("root", Builtin::Admin).await;
        let permit = world.raptor.authz().permit::<DeleteUser>(&Actor::System, admin.id).await.unwrap();
        assert_eq!(world.raptor.users().delete(permit).await.unwrap_err().code(), "last_admin");
        let second = world.user("second", Builtin::Admin).await;
        let permit = world.raptor.authz().permit::<DeleteUser>(&Actor::System, second.id).await.unwrap();
        world.raptor.users().delete(permit).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_changed_role_is_felt_at_once() {
    on_both(|world| async move {
        let authz = world.raptor.authz();
        let draft = |permissions: SystemSet| RoleDraft {
            name: "Helper".into(),
            description: String::new(),
            permissions,
        };
        let reading: SystemSet = [SystemPermission::UsersRead].into_iter().collect();
        let permit = authz.allow::<CreateRole>(&Actor::System).unwrap();
        let role = world.raptor.roles().create(permit, draft(reading)).await.unwrap();
        let permit = authz.allow::<CreateUser>(&Actor::System).unwrap();
        world.raptor.users().create(permit, new_user("hal", role.id)).await.unwrap();
        let (token, _) = world.signed_in("hal").await;
        let auth = world.raptor.auth();
        let hal = auth.authenticate(&token, &Origin::default()).await.unwrap();
        assert!(authz.allow::<ListUsers>(&hal).is_ok());

        let permit = authz.permit::<UpdateRole>(&Actor::System, role.id).await.unwrap();
        world.raptor.roles().update(permit, draft(SystemSet::NONE)).await.unwrap();
        let hal = auth.authenticate(&token, &Origin::default()).await.unwrap();
        assert!(authz.allow::<ListUsers>(&hal).is_err());
    })
    .await;
}

#[tokio::test]
async fn pages_follow_one_another_without_gap_or_repeat() {
    on_both(|world| async move {
        for n in 0..7 {
            world.user(&format!("user{n}"), Builtin::User).await;
        }
        let mut page = PageRequest { limit: 3, cursor: None, with_total: true };
        let mut seen = Vec::new();
        loop {
            let permit = world.raptor.authz().allow::<ListUsers>(&Actor::System).unwrap();
            let filter = UserFilter { search: Some("USER".into()), role_id: None };
            let answer = world.raptor.users().list(permit, &filter, &page).await.unwrap();
            assert_eq!(answer.total, Some(7));
            seen.extend(answer.items.into_iter().map(|user| user.username));
            let Some(next) = answer.next else { break };
            page.cursor = Some(next);
        }
        assert_eq!(seen, (0..7).map(|n| format!("user{n}")).collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test]
async fn what_is_done_is_written_down_with_who_did_it() {
    on_both(|world| async move {
        world.user("root", Builtin::Admin).await;
        let (_, root) = world.signed_in("root").await;
        let permit = world.raptor.authz().allow::<CreateUser>(&root).unwrap();
        world.raptor.users().create(permit, new_user("eve", world.role(Builtin::User).await)).await.unwrap();
        let own = world.raptor.activity().own(&root, &PageRequest::default()).await.unwrap();
        let actions: Vec<_> =
            own.items.iter().map(|row| (row.action.as_str(), row.subject_name.as_str())).collect();
        assert_eq!(actions, [("user.created", "eve"), ("account.signed_in", "root")]);
    })
    .await;
}

#[tokio::test]
async fn the_first_administrator_is_made_once() {
    on_both(|world| async move {
        let users = world.raptor.users();
        assert!(users.ensure_admin("admin", "admin@localhost", PASSWORD.into()).await.unwrap());
        assert!(!users.ensure_admin("admin", "admin@localhost", "something else".into()).await.unwrap());
        world.signed_in("admin").await;
    })
    .await;
}

#[tokio::test]
async fn the_default_password_can_only_be_changed() {
    on_both(|world| async move {
        let (users, auth) = (world.raptor.users(), world.raptor.auth());
        let origin = Origin::default();
        assert!(users.ensure_admin("admin", "admin@localhost", DEFAULT_PASSWORD.into()).await.unwrap());
        assert_eq!(users.with_default_password().await.unwrap().as_deref(), Some("admin"));
        let signed_in = auth.sign_in("admin", DEFAULT_PASSWORD.into(), origin.clone()).await.unwrap();
        assert!(signed_in.user.password_change_required);
        let refused = auth.authenticate(&signed_in.token, &origin).await.unwrap_err();
        assert_eq!(refused.code(), "password_change_required");
        assert_eq!(
            auth.vouch(signed_in.user.id, &origin).await.unwrap_err().code(),
            "password_change_required"
        );
        assert!(auth.renewed(&signed_in.actor).await.unwrap().is_none(), "nothing that is open goes on");

        let actor = auth.authenticate_to_change_password(&signed_in.token, &origin).await.unwrap();
        let same = auth.change_password(&actor, DEFAULT_PASSWORD.into(), DEFAULT_PASSWORD.into()).await;
        assert!(matches!(same, Err(Error::Invalid { field, .. }) if field == "new_password"));
        auth.change_password(&actor, DEFAULT_PASSWORD.into(), PASSWORD.into()).await.unwrap();
        auth.authenticate(&signed_in.token, &origin).await.unwrap();
        assert_eq!(users.with_default_password().await.unwrap(), None);

        let mut change =
            AccountChange { username: "boss".into(), email: "boss@example.com".into(), name: None };
        let actor = auth.authenticate(&signed_in.token, &origin).await.unwrap();
        auth.update_account(&actor, change.clone(), Some(PASSWORD.into())).await.unwrap();
        let again = users.ensure_admin("admin", "admin@localhost", DEFAULT_PASSWORD.into()).await.unwrap();
        assert!(!again, "an account that was renamed does not bring the default password back");
        change.username = "admin".into();
        auth.update_account(&actor, change, Some(PASSWORD.into())).await.unwrap();
        assert!(!users.ensure_admin("admin", "admin@localhost", "something else".into()).await.unwrap());
        auth.sign_in("admin", PASSWORD.into(), origin).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_default_password_is_replaced_by_one_that_is_set_at_a_later_start() {
    on_both(|world| async move {
        let (users, auth) = (world.raptor.users(), world.raptor.auth());
        users.ensure_admin("admin", "admin@localhost", DEFAULT_PASSWORD.into()).await.unwrap();
        let old = auth.sign_in("admin", DEFAULT_PASSWORD.into(), Origin::default()).await.unwrap();
        users.ensure_admin("admin", "admin@localhost", PASSWORD.into()).await.unwrap();
        assert!(auth.sign_in("admin", DEFAULT_PASSWORD.into(), Origin::default()).await.is_err());
        assert!(auth.authenticate_to_change_password(&old.token, &Origin::default()).await.is_err());
        world.signed_in("admin").await;
    })
    .await;
}

#[tokio::test]
async fn an_administrator_may_ask_for_another_password() {
    on_both(|world| async move {
        let steve = world.user("steve", Builtin::User).await;
        let (token, _) = world.signed_in("steve").await;
        let permit = world.raptor.authz().permit::<UpdateUser>(&Actor::System, steve.id).await.unwrap();
        world.raptor.users().set_password(permit, "for the first time".into(), true).await.unwrap();
        let auth = world.raptor.auth();
        assert!(auth.authenticate(&token, &Origin::default()).await.is_err());
        let signed_in = auth.sign_in("steve", "for the first time".into(), Origin::default()).await.unwrap();
        let refused = auth.authenticate(&signed_in.token, &Origin::default()).await.unwrap_err();
        assert_eq!(refused.code(), "password_change_required");
    })
    .await;
}

#[tokio::test]
async fn signing_out_on_one_replica_ends_the_session_on_the_other() {
    let Ok(_) = std::env::var("RAPTOR_TEST_PG") else { return };
    on_both(|world| async move {
        if !world.raptor.shares_database() {
            return;
        }
        world.user("steve", Builtin::User).await;
        let (token, actor) = world.signed_in("steve").await;
        let other = World::replica(&world.url, &world.clock, &world.hosts).await;
        other.auth().authenticate(&token, &Origin::default()).await.unwrap();
        world.raptor.auth().sign_out(&actor).await.unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(2);
        while other.auth().authenticate(&token, &Origin::default()).await.is_ok() {
            assert!(std::time::Instant::now() < deadline, "the other replica still accepts the session");
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn replicas_count_attempts_together_and_the_owner_elsewhere_is_let_in() {
    on_both(|world| async move {
        world.user("steve", Builtin::User).await;
        let postgres = world.raptor.shares_database();
        let other = if postgres {
            World::replica(&world.url, &world.clock, &world.hosts).await
        } else {
            world.raptor.clone()
        };
        let from = |last: u8| Origin { ip: Some([192, 0, 2, last].into()), user_agent: None };
        for n in 0..10 {
            let raptor = if n % 2 == 0 { &world.raptor } else { &other };
            let refused = raptor.auth().sign_in("Steve", "wrong".into(), from(1)).await.err().unwrap();
            assert_eq!(refused.code(), "unauthenticated");
        }
        for raptor in [&world.raptor, &other] {
            let refused = raptor.auth().sign_in("steve", PASSWORD.into(), from(1)).await.err().unwrap();
            let Error::Throttled { retry_after } = refused else { panic!("{refused}") };
            assert!((1..=6).contains(&retry_after.as_secs().max(1)), "{retry_after:?}");
            raptor.auth().sign_in("steve", PASSWORD.into(), from(2)).await.unwrap();
        }
        if postgres {
            world.clock.advance(chrono::TimeDelta::seconds(6));
            other.auth().sign_in("steve", PASSWORD.into(), from(1)).await.unwrap();
        }
        other.shutdown().await;
        world.raptor.shutdown().await;
    })
    .await;
}
