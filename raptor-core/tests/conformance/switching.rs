//! Containers that change to another template.

use crate::world::{World, count, on_both, see, until};
use raptor_core::{
    Error,
    authz::{
        Actor, SystemSet,
        actions::{
            CreateRole, ImportTemplate, MoveTemplate, ReadContainerActivity, ReadStartup, ReadTemplate,
            ReadUser, StartContainer, UpdateTemplate, UpdateUser,
        },
    },
    containers::{
        lifecycle::Phase,
        service::NewContainer,
        switch::{SwitchOrder, TemplateSwitch, VariableFate},
    },
    id::{ContainerId, TemplateId},
    paging::PageRequest,
    roles::{Builtin, RoleDraft},
    users::UserChange,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn variable(env: &str, default: &str, rules: &str, users: bool) -> Value {
    json!({ "name": env, "env_variable": env, "default_value": default, "rules": rules, "description": "",
            "user_viewable": users, "user_editable": users })
}

pub fn vanilla() -> Value {
    json!({
        "meta": { "version": "PTDL_v2" }, "name": "Vanilla", "author": "a@b", "startup": "java -jar {{JAR}}",
        "docker_images": { "Java 21": "java:21", "Java 17": "java:17" }, "config": { "stop": "stop" },
        "variables": [
            variable("JAR", "server.jar", "required|string", true), variable("SLOTS", "5", "integer", true),
            variable("SNAPSHOT", "0", "boolean", true), variable("ADMIN_PASSWORD", "", "string", true),
            variable("LOCKED", "", "string", true), variable("INNER", "", "string", false),
        ],
    })
}

fn paper() -> Value {
    json!({
        "meta": { "version": "PTDL_v2" }, "name": "Paper", "author": "a@b", "startup": "java -jar {{JAR}} nogui",
        "docker_images": { "Java 24": "java:24", "Java 21": "java:21" }, "config": { "stop": "^C" },
        "scripts": { "installation": { "script": "touch paper", "container": "img:1", "entrypoint": "sh" } },
        "variables": [
            variable("JAR", "paper.jar", "required|string", true),
            variable("SLOTS", "5", "integer|max:10", true), variable("BUILD", "latest", "string", true),
            variable("ADMIN_PASSWORD", "", "required|string", true), variable("LOCKED", "x", "string", false),
            variable("INNER", "y", "string", true),
        ],
    })
}

pub async fn import(world: &World, egg: &Value) -> TemplateId {
    let permit = world.raptor.authz().allow::<ImportTemplate>(&Actor::System).unwrap();
    world.raptor.templates().import(permit, egg.to_string().as_bytes()).await.unwrap().template.id
}

async fn look(
    world: &World,
    actor: &Actor,
    id: ContainerId,
    to: TemplateId,
) -> Result<TemplateSwitch, Error> {
    let permit = world.raptor.authz().permit::<ReadStartup>(actor, id).await?;
    let to = world.raptor.authz().permit::<ReadTemplate>(actor, to).await?;
    world.raptor.containers().template_switch(permit, to).await
}

async fn switch(
    world: &World,
    actor: &Actor,
    id: ContainerId,
    to: TemplateId,
    order: SwitchOrder,
) -> Result<(), Error> {
    let permit = world.raptor.authz().permit::<MoveTemplate>(actor, id).await?;
    let to = world.raptor.authz().permit::<ReadTemplate>(actor, to).await?;
    world.raptor.containers().switch_template(permit, to, order).await
}

fn order(seen: &TemplateSwitch) -> SwitchOrder {
    SwitchOrder {
        container_revision: seen.container_revision,
        revision: seen.to.revision,
        variables: [("ADMIN_PASSWORD".to_owned(), "hunter2".to_owned())].into(),
        ..SwitchOrder::default()
    }
}

/// A container of the template Vanilla with custom values, and the template Paper.
async fn scene(world: &World, owner: &str) -> (ContainerId, TemplateId, TemplateId) {
    world.daemon("one", "30000").await;
    let owner = world.user(owner, Builtin::User).await.id;
    let (vanilla, paper) = (import(world, &vanilla()).await, import(world, &paper()).await);
    let values = [
        ("JAR", "my.jar"),
        ("SLOTS", "20"),
        ("SNAPSHOT", "1"),
        ("LOCKED", "smuggled"),
        ("INNER", "seen by nobody"),
    ];
    let new = NewContainer {
        owner_id: Some(owner),
        variables: values.map(|(env, value)| (env.to_owned(), value.to_owned())).into(),
        skip_install: true,
        ..NewContainer::new("World", vanilla)
    };
    (world.container(new).await.unwrap(), vanilla, paper)
}

#[tokio::test]
async fn a_container_changes_to_another_template_and_keeps_the_values_that_fit() {
    on_both(|world| async move {
        let (id, vanilla, paper) = scene(&world, "steve").await;
        let seen = look(&world, &Actor::System, id, paper).await.unwrap();
        assert_eq!(
            (seen.from.name.as_str(), seen.to.name.as_str(), seen.installs),
            ("Vanilla", "Paper", true)
        );
        let fate = |env: &str| seen.variables.iter().find(|variable| variable.env == env).unwrap();
        assert_eq!((fate("JAR").fate, fate("JAR").value.as_deref()), (VariableFate::Kept, Some("my.jar")));
        assert_eq!((fate("SLOTS").fate, fate("SLOTS").value.as_deref()), (VariableFate::Default, Some("5")));
        assert_eq!(
            (fate("ADMIN_PASSWORD").fate, fate("ADMIN_PASSWORD").value.as_deref()),
            (VariableFate::Needed, None)
        );
        assert_eq!(
            (fate("BUILD").fate, fate("SNAPSHOT").fate),
            (VariableFate::Default, VariableFate::Dropped)
        );
        let field = |name: &str| {
            let change = seen.changes.iter().find(|change| change.field == name)?;
            Some((change.before.clone().unwrap_or_default(), change.after.clone().unwrap_or_default()))
        };
        assert_eq!(field("startup"), Some(("java -jar {{JAR}}".into(), "java -jar {{JAR}} nogui".into())));
        assert_eq!(field("image"), None, "both have java:21");
        assert!(field("stop").is_some() && field("install.script").is_some());

        let without = SwitchOrder { variables: Default::default(), ..order(&seen) };
        let refused = switch(&world, &Actor::System, id, paper, without).await.unwrap_err();
        assert!(matches!(&refused, Error::Invalid { field, .. } if field == "variables.ADMIN_PASSWORD"));
        let install = SwitchOrder { install: true, ..order(&seen) };
        switch(&world, &Actor::System, id, paper, install).await.unwrap();
        let seen = see(&world.raptor, &Actor::System, id).await.unwrap();
        let now = &seen.summary;
        assert_eq!(
            (now.template.id, seen.template_revision, now.template.name.as_str()),
            (paper, 1, "Paper")
        );
        assert_eq!(seen.startup_command.as_deref(), Some("java -jar {{JAR}} nogui"));
        assert_eq!(now.image, "java:21");
        let jar = seen.variables.iter().find(|variable| variable.env == "JAR").unwrap();
        assert_eq!(jar.value, "my.jar");
        let kept = stored_variables(&world).await;
        assert!(!kept.contains_key("SLOTS") && !kept.contains_key("SNAPSHOT"));
        assert_eq!(now.installation.number, 1);
        let wipes =
            "SELECT COUNT(*) FROM containers WHERE CAST(installation AS TEXT) LIKE '%wipe%true%start%'";
        assert_eq!(count(&world, wipes).await, 0, "its files stay");
        // The old template is unchanged, and no longer in use.
        let permit = world.raptor.authz().permit::<ReadTemplate>(&Actor::System, vanilla).await.unwrap();
        assert_eq!(world.raptor.templates().get(permit).container_count, 0);
        let permit = world.raptor.authz().permit::<ReadContainerActivity>(&Actor::System, id).await.unwrap();
        let told = world.raptor.containers().activity(permit, &PageRequest::default()).await.unwrap().items;
        let told = told.iter().find(|one| one.action == "container.template_changed").unwrap();
        assert_eq!((&told.detail["from"], &told.detail["to"]), (&json!("Vanilla"), &json!("Paper")));
    })
    .await;
}

#[tokio::test]
async fn of_two_callers_who_change_the_template_at_once_one_is_refused() {
    on_both(|world| async move {
        let (id, _, paper) = scene(&world, "steve").await;
        let seen = look(&world, &Actor::System, id, paper).await.unwrap();
        let once = || switch(&world, &Actor::System, id, paper, order(&seen));
        let (one, other) = tokio::join!(once(), once());
        assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
        let refused = one.err().or(other.err()).unwrap();
        assert!(["same_template", "container_changed"].contains(&refused.code()), "{refused:?}");
    })
    .await;
}

#[tokio::test]
async fn what_changed_since_it_was_looked_at_refuses_the_change_of_the_template() {
    on_both(|world| async move {
        let (id, vanilla, paper) = scene(&world, "steve").await;
        let seen = look(&world, &Actor::System, id, paper).await.unwrap();
        let old = SwitchOrder { container_revision: seen.container_revision - 1, ..order(&seen) };
        assert_eq!(
            switch(&world, &Actor::System, id, paper, old).await.unwrap_err().code(),
            "container_changed"
        );
        let mut newer = self::paper();
        newer["startup"] = "java".into();
        let permit = world.raptor.authz().permit::<UpdateTemplate>(&Actor::System, paper).await.unwrap();
        let newer = newer.to_string();
        world.raptor.templates().revise(permit, newer.as_bytes(), None, None).await.unwrap();
        let refused = switch(&world, &Actor::System, id, paper, order(&seen)).await.unwrap_err();
        assert_eq!(refused.code(), "template_changed");
        assert_eq!(look(&world, &Actor::System, id, vanilla).await.unwrap_err().code(), "same_template");
        let seen = see(&world.raptor, &Actor::System, id).await.unwrap();
        assert_eq!(seen.summary.template.id, vanilla, "nothing has changed");
    })
    .await;
}

#[tokio::test]
async fn an_owner_needs_to_read_the_template_and_carries_nothing_into_what_it_keeps_from_users() {
    on_both(|world| async move {
        let (id, _, paper) = scene(&world, "steve").await;
        let (_, steve) = world.signed_in("steve").await;
        assert_eq!(look(&world, &steve, id, paper).await.unwrap_err().code(), "forbidden");
        let refused = switch(&world, &steve, id, paper, SwitchOrder::default()).await.unwrap_err();
        assert_eq!(refused.code(), "forbidden");

        let manager = look(&world, &Actor::System, id, paper).await.unwrap();
        let fate = |seen: &TemplateSwitch, env: &str| {
            seen.variables.iter().find(|variable| variable.env == env).map(|variable| variable.fate)
        };
        assert_eq!(fate(&manager, "LOCKED"), Some(VariableFate::Kept));
        assert_eq!(fate(&manager, "INNER"), Some(VariableFate::Kept));
        let steve = reader(&world, "steve").await;
        let seen = look(&world, &steve, id, paper).await.unwrap();
        assert_eq!(fate(&seen, "LOCKED"), None, "it is hidden from users");
        // It was hidden before, so its owner does not know that it exists.
        assert_eq!(fate(&seen, "INNER"), Some(VariableFate::Default));
        assert!(!format!("{seen:?}").contains("seen by nobody"), "{seen:?}");
        let mut smuggles = order(&seen);
        smuggles.variables.insert("LOCKED".into(), "mine".into());
        assert_eq!(switch(&world, &steve, id, paper, smuggles).await.unwrap_err().code(), "invalid");
        let other_image = SwitchOrder { image: Some("evil:1".into()), ..order(&seen) };
        assert_eq!(switch(&world, &steve, id, paper, other_image).await.unwrap_err().code(), "invalid");
        switch(&world, &steve, id, paper, order(&seen)).await.unwrap();
        let kept: Vec<String> = stored_variables(&world).await.into_keys().collect();
        assert_eq!(kept, ["ADMIN_PASSWORD", "JAR"]);
    })
    .await;
}

/// The values of the only container's variables that are stored.
pub async fn stored_variables(world: &World) -> BTreeMap<String, String> {
    let statement = "SELECT CAST(variables AS TEXT) FROM containers";
    let text: String = if world.url.starts_with("sqlite") {
        let pool = sqlx::SqlitePool::connect(&world.url).await.unwrap();
        sqlx::query_scalar(statement).fetch_one(&pool).await.unwrap()
    } else {
        let pool = sqlx::PgPool::connect(&world.url).await.unwrap();
        sqlx::query_scalar(statement).fetch_one(&pool).await.unwrap()
    };
    serde_json::from_str(&text).unwrap()
}

/// `username` with a role that reads templates and manages nothing.
async fn reader(world: &World, username: &str) -> Actor {
    let authz = world.raptor.authz();
    let permissions = SystemSet::parse(&["templates.read".to_owned()]).unwrap();
    let draft = RoleDraft { name: "reader".into(), description: String::new(), permissions };
    let permit = authz.allow::<CreateRole>(&Actor::System).unwrap();
    let role_id = world.raptor.roles().create(permit, draft).await.unwrap().id;
    let (_, actor) = world.signed_in(username).await;
    let reading = authz.permit::<ReadUser>(&Actor::System, actor.user_id().unwrap()).await.unwrap();
    let permit = authz.permit::<UpdateUser>(&Actor::System, actor.user_id().unwrap()).await.unwrap();
    let user = world.raptor.users().get(reading);
    let change =
        UserChange { username: user.username, email: user.email, name: user.name, role_id, suspended: false };
    world.raptor.users().update(permit, change).await.unwrap();
    world.signed_in(username).await.1
}

#[tokio::test]
async fn the_template_changes_while_it_runs_but_no_installation_touches_the_files_of_a_running_container() {
    on_both(|world| async move {
        let (id, _, paper) = scene(&world, "steve").await;
        let permit = world.raptor.authz().permit::<StartContainer>(&Actor::System, id).await.unwrap();
        world.raptor.containers().start(permit).await.unwrap();
        let phase = || async { see(&world.raptor, &Actor::System, id).await.unwrap().summary.live.phase };
        until("it runs", || async { phase().await == Phase::Running }).await;
        let seen = look(&world, &Actor::System, id, paper).await.unwrap();
        let install = SwitchOrder { install: true, ..order(&seen) };
        assert_eq!(
            switch(&world, &Actor::System, id, paper, install).await.unwrap_err().code(),
            "not_offline"
        );
        switch(&world, &Actor::System, id, paper, order(&seen)).await.unwrap();
        assert_eq!(phase().await, Phase::Running);
    })
    .await;
}

#[tokio::test]
async fn while_it_waits_for_its_installation_no_container_changes_its_template() {
    on_both(|world| async move {
        let daemon_id = Some(world.daemon("away", "30000").await.id);
        let (paper, vanilla) = (import(&world, &paper()).await, import(&world, &vanilla()).await);
        let steve = world.user("steve", Builtin::User).await.id;
        let values = [("ADMIN_PASSWORD".to_owned(), "x".to_owned())].into();
        let new = NewContainer {
            owner_id: Some(steve),
            daemon_id,
            variables: values,
            ..NewContainer::new("World", paper)
        };
        let id = world.container(new).await.unwrap();
        let seen = look(&world, &Actor::System, id, vanilla).await.unwrap();
        assert!(!seen.installs);
        assert_eq!(
            switch(&world, &Actor::System, id, vanilla, order(&seen)).await.unwrap_err().code(),
            "installing"
        );
    })
    .await;
}
