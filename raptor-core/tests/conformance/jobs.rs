//! Jobs for hosts are completed even if the API that started them is killed, and by one API at a time.

use crate::world::{World, count, fresh_postgres, on_both, run, see, until};
use chrono::TimeDelta;
use raptor_core::{
    authz::{
        Actor,
        actions::{DeleteContainer, StartContainer},
    },
    containers::{lifecycle::Phase, service::NewContainer},
    node::Node,
    roles::Builtin,
};
use tokio::runtime::Runtime;

const JOBS: &str = "SELECT COUNT(*) FROM jobs";

/// Starts another Raptor on a separate runtime, which has begun to send a container to the host `one` and waits for it.
fn begun_elsewhere(world: World) -> (World, Runtime) {
    let thread = std::thread::spawn(move || {
        let runtime = Runtime::new().unwrap();
        let world = runtime.block_on(async {
            let world = world.restarted().await;
            world.daemon("one", "30000").await;
            world.hosts.of("one").hold_up_declarations(true);
            let template = world.template().await.id;
            let owner_id = Some(world.user("steve", Builtin::User).await.id);
            world.container(NewContainer { owner_id, ..NewContainer::new("Brief", template) }).await.unwrap();
            until("a declaration is on its way", async || world.hosts.of("one").waiting_declarations() > 0)
                .await;
            world
        });
        (world, runtime)
    });
    thread.join().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_a_killed_api_is_taken_over() {
    on_both(|world| async move {
        let (mut world, runtime) = begun_elsewhere(world);
        // None of it runs any more, and nothing was cleaned up.
        let idle = raptor_core::Raptor::builder("app key").bcrypt_cost(4).build().await.unwrap();
        let killed = std::mem::replace(&mut world.raptor, idle);
        let url = world.url.clone();
        std::thread::spawn(move || {
            runtime.shutdown_timeout(std::time::Duration::from_secs(5));
            drop(killed);
        })
        .join()
        .unwrap();
        if url.starts_with("sqlite") {
            until("the database is let go", async || raptor_core::store::Store::open(&url).await.is_ok())
                .await;
            // Leases use Raptor's clock.
            world.clock.advance(TimeDelta::seconds(7));
        }
        world.hosts.of("one").hold_up_declarations(false);
        assert_eq!(count(&world, JOBS).await, 1);
        world.raptor = World::replica(&world.url, &world.clock, &world.hosts).await;
        until("another one has carried it out", async || count(&world, JOBS).await == 0).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_takes_longer_than_its_lease_is_not_carried_out_twice_at_the_same_time() {
    let Ok(server) = std::env::var("RAPTOR_TEST_PG") else {
        assert!(std::env::var("CI").map_or(true, |ci| ci != "true"), "RAPTOR_TEST_PG is needed in CI");
        println!("SKIP: PostgreSQL, RAPTOR_TEST_PG is not set");
        return;
    };
    let world = World::on(fresh_postgres(&server).await).await;
    let (world, runtime) = begun_elsewhere(world);
    let other = World::replica(&world.url, &world.clock, &world.hosts).await;
    let first = count(&world, "SELECT MIN(extract(epoch FROM leased_until))::bigint FROM jobs").await;
    until("the lease has been renewed for longer than it lasts", async || {
        count(&world, "SELECT MIN(extract(epoch FROM leased_until))::bigint FROM jobs").await > first + 6
    })
    .await;
    assert_eq!(
        count(&world, "SELECT MAX(attempts) FROM jobs").await,
        1,
        "nobody took what another one carries out"
    );
    world.hosts.of("one").hold_up_declarations(false);
    until("it is done", async || count(&world, JOBS).await == 0).await;
    other.shutdown().await;
    runtime.shutdown_background();
    std::mem::forget(world.raptor);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_host_was_asked_for_is_written_down_though_nobody_waits_for_it_any_more() {
    on_both(|world| async move {
        world.daemon("one", "30000").await;
        let template = world.template().await.id;
        let owner_id = Some(world.user("steve", Builtin::User).await.id);
        // While it is being installed, a start is refused.
        let new = NewContainer { owner_id, skip_install: true, ..NewContainer::new("Left", template) };
        let id = world.container(new).await.unwrap();
        let host = world.hosts.of("one");
        until("the host has it", async || count(&world, JOBS).await == 0).await;
        host.hold_up_orders(true);
        let permit = world.raptor.authz().permit::<StartContainer>(&Actor::System, id).await.unwrap();
        let containers = world.raptor.containers();
        tokio::select! {
            done = containers.start(permit) => panic!("the host holds it up: {done:?}"),
            () = until("the host was asked", async || host.waiting_orders() > 0) => {}
        }
        // The call is dropped now, as if the client had disconnected.
        const STARTS: &str = "SELECT COUNT(*) FROM activity WHERE action = 'container.power.start'";
        assert_eq!(count(&world, STARTS).await, 0);
        host.hold_up_orders(false);
        until("it is written down", async || count(&world, STARTS).await == 1).await;
        until("it runs", async || {
            see(&world.raptor, &Actor::System, id).await.unwrap().summary.live.phase == Phase::Running
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn every_kind_of_job_is_carried_out_twice_without_harm() {
    on_both(|world| async move {
        world.daemon("one", "30000-30009").await;
        let template = world.template().await.id;
        let owner_id = Some(world.user("steve", Builtin::User).await.id);
        let host = world.hosts.of("one");
        let done = async || until("nothing is to be done", async || count(&world, JOBS).await == 0).await;
        // The row of a job whose end was not written down comes back.
        let again = async |kind: &'static str| {
            run(&world, kind).await;
            run(&world, "INSERT INTO jobs SELECT * FROM kept").await;
            assert_eq!(count(&world, JOBS).await, 1);
            done().await;
        };

        host.hold_up_declarations(true);
        let new = NewContainer {
            owner_id,
            start: true,
            skip_install: true,
            ..NewContainer::new("Twice", template)
        };
        let id = world.container(new).await.unwrap();
        until("it is on its way", async || host.waiting_declarations() > 0).await;
        run(&world, "CREATE TABLE kept AS SELECT * FROM jobs").await;
        run(&world, "UPDATE kept SET leased_until = NULL").await;
        host.hold_up_declarations(false);
        done().await;
        let seen = async || see(&world.raptor, &Actor::System, id).await.unwrap();
        until("it runs", async || seen().await.summary.live.phase == Phase::Running).await;
        let (before, told) = (seen().await, host.containers().await.unwrap());

        again("UPDATE kept SET kind = 'start'").await;
        again("UPDATE kept SET kind = 'declare'").await;
        let (now, tells) = (seen().await, host.containers().await.unwrap());
        assert_eq!(
            (now.summary.live.phase, now.summary.live.since),
            (Phase::Running, before.summary.live.since)
        );
        assert_eq!(now.summary.allocations, before.summary.allocations);
        assert_eq!(tells, told, "the host has one process of it, the same as before");

        let permit = world.raptor.authz().permit::<DeleteContainer>(&Actor::System, id).await.unwrap();
        world.raptor.containers().delete(permit, false).await.unwrap();
        done().await;
        // Another one has its port by now.
        let next = NewContainer { owner_id, skip_install: true, ..NewContainer::new("Next", template) };
        let next = world.container(next).await.unwrap();
        done().await;
        let ports = see(&world.raptor, &Actor::System, next).await.unwrap().summary.allocations;
        assert_eq!(ports[0].port, before.summary.allocations[0].port);
        for kind in [
            "UPDATE kept SET kind = 'remove'",
            "UPDATE kept SET kind = 'declare'",
            "UPDATE kept SET kind = 'start'",
        ] {
            again(kind).await;
            assert!(see(&world.raptor, &Actor::System, id).await.is_err(), "{kind}");
            let left: Vec<_> = host.containers().await.unwrap().into_iter().map(|one| one.id).collect();
            assert_eq!(left, [next], "{kind}");
            let kept = see(&world.raptor, &Actor::System, next).await.unwrap().summary.allocations;
            assert_eq!(kept, ports, "{kind}");
        }
    })
    .await;
}
