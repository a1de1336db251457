//! Every operation of the OpenAPI document, called by everybody.

use crate::{
    secrets::Scene,
    world::{PASSWORD, Person, World},
};
use raptor_core::roles::Builtin;
use reqwest::Method;
use serde_json::{Value, json};
use std::fmt::Write;

/// What anybody may call. This list only shrinks.
const PUBLIC: &[&str] = &[
    "get_settings",
    "get_health",
    "list_permissions",
    "sign_in",
    "request_password_reset",
    "reset_password",
];
/// What every signed-in user may call, since it concerns nothing but themselves. This list only shrinks.
const OWN: &[&str] = &[
    "get_settings",
    "get_health",
    "list_permissions",
    "sign_in",
    "request_password_reset",
    "reset_password",
    "sign_out",
    "get_account",
    "update_account",
    "change_password",
    "list_sessions",
    "end_other_sessions",
    "list_ssh_keys",
    "add_ssh_key",
    "list_account_activity",
    "get_notices",
    "update_notices",
    "list_containers",
    "stream_events",
    "live_events",
    // The link is what is shown, and one that is none is refused to everybody alike.
    "download",
];

/// The whole matrix is written down beside this file, so that a change of who may call what is seen in review.
#[tokio::test]
async fn nobody_gets_further_than_the_matrix_says() {
    let world = World::new().await;
    for role in Builtin::ALL {
        world.person(role).await;
    }
    let document = raptor_api::openapi();
    let mut matrix = String::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            write!(matrix, "{id:28}").unwrap();
            for who in ["anonymous", "user", "manager", "admin"] {
                let person = if who == "anonymous" { world.anonymous() } else { world.sign_in(who).await };
                let status = call(&person, method, path, operation, &document).await;
                if who == "anonymous" && !PUBLIC.contains(&id) {
                    assert_eq!(status, 401, "{id} answered {status} to nobody");
                }
                if who == "user" && !OWN.contains(&id) {
                    assert!([403, 404].contains(&status), "{id} answered {status} to a stranger");
                }
                assert!(status < 500, "{id} answered {status} to {who}");
                let listed = operation["responses"].get(status.to_string()).is_some();
                assert!(listed, "{id} answered {status}, which is not described");
                write!(matrix, " {who}={status}").unwrap();
            }
            matrix.push('\n');
        }
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/authorisation.txt");
    if std::env::var_os("RAPTOR_UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(file, &matrix).unwrap();
    }
    assert_eq!(
        matrix,
        std::fs::read_to_string(file).unwrap(),
        "run with RAPTOR_UPDATE_SNAPSHOTS=1 and review the diff"
    );
}

/// What a refusal names is what the operation's description says, for everything that a stranger or somebody with nothing but the
/// right to see a container's measurements is refused.
#[tokio::test]
async fn the_permission_that_a_refusal_names_is_the_one_that_the_document_says() {
    let scene = Scene::new().await;
    let admin = scene.world.sign_in("admin").await;
    scene.world.named("frank", Builtin::User).await;
    let access = json!({ "user": "frank", "level": "custom", "permissions": ["stats.read"] });
    let given = admin.post(&format!("/containers/{}/access", scene.container), access).await;
    assert!(given.status().is_success(), "{}", given.status());
    let document = raptor_api::openapi();
    let mut named = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let path = path.replace("/containers/{id}", &format!("/containers/{}", scene.container));
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            if ["sign_out", "end_other_sessions", "live_events", "stream_events"].contains(&id) {
                continue;
            }
            let frank = scene.world.sign_in("frank").await;
            let answer = answer(&frank, method, &path, operation, &document).await;
            if answer.status() != 403 {
                continue;
            }
            let problem: Value = answer.json().await.unwrap();
            let sentence = problem["detail"].as_str().unwrap();
            let permission = sentence.split('`').nth(1).unwrap_or_else(|| panic!("{id}: {sentence}"));
            let description = operation["description"].as_str().unwrap_or_default();
            let (_, required) = description.rsplit_once("Requires ").unwrap_or_else(|| panic!("{id}"));
            assert!(required.contains(&format!("`{permission}`")), "{id} requires {permission}: {required}");
            named += 1;
        }
    }
    assert!(named > 90, "{named}");
}

/// Somebody who has to choose another password may look at their account, choose one, and go.
#[tokio::test]
async fn until_a_required_password_is_chosen_every_other_operation_says_so() {
    const ALLOWED: &[&str] = &["get_account", "change_password", "sign_out"];
    let world = World::new().await;
    let boss = world.person(Builtin::Admin).await;
    let body = json!({ "username": "steve", "email": "steve@example.com", "password": PASSWORD, "password_change_required": true,
        "role_id": world.raptor.roles().builtin(Builtin::Admin).await.unwrap().id });
    assert_eq!(boss.post("/users", body).await.status(), 201);
    let document = raptor_api::openapi();
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            if PUBLIC.contains(&id) || ALLOWED.contains(&id) || id == "download" {
                continue;
            }
            let steve = world.sign_in("steve").await;
            let answer = answer(&steve, method, path, operation, &document).await;
            let status = answer.status();
            let problem: Value = answer.json().await.unwrap();
            assert_eq!(
                (status.as_u16(), &problem["code"]),
                (403, &json!("password_change_required")),
                "{id}"
            );
            asked += 1;
        }
    }
    assert!(asked > 100, "{asked}");
    let steve = world.sign_in("steve").await;
    let account: Value = steve.get("/account").await.json().await.unwrap();
    assert_eq!(account["password_change_required"], true);
    let change = json!({ "current_password": PASSWORD, "new_password": "a better one" });
    assert_eq!(
        steve.request(Method::PUT, "/account/password").json(&change).send().await.unwrap().status(),
        204
    );
    assert_eq!(steve.get("/users").await.status(), 200);
}

/// Calls the operation on things that don't exist, with the smallest body that its schema allows.
async fn call(person: &Person<'_>, method: &str, path: &str, operation: &Value, document: &Value) -> u16 {
    answer(person, method, path, operation, document).await.status().as_u16()
}

async fn answer(
    person: &Person<'_>,
    method: &str,
    path: &str,
    operation: &Value,
    document: &Value,
) -> reqwest::Response {
    let path: String = path
        .trim_start_matches("/api/v1")
        .split('/')
        .map(|part| if part.starts_with('{') { "0199aaaa-bbbb-7ccc-8ddd-eeeeffff0123" } else { part })
        .collect::<Vec<_>>()
        .join("/");
    let method: Method = method.to_uppercase().parse().unwrap();
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    let wanted = parameters.iter().filter(|one| one["in"] == "query" && one["required"] == true);
    let query: Vec<String> = wanted
        .map(|one| {
            let value = smallest(&one["schema"], document);
            format!("{}={}", one["name"].as_str().unwrap(), value.to_string().trim_matches('"'))
        })
        .collect();
    let path = if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) };
    let mut request = person.request(method, &path);
    let content = &operation["requestBody"]["content"];
    if content["application/json"].is_object() {
        request = request.json(&smallest(&content["application/json"]["schema"], document));
    } else if content.is_object() {
        request = request.header("content-type", "application/octet-stream").body("x");
    }
    if operation["responses"]["101"].is_object() {
        request = request
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    }
    request.send().await.unwrap()
}

/// The smallest value of a schema.
fn smallest(schema: &Value, document: &Value) -> Value {
    if let Some(name) = schema["$ref"].as_str() {
        return smallest(document.pointer(name.trim_start_matches('#')).unwrap(), document);
    }
    for composed in ["oneOf", "anyOf", "allOf"] {
        if let Some(first) = schema[composed].as_array().and_then(|all| all.first()) {
            return smallest(first, document);
        }
    }
    if let Some(value) = schema["enum"].as_array().and_then(|values| values.first()) {
        return value.clone();
    }
    let kind =
        schema["type"].as_str().or_else(|| schema["type"].as_array().and_then(|kinds| kinds[0].as_str()));
    match kind {
        Some("object") => {
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let fields = required.iter().filter_map(Value::as_str);
            Value::Object(
                fields.map(|name| (name.into(), smallest(&schema["properties"][name], document))).collect(),
            )
        }
        Some("array") => json!([]),
        Some("boolean") => json!(false),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        Some("string") if schema["format"] == "uuid" => json!("0199aaaa-bbbb-7ccc-8ddd-eeeeffff0123"),
        _ => json!("x"),
    }
}
