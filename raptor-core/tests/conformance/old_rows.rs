//! Rows written by older versions keep their meaning.

use crate::world::{World, on_both, see, wanted};
use raptor_core::{
    authz::{
        Actor, ContainerSet,
        actions::{AddAllocation, GrantAccess, ListDaemons, ReadAccess, RemoveAllocation},
    },
    containers::{Level, service::NewContainer},
    roles::Builtin,
};
use sqlx::{AssertSqlSafe, Connection};
use std::collections::BTreeMap;

/// The permissions of level `user` before migration 12.
const OLD_USER: [&str; 11] = [
    "console.read",
    "console.command",
    "stats.read",
    "power.start",
    "power.stop",
    "power.restart",
    "power.kill",
    "startup.read",
    "network.read",
    "file.read",
    "file.read-content",
];

/// Runs statements on a database that nobody has open.
async fn execute(url: &str, statements: &[String]) {
    for statement in statements {
        let statement = sqlx::raw_sql(AssertSqlSafe(statement.clone()));
        if url.starts_with("sqlite") {
            let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
            statement.execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        } else {
            let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
            statement.execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
    }
}

/// A statement after which the next start runs this migration, which only changes rows.
fn forget(migration: i64) -> String {
    format!("DELETE FROM _sqlx_migrations WHERE version = {migration}")
}

#[tokio::test]
async fn accesses_of_level_user_that_were_given_before_keep_exactly_what_they_held() {
    on_both(|world| async move {
        let owner = world.user("steve", Builtin::User).await.id;
        world.daemon("one", "30000").await;
        let template = world.template().await.id;
        let new = NewContainer {
            owner_id: Some(owner),
            skip_install: true,
            ..NewContainer::new("Trains", template)
        };
        let id = world.container(new).await.unwrap();
        for (name, level) in [("alex", Level::User), ("sam", Level::Admin)] {
            world.user(name, Builtin::User).await;
            let permit = world.raptor.authz().permit::<GrantAccess>(&Actor::System, id).await.unwrap();
            world.raptor.containers().grant(permit, name, wanted(level, ContainerSet::NONE)).await.unwrap();
        }
        world.raptor.shutdown().await;
        let (url, clock, hosts) = (world.url.clone(), world.clock.clone(), world.hosts.clone());
        drop(world.raptor);
        execute(&url, &[forget(12)]).await;

        let raptor = World::replica(&url, &clock, &hosts).await;
        let permit = raptor.authz().permit::<ReadAccess>(&Actor::System, id).await.unwrap();
        let held = raptor.containers().access(permit).await.unwrap().items;
        let held: BTreeMap<&str, _> = held
            .iter()
            .map(|access| (access.user.username.as_str(), (access.level, access.permissions)))
            .collect();
        assert_eq!(held["alex"], (Level::Custom, ContainerSet::parse(&OLD_USER).unwrap()));
        assert_eq!(held["sam"], (Level::Admin, Level::Admin.permissions()));
    })
    .await;
}

#[tokio::test]
async fn daemons_lose_the_old_default_of_24_hours_for_known_keys_and_keep_what_was_chosen() {
    on_both(|world| async move {
        for name in ["old", "chosen", "never"] {
            world.daemon(name, "30000").await;
        }
        world.raptor.shutdown().await;
        let (url, clock, hosts) = (world.url.clone(), world.clock.clone(), world.hosts.clone());
        drop(world.raptor);
        let set = |name: &str, hours: i64| {
            format!("UPDATE daemons SET sftp_offline_hours = {hours} WHERE name = '{name}'")
        };
        execute(&url, &[set("old", 24), set("chosen", 8), set("never", 0), forget(12)]).await;

        let raptor = World::replica(&url, &clock, &hosts).await;
        let permit = raptor.authz().allow::<ListDaemons>(&Actor::System).unwrap();
        let daemons = raptor.daemons().list(permit).await.unwrap();
        let hours: BTreeMap<&str, i64> =
            daemons.iter().map(|one| (one.daemon.name.as_str(), one.daemon.sftp_offline_hours)).collect();
        assert_eq!(hours, [("chosen", 8), ("never", 0), ("old", 0)].into());
    })
    .await;
}

/// Statements that undo migration 13.
const WITHOUT_LIMITS: [&str; 6] = [
    "DROP INDEX allocations_held",
    "ALTER TABLE allocations DROP COLUMN held_by",
    "ALTER TABLE allocations DROP COLUMN held_revision",
    "ALTER TABLE containers DROP COLUMN settings",
    "ALTER TABLE containers ADD COLUMN stop_timeout_ms INTEGER NOT NULL DEFAULT 30000",
    "ALTER TABLE daemons DROP COLUMN self_service_ports",
];

#[tokio::test]
async fn containers_that_had_extra_allocations_before_there_was_a_limit_may_have_as_many_and_no_more() {
    on_both(|world| async move {
        let owner = world.user("steve", Builtin::User).await.id;
        world.daemon("one", "30000-30009").await;
        let template = world.template().await.id;
        let mut made = Vec::new();
        for (name, count) in [("none", 0), ("one", 1), ("four", 4)] {
            let new = NewContainer {
                owner_id: Some(owner),
                skip_install: true,
                allocation_count: count,
                ..NewContainer::new(name, template)
            };
            made.push(world.container(new).await.unwrap());
        }
        world.raptor.shutdown().await;
        let older = WITHOUT_LIMITS
            .iter()
            .map(ToString::to_string)
            .chain([forget(13), forget(19)])
            .collect::<Vec<_>>();
        execute(&world.url, &older).await;

        let world = world.restarted().await;
        let (_, steve) = world.signed_in("steve").await;
        let containers = world.raptor.containers();
        let mut limits = Vec::new();
        for id in &made {
            limits.push(see(&world.raptor, &steve, *id).await.unwrap().allocation_limit);
        }
        assert_eq!(limits, [0, 0, 3], "what they had beside the primary one");
        for (id, may) in [(made[1], false), (made[2], false)] {
            let permit = world.raptor.authz().permit::<AddAllocation>(&steve, id).await.unwrap();
            assert_eq!(containers.add_allocation(permit, None).await.is_ok(), may, "one more than it had");
        }
        // It can get back what it gives up.
        let allocations = see(&world.raptor, &steve, made[2]).await.unwrap().summary.allocations;
        let extra = allocations.iter().find(|allocation| !allocation.primary).unwrap().id;
        let permit = world.raptor.authz().permit::<RemoveAllocation>(&steve, made[2]).await.unwrap();
        containers.remove_allocation(permit, extra).await.unwrap();
        let permit = world.raptor.authz().permit::<AddAllocation>(&steve, made[2]).await.unwrap();
        containers.add_allocation(permit, None).await.unwrap();
    })
    .await;
}
