//! Secrets and hidden variables never leave, whatever is asked and whoever asks.

use crate::world::{Person, World};
use raptor_core::{clock::Clock, daemons::simulated::SimulatedHost, node::Node, roles::Builtin};
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;

const SECRET: &str = "hunter2-is-the-secret";
const HIDDEN: &str = "only-for-administrators";

pub struct Scene {
    pub world: World,
    pub container: String,
    template: String,
    daemon: String,
}

fn egg(more: Value) -> String {
    let variable = |env: &str, viewable: bool, rules: &str| {
        json!({ "name": env, "env_variable": env, "default_value": "", "user_viewable": viewable,
                "user_editable": viewable, "rules": rules, "description": "" })
    };
    json!({
        "meta": { "version": "PTDL_v2" }, "uuid": "5f2a2b1e-0000-4000-8000-000000000001", "name": "Game", "author": "a@b.c",
        "docker_images": { "One": "example/game:1" }, "startup": "./run {{RCON_PASSWORD}} {{INNER}} {{MAP}}",
        "config": { "stop": "stop", "files": { "a.properties": { "parser": "properties",
            "find": { "p": "{{RCON_PASSWORD}}", "i": "{{server.build.env.INNER}}" } } } },
        "variables": [variable("RCON_PASSWORD", true, "nullable|string|max:30"), variable("INNER", false, "nullable|string"),
                      variable("MAP", true, "required|string|max:10")],
        "more": more,
    })
    .to_string()
}

impl Scene {
    /// Alice's container with a secret and a hidden variable. Bob may do all with it, Carol look and use it, Dave read how it
    /// starts, and Erin its console.
    pub async fn new() -> Self {
        Self::with(SimulatedHost::default(), Clock::System).await
    }

    /// The same by another clock.
    pub async fn at(clock: Clock) -> Self {
        Self::with(SimulatedHost::default(), clock).await
    }

    /// The same on this host.
    pub async fn on(host: SimulatedHost) -> Self {
        Self::with(host, Clock::System).await
    }

    async fn with(host: SimulatedHost, clock: Clock) -> Self {
        let world = World::with(|builder| {
            builder.clock(clock).connector(Arc::new(move |_, _| Ok(Arc::new(host.clone()) as Arc<dyn Node>)))
        })
        .await;
        let admin = world.person(Builtin::Admin).await;
        for name in ["alice", "bob", "carol", "dave", "erin"] {
            world.named(name, Builtin::User).await;
        }
        world.person(Builtin::Manager).await;
        let made = async |path: &str, body: Value| {
            let answer = admin.post(path, body).await;
            let status = answer.status();
            let text = answer.text().await.unwrap();
            assert!(status.is_success(), "{path}: {status} {text}");
            serde_json::from_str::<Value>(&text).unwrap_or_default()
        };
        let daemon =
            made("/daemons", json!({ "name": "one", "host": "192.0.2.1", "port": 8080, "tls": false })).await;
        let daemon = daemon["daemon"]["id"].as_str().unwrap().to_owned();
        made(&format!("/daemons/{daemon}/allocations"), json!({ "ip": "192.0.2.1", "ports": "30000" })).await;
        let import = async |file: String| {
            let answer = admin
                .request(Method::POST, "/templates/import?on_existing=keep_both")
                .body(file)
                .send()
                .await
                .unwrap();
            answer.json::<Value>().await.unwrap()["template"]["id"].as_str().unwrap().to_owned()
        };
        let template = import(egg(json!(1))).await;
        let users: Value = admin.get("/users?search=alice").await.json().await.unwrap();
        let body = json!({
            "name": "Game", "template_id": template, "owner_id": users["items"][0]["id"], "daemon_id": daemon,
            "variables": { "RCON_PASSWORD": SECRET, "INNER": HIDDEN, "MAP": "desert" },
            "limits": { "memory_mib": 64, "swap_mib": 0, "cpu_percent": 100, "disk_mib": 64, "pids": 16, "io_weight": 500 },
        });
        let container = made("/containers", body).await["id"].as_str().unwrap().to_owned();
        // A newer version, so that there is a difference to be shown.
        import(egg(json!(2))).await;
        let grant = format!("/containers/{container}/access");
        made(&grant, json!({ "user": "bob", "level": "admin" })).await;
        made(&grant, json!({ "user": "carol", "level": "user" })).await;
        made(&grant, json!({ "user": "dave", "level": "custom", "permissions": ["startup.read"] })).await;
        made(&grant, json!({ "user": "erin", "level": "custom", "permissions": ["console.read"] })).await;
        Self { world, container, template, daemon }
    }

    /// Every path that is read, with everything in it that there is.
    fn paths(&self) -> Vec<String> {
        let document = raptor_api::openapi();
        let mut paths = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            let path = path.trim_start_matches("/api/v1");
            let operation = &item["get"];
            let streams = operation["responses"]["101"].is_object() || path.starts_with("/events");
            if !operation.is_object() || streams {
                continue;
            }
            let id = match path.split('/').nth(1) {
                Some("containers") => &self.container,
                Some("templates") => &self.template,
                Some("daemons") => &self.daemon,
                _ => "0199aaaa-bbbb-7ccc-8ddd-eeeeffff0123",
            };
            let path = path.replace("{id}", id).replace("{revision}", "1");
            paths.push(format!("{path}?path=/&limit=100&search=hunter2"));
            paths.push(path);
        }
        for format in ["ptdl_v2", "raptor"] {
            paths.push(format!("/templates/{}/export?format={format}", self.template));
        }
        paths.push(format!("/containers/{}/template?revision=2", self.container));
        assert!(paths.len() > 60, "{}", paths.len());
        paths
    }

    /// Requests that change something or are refused, with the secret in some: neither an answer nor a refusal repeats it.
    fn changes(&self) -> Vec<(Method, String, Value)> {
        let container = |path: &str| format!("/containers/{}{path}", self.container);
        let long = format!("{SECRET}{SECRET}");
        vec![
            (Method::PUT, container("/startup"), json!({ "variables": { "RCON_PASSWORD": long } })),
            (Method::PUT, container("/startup"), json!({ "variables": { "INNER": HIDDEN } })),
            (
                Method::PUT,
                container("/startup"),
                json!({ "variables": { "RCON_PASSWORD": SECRET, "MAP": "snow" } }),
            ),
            (Method::PUT, container("/startup"), json!({ "variables": { "RCON_PASSWORD": [SECRET] } })),
            (
                Method::PUT,
                container("/template"),
                json!({ "revision": 99, "variables": { "RCON_PASSWORD": SECRET } }),
            ),
            (
                Method::PUT,
                container("/template"),
                json!({ "revision": 2, "variables": { "MAP": "far too long a name" } }),
            ),
            (
                Method::PUT,
                container("/template"),
                json!({ "revision": 2, "variables": { "RCON_PASSWORD": SECRET } }),
            ),
            (Method::PUT, container(""), json!({ "name": "Game" })),
            (Method::POST, container("/power"), json!({ "action": "start" })),
            (Method::POST, container("/power"), json!({ "action": "kill" })),
            (Method::POST, container("/variables/INNER/reveal"), json!({})),
        ]
    }
}

/// Fails where the answer holds what it must not.
async fn tell_nothing(scene: &Scene, who: &str, person: &Person<'_>, sees_hidden: bool) {
    let mut answered = 0;
    let check = |what: &str, text: &str, hidden: bool| {
        assert!(!text.contains(SECRET), "{what} tells {who} the secret: {text}");
        assert!(hidden || !text.contains(HIDDEN), "{what} tells {who} what is hidden: {text}");
    };
    for path in scene.paths() {
        let answer = person.get(&path).await;
        answered += usize::from(answer.status().is_success());
        check(&path, &answer.text().await.unwrap(), sees_hidden);
    }
    assert!(answered > 8, "{who} was answered {answered} times only");
    for (method, path, body) in scene.changes() {
        let answer = person.request(method, &path).json(&body).send().await.unwrap();
        let what = format!("{path} with {body}");
        check(&what, &answer.text().await.unwrap(), sees_hidden);
    }
    // Also what was written down about all of this.
    for path in [format!("/containers/{}/activity?limit=100", scene.container), "/activity?limit=100".into()]
    {
        check(&path, &person.get(&path).await.text().await.unwrap(), false);
    }
}

#[tokio::test]
async fn secrets_and_hidden_variables_never_leave_whoever_asks() {
    let scene = Scene::new().await;
    for who in ["erin", "dave", "carol", "bob", "alice", "manager", "admin"] {
        let person = scene.world.sign_in(who).await;
        let sees_hidden = ["manager", "admin"].contains(&who);
        tell_nothing(&scene, who, &person, sees_hidden).await;
    }
}

#[tokio::test]
async fn the_preview_shows_what_is_used_and_masks_what_is_secret() {
    let scene = Scene::new().await;
    let preview = format!("/containers/{}/preview", scene.container);
    let bob: Value = scene.world.sign_in("bob").await.get(&preview).await.json().await.unwrap();
    assert_eq!(bob["startup"], "./run •••••••• •••••••• desert", "{bob}");
    assert_eq!(bob["config_files"][0]["edits"][1]["value"], "••••••••");
    let names = |preview: &Value| {
        let all = preview["environment"].as_array().unwrap().iter();
        all.map(|one| one["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(names(&bob).contains(&"MAP".to_owned()) && !names(&bob).contains(&"INNER".to_owned()), "{bob}");
    let admin: Value = scene.world.sign_in("admin").await.get(&preview).await.json().await.unwrap();
    assert_eq!(admin["startup"], format!("./run •••••••• {HIDDEN} desert"), "{admin}");
    let erin = scene.world.sign_in("erin").await.get(&preview).await;
    assert_eq!(erin.status(), 403, "who may not see the startup sees no preview");

    // Whoever may, still gets the secret by asking for it, and that is written down.
    let reveal = format!("/containers/{}/variables/RCON_PASSWORD/reveal", scene.container);
    let alice = scene.world.sign_in("alice").await;
    let shown: Value = alice.post(&reveal, json!({})).await.json().await.unwrap();
    assert_eq!(shown["value"], SECRET);
    let log = alice.get(&format!("/containers/{}/activity", scene.container)).await.text().await.unwrap();
    assert!(log.contains("container.secret_revealed") && !log.contains(SECRET), "{log}");
}
