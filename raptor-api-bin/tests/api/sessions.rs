//! Sessions over HTTP: cookies, tokens and what other sites may not do.

use crate::{
    support::{Answered, bodies},
    world::World,
};
use raptor_client::api::{Error, query::ListUsers};
use raptor_core::roles::Builtin;
use reqwest::{Method, header};
use serde_json::Value;

#[tokio::test]
async fn the_panels_cookie_is_out_of_reach_of_scripts() {
    let world = World::new().await;
    world.person(Builtin::User).await;
    let answer = world.anonymous().sign_in(&bodies::login("user")).await.unwrap();
    let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
}

#[tokio::test]
async fn a_cookie_alone_changes_nothing() {
    let world = World::new().await;
    let token = world.person(Builtin::Admin).await.token.unwrap();
    let cookie = format!("raptor_session={token}");
    let ask = |method: Method, path: &str| {
        world.anonymous().request(method, path).header(header::COOKIE, cookie.clone())
    };
    assert_eq!(ask(Method::GET, "/account").send().await.unwrap().status(), 200);

    let bare = ask(Method::POST, "/auth/sign-out").send().await.unwrap();
    assert_eq!(bare.status(), 403);
    assert_eq!(bare.json::<Value>().await.unwrap()["code"], "csrf");

    let elsewhere = ask(Method::POST, "/auth/sign-out")
        .header("x-raptor-csrf", "1")
        .header("origin", "https://evil.example");
    assert_eq!(elsewhere.send().await.unwrap().status(), 403);

    let own =
        ask(Method::POST, "/auth/sign-out").header("x-raptor-csrf", "1").header("origin", world.base.clone());
    assert_eq!(own.send().await.unwrap().status(), 204);
    assert_eq!(ask(Method::GET, "/account").send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_bearer_token_gets_no_cookie() {
    let world = World::new().await;
    let admin = world.person(Builtin::Admin).await;
    let answer = admin.get("/account").await;
    assert_eq!(answer.status(), 200);
    assert!(!answer.headers().contains_key(header::SET_COOKIE));
}

#[tokio::test]
async fn bad_input_is_answered_as_a_problem_that_names_the_field() {
    let world = World::new().await;
    let admin = world.person(Builtin::Admin).await;
    let role = admin.list_roles().await.done().items[0].id;
    let refused = admin.create_user(&bodies::a_user("a b", role)).await.map(drop).unwrap_err();
    let Error::ErrorResponse(problem) = refused else { panic!("{refused:?}") };
    assert_eq!(problem.status(), 422);
    assert_eq!(problem.headers()[header::CONTENT_TYPE], "application/problem+json");
    assert_eq!((problem.code.as_str(), problem.field.as_deref()), ("invalid", Some("username")));

    let cursor = ListUsers { cursor: Some("x"), ..Default::default() };
    assert_eq!(admin.list_users(cursor).await.refused().status, 422);
    assert_eq!(admin.get("/users/not-a-uuid").await.status(), 404);
    assert_eq!(admin.get("/users?limit=0").await.status(), 422);
    assert_eq!(admin.get("/nothing").await.status(), 404);
}

#[tokio::test]
async fn swagger_ui_and_the_document_are_served() {
    let world = World::new().await;
    let page = world.http.get(format!("{}/swagger-ui/", world.base)).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let document: Value = world.anonymous().get("/openapi.json").await.json().await.unwrap();
    assert_eq!(document, raptor_api::openapi());
}
