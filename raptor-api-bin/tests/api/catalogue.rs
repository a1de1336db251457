//! The catalogue over HTTP.

use crate::{support::Answered, world::World};
use raptor_client::api::{
    query::{ListCatalogue, ListTemplates},
    types::{CatalogueConfirmation, CatalogueOriginUpdate, ComparedWith, ImportOutcome},
};
use raptor_core::roles::Builtin;
use std::num::NonZeroU32;

const ENTRY: &str = "docker-image";

#[tokio::test]
async fn the_catalogue_is_searched_paged_and_imported_from() {
    let world = World::new().await;
    let admin = world.person(Builtin::Admin).await;
    let two = ListCatalogue { limit: NonZeroU32::new(2), ..Default::default() };
    let page = admin.list_catalogue(ListCatalogue { with_total: Some(true), ..two }).await.done();
    assert_eq!((page.items.len(), page.built_in), (2, true));
    assert!(page.total.unwrap() >= 256);
    let next = ListCatalogue { cursor: Some(page.next.as_deref().unwrap()), ..two };
    let second = admin.list_catalogue(next).await.done();
    assert_ne!(second.items[0].id, page.items[0].id);

    let search = ListCatalogue { search: Some("ANY DOCKER ímage"), ..Default::default() };
    let found = admin.list_catalogue(search).await.done();
    let entry = &found.items[0];
    assert_eq!((entry.id.as_str(), &entry.source), (ENTRY, &None));
    assert!(!entry.icon.paths[0].is_empty() && entry.icon.colour.starts_with('#'), "{:?}", entry.icon);
    let nothing = ListCatalogue { category: Some("nothing"), ..Default::default() };
    assert_eq!(admin.list_catalogue(nothing).await.refused().status, 422);
    assert_eq!(admin.get_catalogue_entry("no-such").await.refused().status, 404);

    let fetched = admin.fetch_catalogue_entry(ENTRY).await.done();
    assert_eq!((fetched.matches, fetched.compared_with), (true, ComparedWith::Nothing));
    assert_eq!(fetched.template.images, []);
    let none = admin.list_templates(ListTemplates::default()).await.done();
    assert_eq!(none.items, [], "fetching keeps nothing");

    let import = async || admin.import_catalogue_entry(ENTRY, &CatalogueConfirmation::default()).await.done();
    let made = import().await;
    assert_eq!(made.outcome, ImportOutcome::Created);
    let again = import().await;
    assert_eq!((again.outcome, again.template.id), (ImportOutcome::Unchanged, made.template.id));
    let entry = admin.get_catalogue_entry(ENTRY).await.done();
    assert_eq!(entry.template_id, Some(made.template.id));
}

/// A manager chooses from what is there, and does not import or say where the catalogue comes from.
#[tokio::test]
async fn those_who_may_not_import_templates_look_at_the_catalogue_only() {
    let world = World::new().await;
    let manager = world.person(Builtin::Manager).await;
    manager.list_catalogue(ListCatalogue::default()).await.done();
    assert_eq!(manager.fetch_catalogue_entry(ENTRY).await.refused().status, 403);
    let import = manager.import_catalogue_entry(ENTRY, &CatalogueConfirmation::default()).await;
    assert_eq!(import.refused().status, 403);
    assert_eq!(manager.get_catalogue_origin().await.refused().status, 403);
    let change = manager.update_catalogue_origin(&CatalogueOriginUpdate { url: None, revision: 1 }).await;
    assert_eq!(change.refused().status, 403);
}

#[tokio::test]
async fn an_address_on_this_machine_is_no_source_for_a_catalogue() {
    let world = World::new().await;
    let admin = world.person(Builtin::Admin).await;
    let origin = admin.get_catalogue_origin().await.done();
    assert_eq!((&origin.url, origin.sha256.len()), (&None, 64));
    for url in [
        "http://127.0.0.1:1/catalogue.json",
        "http://localhost/",
        "http://169.254.169.254/",
        "file:///etc/passwd",
    ] {
        let update = CatalogueOriginUpdate { url: Some(url.into()), revision: origin.revision };
        let refused = admin.update_catalogue_origin(&update).await.refused();
        assert_eq!((refused.status, refused.field.as_deref()), (422, Some("url")), "{url}: {refused:?}");
    }
    assert_eq!(admin.get_catalogue_origin().await.done(), origin);
}
