//! Templates.

use crate::world::on_both;
use raptor_core::{
    authz::{
        Actor,
        actions::{DeleteTemplate, ListTemplates, ReadTemplate},
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
        let exported = world.raptor.templates().export(permit);
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
