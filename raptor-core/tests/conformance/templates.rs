//! Templates.

use crate::world::{on_both, see};
use raptor_core::{
    authz::{
        Actor,
        actions::{
            DeleteTemplate, ListTemplates, MoveTemplate, ReadStartup, ReadTemplate, RevealSecret,
            UpdateTemplate,
        },
    },
    containers::service::NewContainer,
    paging::PageRequest,
    roles::Builtin,
    templates::import,
};

#[tokio::test]
async fn a_template_says_the_same_after_the_store_and_after_an_export() {
    on_both(|world| async move {
        let made = world.template().await;
        let authz = world.raptor.authz();
        let permit = authz.permit::<ReadTemplate>(&Actor::System, made.id).await.unwrap();
        let read = world.raptor.templates().get(permit);
        assert_eq!(read, made);
        let permit = authz.permit::<ReadTemplate>(&Actor::System, made.id).await.unwrap();
        let exported = world.raptor.templates().export(permit).unwrap();
        let again = import::import(exported.to_string().as_bytes()).unwrap().template;
        assert_eq!(again.variables, made.document.variables);
        assert_eq!(again.config_files, made.document.config_files);
        assert_eq!(again.startup, made.document.startup);
    })
    .await;
}

#[tokio::test]
async fn a_template_in_use_stays() {
    on_both(|world| async move {
        let steve = world.user("steve", Builtin::User).await;
        world.daemon("one", "30000").await;
        let template = world.template().await;
        let new = NewContainer { owner_id: Some(steve.id), ..NewContainer::new("Trains", template.id) };
        world.container(new).await.unwrap();
        let permit =
            world.raptor.authz().permit::<DeleteTemplate>(&Actor::System, template.id).await.unwrap();
        assert_eq!(world.raptor.templates().delete(permit).await.unwrap_err().code(), "in_use");

        let spare = world.template().await;
        assert_ne!(spare.number, template.number);
        let permit = world.raptor.authz().permit::<DeleteTemplate>(&Actor::System, spare.id).await.unwrap();
        world.raptor.templates().delete(permit).await.unwrap();
        let permit = world.raptor.authz().allow::<ListTemplates>(&Actor::System).unwrap();
        let page = world.raptor.templates().list(permit, Some("TTD"), &PageRequest::default()).await.unwrap();
        assert_eq!(
            page.items.iter().map(|item| (item.id, item.container_count)).collect::<Vec<_>>(),
            [(template.id, 1)]
        );
    })
    .await;
}

#[tokio::test]
async fn a_container_stays_at_its_revision_until_it_is_moved() {
    on_both(|world| async move {
        let steve = world.user("steve", Builtin::User).await;
        world.daemon("one", "30000").await;
        let template = world.template().await;
        let new = NewContainer { owner_id: Some(steve.id), ..NewContainer::new("Trains", template.id) };
        let id = world.container(new).await.unwrap();
        let (raptor, authz) = (&world.raptor, world.raptor.authz());

        let mut document = raptor_core::templates::export::to_own(&template.document);
        document["startup"] = "./openttd -D -x".into();
        document["variables"].as_array_mut().unwrap().push(serde_json::json!({
            "name": "Key", "description": "", "env": "API_TOKEN", "default_value": "", "user_viewable": true,
            "user_editable": true, "rules": "required|string|min:4", "secret": true,
        }));
        let file = document.to_string();
        let permit = authz.permit::<UpdateTemplate>(&Actor::System, template.id).await.unwrap();
        let stale = raptor.templates().revise(permit, file.as_bytes(), Some(7), None).await.unwrap_err();
        assert_eq!(stale.code(), "template_changed");
        let permit = authz.permit::<UpdateTemplate>(&Actor::System, template.id).await.unwrap();
        let made = raptor.templates().revise(permit, file.as_bytes(), Some(1), None).await.unwrap();
        assert_eq!(made.template.revision, 2);
        let permit = authz.permit::<UpdateTemplate>(&Actor::System, template.id).await.unwrap();
        let again = raptor.templates().revise(permit, file.as_bytes(), None, None).await.unwrap();
        assert_eq!(again.template.revision, 2, "the same again is no new revision");

        assert_eq!(see(raptor, &Actor::System, id).await.unwrap().template_revision, 1);
        let permit = authz.permit::<ReadStartup>(&Actor::System, id).await.unwrap();
        let change = raptor.containers().template_change(permit, None).await.unwrap();
        assert_eq!((change.from, change.to, change.needed.as_slice()), (1, 2, &["API_TOKEN".to_owned()][..]));
        assert!(change.changes.iter().any(|field| field.field == "startup"), "{change:?}");

        let permit = authz.permit::<MoveTemplate>(&Actor::System, id).await.unwrap();
        let refused = raptor.containers().move_template(permit, 2, Default::default()).await.unwrap_err();
        assert_eq!(refused.code(), "invalid");
        let permit = authz.permit::<MoveTemplate>(&Actor::System, id).await.unwrap();
        let values = [("API_TOKEN".to_owned(), "s3cret".to_owned())].into();
        raptor.containers().move_template(permit, 2, values).await.unwrap();
        let seen = see(raptor, &Actor::System, id).await.unwrap();
        assert_eq!(seen.template_revision, 2);
        assert_eq!(seen.startup_command.as_deref(), Some("./openttd -D -x"));

        let permit = authz.permit::<RevealSecret>(&Actor::System, id).await.unwrap();
        assert_eq!(raptor.containers().reveal(permit, "API_TOKEN").await.unwrap(), "s3cret");
        let permit = authz.permit::<ReadTemplate>(&Actor::System, template.id).await.unwrap();
        let revisions = raptor.templates().revisions(permit).await.unwrap();
        let counts: Vec<_> = revisions.iter().map(|one| (one.revision, one.container_count)).collect();
        assert_eq!(counts, [(2, 1), (1, 0)]);
    })
    .await;
}
