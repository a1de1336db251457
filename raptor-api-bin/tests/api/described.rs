//! The API is as its document says: statuses, addresses of what was made, methods, ids.

use crate::{
    secrets::Scene,
    support::{Answer, Answered, bodies},
    world::{Person, World},
};
use raptor_client::api::types::{AllocationPage, Daemon, DaemonDraft, PowerAction, Role, User};
use raptor_core::roles::Builtin;
use reqwest::{Method, Response, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

async fn body(answer: Response) -> Value {
    answer.json().await.unwrap()
}

/// What was made, and what `Location` of a 201 leads to.
async fn at_location<T, F: DeserializeOwned>(person: &Person<'_>, answer: Answer<T>) -> (T, F) {
    let answer = answer.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(answer.status(), StatusCode::CREATED);
    let location = answer.headers()[header::LOCATION].to_str().unwrap().to_owned();
    let found = person.get(location.strip_prefix("/api/v1").unwrap()).await;
    assert_eq!(found.status(), 200, "{location}");
    (answer.into_inner(), found.json().await.unwrap())
}

#[tokio::test]
async fn what_was_made_is_at_its_location() {
    let world = World::new().await;
    let admin = world.person(Builtin::Admin).await;
    let role = admin.create_role(&bodies::a_role("Helper", &["users.read"])).await;
    let (role, found): (_, Role) = at_location(&admin, role).await;
    assert_eq!(role, found);
    let user = admin.create_user(&bodies::a_user("steve", role.id)).await;
    let (user, found): (_, User) = at_location(&admin, user).await;
    assert_eq!(user.id, found.id);
    let daemon = admin.create_daemon(&DaemonDraft::new("One", "192.0.2.1", 8080)).await;
    let (daemon, found): (_, Daemon) = at_location(&admin, daemon).await;
    assert_eq!(daemon.daemon.id, found.id);
    let ports = bodies::allocations("192.0.2.1", "30000-30001");
    let ports = admin.create_allocations(&found.id, &ports).await;
    let (_, found): (_, AllocationPage) = at_location(&admin, ports).await;
    assert_eq!(found.items.len(), 2);
}

#[tokio::test]
async fn a_method_that_an_address_does_not_take_is_a_problem_that_names_those_it_takes() {
    let world = World::new().await;
    let answer = world.anonymous().request(Method::PATCH, "/users").send().await.unwrap();
    assert_eq!(answer.status(), 405);
    let allowed = answer.headers()[header::ALLOW].to_str().unwrap().to_owned();
    assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed}");
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/problem+json");
    assert_eq!(body(answer).await["code"], "method_not_allowed");
}

#[test]
fn bytes_statuses_and_choices_are_described_so_that_generators_understand_them() {
    let document = raptor_api::openapi();
    assert_eq!(document["servers"][0]["url"], "/");
    let text = document.to_string();
    assert!(!text.contains("u-int"), "no format of nobody's");
    assert!(!text.contains("4XX"), "every status by itself");
    let mut bytes = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            let answers = operation["responses"].as_object().unwrap().values();
            let said = |answer: &Value| answer.get("$ref").is_some() || answer["description"].is_string();
            assert!(answers.clone().all(said), "{path} says nothing of an answer");
            for content in answers.chain(operation.get("requestBody")) {
                if let Some(octets) = content["content"].get("application/octet-stream") {
                    assert_eq!(octets["schema"], json!({ "type": "string", "format": "binary" }), "{path}");
                    bytes += 1;
                }
            }
        }
    }
    assert!(bytes >= 10, "{bytes}");
    let schema = |name: &str| &document["components"]["schemas"][name];
    let states = schema("LinkState")["enum"].as_array().unwrap();
    assert!(states.contains(&json!("protocol_mismatch")));
    assert!(schema("Subject")["enum"].as_array().unwrap().contains(&json!("container")));
    let default =
        |schema_name: &str, field: &str| schema(schema_name)["properties"][field]["default"].clone();
    let limits = json!(raptor_core::containers::Limits::default());
    for (name, value) in limits.as_object().unwrap().iter().filter(|(_, value)| !value.is_null()) {
        assert_eq!(default("Limits", name), *value, "{name}");
    }
    let settings = raptor_core::containers::Settings::default();
    assert_eq!(default("NewContainer", "stop_timeout_ms"), json!(settings.stop_timeout_ms));
    assert_eq!(default("NewContainer", "allocation_count"), json!(1));
    let codes = schema("ProblemCode")["enum"].as_array().unwrap();
    assert!(codes.contains(&json!("not_found")) && codes.len() > 50);
}

#[test]
fn every_operation_is_in_a_described_group_and_has_a_summary_of_one_sentence() {
    let document = raptor_api::openapi();
    let groups = document["tags"].as_array().unwrap();
    assert!(groups.iter().all(|group| group["description"].as_str().is_some_and(|words| words.len() > 20)));
    let mut used = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            let group = operation["tags"][0].as_str().unwrap();
            assert!(groups.iter().any(|known| known["name"] == group), "{path}: {group}");
            used.insert(group.to_owned());
            let summary = operation["summary"].as_str().unwrap();
            assert!(!summary.is_empty() && !summary.contains(". ") && !summary.contains('\n'), "{path}");
        }
    }
    assert_eq!(used.len(), groups.len(), "no group is empty");
}

#[tokio::test]
async fn a_short_id_works_where_an_id_does() {
    let scene = Scene::new().await;
    let alice = scene.world.sign_in("alice").await;
    let whole = alice.get_container(&scene.container).await.done();
    let short = whole.short_id;
    for short in [short.clone(), short.to_uppercase()] {
        assert_eq!(body(alice.get(&format!("/containers/{short}")).await).await["id"], json!(whole.id));
    }
    let started =
        alice.post(&format!("/containers/{short}/power"), json!(bodies::power(PowerAction::Start))).await;
    assert_eq!(started.status(), 202);
    let activity = alice.get(&format!("/containers/{short}/activity?limit=1")).await;
    assert_eq!(body(activity).await["items"].as_array().unwrap().len(), 1, "the query is kept");
    let socket = alice.get(&format!("/containers/{short}/live")).await;
    assert_eq!(socket.status(), 426);
    // It opens nothing that the id itself does not.
    let stranger = scene.world.named("stranger", Builtin::User).await;
    assert_eq!(stranger.get(&format!("/containers/{short}")).await.status(), 404);
    assert_eq!(alice.get("/containers/ffffffff").await.status(), 404);
    // Callers who are not signed in do not learn whether it exists, either.
    let nobody = scene.world.anonymous();
    for short in [short.as_str(), "ffffffff"] {
        assert_eq!(nobody.get(&format!("/containers/{short}")).await.status(), 401);
    }
}
