//! What is told on a container's socket, and what is done that is asked for on it.

use super::{
    fields::{judge, write},
    scene::Scene,
    who::Who,
};
use crate::flood::open;
use futures_util::{SinkExt, StreamExt, future::join_all};
use raptor_core::authz::ContainerPermission as C;
use serde_json::{Value, json};
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

/// Longer than anything takes: what stalls is a failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a socket told until its second beat after the command's answer, by which time every kind of frame has come.
struct FramesSeen {
    lines: bool,
    stats: bool,
    command: bool,
}

async fn listen(scene: &Scene, who: &Who) -> FramesSeen {
    let person = scene.world.holding(who.token.clone());
    let path = format!("/containers/{}/live?tail=50", scene.ids["main"]);
    let mut socket = open(&scene.world, &person, &path).await.unwrap();
    let command = json!({ "type": "command", "command": "say hi", "command_id": 1 });
    socket.send(Message::text(command.to_string())).await.unwrap();
    let mut seen = FramesSeen { lines: false, stats: false, command: false };
    let (mut answered, mut beats) = (false, 0);
    let read = async {
        while beats < 2 {
            let Message::Text(text) = socket.next().await.unwrap().unwrap() else { continue };
            let frame: Value = serde_json::from_str(&text).unwrap();
            match frame["type"].as_str().unwrap() {
                "lines" => seen.lines = true,
                "stats" => seen.stats = true,
                "accepted" => (seen.command, answered) = (true, true),
                "problem" => {
                    assert!(["forbidden", "not_found"].contains(&frame["code"].as_str().unwrap()), "{frame}");
                    answered = true;
                }
                "beat" if answered => beats += 1,
                _ => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, read).await.unwrap();
    seen
}

/// Opens the socket of a container that runs as everybody who sees it.
pub async fn look(scene: &Scene, everybody: &[Who], text: &mut String, wrong: &mut Vec<String>) {
    let listeners = everybody.iter().filter(|who| who.sees());
    let all = join_all(listeners.map(async |who| (who, listen(scene, who).await))).await;
    type Part = (&'static str, C, fn(&FramesSeen) -> bool);
    let parts: [Part; 3] = [
        ("lines of the console", C::ConsoleRead, |seen| seen.lines),
        ("measurements", C::StatsRead, |seen| seen.stats),
        ("a command that is sent on it", C::ConsoleCommand, |seen| seen.command),
    ];
    for (name, right, shown) in parts {
        let what = format!("live_container {name}");
        for (who, seen) in &all {
            judge(wrong, &what, who, shown(seen), who.holds(right.into()));
        }
        let seen: Vec<_> =
            all.iter().filter(|(_, seen)| shown(seen)).map(|(who, _)| who.kind.clone()).collect();
        write(text, "live_container", name, &seen);
    }
}
