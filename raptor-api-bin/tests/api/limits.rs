//! Limits of containers, as they are made and changed.

use crate::{
    secrets::Scene,
    support::{Answered, bodies},
};
use raptor_client::api::types::{Limits, LimitsUpdate, NewContainer, NewLimits};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_new_container_has_the_defaults_of_the_limits_that_it_was_made_without() {
    let scene = Scene::new().await;
    let admin = scene.world.sign_in("admin").await;
    let template = admin.get_container(&scene.container).await.done().template.id;
    let made = async |limits: Option<NewLimits>| {
        let variables = bodies::variables(&[("MAP", "desert")]);
        let body = NewContainer { limits, variables, ..bodies::a_container("Game", template) };
        admin.create_container(&body).await.done().limits
    };
    let defaults = Limits {
        memory_mib: 1024,
        swap_mib: 0,
        cpu_percent: 100,
        disk_mib: 10_240,
        pids: 512,
        io_weight: 500,
        cpuset: None,
    };
    assert_eq!(made(None).await, defaults);
    let some = NewLimits { memory_mib: Some(256), cpuset: Some("0".into()), ..NewLimits::default() };
    let wanted = Limits { memory_mib: 256, cpuset: Some("0".into()), ..defaults };
    assert_eq!(made(Some(some)).await, wanted);
}

#[tokio::test]
async fn limits_that_are_unknown_wrong_or_left_out_of_a_change_are_refused() {
    let scene = Scene::new().await;
    let admin = scene.world.sign_in("admin").await;
    let before = admin.get_container(&scene.container).await.done();
    let too_little = NewContainer {
        limits: Some(NewLimits { memory_mib: Some(1), ..NewLimits::default() }),
        variables: bodies::variables(&[("MAP", "desert")]),
        ..bodies::a_container("Game", before.template.id)
    };
    let refused = admin.create_container(&too_little).await.refused();
    assert_eq!((refused.status, refused.field.as_deref()), (422, Some("limits.memory_mib")));

    let body = json!({ "name": "Game", "template_id": before.template.id, "limits": { "memory": 64 } });
    let refused = admin.post("/containers", body).await;
    assert_eq!(refused.status(), 422);
    assert_eq!(refused.json::<Value>().await.unwrap()["field"], "limits.memory");

    // A change that leaves one out would take it back to its default without a word.
    let path = format!("/containers/{}/limits", scene.container);
    let part = json!({ "limits": { "memory_mib": 128 }, "stop_timeout_ms": 30_000 });
    assert_eq!(admin.request(Method::PUT, &path).json(&part).send().await.unwrap().status(), 422);
    let whole = LimitsUpdate::new(Limits { memory_mib: 128, ..before.limits.clone() }, 30_000);
    let changed = admin.update_container_limits(&scene.container, &whole).await.done();
    assert_eq!(changed.limits, whole.limits);
}
