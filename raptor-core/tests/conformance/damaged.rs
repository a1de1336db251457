//! Database values that can't be read: they are marked, nothing else is lost with them, and they allow nothing.

use crate::{
    traced::Log,
    world::{World, count, on_both, run, see, until, wanted},
};
use raptor_core::{
    Error,
    authz::{
        Actor, ContainerPermission, ContainerSet, SystemPermission, SystemSet,
        actions::{
            CreateRole, DeleteContainer, GrantAccess, ListAllocations, ListRoles, ListTemplates, ReadAccess,
            ReadActivity, ReadTemplate, StartContainer, UpdateContainer, UpdateRole, UpdateTemplate,
        },
    },
    containers::{
        Level,
        lifecycle::Phase,
        service::{ContainerFilter, NewContainer},
    },
    id::{ContainerId, UserId},
    node::Node,
    paging::PageRequest,
    roles::{Builtin, RoleDraft},
};

async fn container(world: &World, owner: UserId, name: &str) -> ContainerId {
    let template = world.template().await.id;
    let new = NewContainer { owner_id: Some(owner), skip_install: true, ..NewContainer::new(name, template) };
    world.container(new).await.unwrap()
}

async fn rename(world: &World, id: ContainerId) -> Result<(), Error> {
    let permit = world.raptor.authz().permit::<UpdateContainer>(&Actor::System, id).await?;
    world.raptor.containers().update(permit, "Renamed", None).await
}

/// Writes a value that no version of Raptor writes, without the constraint that would refuse it, as a broken disk would.
async fn spoil(world: &World, sqlite: &'static str, postgres: &'static str) {
    run(world, if world.url.starts_with("sqlite") { sqlite } else { postgres }).await;
}

#[tokio::test]
async fn a_container_whose_record_cannot_be_read_is_listed_as_damaged_and_is_not_changed_but_can_be_deleted()
{
    on_both(|world| async move {
        let steve = world.user("steve", Builtin::User).await.id;
        world.daemon("one", "30000-30009").await;
        let broken = container(&world, steve, "Broken").await;
        let good = container(&world, steve, "Good").await;
        until("the host has both", async || {
            let (one, two) =
                (see(&world.raptor, &Actor::System, broken).await, see(&world.raptor, &Actor::System, good).await);
            one.unwrap().synced && two.unwrap().synced
        })
        .await;
        spoil(
            &world,
            "UPDATE containers SET limits = '{\"memory_mib\":', behaviour = '{\"policy\": 1}' WHERE name = 'Broken'",
            "UPDATE containers SET limits = '{\"memory_mib\": \"much\"}', behaviour = '{\"policy\": 1}' WHERE name = 'Broken'",
        )
        .await;
        let world = world.restarted().await;
        let all = ContainerFilter::default();
        let page = world.raptor.containers().list(&Actor::System, &all, &PageRequest::default()).await.unwrap();
        let listed: Vec<_> = page.items.iter().map(|one| (one.name.as_str(), one.damaged.join(" "))).collect();
        assert_eq!(listed, [("Broken", "limits behaviour".to_owned()), ("Good", String::new())]);

        let refused = rename(&world, broken).await.unwrap_err();
        assert_eq!(refused.code(), "damaged");
        assert!(refused.to_string().contains("limits, behaviour"), "{refused}");
        rename(&world, good).await.unwrap();
        assert_eq!(
            count(&world, "SELECT COUNT(*) FROM containers WHERE name = 'Broken' AND CAST(limits AS TEXT) LIKE '%memory_mib%'").await,
            1,
            "what stands there stays for whoever mends it"
        );

        let permit = world.raptor.authz().permit::<DeleteContainer>(&Actor::System, broken).await.unwrap();
        world.raptor.containers().delete(permit, false).await.unwrap();
        until("it is gone", async || see(&world.raptor, &Actor::System, broken).await.is_err()).await;
    })
    .await;
}

#[tokio::test]
async fn an_address_that_cannot_be_read_does_not_become_all_addresses_of_the_host() {
    on_both(|world| async move {
        let steve = world.user("steve", Builtin::User).await.id;
        let daemon = world.daemon("one", "30000-30001").await.id;
        spoil(
            &world,
            "UPDATE allocations SET ip = 'nowhere' WHERE port = 30000",
            "UPDATE allocations SET ip = 'nowhere' WHERE port = 30000",
        )
        .await;
        let permit = world.raptor.authz().permit::<ListAllocations>(&Actor::System, daemon).await.unwrap();
        let page =
            world.raptor.allocations().list(permit, &Default::default(), &PageRequest::default()).await;
        let listed: Vec<_> = page.unwrap().items.iter().map(|one| (one.ip.clone(), one.damaged)).collect();
        assert!(listed.contains(&("nowhere".into(), true)) && listed.contains(&("192.0.2.1".into(), false)));

        let damaged = world.raptor.authz().permit::<ListAllocations>(&Actor::System, daemon).await.unwrap();
        let page =
            world.raptor.allocations().list(damaged, &Default::default(), &PageRequest::default()).await;
        let damaged = page.unwrap().items.into_iter().find(|one| one.damaged).unwrap().id;
        let template = world.template().await.id;
        let new = NewContainer {
            owner_id: Some(steve),
            allocation_ids: vec![damaged],
            skip_install: true,
            ..NewContainer::new("Nowhere", template)
        };
        let id = world.container(new).await.unwrap();
        let permit = world.raptor.authz().permit::<StartContainer>(&Actor::System, id).await.unwrap();
        let refused = world.raptor.containers().start(permit).await.unwrap_err();
        assert_eq!(refused.code(), "damaged", "{refused}");
        assert!(world.hosts.of("one").containers().await.unwrap().is_empty(), "its host was told nothing");
    })
    .await;
}

#[tokio::test]
async fn access_and_roles_that_cannot_be_read_allow_nothing_until_they_are_set_again() {
    on_both(|world| async move {
        let steve = world.user("steve", Builtin::User).await.id;
        world.user("alex", Builtin::User).await;
        world.daemon("one", "30000").await;
        let id = container(&world, steve, "Trains").await;
        let (_, steve) = world.signed_in("steve").await;
        let give = async || {
            let permit = world.raptor.authz().permit::<GrantAccess>(&steve, id).await.unwrap();
            let custom = ContainerSet::NONE.with(ContainerPermission::ConsoleRead);
            world.raptor.containers().grant(permit, "alex", wanted(Level::Custom, custom)).await.unwrap();
        };
        give().await;
        let (_, alex) = world.signed_in("alex").await;
        see(&world.raptor, &alex, id).await.unwrap();
        run(&world, "UPDATE container_access SET permissions = '[\"console.rule\"]'").await;
        assert_eq!(see(&world.raptor, &alex, id).await.unwrap_err().code(), "not_found");
        let permit = world.raptor.authz().permit::<ReadAccess>(&steve, id).await.unwrap();
        let entries = world.raptor.containers().access(permit).await.unwrap().items;
        let said: Vec<_> = entries.iter().map(|one| (one.user.username.as_str(), one.damaged)).collect();
        assert_eq!(said, [("steve", false), ("alex", true)]);
        give().await;
        see(&world.raptor, &alex, id).await.unwrap();

        let permit = world.raptor.authz().allow::<CreateRole>(&Actor::System).unwrap();
        let draft = || RoleDraft {
            name: "Helper".into(),
            description: String::new(),
            permissions: SystemSet::NONE.with(SystemPermission::ContainersRead),
        };
        let role = world.raptor.roles().create(permit, draft()).await.unwrap();
        run(&world, "UPDATE roles SET permissions = '{}' WHERE name = 'Helper'").await;
        let permit = world.raptor.authz().allow::<ListRoles>(&Actor::System).unwrap();
        let roles = world.raptor.roles().list(permit).await.unwrap();
        let helper = roles.iter().map(|listed| &listed.role).find(|one| one.id == role.id).unwrap();
        assert!(helper.damaged && helper.permissions.is_empty());
        assert_eq!(roles.iter().filter(|listed| listed.role.damaged).count(), 1);
        let permit = world.raptor.authz().permit::<UpdateRole>(&Actor::System, role.id).await.unwrap();
        let saved = world.raptor.roles().update(permit, draft()).await.unwrap();
        assert!(saved.role.permissions.contains(SystemPermission::ContainersRead));
    })
    .await;
}

#[tokio::test]
async fn what_a_host_said_is_written_down_again_where_it_cannot_be_read() {
    on_both(|world| async move {
        let steve = world.user("steve", Builtin::User).await.id;
        world.daemon("one", "30000").await;
        let id = container(&world, steve, "Trains").await;
        let permit = world.raptor.authz().permit::<StartContainer>(&Actor::System, id).await.unwrap();
        world.raptor.containers().start(permit).await.unwrap();
        let stored = async || count(&world, "SELECT COUNT(*) FROM containers WHERE phase = 'running'").await;
        until("it runs", async || stored().await == 1).await;
        run(&world, "UPDATE containers SET status = '\"lost\"'").await;
        let world = world.restarted().await;
        until("the status is there again", async || {
            count(&world, "SELECT COUNT(*) FROM containers WHERE CAST(status AS TEXT) LIKE '%running%'").await
                == 1
        })
        .await;
        let seen = see(&world.raptor, &Actor::System, id).await.unwrap().summary;
        assert_eq!((seen.live.phase, seen.damaged.len()), (Phase::Running, 0));
    })
    .await;
}

#[tokio::test]
async fn a_template_whose_document_cannot_be_read_is_listed_as_damaged_and_makes_no_container_until_it_is_updated()
 {
    on_both(|world| async move {
        let steve = world.user("steve", Builtin::User).await.id;
        world.daemon("one", "30000-30009").await;
        let template = world.template().await;
        let new = |name: &str| NewContainer {
            owner_id: Some(steve),
            skip_install: true,
            ..NewContainer::new(name, template.id)
        };
        let made = world.container(new("Made")).await.unwrap();
        let file = {
            let permit =
                world.raptor.authz().permit::<ReadTemplate>(&Actor::System, template.id).await.unwrap();
            world.raptor.templates().export_own(permit).unwrap().to_string()
        };
        run(&world, "UPDATE templates SET document = '{\"name\": 1}'").await;
        run(&world, "UPDATE template_revisions SET document = '{\"name\": 1}'").await;
        spoil(&world, "UPDATE activity SET detail = '[1'", "UPDATE activity SET ip = 'nowhere'").await;
        let permit = world.raptor.authz().allow::<ReadActivity>(&Actor::System).unwrap();
        let trail = world.raptor.activity().list(permit, &Default::default(), &PageRequest::default()).await;
        assert!(!trail.unwrap().items.is_empty());
        let list = async || {
            let permit = world.raptor.authz().allow::<ListTemplates>(&Actor::System).unwrap();
            world
                .raptor
                .templates()
                .list(permit, None, &PageRequest { with_total: true, ..Default::default() })
                .await
                .unwrap()
        };
        let page = list().await;
        assert_eq!(page.total, Some(1));
        let listed = page.items.first().unwrap();
        assert_eq!(
            (listed.document.name.as_str(), listed.damaged.as_slice()),
            (template.document.name.as_str(), &["document"][..])
        );
        let all = ContainerFilter::default();
        let containers =
            world.raptor.containers().list(&Actor::System, &all, &PageRequest::default()).await.unwrap();
        assert_eq!(containers.items.len(), 1, "the container is listed all the same");

        assert_eq!(world.container(new("New")).await.unwrap_err().code(), "damaged");
        let permit = world.raptor.authz().permit::<ReadTemplate>(&Actor::System, template.id).await.unwrap();
        assert_eq!(world.raptor.templates().export(permit).unwrap_err().code(), "damaged");
        let permit = world.raptor.authz().permit::<StartContainer>(&Actor::System, made).await.unwrap();
        assert_eq!(world.raptor.containers().start(permit).await.unwrap_err().code(), "damaged");

        let permit =
            world.raptor.authz().permit::<UpdateTemplate>(&Actor::System, template.id).await.unwrap();
        world.raptor.templates().revise(permit, file.as_bytes(), None, None).await.unwrap();
        let page = list().await;
        assert_eq!((page.items[0].damaged.len(), page.items[0].revision), (0, 2), "the file heals it");
        world.container(new("New")).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_word_that_cannot_be_read_is_logged_once_with_its_table_column_and_row_and_not_itself() {
    on_both(|world| async move {
        let steve = world.user("steve", Builtin::User).await.id;
        world.daemon("one", "30000-30009").await;
        let id = container(&world, steve, "Broken").await;
        until("nothing is to be done", async || count(&world, "SELECT COUNT(*) FROM jobs").await == 0).await;
        let (log, _guard) = Log::keep(tracing::Level::WARN);
        let spoilt = "UPDATE containers SET limits = '{\"memory_mib\": \"hunter22\"}' WHERE name = 'Broken'";
        spoil(&world, spoilt, spoilt).await;
        for _ in 0..3 {
            let world = &world;
            until("it is marked", async || {
                see(&world.raptor, &Actor::System, id).await.unwrap().summary.damaged == ["limits"]
            })
            .await;
        }
        let text = log.text();
        let lines: Vec<&str> =
            text.lines().filter(|line| line.contains("a stored value is damaged")).collect();
        let [line] = lines.as_slice() else { panic!("{text}") };
        assert!(line.contains("ERROR"), "{line}");
        for told in ["table=\"containers\"", "column=\"limits\"", &format!("row={id}")] {
            assert!(line.contains(told), "{told}: {line}");
        }
        assert!(!text.contains("hunter22"), "{text}");
    })
    .await;
}

#[tokio::test]
async fn what_a_newer_version_stored_of_a_status_is_left_out_and_logged_once_and_harms_nothing() {
    on_both(|world| async move {
        let steve = world.user("steve", Builtin::User).await.id;
        world.daemon("one", "30000-30009").await;
        let id = container(&world, steve, "Newer").await;
        until("nothing is to be done", async || count(&world, "SELECT COUNT(*) FROM jobs").await == 0).await;
        let (log, _guard) = Log::keep(tracing::Level::WARN);
        let newer = "UPDATE containers SET status = json_set(status, '$.hold', 'audited') WHERE name = 'Newer'";
        let postgres =
            "UPDATE containers SET status = jsonb_set(status::jsonb, '{hold}', '\"audited\"') WHERE name = 'Newer'";
        spoil(&world, newer, postgres).await;
        for _ in 0..3 {
            let summary = see(&world.raptor, &Actor::System, id).await.unwrap().summary;
            assert!(summary.damaged.is_empty(), "{:?}", summary.damaged);
        }
        let text = log.text();
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("is of a newer version")).collect();
        let [line] = lines.as_slice() else { panic!("{text}") };
        let row = format!("row={id}");
        for told in ["WARN", "table=\"containers\"", "column=\"status\"", &row, "Hold: unknown variant `audited`"] {
            assert!(line.contains(told), "{told}: {line}");
        }
    })
    .await;
}
