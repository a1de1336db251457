//! Fields that are shown, and news that are told, only to those who hold a permission.

use super::{
    SQLITE, events, matrix, report,
    scene::{Scene, ok, soon},
    sockets,
    table::Right,
    who::{Kind, Who},
};
use crate::{
    support::{Answered, bodies},
    world::postgres,
};
use raptor_client::api::types::{ContainerId, ImagePolicyUpdate, Level, Phase, PowerAction, StartupUpdate};
use raptor_core::authz::{ContainerPermission as C, SystemPermission as S};
use serde_json::Value;
use std::fmt::Write;

const HEAD: &str = "\
# Who is shown and told what, of those who may call the operation at all. Made by the tests, as operations.txt is.
#
# operation field: levels of access | one permission of an access | one permission of a role | built-in roles. `+`: only together.
";

/// A field and what shows it.
struct Field {
    /// The operation, for people.
    of: &'static str,
    name: &'static str,
    /// Its address, with `{main}` and `{spare}`.
    path: &'static str,
    /// What of the answer it is in.
    shown: fn(&Value, &Scene) -> bool,
    /// What it takes beside the call itself. None: nobody is shown it.
    takes: Option<Vec<Right>>,
}

fn field(
    of: &'static str,
    name: &'static str,
    path: &'static str,
    shown: fn(&Value, &Scene) -> bool,
) -> Field {
    Field { of, name, path, shown, takes: None }
}

impl Field {
    fn takes<const N: usize>(mut self, rights: [Right; N]) -> Self {
        self.takes = Some(rights.into());
        self
    }
}

fn given(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(all) => !all.is_empty(),
        _ => true,
    }
}

fn variable<'v>(container: &'v Value, env: &str) -> &'v Value {
    let all = container["variables"].as_array().unwrap();
    all.iter().find(|one| one["env"] == env).unwrap_or(&Value::Null)
}

/// What a list has of the container of this name.
fn listed<'v>(list: &'v Value, scene: &Scene, name: &str) -> &'v Value {
    let items = list["items"].as_array().unwrap();
    items.iter().find(|one| one["id"] == scene.ids[name].as_str()).unwrap_or(&Value::Null)
}

fn fields() -> Vec<Field> {
    [startup(), state(), lists()].into_iter().flatten().collect()
}

fn startup() -> Vec<Field> {
    let get = |name, shown| field("get_container", name, "/containers/{main}", shown);
    let (read, update) = (Right::from(C::StartupRead), Right::from(C::StartupUpdate));
    vec![
        get("startup_command", |it, _| given(&it["startup_command"])).takes([read]),
        get("variables", |it, _| given(&it["variables"])).takes([read]),
        get("variables (hidden ones)", |it, _| given(variable(it, "INNER")))
            .takes([read, S::ContainersUpdate.into()]),
        get("variables[].editable", |it, _| variable(it, "MAP")["editable"] == true).takes([read, update]),
        get("variables[].value (secret ones)", |it, _| {
            variable(it, "RCON_PASSWORD")["value"].as_str().is_some_and(|value| !value.is_empty())
        }),
        get("images", |it, _| given(&it["images"])).takes([read]),
        get("image_allowed_by", |it, _| given(&it["image_allowed_by"])).takes([read]),
        get("image_patterns", |it, _| given(&it["image_patterns"])).takes([update]),
        get("startup_commands", |it, _| given(&it["startup_commands"])).takes([read]),
        get("behaviour", |it, _| given(&it["behaviour"])).takes([C::SettingsRead.into()]),
        field(
            "preview_container",
            "environment (hidden variables)",
            "/containers/{main}/preview",
            |it, _| it.to_string().contains("INNER"),
        )
        .takes([read, S::ContainersUpdate.into()]),
    ]
}

fn state() -> Vec<Field> {
    let main = |name, shown| field("get_container", name, "/containers/{main}", shown);
    let spare = |name, shown| field("get_container", name, "/containers/{spare}", shown);
    let network = Right::from(C::NetworkRead);
    vec![
        main("allocations", |it, _| given(&it["allocations"])).takes([network]),
        main("daemon.host", |it, _| given(&it["daemon"]["host"])).takes([network]),
        main("live.stats", |it, _| given(&it["live"]["stats"])).takes([C::StatsRead.into()]),
        spare("live.crashes.lines", |it, _| given(&it["live"]["crashes"]["lines"]))
            .takes([C::ConsoleRead.into()]),
    ]
}

fn lists() -> Vec<Field> {
    let list = |name, shown| field("list_containers", name, "/containers?limit=100", shown);
    let network = Right::from(C::NetworkRead);
    vec![
        list("allocations", |it, scene| given(&listed(it, scene, "main")["allocations"])).takes([network]),
        list("daemon.host", |it, scene| given(&listed(it, scene, "main")["daemon"]["host"])).takes([network]),
        list("live.stats", |it, scene| given(&listed(it, scene, "main")["live"]["stats"]))
            .takes([C::StatsRead.into()]),
        list("live.crashes.lines", |it, scene| {
            given(&listed(it, scene, "spare")["live"]["crashes"]["lines"])
        })
        .takes([C::ConsoleRead.into()]),
        field("list_access", "email (of others)", "/containers/{main}/access", |it, _| {
            it.to_string().contains("guest@example.com")
        })
        .takes([C::AccessRead.into(), S::UsersRead.into()]),
    ]
}

/// Writes down to whom it was shown.
pub fn write(text: &mut String, of: &str, name: &str, seen: &[Kind]) {
    let name = format!("{of} {name}:");
    writeln!(text, "{name:54} {}", matrix::columns(seen)).unwrap();
}

/// What is wrong, where it is.
pub fn judge(wrong: &mut Vec<String>, what: &str, who: &Who, shown: bool, should: bool) {
    if shown != should {
        let (is, should) = if shown { ("shown", "hidden") } else { ("hidden", "shown") };
        wrong.push(format!("{what}: {is} to {}, and should be {should}", who.kind));
    }
}

/// Lets there be something in every field.
async fn fill(scene: &Scene) {
    let admin = scene.admin();
    let (main, spare): (ContainerId, ContainerId) = (scene.typed("main"), scene.typed("spare"));
    let revision = admin.get_image_policy().await.done().revision;
    let policy = ImagePolicyUpdate { patterns: vec!["example/*".into()], for_owners: true, revision };
    admin.update_image_policy(&policy).await.done();
    let image = StartupUpdate { image: Some("elsewhere/game:2".into()), ..StartupUpdate::default() };
    admin.update_container_startup(&main, &image).await.done();
    admin.grant_access(&main, &bodies::access("guest", Level::User)).await.done();
    for container in [&main, &spare] {
        admin.power_container(container, &bodies::power(PowerAction::Start)).await.done();
        let runs = async || admin.get_container(container).await.done().live.phase == Phase::Running;
        soon("it runs", runs).await;
    }
    scene.host.crash(scene.typed("spare"), 1, ["its last words".to_owned()]).unwrap();
    let full = async || {
        let live = async |id| admin.get_container(id).await.done().live;
        let crashes = live(&spare).await.crashes;
        live(&main).await.stats.is_some() && crashes.is_some_and(|crashes| !crashes.lines.is_empty())
    };
    soon("everything that is shown is there", full).await;
}

/// Looks for whom a container is in the list at all.
async fn listing(scene: &Scene, everybody: &[Who], text: &mut String, wrong: &mut Vec<String>) {
    let mut seen = Vec::new();
    for who in everybody {
        let list = ok(scene.world.holding(who.token.clone()).get("/containers?limit=100").await).await;
        let shown = !listed(&list, scene, "main").is_null();
        judge(wrong, "list_containers the container itself", who, shown, who.knows());
        if shown {
            seen.push(who.kind.clone());
        }
    }
    write(text, "list_containers", "the container itself", &seen);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fields_are_shown_to_those_with_the_permission_and_to_nobody_else() {
    look(Scene::on(SQLITE).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fields_are_shown_to_the_same_people_on_postgresql() {
    if let Some(url) = postgres().await {
        look(Scene::on(&url).await).await;
    }
}

/// Looks at everything for everybody.
async fn look(scene: Scene) {
    fill(&scene).await;
    let mut everybody = Who::everybody(&scene).await;
    everybody.retain(|who| ![Kind::Anonymous, Kind::Bound].contains(&who.kind));
    let (mut text, mut wrong) = (HEAD.to_owned(), Vec::new());
    for field in fields() {
        let path = ["main", "spare"].iter().fold(field.path.to_owned(), |path, name| {
            path.replace(&format!("{{{name}}}"), &scene.ids[*name])
        });
        let together = field.takes.clone().filter(|rights| rights.len() > 1);
        let several = match together {
            Some(rights) => Some(Who::new(&scene, Kind::Several(rights)).await),
            None => None,
        };
        let mut seen = Vec::new();
        for who in everybody.iter().chain(&several) {
            let answer = scene.world.holding(who.token.clone()).get(&path).await;
            if !answer.status().is_success() {
                continue;
            }
            let answer: Value = answer.json().await.unwrap();
            if field.of == "list_containers" && listed(&answer, &scene, "main").is_null() {
                continue;
            }
            let shown = (field.shown)(&answer, &scene);
            let should =
                field.takes.as_ref().is_some_and(|rights| rights.iter().all(|right| who.holds(*right)));
            judge(&mut wrong, &format!("{} {}", field.of, field.name), who, shown, should);
            if shown {
                seen.push(who.kind.clone());
            }
        }
        write(&mut text, field.of, field.name, &seen);
    }
    listing(&scene, &everybody, &mut text, &mut wrong).await;
    sockets::look(&scene, &everybody, &mut text, &mut wrong).await;
    events::follow(&scene, &everybody, &mut text, &mut wrong).await;
    report(&wrong);
    matrix::compare("fields.txt", &text);
}
