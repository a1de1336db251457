//! The origins of templates, and importing the same template again.

use crate::world::{World, new_user, on_both};
use raptor_core::{
    Error,
    authz::{
        Actor, SystemSet,
        actions::{
            CreateRole, CreateUser, DeleteTemplate, ImportTemplate, ListTemplates, ReadTemplate,
            UpdateTemplate,
        },
    },
    id::TemplateId,
    paging::PageRequest,
    roles::RoleDraft,
    templates::{
        Origin, OriginKind,
        imports::OnExisting,
        origin::sha256,
        service::{Import, Outcome, StoredTemplate},
    },
};
use serde_json::json;

const ADDRESS: &str = "https://raw.githubusercontent.com/eggs/games/main/trains.json";

/// An egg, with or without its authors' id.
fn egg(uuid: Option<&str>, author: &str, startup: &str) -> Vec<u8> {
    let egg = json!({
        "meta": { "version": "PTDL_v2" }, "uuid": uuid, "name": "Trains", "author": author,
        "docker_images": { "a": "img:1" }, "startup": startup,
    });
    egg.to_string().into_bytes()
}

async fn import(
    world: &World,
    actor: &Actor,
    file: &[u8],
    origin: Origin,
    on_existing: OnExisting,
) -> Result<Import, Error> {
    let permit = world.raptor.authz().allow::<ImportTemplate>(actor)?;
    world.raptor.templates().import_as(permit, file, origin, on_existing).await
}

async fn get(world: &World, id: TemplateId) -> StoredTemplate {
    let permit = world.raptor.authz().permit::<ReadTemplate>(&Actor::System, id).await.unwrap();
    world.raptor.templates().get(permit)
}

/// Somebody who may import templates and nothing else.
async fn importer(world: &World) -> Actor {
    let authz = world.raptor.authz();
    let permissions = SystemSet::parse(&["templates.create".to_owned()]).unwrap();
    let draft = RoleDraft { name: "importer".into(), description: String::new(), permissions };
    let permit = authz.allow::<CreateRole>(&Actor::System).unwrap();
    let role = world.raptor.roles().create(permit, draft).await.unwrap().id;
    let permit = authz.allow::<CreateUser>(&Actor::System).unwrap();
    world.raptor.users().create(permit, new_user("lena", role)).await.unwrap();
    world.signed_in("lena").await.1
}

async fn count(world: &World) -> usize {
    let permit = world.raptor.authz().allow::<ListTemplates>(&Actor::System).unwrap();
    world.raptor.templates().list(permit, None, &PageRequest::default()).await.unwrap().items.len()
}

#[tokio::test]
async fn a_template_remembers_where_it_came_from_also_after_a_restart_and_an_edit_by_hand() {
    on_both(|world| async move {
        let file = egg(None, "a@b", "./run");
        let origin =
            Origin::catalogue("trains", "eggs/games", "main", "trains.json").drawn("train", "#936500");
        let made = import(&world, &Actor::System, &file, origin, OnExisting::Ask).await.unwrap().template;
        let world = world.restarted().await;
        let kept = get(&world, made.id).await;
        assert_eq!(kept, made);
        let origin = kept.origin.unwrap();
        assert_eq!((origin.kind, origin.revision), (OriginKind::Catalogue, 1));
        assert_eq!((origin.sha256.as_str(), origin.author.as_str()), (sha256(&file).as_str(), "a@b"));
        assert_eq!((origin.icon.as_deref(), origin.colour.as_deref()), (Some("train"), Some("#936500")));

        let authz = world.raptor.authz();
        let permit = authz.permit::<UpdateTemplate>(&Actor::System, made.id).await.unwrap();
        let edited = egg(None, "a@b", "./edited");
        let edited = world.raptor.templates().revise(permit, &edited, Some(1), None).await.unwrap().template;
        assert_eq!((edited.revision, edited.origin.as_ref()), (2, Some(&origin)), "version 1 is the file");

        // A newer file from a disk: the template keeps its picture.
        let permit = authz.permit::<UpdateTemplate>(&Actor::System, made.id).await.unwrap();
        let file = egg(None, "a@b", "./newer");
        let uploaded = Some(Origin::file(Some("trains.json")));
        let newer = world.raptor.templates().revise(permit, &file, Some(2), uploaded).await.unwrap().template;
        assert_eq!(get(&world, made.id).await, newer);
        let origin = newer.origin.unwrap();
        assert_eq!((origin.kind, origin.file.as_deref()), (OriginKind::File, Some("trains.json")));
        assert_eq!((origin.revision, origin.sha256), (3, sha256(&file)));
        assert_eq!((origin.icon.as_deref(), origin.repository), (Some("train"), None));
    })
    .await;
}

#[tokio::test]
async fn the_same_template_again_is_never_a_second_one_unless_that_is_asked_for() {
    on_both(|world| async move {
        let system = &Actor::System;
        let uuid = Some("1f0e7a3c-0000-4000-8000-000000000001");
        // By its authors' id, by name and author, and by its address.
        for (first, again, origin) in [
            (egg(uuid, "a@b", "./1"), egg(uuid, "other@b", "./2"), Origin::file(None)),
            (egg(None, "a@b", "./1"), egg(None, "A@B", "./2"), Origin::file(None)),
            (egg(None, "a@b", "./1"), egg(uuid, "a@b", "./2"), Origin::file(None)),
            (egg(None, "a@b", "./1"), egg(None, "other@b", "./2"), Origin::address(ADDRESS)),
        ] {
            let made = import(&world, system, &first, origin.clone(), OnExisting::Ask).await.unwrap();
            assert_eq!(made.outcome, Outcome::Created);
            let made = made.template;
            let same = import(&world, system, &first, origin.clone(), OnExisting::Ask).await.unwrap();
            assert_eq!((same.outcome, same.template.id), (Outcome::Unchanged, made.id));

            let refused = import(&world, system, &again, origin.clone(), OnExisting::Ask).await.unwrap_err();
            assert_eq!(refused.code(), "template_exists");
            assert!(refused.to_string().contains("Trains"), "{refused}");
            assert_eq!(count(&world).await, 1);
            let permit = world.raptor.authz().allow::<ImportTemplate>(system).unwrap();
            let preview = world.raptor.templates().preview(permit, &again, &origin).await.unwrap();
            let [existing] = preview.existing.as_slice() else { panic!("{preview:?}") };
            assert_eq!(existing.template.id, made.id);
            let startup = existing.changes.iter().find(|change| change.field == "startup").unwrap();
            assert_eq!((startup.before.as_deref(), startup.after.as_deref()), (Some("./1"), Some("./2")));

            let updated = import(&world, system, &again, origin.clone(), OnExisting::Update).await.unwrap();
            assert_eq!((updated.outcome, updated.template.id), (Outcome::Revised, made.id));
            let updated = updated.template;
            assert_eq!((updated.revision, updated.origin.unwrap().revision), (2, 2));

            let beside = import(&world, system, &first, Origin::file(None), OnExisting::KeepBoth).await;
            let beside = beside.unwrap();
            assert_eq!((beside.outcome, count(&world).await), (Outcome::Created, 2));
            for id in [made.id, beside.template.id] {
                let authz = world.raptor.authz();
                let permit = authz.permit::<DeleteTemplate>(system, id).await.unwrap();
                world.raptor.templates().delete(permit).await.unwrap();
            }
        }
    })
    .await;
}

#[tokio::test]
async fn templates_of_other_makers_are_other_templates_and_an_unclear_update_is_refused() {
    on_both(|world| async move {
        let system = &Actor::System;
        let (one, two) = ("1f0e7a3c-0000-4000-8000-000000000001", "1f0e7a3c-0000-4000-8000-000000000002");
        for file in [egg(Some(one), "a@b", "./1"), egg(Some(two), "a@b", "./1"), egg(Some(two), "c@d", "./1")]
        {
            let ask = import(&world, system, &file, Origin::file(None), OnExisting::Ask).await;
            if ask.is_err() {
                import(&world, system, &file, Origin::file(None), OnExisting::KeepBoth).await.unwrap();
            }
        }
        assert_eq!(count(&world).await, 3);
        let newer = egg(Some(two), "a@b", "./2");
        let unclear =
            import(&world, system, &newer, Origin::file(None), OnExisting::Update).await.unwrap_err();
        assert_eq!(unclear.code(), "several_templates");
        let newer = egg(Some(one), "a@b", "./2");
        let clear = import(&world, system, &newer, Origin::file(None), OnExisting::Update).await.unwrap();
        assert_eq!(clear.outcome, Outcome::Revised);
    })
    .await;
}

#[tokio::test]
async fn two_callers_with_the_same_file_make_one_template() {
    on_both(|world| async move {
        let file = egg(None, "a@b", "./1");
        let once = || import(&world, &Actor::System, &file, Origin::file(None), OnExisting::Ask);
        let made = tokio::join!(once(), once(), once(), once());
        let made = [made.0, made.1, made.2, made.3].map(|made| made.unwrap());
        let created = made.iter().filter(|made| made.outcome == Outcome::Created).count();
        assert_eq!((created, count(&world).await), (1, 1));
        assert!(made.iter().all(|one| one.template.id == made[0].template.id));
    })
    .await;
}

#[tokio::test]
async fn an_import_updates_nothing_for_those_who_may_only_import() {
    on_both(|world| async move {
        let lena = importer(&world).await;
        let file = egg(None, "a@b", "./1");
        let made = import(&world, &Actor::System, &file, Origin::file(None), OnExisting::Ask).await.unwrap();
        let newer = egg(None, "a@b", "./2");
        let refused =
            import(&world, &lena, &newer, Origin::file(None), OnExisting::Update).await.unwrap_err();
        assert_eq!(refused.code(), "forbidden");
        // The stored origin does not change either, and they don't learn which templates exist.
        import(&world, &lena, &file, Origin::address(ADDRESS), OnExisting::Ask).await.unwrap();
        assert_eq!(get(&world, made.template.id).await, made.template);
        let permit = world.raptor.authz().allow::<ImportTemplate>(&lena).unwrap();
        let preview = world.raptor.templates().preview(permit, &newer, &Origin::file(None)).await.unwrap();
        assert!(preview.existing.is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_author_is_the_same_in_upper_and_lower_case_of_any_letters() {
    on_both(|world| async move {
        let system = &Actor::System;
        let first = egg(None, "Jürgen Åß", "./1");
        let made = import(&world, system, &first, Origin::file(None), OnExisting::Ask).await.unwrap();
        let newer = egg(None, " JÜRGEN åß ", "./2");
        let refused = import(&world, system, &newer, Origin::file(None), OnExisting::Ask).await.unwrap_err();
        assert_eq!(refused.code(), "template_exists");
        let updated = import(&world, system, &newer, Origin::file(None), OnExisting::Update).await.unwrap();
        assert_eq!((updated.outcome, updated.template.id), (Outcome::Revised, made.template.id));
    })
    .await;
}

#[tokio::test]
async fn the_same_address_counts_before_name_and_author_also_where_the_file_itself_names_it() {
    on_both(|world| async move {
        let system = &Actor::System;
        // More templates of the same name than are read, followed by the one from the address.
        for _ in 0..51 {
            let file = egg(None, "a@b", "./1");
            import(&world, system, &file, Origin::file(None), OnExisting::KeepBoth).await.unwrap();
        }
        let mut published: serde_json::Value = serde_json::from_slice(&egg(None, "other@b", "./1")).unwrap();
        published["meta"]["update_url"] = json!(ADDRESS);
        let published = published.to_string().into_bytes();
        let made =
            import(&world, system, &published, Origin::file(None), OnExisting::KeepBoth).await.unwrap();
        let newer = egg(None, "a@b", "./2");
        let permit = world.raptor.authz().allow::<ImportTemplate>(system).unwrap();
        let preview =
            world.raptor.templates().preview(permit, &newer, &Origin::address(ADDRESS)).await.unwrap();
        let existing: Vec<TemplateId> = preview.existing.iter().map(|one| one.template.id).collect();
        assert_eq!(existing, [made.template.id]);
        let updated =
            import(&world, system, &newer, Origin::address(ADDRESS), OnExisting::Update).await.unwrap();
        assert_eq!((updated.outcome, updated.template.id), (Outcome::Revised, made.template.id));
    })
    .await;
}
