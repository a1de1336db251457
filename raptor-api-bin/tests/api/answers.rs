//! What holds for every answer.

use crate::{
    support::{Answered, bodies},
    world::World,
};
use raptor_core::roles::Builtin;
use reqwest::{Method, header};
use serde_json::{Value, json};

/// APP_URL's default.
const PANEL: &str = "http://localhost:5173";

#[tokio::test]
async fn every_answer_is_named_and_is_what_its_type_says() {
    let world = World::new().await;
    for path in ["/settings", "/account", "/nothing"] {
        let answer = world.anonymous().get(path).await;
        assert_eq!(answer.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        let other = world.anonymous().get(path).await;
        assert_ne!(answer.headers()["x-request-id"], other.headers()["x-request-id"], "{path}");
    }
    let given = world.anonymous().request(Method::GET, "/settings").header("x-request-id", "of-a-proxy");
    assert_eq!(given.send().await.unwrap().headers()["x-request-id"], "of-a-proxy");
    let long = world.anonymous().request(Method::GET, "/settings").header("x-request-id", "a".repeat(1_000));
    assert_eq!(long.send().await.unwrap().headers()["x-request-id"].len(), 32);
}

#[tokio::test]
async fn only_the_panel_of_another_origin_may_read_answers() {
    let world = World::new().await;
    let ask = |origin: &'static str| {
        world.anonymous().request(Method::GET, "/settings").header(header::ORIGIN, origin).send()
    };
    let panel = ask(PANEL).await.unwrap();
    assert_eq!(panel.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], PANEL);
    assert_eq!(panel.headers()[header::ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
    let other = ask("https://evil.example").await.unwrap();
    assert_ne!(other.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://evil.example");
    let before = world
        .anonymous()
        .request(Method::OPTIONS, "/containers")
        .header(header::ORIGIN, PANEL)
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST");
    let before = before.send().await.unwrap();
    assert!(before.status().is_success());
    assert!(before.headers()[header::ACCESS_CONTROL_ALLOW_METHODS].to_str().unwrap().contains("POST"));
}

#[tokio::test]
async fn too_large_a_body_is_refused_with_a_sentence() {
    let world = World::new().await;
    let admin = world.person(Builtin::Admin).await;
    let large = admin.post("/users", json!({ "username": "a".repeat(3 * 1024 * 1024) })).await;
    assert_eq!(large.status(), 413);
    assert!(large.json::<Value>().await.unwrap()["detail"].is_string());
    let template =
        |size: usize| admin.request(Method::POST, "/templates/preview").body(" ".repeat(size)).send();
    assert_eq!(template(3 * 1024 * 1024).await.unwrap().status(), 422);
    let large = template(5 * 1024 * 1024).await.unwrap();
    assert_eq!(large.status(), 413);
    assert!(large.json::<Value>().await.unwrap()["detail"].is_string());
}

#[tokio::test]
async fn long_answers_are_compressed_for_those_who_take_it_and_short_ones_are_not() {
    let world = World::new().await;
    let admin = world.person(Builtin::Admin).await;
    let ask = async |path: &str, accepted: &str| {
        let request = admin.request(Method::GET, path).header(header::ACCEPT_ENCODING, accepted);
        let answer = request.send().await.unwrap();
        let encoding =
            answer.headers().get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap().to_owned());
        (encoding, answer.bytes().await.unwrap())
    };
    let (encoding, plain) = ask("/permissions", "identity").await;
    assert_eq!(encoding, None);
    let (encoding, packed) = ask("/permissions", "gzip").await;
    assert_eq!(encoding.as_deref(), Some("gzip"));
    assert!(packed.len() < plain.len() / 2, "{} of {} bytes", packed.len(), plain.len());
    assert_eq!(packed[..2], [0x1f, 0x8b], "it is gzip");
    assert_eq!(ask("/settings", "gzip").await.0, None, "short");
}

#[tokio::test]
async fn a_stream_of_events_tells_browsers_how_soon_to_come_back() {
    let world = World::new().await;
    let mut events = world.person(Builtin::Admin).await.get("/events").await;
    assert_eq!(events.chunk().await.unwrap().unwrap(), "retry: 1000\n\n");
}

#[tokio::test]
async fn nul_in_a_path_a_query_or_a_body_is_refused_with_the_name_of_the_field() {
    let world = World::new().await;
    let admin = world.person(Builtin::Admin).await;
    let id = "01a227bb-d6e0-7646-9661-81c73794bcf1";
    let put = |path: String, body: Value| admin.request(Method::PUT, &path).json(&body).send();
    let answers = [
        (admin.get("/containers?search=a%00").await, "search"),
        (admin.get("/users?search=%00").await, "search"),
        (admin.get(&format!("/containers/{id}/files?path=/a%00b")).await, "path"),
        (admin.get("/downloads?token=%00").await, "token"),
        (
            put(format!("/containers/{id}"), json!({ "name": "x", "description": "a\0b" })).await.unwrap(),
            "description",
        ),
        (
            put(format!("/containers/{id}/startup"), json!({ "variables": { "A\0": "x" } })).await.unwrap(),
            "variables.A\u{fffd}",
        ),
        (
            put(format!("/containers/{id}/startup"), json!({ "variables": { "A": "x\0" } })).await.unwrap(),
            "variables.A",
        ),
        (admin.post("/roles", json!({ "name": "a\0", "permissions": [] })).await, "name"),
        (admin.post(&format!("/containers/{id}/commands"), json!({ "command": "\0" })).await, "command"),
        (admin.post(&format!("/containers/{id}/variables/A%00/reveal"), json!({})).await, "env"),
        (world.anonymous().post("/auth/sign-in", json!({ "login": "a\0", "password": "x" })).await, "login"),
        (
            world.anonymous().post("/auth/sign-in", json!({ "login": "a", "password": "x\0" })).await,
            "password",
        ),
    ];
    for (answer, field) in answers {
        let (status, path) = (answer.status(), answer.url().path().to_owned());
        let body: Value = answer.json().await.unwrap();
        assert_eq!((status.as_u16(), body["field"].as_str()), (422, Some(field)), "{path}: {body}");
        assert!(body["detail"].as_str().unwrap().contains("U+0000"), "{body}");
    }
    // Nor does it slip in beside a field that is ignored, whatever that holds.
    for ignored in [format!("{}{}", "[".repeat(200), "]".repeat(200)), "1e999".into(), r#""\ud800""#.into()] {
        let body = format!(r#"{{"name":"a\u0000","permissions":[],"x":{ignored}}}"#);
        let request = admin.request(Method::POST, "/roles").header("content-type", "application/json");
        assert_eq!(request.body(body).send().await.unwrap().status(), 422, "{ignored}");
    }
    // These letters themselves are no NUL.
    admin.create_role(&bodies::a_role("a\\u0000", &[])).await.done();
}
