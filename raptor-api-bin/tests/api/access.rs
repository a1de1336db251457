//! What somebody with access sees, and what not.

use crate::{
    secrets::Scene,
    support::{Answered, bodies},
};
use raptor_client::api::{
    query::{ListFiles, SearchFiles},
    types::{Container, ContainerId, Level, PowerAction, Problem},
};

async fn seen(scene: &Scene, who: &str) -> Container {
    scene.world.sign_in(who).await.get_container(&scene.container).await.done()
}

#[tokio::test]
async fn level_user_reads_the_console_and_powers_it_and_neither_files_nor_startup() {
    let scene = Scene::new().await;
    let carol = scene.world.sign_in("carol").await;
    let id = &scene.container;
    let list = ListFiles { path: Some("/"), ..Default::default() };
    let search = SearchFiles { path: Some("/"), content: Some("a"), ..Default::default() };
    let refused: [(&str, Problem); 6] = [
        ("list", carol.list_files(id, list).await.refused()),
        ("content", carol.read_file(id, "a", None, None).await.refused()),
        ("search", carol.search_files(id, search).await.refused()),
        ("operations", carol.list_file_operations(id).await.refused()),
        ("preview", carol.preview_container(id).await.refused()),
        ("sftp", carol.get_container_sftp(id).await.refused()),
    ];
    for (what, problem) in refused {
        assert_eq!(problem.status, 403, "{what}");
    }
    let seen = seen(&scene, "carol").await;
    assert_eq!(seen.startup_command, None);
    assert!(seen.variables.is_empty() && seen.images.is_empty(), "{seen:?}");
    carol.get_console(id, None, None).await.done();
    carol.power_container(id, &bodies::power(PowerAction::Start)).await.done();
}

#[tokio::test]
async fn what_a_level_may_do_is_listed_and_is_what_it_holds() {
    let scene = Scene::new().await;
    let lists = scene.world.anonymous().list_permissions().await.done();
    let of = |level: Level| {
        let listed = lists.levels.iter().find(|listed| listed.level == level);
        listed.unwrap_or_else(|| panic!("{level} is not listed")).permissions.clone()
    };
    let user = [
        "console.read",
        "console.command",
        "stats.read",
        "power.start",
        "power.stop",
        "power.restart",
        "power.kill",
        "network.read",
    ];
    let listed: Vec<String> = of(Level::User).iter().map(ToString::to_string).collect();
    assert_eq!(listed, user);
    assert_eq!(seen(&scene, "carol").await.permissions, of(Level::User));
    assert_eq!(seen(&scene, "bob").await.permissions, of(Level::Admin));
    assert!(of(Level::Custom).is_empty());
    assert!(!lists.levels.iter().any(|listed| listed.level == Level::Owner), "that is given in the settings");
}

#[tokio::test]
async fn addresses_are_hidden_from_those_without_network_read() {
    let scene = Scene::new().await;
    let all = |container: ContainerId| {
        [
            format!("/containers/{container}"),
            "/containers".into(),
            "/containers?mine=true&search=game".into(),
            format!("/containers/{container}/preview"),
        ]
    };
    for (who, sees) in
        [("erin", false), ("dave", false), ("carol", true), ("bob", true), ("alice", true), ("admin", true)]
    {
        let person = scene.world.sign_in(who).await;
        let mut text = String::new();
        for path in all(scene.container) {
            text += &person.get(&path).await.text().await.unwrap();
        }
        assert!(text.contains("Game"), "{who} sees nothing: {text}");
        assert_eq!(text.contains("192.0.2.1"), sees, "{who}: {text}");
        let port = text.contains("\"port\":30000") || text.contains("\"30000\"");
        assert_eq!(port, sees, "{who}: {text}");
    }
}

#[tokio::test]
async fn an_owner_does_not_learn_the_address_of_somebody_by_giving_them_access() {
    let scene = Scene::new().await;
    let addresses = async |who: &str| {
        let list = scene.world.sign_in(who).await.list_access(&scene.container).await.done();
        list.items.into_iter().filter_map(|entry| entry.email).collect::<Vec<_>>()
    };
    assert_eq!(addresses("alice").await, Vec::<String>::new());
    assert_eq!(addresses("bob").await, ["bob@example.com"], "their own");
    let everybody = ["bob", "carol", "dave", "erin"].map(|name| format!("{name}@example.com"));
    assert_eq!(addresses("manager").await, everybody, "those who may see all users");
}
