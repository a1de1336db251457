//! Of which changes somebody is told.

use super::{
    fields::{judge, write},
    scene::{Scene, egg, ok},
    table::Right,
    who::Who,
};
use crate::{
    events::frame,
    flood::{Socket, open},
    support::bodies,
};
use futures_util::future::join_all;
use raptor_client::api::types::Level;
use raptor_core::authz::SystemPermission as S;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Subjects of changes, with the permission of those who are told of them. None: those who have access to the container or see all.
const SUBJECTS: [(&str, Option<S>); 8] = [
    ("user", Some(S::UsersRead)),
    ("role", Some(S::RolesRead)),
    ("daemon", Some(S::DaemonsRead)),
    ("registry", Some(S::DaemonsRead)),
    ("allocation", Some(S::AllocationsRead)),
    ("template", Some(S::TemplatesRead)),
    ("container", None),
    ("access", None),
];

/// Changes one of everything.
async fn change_everything(scene: &Scene) {
    let admin = scene.admin();
    let target = json!({ "username": "target", "email": "target@example.com", "role_id": scene.ids["no_rights"], "suspended": false });
    let registry = json!({ "host": "changed.example.com", "username": "a", "password": "b" });
    for (path, body) in [
        (format!("/users/{}", scene.ids["user"]), target),
        (format!("/roles/{}", scene.ids["role"]), json!(bodies::a_role("Target", &[]))),
        (format!("/daemons/{}/maintenance", scene.ids["idle"]), json!({ "reason": "A test" })),
        ("/registries".into(), registry),
        (format!("/allocations/{}", scene.ids["allocation"]), json!({ "note": "changed" })),
        (format!("/containers/{}", scene.ids["main"]), json!({ "name": "Changed" })),
    ] {
        ok(admin.request(Method::PUT, &path).json(&body).send().await.unwrap()).await;
    }
    let revise = format!("/templates/{}/revisions", scene.ids["template"]);
    ok(admin.request(Method::POST, &revise).body(egg("Web", "./changed")).send().await.unwrap()).await;
    let guest = json!(bodies::access("guest", Level::Admin));
    ok(admin.post(&format!("/containers/{}/access", scene.ids["main"]), guest).await).await;
}

/// Changes somebody's own account, of which everybody is told: so they have been told of everything before it.
async fn change_account(scene: &Scene, account: &Value) {
    let path = format!("/users/{}", account["id"].as_str().unwrap());
    let user = ok(scene.admin().get(&path).await).await;
    let same = json!({ "username": user["username"], "email": user["email"], "role_id": user["role"]["id"], "suspended": false });
    ok(scene.admin().request(Method::PUT, &path).json(&same).send().await.unwrap()).await;
}

/// The subjects of the changes that came before that of the own account.
async fn told(mut socket: Socket, own: &Value) -> BTreeSet<String> {
    let mut subjects = BTreeSet::new();
    loop {
        let change = frame(&mut socket, "change").await;
        if change["subject"] == "user" && change["id"] == own["id"] {
            return subjects;
        }
        subjects.insert(change["subject"].as_str().unwrap().to_owned());
    }
}

/// Changes one of everything while everybody listens.
pub async fn follow(scene: &Scene, everybody: &[Who], text: &mut String, wrong: &mut Vec<String>) {
    let mut listeners = Vec::new();
    for who in everybody {
        let person = scene.world.holding(who.token.clone());
        let account = ok(person.get("/account").await).await;
        let socket = open(&scene.world, &person, "/events/live").await.unwrap();
        listeners.push((who, account, socket));
    }
    change_everything(scene).await;
    for (_, account, _) in &listeners {
        change_account(scene, account).await;
    }
    let all = join_all(
        listeners.into_iter().map(async |(who, account, socket)| (who, told(socket, &account).await)),
    )
    .await;
    for (subject, takes) in SUBJECTS {
        let shown = |told: &BTreeSet<String>| told.contains(subject);
        let name = format!("changes of the kind {subject}");
        for (who, told) in &all {
            let should = takes.map_or_else(|| who.knows(), |permission| who.holds(Right::System(permission)));
            judge(wrong, &format!("live_events {name}"), who, shown(told), should);
        }
        let seen: Vec<_> =
            all.iter().filter(|(_, told)| shown(told)).map(|(who, _)| who.kind.clone()).collect();
        write(text, "live_events", &name, &seen);
    }
}
