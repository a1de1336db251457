//! Measurements on the stream of what happens: only of what is watched, only to those who may see them, and in few bytes.

use crate::{
    events::frame,
    flood::{Socket, open},
    secrets::Scene,
    world::World,
};
use futures_util::{SinkExt, StreamExt};
use raptor_core::{daemons::simulated::SimulatedHost, roles::Builtin};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

/// Longer than anything takes: what stalls is a failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// Says what is watched from now on.
async fn watch(socket: &mut Socket, number: u64, ids: &[&str]) {
    let message = json!({ "type": "watch", "watch": number, "ids": ids });
    socket.send(Message::text(message.to_string())).await.unwrap();
}

/// Reads a socket until its third beat from now, and says how often each kind of frame came.
async fn kinds(socket: &mut Socket) -> Vec<String> {
    let mut kinds: Vec<String> = Vec::new();
    while kinds.iter().filter(|kind| *kind == "beat").count() < 3 {
        let message = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
        if let Message::Text(text) = message {
            let frame: Value = serde_json::from_str(&text).unwrap();
            kinds.push(frame["type"].as_str().unwrap().to_owned());
        }
    }
    kinds
}

#[tokio::test]
async fn measurements_are_told_of_what_is_watched_and_only_to_those_who_may_see_them() {
    let scene = Scene::on(SimulatedHost::builder().stats_every(Duration::from_millis(300)).build()).await;
    let alice = scene.world.sign_in("alice").await;
    let answer =
        alice.post(&format!("/containers/{}/power", scene.container), json!({ "action": "start" })).await;
    assert_eq!(answer.status(), 202);
    let (container, unknown) = (scene.container.as_str(), "0199aaaa-bbbb-7ccc-8ddd-eeeeffff0123");

    // By level and by role; carol is a user of it, the administrator has no access of their own.
    for person in ["alice", "carol", "admin"] {
        let person = scene.world.sign_in(person).await;
        let mut socket = open(&scene.world, &person, "/events/live").await.unwrap();
        watch(&mut socket, 7, &[unknown, container]).await;
        let mut last = Value::Null;
        for _ in 0..2 {
            let stats = frame(&mut socket, "stats").await;
            assert_eq!((&stats["watch"], &stats["rows"]), (&json!(7), &json!([1])), "{stats}");
            assert!(stats["cpu_percent"][0].as_f64().unwrap() > 1.0, "{stats}");
            assert!(stats["memory_bytes"][0].as_u64().unwrap() > 1 << 20, "{stats}");
            let told = (stats["cpu_percent"].clone(), stats["memory_bytes"].clone());
            let told = json!([told.0, told.1]);
            assert_ne!(told, last, "only what is new");
            last = told;
        }
        // What is no longer watched is told of no more, and nobody is told of what they do not watch.
        watch(&mut socket, 8, &[]).await;
        frame(&mut socket, "beat").await;
        let kinds = kinds(&mut socket).await;
        assert!(kinds.iter().all(|kind| kind == "beat"), "{kinds:?}");
    }

    // Erin reads its console, not its measurements; a stranger has never heard of it.
    scene.world.named("stranger", Builtin::User).await;
    for person in ["erin", "stranger"] {
        let person = scene.world.sign_in(person).await;
        let mut socket = open(&scene.world, &person, "/events/live").await.unwrap();
        watch(&mut socket, 1, &[container]).await;
        let kinds = kinds(&mut socket).await;
        assert!(!kinds.iter().any(|kind| kind == "stats"), "{kinds:?}");
    }
}

#[tokio::test]
async fn who_loses_an_access_is_told_no_more_measurements() {
    let scene = Scene::on(SimulatedHost::builder().stats_every(Duration::from_millis(300)).build()).await;
    let (alice, carol) = (scene.world.sign_in("alice").await, scene.world.sign_in("carol").await);
    let power = format!("/containers/{}/power", scene.container);
    assert_eq!(alice.post(&power, json!({ "action": "start" })).await.status(), 202);
    let mut socket = open(&scene.world, &carol, "/events/live").await.unwrap();
    watch(&mut socket, 1, &[&scene.container]).await;
    frame(&mut socket, "stats").await;
    let users: Value =
        scene.world.sign_in("admin").await.get("/users?search=carol").await.json().await.unwrap();
    let path =
        format!("/containers/{}/access/{}", scene.container, users["items"][0]["id"].as_str().unwrap());
    let answer = alice.request(Method::DELETE, &path).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    frame(&mut socket, "change").await;
    let kinds = kinds(&mut socket).await;
    assert!(kinds.iter().all(|kind| kind == "beat"), "{kinds:?}");
}

#[tokio::test]
async fn the_measurements_of_a_hundred_containers_take_less_than_3_kb() {
    let scene = Scene::on(SimulatedHost::builder().stats_every(Duration::from_millis(300)).build()).await;
    let admin = scene.world.sign_in("admin").await;
    let first: Value = admin.get(&format!("/containers/{}", scene.container)).await.json().await.unwrap();
    let mut ids = vec![scene.container.clone()];
    for number in 1..100 {
        let body = json!({
            "name": format!("Game {number}"), "template_id": first["template"]["id"], "daemon_id": first["daemon"]["id"],
            "variables": { "MAP": "desert" }, "limits": first["limits"], "allocation_count": 0,
        });
        let answer = admin.post("/containers", body).await;
        assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
        ids.push(answer.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned());
    }
    for id in &ids {
        let answer = admin.post(&format!("/containers/{id}/power"), json!({ "action": "start" })).await;
        assert_eq!(answer.status(), 202, "{}", answer.text().await.unwrap());
    }
    let mut socket = open(&scene.world, &admin, "/events/live").await.unwrap();
    watch(&mut socket, 1, &ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    loop {
        let stats = frame(&mut socket, "stats").await;
        let rows = stats["rows"].as_array().unwrap().len();
        assert!(stats.to_string().len() < 300 + 27 * rows, "{stats}");
        if rows == 100 {
            break;
        }
    }
}

#[tokio::test]
async fn a_socket_that_asks_for_too_much_or_nonsense_is_closed() {
    let world = World::new().await;
    let admin = world.person(Builtin::Admin).await;
    let id = "0199aaaa-bbbb-7ccc-8ddd-eeeeffff0123";
    for (ids, closed) in [(100, false), (101, true)] {
        let mut socket = open(&world, &admin, "/events/live").await.unwrap();
        watch(&mut socket, 1, &vec![id; ids]).await;
        let refused = async {
            let mut beats = 0;
            while beats < 3 {
                match socket.next().await {
                    Some(Ok(Message::Close(Some(close)))) => return Some(u16::from(close.code)),
                    Some(Ok(Message::Text(text))) => beats += usize::from(text.contains("\"beat\"")),
                    Some(Ok(_)) => {}
                    ended => panic!("{ended:?}"),
                }
            }
            None
        };
        assert_eq!(
            tokio::time::timeout(PATIENCE, refused).await.unwrap(),
            closed.then_some(1008),
            "{ids} ids"
        );
    }
    for nonsense in ["{}", "watch", r#"{"type":"watch","watch":1,"ids":["x"]}"#] {
        let mut socket = open(&world, &admin, "/events/live").await.unwrap();
        socket.send(Message::text(nonsense)).await.unwrap();
        let close = async {
            loop {
                match socket.next().await {
                    Some(Ok(Message::Close(Some(close)))) => return u16::from(close.code),
                    Some(Ok(_)) => {}
                    ended => panic!("{ended:?}"),
                }
            }
        };
        assert_eq!(tokio::time::timeout(PATIENCE, close).await.unwrap(), 1008, "{nonsense}");
    }
}

#[tokio::test]
async fn containers_that_are_asked_for_by_id_are_those_that_the_caller_sees() {
    let scene = Scene::new().await;
    scene.world.named("stranger", Builtin::User).await;
    let unknown = "0199aaaa-bbbb-7ccc-8ddd-eeeeffff0123";
    let both = format!("{unknown},{}", scene.container);
    for (person, seen) in [("alice", true), ("carol", true), ("admin", true), ("stranger", false)] {
        let person = scene.world.sign_in(person).await;
        let path = format!("/containers?limit=100&with_total=true&ids={both}");
        let page: Value = person.get(&path).await.json().await.unwrap();
        let ids: Vec<&str> =
            page["items"].as_array().unwrap().iter().filter_map(|item| item["id"].as_str()).collect();
        assert_eq!(ids, if seen { vec![scene.container.as_str()] } else { vec![] }, "{page}");
        assert_eq!(page["total"], json!(usize::from(seen)));
        let none: Value = person.get(&format!("/containers?ids={unknown}")).await.json().await.unwrap();
        assert_eq!(none["items"], json!([]), "not all of them");
    }
    let alice = scene.world.sign_in("alice").await;
    for count in [3, 100] {
        let ids = vec![scene.container.as_str(); count].join(",");
        let page: Value = alice.get(&format!("/containers?ids={ids}")).await.json().await.unwrap();
        assert_eq!(page["items"].as_array().unwrap().len(), 1, "each once");
    }
    for wrong in [String::new(), "x".into(), format!("{unknown},"), vec![unknown; 101].join(",")] {
        let answer = alice.get(&format!("/containers?ids={wrong}")).await;
        assert_eq!(answer.status(), 422, "{wrong}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["field"], json!("ids"), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains("1 to 100 ids"), "{problem}");
    }
}
