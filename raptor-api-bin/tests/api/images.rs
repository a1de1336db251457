//! Which images containers may use, as the API's callers meet it.

use crate::{
    secrets::Scene,
    support::{Answered, bodies},
    world::Person,
};
use raptor_client::api::{
    query::ListActivity,
    types::{Container, ImagePolicy, ImagePolicyUpdate, ImageStanding, PowerAction, StartupUpdate},
};
use serde_json::json;

fn list(patterns: &[&str], revision: i64) -> ImagePolicyUpdate {
    ImagePolicyUpdate {
        patterns: patterns.iter().map(ToString::to_string).collect(),
        for_owners: true,
        revision,
    }
}

/// Allows these images and no others.
async fn allow(admin: &Person<'_>, patterns: &[&str]) {
    let now = admin.get_image_policy().await.done();
    admin.update_image_policy(&list(patterns, now.revision)).await.done();
}

#[tokio::test]
async fn the_list_of_allowed_images_is_changed_by_images_update_only_and_never_over_somebody_else() {
    let scene = Scene::new().await;
    let alice = scene.world.sign_in("alice").await;
    assert_eq!(alice.get_image_policy().await.refused().status, 403);
    let manager = scene.world.sign_in("manager").await;
    manager.get_image_policy().await.done();
    for person in [&alice, &manager] {
        let refused = person.update_image_policy(&list(&["*"], 1)).await.refused();
        assert_eq!((refused.status, refused.code.as_str()), (403, "forbidden"));
    }
    let admin = scene.world.sign_in("admin").await;
    let refused = admin.update_image_policy(&list(&["debian", "ghcr.io/Own/*"], 1)).await.refused();
    assert_eq!((refused.status, refused.field.as_deref()), (422, Some("patterns.1")), "{refused:?}");
    let saved = admin.update_image_policy(&list(&[" debian ", "debian", "ghcr.io/own/*"], 1)).await.done();
    let patterns = vec!["debian".to_owned(), "ghcr.io/own/*".to_owned()];
    assert_eq!(saved, ImagePolicy { patterns, for_owners: true, revision: 2 });
    let stale = admin.update_image_policy(&list(&[], 1)).await.refused();
    assert_eq!((stale.status, stale.code.as_str()), (409, "changed_meanwhile"));
    assert_eq!(admin.get_image_policy().await.done(), saved);
    let activity = admin.list_activity(ListActivity::default()).await.done();
    let noted = activity.items.iter().find(|one| one.action == "images.changed");
    assert_eq!(noted.unwrap().detail["to"]["patterns"], json!(saved.patterns));
}

#[tokio::test]
async fn a_container_says_how_its_image_stands_and_is_not_started_with_one_that_is_not_allowed() {
    let scene = Scene::new().await;
    let (alice, admin) = (scene.world.sign_in("alice").await, scene.world.sign_in("admin").await);
    let id = &scene.container;
    let image = StartupUpdate { image: Some("ghcr.io/own/game:2".into()), ..StartupUpdate::default() };
    let start = bodies::power(PowerAction::Start);
    let standing = |container: Container| {
        (container.image_standing, container.image_allowed_by, container.image_patterns)
    };
    let refused = alice.update_container_startup(id, &image).await.refused();
    assert_eq!((refused.status, refused.field.as_deref()), (422, Some("image")), "{refused:?}");
    allow(&admin, &["ghcr.io/own/*"]).await;
    let container = alice.update_container_startup(id, &image).await.done();
    assert_eq!(standing(container), (ImageStanding::Listed, None, vec!["ghcr.io/own/*".to_owned()]));
    allow(&admin, &[]).await;
    let refused = alice.power_container(id, &start).await.refused();
    assert_eq!((refused.status, refused.code.as_str()), (409, "image_not_allowed"));
    assert!(refused.detail.contains("ask an administrator to allow this one"), "{refused:?}");
    // Carol reads no startup settings, and not who allowed what.
    let container = admin.update_container_startup(id, &image).await.done();
    assert_eq!(standing(container), (ImageStanding::Chosen, Some("admin".into()), vec![]));
    let carol = scene.world.sign_in("carol").await;
    let seen = carol.get_container(id).await.done();
    assert_eq!(standing(seen), (ImageStanding::Chosen, None, vec![]));
    alice.power_container(id, &start).await.done();
}
