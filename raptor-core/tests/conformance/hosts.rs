//! Several hosts in one process.

use crate::world::{World, count, on_both, run, see, until};
use raptor_core::{
    Error, Raptor,
    authz::{
        Actor,
        actions::{DeleteDaemon, ListAllocations, ListDaemons, ReadDaemon},
    },
    containers::{lifecycle::Phase, service::NewContainer},
    daemons::{Daemon, simulated::SimulatedHost},
    id::{ContainerId, DaemonId},
    live::LinkState,
    node::Node,
    paging::PageRequest,
    roles::Builtin,
};
use std::sync::Arc;
use tokio::task::LocalSet;

/// The world with these hosts in its process, by name; an empty name is the host without a name.
async fn with_hosts(world: World, hosts: &[(&str, &SimulatedHost, &str)]) -> World {
    world
        .rebuilt(|builder| {
            hosts.iter().fold(builder, |builder, (name, host, ports)| match *name {
                "" => builder.local_node(Arc::new((*host).clone()), *ports),
                name => builder.named_local_node(name, Arc::new((*host).clone()), *ports),
            })
        })
        .await
}

async fn daemons(world: &World) -> Vec<Daemon> {
    let permit = world.raptor.authz().allow::<ListDaemons>(&Actor::System).unwrap();
    world.raptor.daemons().list(permit).await.unwrap().into_iter().map(|linked| linked.daemon).collect()
}

async fn link(world: &World, id: DaemonId) -> LinkState {
    let permit = world.raptor.authz().permit::<ReadDaemon>(&Actor::System, id).await.unwrap();
    world.raptor.daemons().get(permit).connection.unwrap().state
}

async fn delete(world: &World, id: DaemonId) -> Result<(), Error> {
    let permit = world.raptor.authz().permit::<DeleteDaemon>(&Actor::System, id).await.unwrap();
    world.raptor.daemons().delete(permit).await
}

async fn ports(world: &World, id: DaemonId) -> Vec<u16> {
    let permit = world.raptor.authz().permit::<ListAllocations>(&Actor::System, id).await.unwrap();
    let page = world.raptor.allocations().list(permit, &Default::default(), &PageRequest::default()).await;
    page.unwrap().items.iter().map(|allocation| allocation.port).collect()
}

async fn ids(host: &SimulatedHost) -> Vec<ContainerId> {
    host.containers().await.unwrap().iter().map(|status| status.id).collect()
}

#[tokio::test]
async fn several_hosts_in_one_process_each_run_their_own_containers() {
    on_both(|world| async move {
        let (plain, fast) = (SimulatedHost::default(), SimulatedHost::default());
        let hosts = [("", &plain, "30000-30001"), ("fast-disk", &fast, "30100-30101")];
        let world = with_hosts(world, &hosts).await;
        let all = daemons(&world).await;
        let named: Vec<(&str, &str)> =
            all.iter().map(|daemon| (daemon.name.as_str(), daemon.host.as_str())).collect();
        assert_eq!(named, [("fast-disk", "fast-disk.localhost"), ("This host", "localhost")]);
        let (on_fast, on_plain) = (all[0].id, all[1].id);
        assert_eq!(ports(&world, on_fast).await, [30_100, 30_101]);
        assert_eq!(ports(&world, on_plain).await, [30_000, 30_001]);
        for id in [on_fast, on_plain] {
            until("its link is up", async || link(&world, id).await == LinkState::Online).await;
        }

        let template = world.template().await.id;
        let owner_id = Some(world.user("steve", Builtin::User).await.id);
        let mut made = Vec::new();
        for daemon in [on_fast, on_plain] {
            let new = NewContainer {
                owner_id,
                daemon_id: Some(daemon),
                start: true,
                skip_install: true,
                ..NewContainer::new("Trains", template)
            };
            made.push(world.container(new).await.unwrap());
        }
        for id in &made {
            until("it runs", async || {
                see(&world.raptor, &Actor::System, *id).await.unwrap().summary.live.phase == Phase::Running
            })
            .await;
        }
        assert_eq!((ids(&fast).await, ids(&plain).await), (vec![made[0]], vec![made[1]]));

        // At the next start each host has the record of its name, in whatever order the hosts are given.
        let world = with_hosts(world, &[hosts[1], hosts[0]]).await;
        let again: Vec<DaemonId> = daemons(&world).await.iter().map(|daemon| daemon.id).collect();
        assert_eq!(again, [on_fast, on_plain]);
        for id in [on_fast, on_plain] {
            until("its link is up", async || link(&world, id).await == LinkState::Online).await;
            assert_eq!(delete(&world, id).await.unwrap_err().code(), "local");
        }

        // Without one of them, its record stays and is marked as not running, until no container is left on it.
        let world = with_hosts(world, &hosts[..1]).await;
        assert_eq!(link(&world, on_fast).await, LinkState::NotRunning);
        assert_eq!(delete(&world, on_fast).await.unwrap_err().code(), "has_containers");
        let world = with_hosts(world, &[hosts[0], ("spare", &SimulatedHost::default(), "30200")]).await;
        let spare = daemons(&world).await.into_iter().find(|daemon| daemon.name == "spare").unwrap().id;
        assert_eq!(delete(&world, spare).await.unwrap_err().code(), "local");
        let world = with_hosts(world, &hosts).await;
        delete(&world, spare).await.unwrap();
        assert_eq!(daemons(&world).await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_host_that_another_process_runs_is_not_deleted_until_that_process_has_ended() {
    on_both(|world| async move {
        let host = SimulatedHost::default();
        let hosts = [("fast", &host, "30100")];
        if world.url.starts_with("sqlite") {
            // Here the other process is refused, before it runs anything.
            let refused = Raptor::builder("app key").database_url(&world.url).bcrypt_cost(4).build().await;
            let why = refused.err().unwrap().to_string();
            assert!(why.contains("Another Raptor uses"), "{why}");
            return;
        }
        let other = with_hosts(world.beside().await, &hosts).await;
        let id = daemons(&world).await[0].id;
        assert_eq!(link(&world, id).await, LinkState::NotRunning, "this process does not run it");
        let refused = delete(&world, id).await.unwrap_err();
        assert_eq!(refused.code(), "local");
        assert!(refused.to_string().contains("Another process"), "{refused}");
        assert_eq!(delete(&other, id).await.unwrap_err().code(), "local");

        // A connection that is cut, by the server or on the way, costs the claim for seconds only.
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        let claimed_by = "SELECT COALESCE(MAX(pid), 0)::bigint FROM pg_locks WHERE locktype = 'advisory'
                          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        let before = count(&world, claimed_by).await;
        run(&world, cut).await;
        until("it is claimed again", async || ![0, before].contains(&count(&world, claimed_by).await)).await;
        assert_eq!(delete(&world, id).await.unwrap_err().code(), "local");

        // Two processes with the same host: it is free when both have ended.
        let third = with_hosts(world.beside().await, &hosts).await;
        other.raptor.shutdown().await;
        assert_eq!(delete(&world, id).await.unwrap_err().code(), "local");
        third.raptor.shutdown().await;
        delete(&world, id).await.unwrap();
        assert!(daemons(&world).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn processes_that_start_at_once_with_the_same_new_host_share_its_record() {
    on_both(|world| async move {
        let host = SimulatedHost::default();
        if world.url.starts_with("sqlite") {
            return; // Only one process can use it.
        }
        let started = (0..4).map(|_| {
            let (world, host) = (world.clone(), host.clone());
            // Each is a task of its own, as each is a process.
            tokio::task::spawn_local(async move {
                Raptor::builder("app key")
                    .database_url(&world.url)
                    .bcrypt_cost(4)
                    .clock(world.clock.clone())
                    .named_local_node("fast", Arc::new(host), "30100")
                    .build()
                    .await
            })
        });
        let tasks = LocalSet::new();
        let started =
            tasks.run_until(async { futures_util::future::try_join_all(started).await }).await.unwrap();
        for raptor in started {
            raptor.unwrap().shutdown().await;
        }
        let all = daemons(&world).await;
        assert_eq!(all.iter().map(|daemon| daemon.name.as_str()).collect::<Vec<_>>(), ["fast"]);
        assert_eq!(ports(&world, all[0].id).await, [30_100]);
    })
    .await;
}

#[tokio::test]
async fn a_host_whose_name_is_taken_or_wrong_takes_another_one_or_is_refused() {
    on_both(|world| async move {
        world.daemon("Fast", "30000").await;
        let host = SimulatedHost::default();
        let world = with_hosts(world, &[("fast", &host, "30100")]).await;
        let names: Vec<String> = daemons(&world).await.into_iter().map(|daemon| daemon.name).collect();
        assert_eq!(names, ["Fast", "fast 2"]);
        for name in ["", "Fast disk", "a.b", &"a".repeat(41)] {
            let builder = raptor_core::Raptor::builder("app key").bcrypt_cost(4);
            let refused = builder.named_local_node(name, Arc::new(host.clone()), "30100").build().await;
            assert!(matches!(refused, Err(Error::Invalid { field, .. }) if field == "local_node"), "{name}");
        }
    })
    .await;
}
