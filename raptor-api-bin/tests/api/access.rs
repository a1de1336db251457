//! What somebody with access sees, and what not.

use crate::secrets::Scene;
use serde_json::{Value, json};

async fn seen(scene: &Scene, who: &str) -> Value {
    let person = scene.world.sign_in(who).await;
    person.get(&format!("/containers/{}", scene.container)).await.json().await.unwrap()
}

#[tokio::test]
async fn level_user_reads_the_console_and_powers_it_and_neither_files_nor_startup() {
    let scene = Scene::new().await;
    let carol = scene.world.sign_in("carol").await;
    let at = |path: &str| format!("/containers/{}{path}", scene.container);
    for path in [
        "/files?path=/",
        "/files/content?path=a",
        "/files/search?path=/&content=a",
        "/files/operations",
        "/preview",
        "/sftp",
    ] {
        assert_eq!(carol.get(&at(path)).await.status(), 403, "{path}");
    }
    let seen = seen(&scene, "carol").await;
    assert_eq!(seen["startup_command"], Value::Null);
    assert_eq!((&seen["variables"], &seen["images"]), (&json!([]), &json!([])));
    assert!(carol.get(&at("/console")).await.status().is_success());
    assert!(carol.post(&at("/power"), json!({ "action": "start" })).await.status().is_success());
}

#[tokio::test]
async fn what_a_level_may_do_is_listed_and_is_what_it_holds() {
    let scene = Scene::new().await;
    let lists: Value = scene.world.anonymous().get("/permissions").await.json().await.unwrap();
    let levels = lists["levels"].as_array().unwrap();
    let of = |name: &str| {
        let level = levels.iter().find(|level| level["level"] == name);
        level.unwrap_or_else(|| panic!("{name} is not listed"))["permissions"].clone()
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
    assert_eq!(of("user"), json!(user));
    assert_eq!(seen(&scene, "carol").await["permissions"], of("user"));
    assert_eq!(seen(&scene, "bob").await["permissions"], of("admin"));
    assert_eq!(of("custom"), json!([]));
    assert!(!levels.iter().any(|level| level["level"] == "owner"), "that is given in the settings");
}

#[tokio::test]
async fn addresses_are_hidden_from_those_without_network_read() {
    let scene = Scene::new().await;
    let all = |container: &str| {
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
        for path in all(&scene.container) {
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
    let path = format!("/containers/{}/access", scene.container);
    let addresses = async |who: &str| {
        let list: Value = scene.world.sign_in(who).await.get(&path).await.json().await.unwrap();
        let entries = list["items"].as_array().unwrap().iter();
        entries.filter_map(|entry| Some(entry["email"].as_str()?.to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(addresses("alice").await, Vec::<String>::new());
    assert_eq!(addresses("bob").await, ["bob@example.com"], "their own");
    let everybody = ["bob", "carol", "dave", "erin"].map(|name| format!("{name}@example.com"));
    assert_eq!(addresses("manager").await, everybody, "those who may see all users");
}
