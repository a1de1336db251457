//! The catalogue over HTTP.

use crate::world::World;
use raptor_core::roles::Builtin;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn the_catalogue_is_searched_paged_and_imported_from() {
    let world = World::new().await;
    let admin = world.person(Builtin::Admin).await;
    let page: Value = admin.get("/catalogue?limit=2&with_total=true").await.json().await.unwrap();
    assert_eq!((page["items"].as_array().unwrap().len(), &page["built_in"]), (2, &json!(true)));
    assert!(page["total"].as_i64().unwrap() >= 256 && page["next"].is_string());
    let next = format!("/catalogue?limit=2&cursor={}", page["next"].as_str().unwrap());
    let second: Value = admin.get(&next).await.json().await.unwrap();
    assert_ne!(second["items"][0]["id"], page["items"][0]["id"]);

    let found: Value = admin.get("/catalogue?search=ANY%20DOCKER%20%C3%ADmage").await.json().await.unwrap();
    let entry = &found["items"][0];
    assert_eq!((&entry["id"], &entry["source"]), (&json!("docker-image"), &Value::Null));
    assert!(
        entry["icon"]["paths"][0].is_string() && entry["icon"]["colour"].as_str().unwrap().starts_with('#')
    );
    assert_eq!(admin.get("/catalogue?category=nothing").await.status(), 422);
    assert_eq!(admin.get("/catalogue/no-such").await.status(), 404);

    let fetched: Value = admin.post("/catalogue/docker-image/fetch", json!({})).await.json().await.unwrap();
    assert_eq!((&fetched["matches"], &fetched["compared_with"]), (&json!(true), &json!("nothing")));
    assert_eq!(fetched["template"]["images"], json!([]));
    let none: Value = admin.get("/templates").await.json().await.unwrap();
    assert_eq!(none["items"], json!([]), "fetching keeps nothing");

    let made = admin.post("/catalogue/docker-image/import", json!({})).await;
    assert_eq!(made.status(), 201);
    let made: Value = made.json().await.unwrap();
    assert_eq!(made["outcome"], "created");
    let again: Value = admin.post("/catalogue/docker-image/import", json!({})).await.json().await.unwrap();
    assert_eq!((&again["outcome"], &again["template"]["id"]), (&json!("unchanged"), &made["template"]["id"]));
    let entry: Value = admin.get("/catalogue/docker-image").await.json().await.unwrap();
    assert_eq!(entry["template_id"], made["template"]["id"]);
}

/// A manager chooses from what is there, and does not import or say where the catalogue comes from.
#[tokio::test]
async fn those_who_may_not_import_templates_look_at_the_catalogue_only() {
    let world = World::new().await;
    let manager = world.person(Builtin::Manager).await;
    assert_eq!(manager.get("/catalogue").await.status(), 200);
    for path in ["/catalogue/docker-image/fetch", "/catalogue/docker-image/import"] {
        assert_eq!(manager.post(path, json!({})).await.status(), 403, "{path}");
    }
    assert_eq!(manager.get("/catalogue-origin").await.status(), 403);
    let body = json!({ "url": null, "revision": 1 });
    let refused = manager.request(Method::PUT, "/catalogue-origin").json(&body).send().await.unwrap();
    assert_eq!(refused.status(), 403);
}

#[tokio::test]
async fn an_address_on_this_machine_is_no_source_for_a_catalogue() {
    let world = World::new().await;
    let admin = world.person(Builtin::Admin).await;
    let origin: Value = admin.get("/catalogue-origin").await.json().await.unwrap();
    assert_eq!((&origin["url"], origin["sha256"].as_str().unwrap().len()), (&Value::Null, 64));
    for url in [
        "http://127.0.0.1:1/catalogue.json",
        "http://localhost/",
        "http://169.254.169.254/",
        "file:///etc/passwd",
    ] {
        let body = json!({ "url": url, "revision": origin["revision"] });
        let refused = admin.request(Method::PUT, "/catalogue-origin").json(&body).send().await.unwrap();
        assert_eq!(refused.status(), 422, "{url}");
        let problem: Value = refused.json().await.unwrap();
        assert_eq!(problem["field"], "url", "{problem}");
    }
    let after: Value = admin.get("/catalogue-origin").await.json().await.unwrap();
    assert_eq!(after, origin);
}
