//! Measurements on the stream of what happens: only of what is watched, only to those who may see them, and in few bytes.

use crate::{
    events::frame,
    flood::{Socket, open},
    secrets::{self, Scene},
    support::{Answered, bodies},
    world::World,
};
use futures_util::{SinkExt, StreamExt};
use raptor_client::api::{
    query::ListContainers,
    types::{ContainerId, NewContainer, PowerAction},
};
use raptor_core::{daemons::simulated::SimulatedHost, roles::Builtin};
use serde_json::{Value, json};
use std::{num::NonZeroU32, time::Duration};
use tokio_tungstenite::tungstenite::Message;

/// Longer than anything takes: what stalls is a failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// An id that no container has.
const UNKNOWN: &str = "0199aaaa-bbbb-7ccc-8ddd-eeeeffff0123";

fn unknown() -> ContainerId {
    UNKNOWN.parse().unwrap()
}

/// Says what is watched from now on.
async fn watch(socket: &mut Socket, number: u64, ids: &[ContainerId]) {
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
    let container = scene.container;
    alice.power_container(&container, &bodies::power(PowerAction::Start)).await.done();

    // By level and by role; carol is a user of it, the administrator has no access of their own.
    for person in ["alice", "carol", "admin"] {
        let person = scene.world.sign_in(person).await;
        let mut socket = open(&scene.world, &person, "/events/live").await.unwrap();
        watch(&mut socket, 7, &[unknown(), container]).await;
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
    alice.power_container(&scene.container, &bodies::power(PowerAction::Start)).await.done();
    let mut socket = open(&scene.world, &carol, "/events/live").await.unwrap();
    watch(&mut socket, 1, &[scene.container]).await;
    frame(&mut socket, "stats").await;
    let id = secrets::user(&scene.world.sign_in("admin").await, "carol").await;
    alice.revoke_access(&scene.container, &id).await.done();
    frame(&mut socket, "change").await;
    let kinds = kinds(&mut socket).await;
    assert!(kinds.iter().all(|kind| kind == "beat"), "{kinds:?}");
}

#[tokio::test]
async fn the_measurements_of_a_hundred_containers_take_less_than_3_kb() {
    let scene = Scene::on(SimulatedHost::builder().stats_every(Duration::from_millis(300)).build()).await;
    let admin = scene.world.sign_in("admin").await;
    let first = admin.get_container(&scene.container).await.done();
    let mut ids = vec![scene.container];
    for number in 1..100 {
        let body = NewContainer {
            daemon_id: Some(first.daemon.id),
            variables: bodies::variables(&[("MAP", "desert")]),
            ..bodies::a_container(&format!("Game {number}"), first.template.id)
        };
        ids.push(admin.create_container(&body).await.done().id);
    }
    for id in &ids {
        admin.power_container(id, &bodies::power(PowerAction::Start)).await.done();
    }
    let mut socket = open(&scene.world, &admin, "/events/live").await.unwrap();
    watch(&mut socket, 1, &ids).await;
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
    for (ids, closed) in [(100, false), (101, true)] {
        let mut socket = open(&world, &admin, "/events/live").await.unwrap();
        watch(&mut socket, 1, &vec![unknown(); ids]).await;
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
    let both = format!("{UNKNOWN},{}", scene.container);
    let list = |ids: &'static str| ListContainers { ids: Some(ids), ..Default::default() };
    for (person, seen) in [("alice", true), ("carol", true), ("admin", true), ("stranger", false)] {
        let person = scene.world.sign_in(person).await;
        let query = ListContainers {
            ids: Some(&both),
            limit: NonZeroU32::new(100),
            with_total: Some(true),
            ..Default::default()
        };
        let page = person.list_containers(query).await.done();
        let ids: Vec<ContainerId> = page.items.iter().map(|item| item.id).collect();
        assert_eq!(ids, if seen { vec![scene.container] } else { vec![] }, "{page:?}");
        assert_eq!(page.total, Some(i64::from(seen)));
        let none = person.list_containers(list(UNKNOWN)).await.done();
        assert_eq!(none.items, [], "not all of them");
    }
    let alice = scene.world.sign_in("alice").await;
    for count in [3, 100] {
        let ids = vec![scene.container.to_string(); count].join(",");
        let query = ListContainers { ids: Some(&ids), ..Default::default() };
        assert_eq!(alice.list_containers(query).await.done().items.len(), 1, "each once");
    }
    for wrong in [String::new(), "x".into(), format!("{UNKNOWN},"), vec![UNKNOWN; 101].join(",")] {
        let query = ListContainers { ids: Some(&wrong), ..Default::default() };
        let problem = alice.list_containers(query).await.refused();
        assert_eq!((problem.status, problem.field.as_deref()), (422, Some("ids")), "{wrong}: {problem:?}");
        assert!(problem.detail.contains("1 to 100 ids"), "{problem:?}");
    }
}
