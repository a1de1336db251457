//! Of which changes somebody is told.

use super::{
    fields::{judge, write},
    scene::{Scene, egg},
    table::Right,
    who::Who,
};
use crate::{
    events::frame,
    flood::{Socket, open},
    support::{Answered, bodies},
};
use futures_util::future::join_all;
use raptor_client::api::{
    query::ReviseTemplate,
    types::{AllocationUpdate, ContainerUpdate, Level, MaintenanceUpdate, RegistryDraft, UserId, UserUpdate},
};
use raptor_core::authz::SystemPermission as S;
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
}

/// Changes somebody's own account, of which everybody is told: so they have been told of everything before it.
async fn change_account(scene: &Scene, account: &UserId) {
    let user = scene.admin().get_user(account).await.done();
    let same = UserUpdate { email: user.email, ..bodies::same_user(&user.username, user.role.id) };
    scene.admin().update_user(&user.id, &same).await.done();
}

/// The subjects of the changes that came before that of the own account.
async fn told(mut socket: Socket, own: UserId) -> BTreeSet<String> {
    let mut subjects = BTreeSet::new();
    loop {
        let change = frame(&mut socket, "change").await;
        if change["subject"] == "user" && change["id"] == own.to_string() {
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
        let account = person.get_account().await.done().id;
        let socket = open(&scene.world, &person, "/events/live").await.unwrap();
        // Read from now on: the server closes a socket that nobody reads while all of this is changed.
        listeners.push((who, account, tokio::spawn(told(socket, account))));
    }
    change_everything(scene).await;
    for (_, account, _) in &listeners {
        change_account(scene, account).await;
    }
    let told = listeners.into_iter().map(async |(who, _, told)| (who, told.await.unwrap()));
    let all = join_all(told).await;
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
