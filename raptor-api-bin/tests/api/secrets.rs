//! Secrets and hidden variables never leave, whatever is asked and whoever asks.

use crate::{
    support::{
        Answered,
        bodies::{self, access},
    },
    world::{Person, World},
};
use raptor_client::api::{
    query::{ImportTemplate, ListUsers},
    types::{
        AccessGrant, ContainerId, ContainerUpdate, DaemonDraft, DaemonId, Level, NewContainer, OnExisting,
        PowerAction, StartupUpdate, TemplateId, TemplateMove, UserId,
    },
};
use raptor_core::{clock::Clock, daemons::simulated::SimulatedHost, node::Node, roles::Builtin};
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;

const SECRET: &str = "hunter2-is-the-secret";
const HIDDEN: &str = "only-for-administrators";

pub struct Scene {
    pub world: World,
    pub container: ContainerId,
    template: TemplateId,
    daemon: DaemonId,
}

fn egg(more: u32) -> String {
    let mut egg = bodies::egg("Game", "example/game:1", "./run {{RCON_PASSWORD}} {{INNER}} {{MAP}}");
    egg["uuid"] = "5f2a2b1e-0000-4000-8000-000000000001".into();
    egg["config"]["files"] = json!({ "a.properties": { "parser": "properties",
        "find": { "p": "{{RCON_PASSWORD}}", "i": "{{server.build.env.INNER}}" } } });
    egg["variables"] = json!([
        bodies::egg_variable("RCON_PASSWORD", "", "nullable|string|max:30", true),
        bodies::egg_variable("INNER", "", "nullable|string", false),
        bodies::egg_variable("MAP", "", "required|string|max:10", true),
    ]);
    egg["more"] = more.into();
    egg.to_string()
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
        let draft = DaemonDraft { tls: Some(false), ..DaemonDraft::new("one", "192.0.2.1", 8080) };
        let daemon = admin.create_daemon(&draft).await.done().daemon.id;
        admin.create_allocations(&daemon, &bodies::allocations("192.0.2.1", 30_000)).await.done();
        let import = async |file: String| {
            let keep_both = ImportTemplate { on_existing: Some(OnExisting::KeepBoth), ..Default::default() };
            admin.import_template(keep_both, file).await.done().template.id
        };
        let template = import(egg(1)).await;
        let container = NewContainer {
            owner_id: Some(user(&admin, "alice").await),
            daemon_id: Some(daemon),
            allocation_count: Some(1),
            variables: bodies::variables(&[("RCON_PASSWORD", SECRET), ("INNER", HIDDEN), ("MAP", "desert")]),
            ..bodies::a_container("Game", template)
        };
        let container = admin.create_container(&container).await.done().id;
        // A newer version, so that there is a difference to be shown.
        import(egg(2)).await;
        let custom = |user: &str, permission: &str| AccessGrant {
            permissions: bodies::names(&[permission]),
            ..access(user, Level::Custom)
        };
        for grant in [
            access("bob", Level::Admin),
            access("carol", Level::User),
            custom("dave", "startup.read"),
            custom("erin", "console.read"),
        ] {
            admin.grant_access(&container, &grant).await.done();
        }
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
                Some("containers") => self.container.to_string(),
                Some("templates") => self.template.to_string(),
                Some("daemons") => self.daemon.to_string(),
                _ => "0199aaaa-bbbb-7ccc-8ddd-eeeeffff0123".into(),
            };
            let path = path.replace("{id}", &id).replace("{revision}", "1");
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
        let startup = |values| {
            let update = StartupUpdate { variables: bodies::variables(values), ..StartupUpdate::default() };
            (Method::PUT, container("/startup"), json!(update))
        };
        let moved = |revision, values| {
            let update = TemplateMove { revision, variables: bodies::variables(values) };
            (Method::PUT, container("/template"), json!(update))
        };
        let power = |action| (Method::POST, container("/power"), json!(bodies::power(action)));
        vec![
            startup(&[("RCON_PASSWORD", &long)]),
            startup(&[("INNER", HIDDEN)]),
            startup(&[("RCON_PASSWORD", SECRET), ("MAP", "snow")]),
            (Method::PUT, container("/startup"), json!({ "variables": { "RCON_PASSWORD": [SECRET] } })),
            moved(99, &[("RCON_PASSWORD", SECRET)]),
            moved(2, &[("MAP", "far too long a name")]),
            moved(2, &[("RCON_PASSWORD", SECRET)]),
            (Method::PUT, container(""), json!(ContainerUpdate::new("Game"))),
            power(PowerAction::Start),
            power(PowerAction::Kill),
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
    let preview = async |who: &str| {
        let person = scene.world.sign_in(who).await;
        person.preview_container(&scene.container).await
    };
    let bob = preview("bob").await.done();
    assert_eq!(bob.startup, "./run •••••••• •••••••• desert", "{bob:?}");
    assert_eq!(bob.config_files[0].edits[1].value, "••••••••");
    let names: Vec<&str> = bob.environment.iter().map(|variable| variable.name.as_str()).collect();
    assert!(names.contains(&"MAP") && !names.contains(&"INNER"), "{bob:?}");
    let admin = preview("admin").await.done();
    assert_eq!(admin.startup, format!("./run •••••••• {HIDDEN} desert"), "{admin:?}");
    assert_eq!(preview("erin").await.refused().status, 403, "who may not see the startup sees no preview");

    // Whoever may, still gets the secret by asking for it, and that is written down.
    let alice = scene.world.sign_in("alice").await;
    let shown = alice.reveal_container_secret(&scene.container, "RCON_PASSWORD").await.done();
    assert_eq!(shown.value, SECRET);
    let log = alice.get(&format!("/containers/{}/activity", scene.container)).await.text().await.unwrap();
    assert!(log.contains("container.secret_revealed") && !log.contains(SECRET), "{log}");
}

/// The id of the user of this name.
pub async fn user(admin: &Person<'_>, name: &str) -> UserId {
    let found = ListUsers { search: Some(name), ..Default::default() };
    admin.list_users(found).await.done().items[0].id
}
