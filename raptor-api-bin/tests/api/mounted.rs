//! Raptor within another Axum program.

use crate::{support::Answered, world::World};
use axum::{Router, routing::get};
use raptor_api::{App, AppParts, api, router};
use raptor_client::api::query::{ListActivity, ListUsers};
use raptor_core::{Raptor, roles::Builtin};
use reqwest::Client;
use serde_json::Value;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// A program with a page of its own that has Raptor, which is found at `at`.
async fn program(mount: impl FnOnce(Router, App) -> Router, at: &str) -> World {
    let raptor = Raptor::builder("an application key of some length").bcrypt_cost(4).build().await.unwrap();
    let own = Router::new().route("/imprint", get(|| async { "Example Ltd." }));
    let whole = mount(own, App::from(AppParts::new(raptor.clone())));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}{at}", listener.local_addr().unwrap());
    let service = whole.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    World { raptor, http: Client::new(), base }
}

async fn works_within(world: &World, imprint: &str) {
    let page = world.http.get(imprint).send().await.unwrap();
    assert_eq!(page.text().await.unwrap(), "Example Ltd.");

    let admin = world.person(Builtin::Admin).await;
    let users = admin.list_users(ListUsers::default()).await.done();
    assert_eq!(users.items[0].username, "admin");
    let activity = admin.list_activity(ListActivity::default()).await.done();
    let signed_in = activity.items.iter().find(|row| row.action == "account.signed_in");
    let ip = signed_in.unwrap().ip.as_deref();
    assert_eq!(ip, Some("127.0.0.1"), "callers' addresses are known: {activity:?}");

    let odd = admin.get("/users?colour=red").await;
    assert_eq!(odd.status(), 422, "queries are checked");
    let problem: Value = odd.json().await.unwrap();
    assert_eq!(problem["field"], "colour");

    let document: Value = world
        .http
        .get(format!("{}/api/v1/openapi.json", world.base))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(document["info"]["title"], "Raptor API");
    let nowhere = world.http.get(format!("{}/api/v1/nowhere", world.base)).send().await.unwrap();
    assert_eq!((nowhere.status().as_u16(), nowhere.headers().contains_key("x-request-id")), (404, true));
    assert_eq!(nowhere.json::<Value>().await.unwrap()["code"], "not_found");
}

#[tokio::test]
async fn everything_is_served_beside_the_routes_of_another_program() {
    let world = program(|own, app| own.fallback_service(router(app)), "").await;
    works_within(&world, &format!("{}/imprint", world.base)).await;
    let panel = world.http.get(&world.base).send().await.unwrap();
    assert!(panel.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
}

#[tokio::test]
async fn the_api_is_served_beneath_a_prefix_of_another_program() {
    let world = program(|own, app| own.nest_service("/raptor", api(app)), "/raptor").await;
    let root = world.base.strip_suffix("/raptor").unwrap();
    works_within(&world, &format!("{root}/imprint")).await;
    let outside = world.http.get(format!("{root}/api/v1/users")).send().await.unwrap();
    assert_eq!(outside.status(), 404, "only beneath the prefix");
}
