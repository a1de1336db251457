//! Of which changes somebody is told, and which other frames they get.

use super::{
    fields::{judge, write},
    scene::{Scene, egg},
    table::Right,
    who::Who,
};
use crate::{
    flood::{Socket, open},
    support::{Answered, bodies},
};
use futures_util::{SinkExt, StreamExt, future::join_all};
use raptor_client::api::{
    query::ReviseTemplate,
    types::{AllocationUpdate, ContainerUpdate, Level, MaintenanceUpdate, RegistryDraft, UserId, UserUpdate},
};
use raptor_core::authz::{ContainerPermission as C, SystemPermission as S};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio_tungstenite::tungstenite::Message;

/// Longer than anything takes: what stalls is a failure.
const PATIENCE: Duration = Duration::from_secs(60);

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

/// The kind of a frame that is about no change of the store, and whether somebody gets it.
type Frame = (&'static str, fn(&Who) -> bool);

const FRAMES: [Frame; 3] = [
    ("live", Who::knows),
    ("stats", |who| who.holds(Right::Container(C::StatsRead))),
    ("daemon", |who| who.holds(Right::System(S::DaemonsRead))),
];

/// Changes one of everything.
async fn change_everything(scene: &Scene) {
    let admin = scene.admin();
    let target = bodies::same_user("target", scene.typed("no_rights"));
    admin.update_user(&scene.typed("user"), &target).await.done();
    admin.update_role(&scene.typed("role"), &bodies::a_role("Target", &[])).await.done();
    let maintenance = MaintenanceUpdate { reason: Some("A test".into()) };
    admin.set_daemon_maintenance(&scene.typed("idle"), &maintenance).await.done();
    let login =
        RegistryDraft { host: "changed.example.com".into(), username: "a".into(), password: "b".into() };
    admin.save_registry(&login).await.done();
    let allocation = AllocationUpdate { note: Some("changed".into()), ..AllocationUpdate::default() };
    admin.update_allocation(&scene.typed("allocation"), &allocation).await.done();
    admin.update_container(&scene.typed("main"), &ContainerUpdate::new("Changed")).await.done();
    let revised = egg("Web", "./changed");
    admin.revise_template(&scene.typed("template"), ReviseTemplate::default(), revised).await.done();
    admin.grant_access(&scene.typed("main"), &bodies::access("guest", Level::Admin)).await.done();
    // The state of a container; hosts and measurements change all the time.
    admin.suspend_container(&scene.typed("spare")).await.done();
}

/// Changes somebody's own account, of which everybody is told: so they have been told of everything before it.
async fn change_account(scene: &Scene, account: &UserId) {
    let user = scene.admin().get_user(account).await.done();
    let same = UserUpdate { email: user.email, ..bodies::same_user(&user.username, user.role.id) };
    scene.admin().update_user(&user.id, &same).await.done();
}

/// What somebody was told.
#[derive(Clone, Default)]
struct Told {
    /// The subjects of changes.
    subjects: Arc<Mutex<BTreeSet<String>>>,
    /// The kinds of the other frames.
    frames: Arc<Mutex<BTreeSet<&'static str>>>,
}

impl Told {
    /// Listens until the change of the own account.
    async fn listen(self, mut socket: Socket, own: UserId) {
        loop {
            let Message::Text(text) = socket.next().await.unwrap().unwrap() else { continue };
            let frame: Value = serde_json::from_str(&text).unwrap();
            let kind = frame["type"].as_str().unwrap();
            if kind == "change" {
                if frame["subject"] == "user" && frame["id"] == own.to_string() {
                    return;
                }
                self.subjects.lock().unwrap().insert(frame["subject"].as_str().unwrap().to_owned());
            }
            let measured = || frame["rows"].as_array().is_some_and(|rows| !rows.is_empty());
            if let Some((known, _)) = FRAMES.iter().find(|(known, _)| *known == kind)
                && (kind != "stats" || measured())
            {
                self.frames.lock().unwrap().insert(known);
            }
        }
    }

    fn has(&self, frame: &str) -> bool {
        self.frames.lock().unwrap().contains(frame)
    }

    /// Whether there is nothing left that `who` is to be told besides changes.
    fn is_complete(&self, who: &Who) -> bool {
        FRAMES.iter().all(|(frame, takes)| !takes(who) || self.has(frame))
    }
}

/// Changes one of everything while everybody listens.
pub async fn follow(scene: &Scene, everybody: &[Who], text: &mut String, wrong: &mut Vec<String>) {
    let mut listeners = Vec::new();
    for who in everybody {
        let person = scene.world.holding(who.token.clone());
        let account = person.get_account().await.done().id;
        let mut socket = open(&scene.world, &person, "/events/live").await.unwrap();
        let watch = json!({ "type": "watch", "watch": 1, "ids": [scene.id("main")] });
        socket.send(Message::text(watch.to_string())).await.unwrap();
        let told = Told::default();
        // Read from now on: the server closes a socket that nobody reads while all of this is changed.
        listeners.push((who, account, told.clone(), tokio::spawn(told.listen(socket, account))));
    }
    change_everything(scene).await;
    // Once all have been told who are to be, the others would have been, too.
    let complete = async {
        while !listeners.iter().all(|(who, _, told, _)| told.is_complete(who)) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let _ = tokio::time::timeout(PATIENCE, complete).await;
    for (_, account, ..) in &listeners {
        change_account(scene, account).await;
    }
    let told = listeners.into_iter().map(async |(who, _, told, listening)| {
        listening.await.unwrap();
        (who, told)
    });
    let all = join_all(told).await;
    for (subject, takes) in SUBJECTS {
        let shown = |told: &Told| told.subjects.lock().unwrap().contains(subject);
        let name = format!("changes of the kind {subject}");
        for (who, told) in &all {
            let should = takes.map_or_else(|| who.knows(), |permission| who.holds(Right::System(permission)));
            judge(wrong, &format!("live_events {name}"), who, shown(told), should);
        }
        let seen: Vec<_> =
            all.iter().filter(|(_, told)| shown(told)).map(|(who, _)| who.kind.clone()).collect();
        write(text, "live_events", &name, &seen);
    }
    for (frame, takes) in FRAMES {
        let name = format!("frames of the kind {frame}");
        for (who, told) in &all {
            judge(wrong, &format!("live_events {name}"), who, told.has(frame), takes(who));
        }
        let seen: Vec<_> =
            all.iter().filter(|(_, told)| told.has(frame)).map(|(who, _)| who.kind.clone()).collect();
        write(text, "live_events", &name, &seen);
    }
}
