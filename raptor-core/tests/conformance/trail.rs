//! Which part of the audit trail is asked for.

use crate::world::{World, on_both};
use chrono::TimeDelta;
use raptor_core::{
    activity::{Activity, ActivityFilter},
    authz::{Actor, actions::ReadActivity},
    paging::PageRequest,
    roles::Builtin,
};

/// What is found, the oldest first.
async fn found(world: &World, filter: ActivityFilter) -> Vec<Activity> {
    let permit = world.raptor.authz().allow::<ReadActivity>(&Actor::System).unwrap();
    let page = PageRequest { with_total: true, ..PageRequest::default() };
    let page = world.raptor.activity().list(permit, &filter, &page).await.unwrap();
    assert_eq!(page.total, Some(i64::try_from(page.items.len()).unwrap()), "the total is filtered as well");
    page.items.into_iter().rev().collect()
}

#[tokio::test]
async fn the_trail_is_narrowed_down_by_kind_and_time() {
    on_both(|world| async move {
        world.user("steve", Builtin::User).await;
        world.user("mia", Builtin::User).await;
        world.daemon("one", "30000").await;
        let kind = |kind: &str| ActivityFilter { kind: Some(kind.into()), ..ActivityFilter::default() };
        let users = found(&world, kind("user")).await;
        let named: Vec<&str> = users.iter().map(|row| row.subject_name.as_str()).collect();
        assert!(named.ends_with(&["steve", "mia"]), "{named:?}");
        assert!(users.iter().all(|row| row.action == "user.created"));
        assert!(found(&world, kind("daemon")).await.iter().any(|row| row.action == "daemon.created"));
        for nothing in ["use", "user.", "user.created", "u%r", "u_er"] {
            assert_eq!(found(&world, kind(nothing)).await, [], "{nothing} is no kind");
        }

        let at = users.last().unwrap().at;
        let between = |from, until| ActivityFilter { from, until, ..kind("user") };
        let since = found(&world, between(Some(at), None)).await;
        assert!(since.iter().any(|row| row.subject_name == "mia") && since.iter().all(|row| row.at >= at));
        let before = found(&world, between(None, Some(at))).await;
        assert!(before.iter().all(|row| row.at < at));
        assert_eq!(since.len() + before.len(), users.len(), "each is in one of the two");
        assert_eq!(found(&world, between(Some(at + TimeDelta::seconds(1)), None)).await, []);
    })
    .await;
}
