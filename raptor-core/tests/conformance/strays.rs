//! Containers on a host that the database does not know, as after it was restored from an older copy.

use crate::world::{World, count, on_both, run, see, until};
use raptor_core::{
    Error,
    activity::ActivityFilter,
    allocations::service::AllocationFilter,
    authz::{
        Actor,
        actions::{
            AddAllocation, AdoptStray, DeleteContainer, DeleteStray, LimitContainer, ListAllocations,
            ListStrays, ReadActivity, StopStray,
        },
    },
    containers::{Limits, lifecycle::Phase, service::NewContainer},
    daemons::strays::{Adoption, Stray},
    id::{AllocationId, ContainerId, DaemonId, TemplateId},
    node::Node,
    paging::PageRequest,
    roles::Builtin,
    store::aside,
};

/// A host with a running container that the database knows nothing about.
struct Fixture {
    world: World,
    daemon: DaemonId,
    template: TemplateId,
    lost: ContainerId,
}

impl Fixture {
    async fn new(world: World) -> Self {
        let steve = world.user("steve", Builtin::User).await.id;
        let daemon = world.daemon("one", "30000-30002").await.id;
        let template = world.template().await.id;
        let new = NewContainer { owner_id: Some(steve), start: true, ..NewContainer::new("Lost", template) };
        let lost = world.container(new).await.unwrap();
        until("it runs", async || {
            see(&world.raptor, &Actor::System, lost)
                .await
                .is_ok_and(|seen| seen.summary.live.phase == Phase::Running)
        })
        .await;
        until("nothing is to be done any more", async || {
            count(&world, "SELECT COUNT(*) FROM jobs").await == 0
        })
        .await;
        for statement in
            ["UPDATE allocations SET container_id = NULL, is_primary = FALSE", "DELETE FROM containers"]
        {
            run(&world, statement).await;
        }
        // As an API that is started on the older copy.
        let world = world.restarted().await;
        let fixture = Self { world, daemon, template, lost };
        until("it is told of", async || !fixture.strays().await.is_empty()).await;
        fixture
    }

    async fn strays(&self) -> Vec<Stray> {
        let permit =
            self.world.raptor.authz().permit::<ListStrays>(&Actor::System, self.daemon).await.unwrap();
        self.world.raptor.daemons().strays(permit)
    }

    async fn adopt(&self) -> Result<ContainerId, Error> {
        let permit = self.world.raptor.authz().permit::<AdoptStray>(&Actor::System, self.daemon).await?;
        let adoption = Adoption { owner_id: None, template_id: self.template };
        self.world.raptor.daemons().adopt_stray(permit, self.lost, adoption).await
    }

    async fn allocation(&self, port: u16) -> AllocationId {
        let permit =
            self.world.raptor.authz().permit::<ListAllocations>(&Actor::System, self.daemon).await.unwrap();
        let page = PageRequest::default();
        let filter = AllocationFilter::default();
        let all = self.world.raptor.allocations().list(permit, &filter, &page).await.unwrap();
        all.items.iter().find(|allocation| allocation.port == port).unwrap().id
    }

    async fn told(&self, action: &str) -> bool {
        let permit = self.world.raptor.authz().allow::<ReadActivity>(&Actor::System).unwrap();
        let filter = ActivityFilter { action: Some(action.into()), ..ActivityFilter::default() };
        let page = self.world.raptor.activity().list(permit, &filter, &PageRequest::default()).await.unwrap();
        page.items.len() == 1
    }

    /// The ports of a container that Raptor knows.
    async fn ports(&self, id: ContainerId) -> Vec<u16> {
        let allocations = see(&self.world.raptor, &Actor::System, id).await.unwrap().summary.allocations;
        allocations.iter().map(|allocation| allocation.port).collect()
    }
}

#[tokio::test]
async fn a_container_that_the_database_has_lost_is_shown_and_its_ports_are_taken() {
    on_both(|world| async move {
        let fixture = Fixture::new(world).await;
        let strays = fixture.strays().await;
        assert_eq!((strays.len(), strays[0].held.id, strays[0].phase), (1, fixture.lost, Phase::Running));
        assert_eq!(strays[0].held.ports[0].port, 30_000);
        let host = fixture.world.hosts.of("one");
        assert_eq!(host.containers().await.unwrap()[0].phase, Phase::Running, "nobody stopped it");

        let owner_id = Some(fixture.world.user("alex", Builtin::User).await.id);
        let new = NewContainer { owner_id, ..NewContainer::new("Next", fixture.template) };
        let next = fixture.world.container(new.clone()).await.unwrap();
        assert_eq!(fixture.ports(next).await, [30_001], "the next one whose port is free");
        let held = fixture.allocation(30_000).await;
        let chosen = NewContainer { allocation_ids: vec![held], ..new };
        let refused = fixture.world.container(chosen).await.unwrap_err();
        assert_eq!(refused.code(), "port_held");
        assert!(
            refused.to_string().contains("192.0.2.1:30000 is used on the host by the container Lost"),
            "{refused}"
        );
        for (id, code) in [(Some(held), "port_held"), (None, "")] {
            let permit =
                fixture.world.raptor.authz().permit::<AddAllocation>(&Actor::System, next).await.unwrap();
            let added = fixture.world.raptor.containers().add_allocation(permit, id).await;
            assert_eq!(added.err().map_or("", |error| error.code()), code);
        }
        assert_eq!(fixture.ports(next).await, [30_001, 30_002]);

        let permit =
            fixture.world.raptor.authz().permit::<LimitContainer>(&Actor::System, next).await.unwrap();
        fixture
            .world
            .raptor
            .containers()
            .set_limits(permit, Limits::default(), 30_000, Some(5))
            .await
            .unwrap();
        let (_, alex) = fixture.world.signed_in("alex").await;
        let permit = fixture.world.raptor.authz().permit::<AddAllocation>(&alex, next).await.unwrap();
        let refused = fixture.world.raptor.containers().add_allocation(permit, Some(held)).await.unwrap_err();
        assert_eq!(refused.code(), "port_held");
        assert!(!refused.to_string().contains("Lost"), "a plain user is not told its name: {refused}");
    })
    .await;
}

#[tokio::test]
async fn a_container_that_the_database_has_lost_is_adopted_as_it_runs() {
    on_both(|world| async move {
        let fixture = Fixture::new(world).await;
        let host = fixture.world.hosts.of("one");
        let before = host.containers().await.unwrap()[0].started_at;
        assert_eq!(fixture.adopt().await.unwrap(), fixture.lost);
        assert_eq!(fixture.adopt().await.unwrap_err().code(), "not_found", "once");
        let seen = see(&fixture.world.raptor, &Actor::System, fixture.lost).await.unwrap().summary;
        assert_eq!((seen.name.as_str(), seen.owner.username.as_str()), ("Lost", "steve"));
        assert_eq!((seen.allocations[0].port, seen.allocations[0].primary), (30_000, true));
        until("its host has the declaration", async || {
            see(&fixture.world.raptor, &Actor::System, fixture.lost).await.unwrap().synced
        })
        .await;
        let now = &host.containers().await.unwrap()[0];
        assert_eq!((now.phase, now.started_at), (Phase::Running, before), "it runs on");
        until("the list has it among those that run", async || {
            count(&fixture.world, "SELECT COUNT(*) FROM containers WHERE phase = 'running'").await == 1
        })
        .await;
        assert!(fixture.strays().await.is_empty());
        assert!(fixture.told("container.adopted").await);
    })
    .await;
}

#[tokio::test]
async fn a_container_that_the_database_has_lost_is_stopped_and_deleted_by_those_who_may() {
    on_both(|world| async move {
        let fixture = Fixture::new(world).await;
        let (raptor, host) = (&fixture.world.raptor, fixture.world.hosts.of("one"));
        let (_, steve) = fixture.world.signed_in("steve").await;
        assert!(raptor.authz().permit::<StopStray>(&steve, fixture.daemon).await.is_err());
        assert!(raptor.authz().permit::<DeleteStray>(&steve, fixture.daemon).await.is_err());
        let permit = raptor.authz().permit::<StopStray>(&Actor::System, fixture.daemon).await.unwrap();
        raptor.daemons().stop_stray(permit, fixture.lost).await.unwrap();
        until("it has stopped", async || host.containers().await.unwrap()[0].phase == Phase::Offline).await;
        assert_eq!(fixture.strays().await.len(), 1, "its files and ports are still there");
        let permit = raptor.authz().permit::<DeleteStray>(&Actor::System, fixture.daemon).await.unwrap();
        raptor.daemons().delete_stray(permit, fixture.lost).await.unwrap();
        until("it is gone", async || host.containers().await.unwrap().is_empty()).await;
        assert!(fixture.strays().await.is_empty());
        assert!(fixture.told("daemon.unknown_container_stopped").await);
        assert!(fixture.told("daemon.unknown_container_deleted").await);
        let permit = raptor.authz().permit::<DeleteStray>(&Actor::System, fixture.daemon).await.unwrap();
        let again = raptor.daemons().delete_stray(permit, fixture.lost).await.unwrap_err();
        assert_eq!(again.code(), "not_found");
    })
    .await;
}

#[tokio::test]
async fn of_callers_who_adopt_and_delete_at_once_one_succeeds_and_nothing_is_adopted_that_is_being_deleted() {
    on_both(|world| async move {
        let fixture = Fixture::new(world).await;
        let raptor = &fixture.world.raptor;
        let delete = async || {
            let permit = raptor.authz().permit::<DeleteStray>(&Actor::System, fixture.daemon).await?;
            raptor.daemons().delete_stray(permit, fixture.lost).await
        };
        let (a, b, c, d) =
            tokio::join!(aside(delete()), aside(fixture.adopt()), aside(delete()), aside(fixture.adopt()));
        let done = [a.is_ok(), b.is_ok(), c.is_ok(), d.is_ok()];
        assert_eq!(done.iter().filter(|done| **done).count(), 1, "{done:?}");
        let adopted = done[1] || done[3];
        let host = fixture.world.hosts.of("one");
        if adopted {
            assert_eq!(host.containers().await.unwrap().len(), 1);
        } else {
            until("it is gone", async || host.containers().await.unwrap().is_empty()).await;
        }
        assert_eq!(fixture.told("container.adopted").await, adopted);
        assert_eq!(fixture.told("daemon.unknown_container_deleted").await, !adopted);
    })
    .await;
}

/// Has the database keep which containers jobs were ever made for.
async fn note_jobs(world: &World) {
    run(world, "CREATE TABLE seen_jobs (container_id TEXT)").await;
    if world.url.starts_with("sqlite") {
        run(
            world,
            "CREATE TRIGGER seen AFTER INSERT ON jobs BEGIN INSERT INTO seen_jobs VALUES (hex(NEW.container_id)); END",
        )
        .await;
        return;
    }
    run(
        world,
        "CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         INSERT INTO seen_jobs VALUES (NEW.container_id::text); RETURN NULL; END $$",
    )
    .await;
    run(world, "CREATE TRIGGER seen AFTER INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION seen()").await;
}

#[tokio::test]
async fn no_job_for_a_container_that_the_database_does_not_know_ever_comes() {
    on_both(|world| async move {
        let mut fixture = Fixture::new(world).await;
        note_jobs(&fixture.world).await;
        let host = fixture.world.hosts.of("one");
        let lost = fixture.lost;
        let on_host = async || {
            let all = host.containers().await.unwrap();
            all.into_iter().find(|one| one.id == lost).unwrap()
        };
        let before = on_host().await;
        // What makes jobs for others: a container that comes, is changed and goes, and two new starts of the API.
        let owner_id = Some(fixture.world.user("alex", Builtin::User).await.id);
        for _ in 0..2 {
            let new = NewContainer { owner_id, start: true, ..NewContainer::new("Other", fixture.template) };
            let other = fixture.world.container(new).await.unwrap();
            let (raptor, system) = (&fixture.world.raptor, Actor::System);
            until("it runs", async || {
                see(raptor, &system, other).await.unwrap().summary.live.phase == Phase::Running
            })
            .await;
            let permit = raptor.authz().permit::<LimitContainer>(&system, other).await.unwrap();
            raptor
                .containers()
                .set_limits(permit, Limits { memory_mib: 512, ..Limits::default() }, 30_000, None)
                .await
                .unwrap();
            let permit = raptor.authz().permit::<DeleteContainer>(&system, other).await.unwrap();
            raptor.containers().delete(permit, false).await.unwrap();
            until("it is gone", async || see(raptor, &system, other).await.is_err()).await;
            fixture.world = fixture.world.restarted().await;
            until("the lost one is told of", async || !fixture.strays().await.is_empty()).await;
        }
        assert_eq!(count(&fixture.world, "SELECT COUNT(DISTINCT container_id) FROM seen_jobs").await, 2);
        let seen = match fixture.world.url.starts_with("sqlite") {
            true => format!(
                "SELECT COUNT(*) FROM seen_jobs WHERE container_id = '{}'",
                lost.as_uuid().simple().to_string().to_uppercase()
            ),
            false => format!("SELECT COUNT(*) FROM seen_jobs WHERE container_id = '{lost}'"),
        };
        assert_eq!(count(&fixture.world, seen.leak()).await, 0);
        let now = on_host().await;
        assert_eq!((now.phase, now.since, now.revision), (Phase::Running, before.since, before.revision));
    })
    .await;
}
