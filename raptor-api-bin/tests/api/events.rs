//! The streams of what happens: nothing is missed, nothing comes too late, and a dead line is noticed.

use crate::{
    flood::{Socket, end, open},
    secrets::{self, Scene},
    support::{Answered, bodies},
    world::{Person, World},
};
use chrono::{DateTime, TimeDelta};
use futures_util::{SinkExt, StreamExt};
use raptor_client::api::{
    query::ListCommands,
    types::{Phase, PowerAction, RoleId, UserUpdate},
};
use raptor_core::{clock::Clock, roles::Builtin};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

/// Longer than anything takes: what stalls is a failure.
const PATIENCE: Duration = Duration::from_secs(60);
/// The ids of another process.
const FOREIGN: &str = "0123456789abcdef-7-7";

/// A stream of server-sent events.
struct Events {
    answer: reqwest::Response,
    text: String,
}

/// One event: kind, id, data.
type Event = (String, String, Value);

impl Events {
    async fn after(person: &Person<'_>, last: Option<&str>) -> Self {
        let mut request = person.request(Method::GET, "/events");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        Self { answer, text: String::new() }
    }

    async fn next(&mut self) -> Event {
        let read = async {
            loop {
                if let Some((event, rest)) = self.text.split_once("\n\n") {
                    let field = |name: &str| {
                        let line = event.lines().find_map(|line| line.strip_prefix(name));
                        line.map(|value| value.trim_start_matches(':').trim().to_owned()).unwrap_or_default()
                    };
                    let (kind, id, data) = (field("event"), field("id"), field("data"));
                    self.text = rest.to_owned();
                    if !kind.is_empty() {
                        return (kind, id, serde_json::from_str(&data).unwrap());
                    }
                    continue;
                }
                let chunk = self.answer.chunk().await.unwrap().unwrap();
                self.text.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        };
        tokio::time::timeout(PATIENCE, read).await.unwrap()
    }

    /// All events until the one of `kind`, with it.
    async fn until(&mut self, kind: &str) -> Vec<Event> {
        let mut seen = Vec::new();
        loop {
            seen.push(self.next().await);
            if seen.last().unwrap().0 == kind {
                return seen;
            }
        }
    }
}

pub async fn frame(socket: &mut Socket, kind: &str) -> Value {
    let read = async {
        loop {
            if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
                let frame: Value = serde_json::from_str(&text).unwrap();
                if frame["type"] == kind {
                    return frame;
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, read).await.unwrap()
}

async fn role(person: &Person<'_>, name: &str) -> RoleId {
    person.create_role(&bodies::a_role(name, &[])).await.done().id
}

#[tokio::test]
async fn what_was_missed_is_told_once_to_who_comes_back_with_the_last_id() {
    let world = World::new().await;
    let admin = world.person(Builtin::Admin).await;
    let mut events = Events::after(&admin, None).await;
    let (kind, begin, data) = events.next().await;
    assert_eq!(kind, "beat", "it says at once that it is alive, and where it is");
    assert!(data["time"].is_string(), "{data}");
    let first = role(&admin, "first").await;
    let (_, told, data) = events.until("change").await.pop().unwrap();
    assert_eq!((&data["subject"], &data["id"]), (&json!("role"), &json!(first)));
    drop(events);

    let second = role(&admin, "second").await;
    let of_roles = async |last: &str| {
        let mut events = Events::after(&admin, Some(last)).await;
        let third = role(&admin, &format!("after {last}")).await;
        let mut ids = Vec::new();
        loop {
            let (kind, _, data) = events.next().await;
            assert_ne!(kind, "resync", "nothing was lost");
            if kind == "change" && data["subject"] == "role" {
                ids.push(data["id"].as_str().unwrap().parse().unwrap());
            }
            if ids.last() == Some(&third) {
                ids.pop();
                return ids;
            }
        }
    };
    assert_eq!(of_roles(&told).await, std::slice::from_ref(&second));
    let again = of_roles(&begin).await;
    assert_eq!(again[..2], [first, second], "from further back, each once and in order");
    assert_eq!(again.len(), 3);
}

#[tokio::test]
async fn a_gap_that_can_not_be_filled_is_said() {
    let world = World::new().await;
    let admin = world.person(Builtin::Admin).await;
    for unknown in [FOREIGN, "nonsense"] {
        let mut events = Events::after(&admin, Some(unknown)).await;
        events.until("resync").await;
        let mut socket = open(&world, &admin, &format!("/events/live?after={unknown}")).await.unwrap();
        frame(&mut socket, "resync").await;
    }
}

#[tokio::test]
async fn the_panels_socket_goes_on_where_it_stopped() {
    let world = World::new().await;
    let admin = world.person(Builtin::Admin).await;
    let mut socket = open(&world, &admin, "/events/live").await.unwrap();
    let last = frame(&mut socket, "beat").await["event_id"].as_str().unwrap().to_owned();
    drop(socket);
    let made = role(&admin, "meanwhile").await;
    let mut socket = open(&world, &admin, &format!("/events/live?after={last}")).await.unwrap();
    let change = frame(&mut socket, "change").await;
    assert_eq!(
        (&change["subject"], &change["verb"], &change["id"]),
        (&json!("role"), &json!("created"), &json!(made))
    );
    // And it is alive without being asked.
    frame(&mut socket, "beat").await;
}

#[tokio::test]
async fn who_loses_a_container_is_told_and_strangers_are_not() {
    let scene = Scene::new().await;
    let alice = scene.world.sign_in("alice").await;
    let stranger = scene.world.named("stranger", Builtin::User).await;
    let admin = scene.world.sign_in("admin").await;
    let mut hers = open(&scene.world, &alice, "/events/live").await.unwrap();
    let begin = frame(&mut hers, "beat").await["event_id"].as_str().unwrap().to_owned();
    let mut theirs = open(&scene.world, &stranger, "/events/live").await.unwrap();
    frame(&mut theirs, "beat").await;
    admin.delete_container(&scene.container, None).await.done();
    loop {
        let change = frame(&mut hers, "change").await;
        if change["verb"] == "deleted" && change["subject"] == "container" {
            assert_eq!(change["id"], json!(scene.container));
            break;
        }
    }
    // What comes back later can't be told which one it was, only to look.
    let mut late = open(&scene.world, &alice, &format!("/events/live?after={begin}")).await.unwrap();
    frame(&mut late, "resync").await;
    // A stranger's next news is of their own account.
    let id = secrets::user(&admin, "stranger").await;
    let same = bodies::same_user("stranger", scene.world.role(Builtin::User).await);
    let update = UserUpdate { email: "other@example.com".into(), ..same };
    admin.update_user(&id, &update).await.done();
    assert_eq!(frame(&mut theirs, "change").await["id"], json!(id));
}

#[tokio::test]
async fn proxies_are_asked_not_to_keep_events_back() {
    let world = World::new().await;
    let answer = world.person(Builtin::Admin).await.get("/events").await;
    assert_eq!(answer.headers()["x-accel-buffering"], "no");
    assert!(answer.headers().get("content-encoding").is_none());
}

#[tokio::test]
async fn an_order_that_comes_too_late_is_refused_and_nothing_is_done() {
    let scene = Scene::new().await;
    let alice = scene.world.sign_in("alice").await;
    let power = async |limit: &str| {
        let request = alice.request(Method::POST, &format!("/containers/{}/power", scene.container));
        let request = request.header("x-raptor-not-after", limit).json(&bodies::power(PowerAction::Start));
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap_or_default()["code"].clone())
    };
    let now = scene.world.raptor.clock().now();
    let past = now - chrono::TimeDelta::seconds(1);
    assert_eq!(power(&past.to_rfc3339()).await, (409, json!("too_late")));
    assert_eq!(power("soon").await, (422, json!("invalid")));
    let container = alice.get_container(&scene.container).await.done();
    assert_ne!(container.live.phase, Phase::Running);
    let soon = now + chrono::TimeDelta::minutes(5);
    assert_eq!(power(&soon.to_rfc3339()).await.0, 202);

    let mut socket =
        open(&scene.world, &alice, &format!("/containers/{}/live", scene.container)).await.unwrap();
    while frame(&mut socket, "status").await["status"]["phase"] != "running" {}
    let mut order = async |command_id: u64, limit: &str| {
        let order =
            json!({ "type": "command", "command": "list", "command_id": command_id, "not_after": limit });
        socket.send(Message::text(order.to_string())).await.unwrap();
        let kind = if limit.starts_with("2001") { "problem" } else { "accepted" };
        let answer = frame(&mut socket, kind).await;
        assert_eq!(answer["command_id"], json!(command_id), "{answer}");
        answer["code"].clone()
    };
    assert_eq!(order(1, "2001-01-01T00:00:00Z").await, "too_late");
    assert_eq!(order(2, &soon.to_rfc3339()).await, Value::Null);
    let sent = alice.list_commands(&scene.container, ListCommands::default()).await.done();
    assert_eq!(sent.items.len(), 1, "{sent:?}");
}

#[tokio::test]
async fn streams_end_with_the_session_that_opened_them_though_nobody_ends_it() {
    let clock = Clock::manual(DateTime::UNIX_EPOCH + TimeDelta::days(20_000));
    let scene = Scene::at(clock.clone()).await;
    let alice = scene.world.sign_in("alice").await;
    let mut events = Events::after(&alice, None).await;
    events.next().await;
    let mut live = open(&scene.world, &alice, "/events/live").await.unwrap();
    let mut console =
        open(&scene.world, &alice, &format!("/containers/{}/live", scene.container)).await.unwrap();
    frame(&mut live, "beat").await;
    frame(&mut console, "beat").await;
    clock.advance(TimeDelta::days(8));
    assert_eq!(end(&mut live).await, Some(1008));
    assert_eq!(end(&mut console).await, Some(1008));
    let rest = async { while events.answer.chunk().await.unwrap().is_some() {} };
    tokio::time::timeout(PATIENCE, rest).await.unwrap();
}

#[tokio::test]
async fn a_right_that_is_taken_from_a_role_is_gone_from_consoles_that_are_open() {
    let scene = Scene::new().await;
    let admin = scene.world.sign_in("admin").await;
    let draft = |permissions: &[&str]| bodies::a_role("operator", permissions);
    let role = admin.create_role(&draft(&["containers.read", "containers.control"])).await.done().id;
    admin.create_user(&bodies::a_user("olga", role)).await.done();
    let olga = scene.world.sign_in("olga").await;
    admin.power_container(&scene.container, &bodies::power(PowerAction::Start)).await.done();
    let mut console =
        open(&scene.world, &olga, &format!("/containers/{}/live", scene.container)).await.unwrap();
    while frame(&mut console, "status").await["status"]["phase"] != "running" {}
    let order = |id: u64| {
        Message::text(json!({ "type": "command", "command": "list", "command_id": id }).to_string())
    };
    console.send(order(1)).await.unwrap();
    frame(&mut console, "accepted").await;

    admin.update_role(&role, &draft(&["containers.read"])).await.done();
    console.send(order(2)).await.unwrap();
    let refused = frame(&mut console, "problem").await;
    assert_eq!((&refused["code"], &refused["command_id"]), (&json!("forbidden"), &json!(2)));
}
