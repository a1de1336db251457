//! Which images containers may use, as the API's callers meet it.

use crate::{secrets::Scene, world::Person};
use reqwest::Method;
use serde_json::{Value, json};

const POLICY: &str = "/image-policy";

async fn put(person: &Person<'_>, path: &str, body: Value) -> (u16, Value) {
    let answer = person.request(Method::PUT, path).json(&body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

#[tokio::test]
async fn the_list_of_allowed_images_is_changed_by_images_update_only_and_never_over_somebody_else() {
    let scene = Scene::new().await;
    let list = |patterns: Value, revision: i64| json!({ "patterns": patterns, "for_owners": true, "revision": revision });
    let alice = scene.world.sign_in("alice").await;
    assert_eq!(alice.get(POLICY).await.status(), 403);
    let manager = scene.world.sign_in("manager").await;
    assert_eq!(manager.get(POLICY).await.status(), 200);
    for person in [&alice, &manager] {
        let (status, refused) = put(person, POLICY, list(json!(["*"]), 1)).await;
        assert_eq!((status, &refused["code"]), (403, &json!("forbidden")));
    }
    let admin = scene.world.sign_in("admin").await;
    let (status, refused) = put(&admin, POLICY, list(json!(["debian", "ghcr.io/Own/*"]), 1)).await;
    assert_eq!((status, &refused["field"]), (422, &json!("patterns.1")), "{refused}");
    let (status, saved) = put(&admin, POLICY, list(json!([" debian ", "debian", "ghcr.io/own/*"]), 1)).await;
    assert_eq!(status, 200);
    assert_eq!(saved, json!({ "patterns": ["debian", "ghcr.io/own/*"], "for_owners": true, "revision": 2 }));
    let (status, stale) = put(&admin, POLICY, list(json!([]), 1)).await;
    assert_eq!((status, &stale["code"]), (409, &json!("changed_meanwhile")));
    assert_eq!(admin.get(POLICY).await.json::<Value>().await.unwrap(), saved);
    let activity: Value = admin.get("/activity").await.json().await.unwrap();
    let noted = activity["items"].as_array().unwrap().iter().find(|one| one["action"] == "images.changed");
    assert_eq!(noted.unwrap()["detail"]["to"]["patterns"], saved["patterns"]);
}

#[tokio::test]
async fn a_container_says_how_its_image_stands_and_is_not_started_with_one_that_is_not_allowed() {
    let scene = Scene::new().await;
    let (alice, admin) = (scene.world.sign_in("alice").await, scene.world.sign_in("admin").await);
    let startup = format!("/containers/{}/startup", scene.container);
    let image = |image: &str| json!({ "image": image, "variables": {} });
    let allow = async |patterns: Value| {
        let now: Value = admin.get(POLICY).await.json().await.unwrap();
        let body = json!({ "patterns": patterns, "for_owners": true, "revision": now["revision"] });
        assert_eq!(put(&admin, POLICY, body).await.0, 200);
    };
    let standing = |container: &Value| {
        (
            container["image_standing"].clone(),
            container["image_allowed_by"].clone(),
            container["image_patterns"].clone(),
        )
    };
    let (status, refused) = put(&alice, &startup, image("ghcr.io/own/game:2")).await;
    assert_eq!((status, &refused["field"]), (422, &json!("image")), "{refused}");
    allow(json!(["ghcr.io/own/*"])).await;
    let (status, container) = put(&alice, &startup, image("ghcr.io/own/game:2")).await;
    assert_eq!(status, 200, "{container}");
    assert_eq!(standing(&container), (json!("listed"), Value::Null, json!(["ghcr.io/own/*"])));
    allow(json!([])).await;
    let power = format!("/containers/{}/power", scene.container);
    let answer = alice.post(&power, json!({ "action": "start" })).await;
    assert_eq!(answer.status(), 409);
    let refused: Value = answer.json().await.unwrap();
    assert_eq!(refused["code"], "image_not_allowed");
    assert!(
        refused["detail"].as_str().unwrap().contains("ask an administrator to allow this one"),
        "{refused}"
    );
    // Carol reads no startup settings, and not who allowed what.
    let (status, container) = put(&admin, &startup, image("ghcr.io/own/game:2")).await;
    assert_eq!((status, standing(&container)), (200, (json!("chosen"), json!("admin"), json!([]))));
    let carol = scene.world.sign_in("carol").await;
    let seen: Value = carol.get(&format!("/containers/{}", scene.container)).await.json().await.unwrap();
    assert_eq!(standing(&seen), (json!("chosen"), Value::Null, json!([])));
    assert!(alice.post(&power, json!({ "action": "start" })).await.status().is_success());
}
