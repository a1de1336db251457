//! A preview of what a container will run with at its next start.

use super::{
    Container, InstallState,
    service::{ContainerService, template},
    spec::{context, environment, with_capitals},
    view::Visible,
};
use crate::{
    Result,
    allocations::Allocation,
    authz::{ContainerPermission, Permit, SystemPermission, actions::ReadStartup},
    store,
    templates::{ConfigFile, StartupCommand, Template, TemplateImage, capitals, import::ImportWarning, lint},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// Shown in place of a secret value.
pub const MASK: &str = "••••••••";

/// What a container would get at its next start. Values of secrets, and of variables that the caller may not see, are never in it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct StartPreview {
    /// The image that it would run.
    pub image: String,
    /// The startup command as it would run.
    pub startup: String,
    /// What the template calls this command, where it has several.
    pub startup_name: Option<String>,
    /// The environment that the caller may see.
    pub environment: Vec<PreviewVariable>,
    /// The edits of configuration files.
    pub config_files: Vec<ConfigFile>,
    /// What is odd, and what will be made of it.
    pub warnings: Vec<ImportWarning>,
}

/// One variable of the environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct PreviewVariable {
    /// Name of the environment variable.
    pub name: String,
    /// Its value; a mask where it is secret.
    pub value: String,
    /// Whether Raptor sets it itself.
    pub built_in: bool,
}

impl ContainerService<'_> {
    /// What the container will run with at its next start.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn preview(&self, permit: Permit<ReadStartup>) -> Result<StartPreview> {
        let (actor, Visible { container, permissions, .. }) = permit.consume();
        let sees = PreviewRights {
            all: actor.grants().contains(SystemPermission::ContainersUpdate),
            network: permissions.contains(ContainerPermission::NetworkRead),
        };
        let mut reader = self.0.inner.store.read().await?;
        let allocations = store::allocations::of_container(&mut reader.conn(), container.id).await?;
        let template = template(&mut reader.conn(), &container).await?;
        Ok(preview(&container, &template, &allocations, sees))
    }
}

/// What the actor may see in the preview.
#[derive(Clone, Copy)]
struct PreviewRights {
    /// Variables that are hidden from users.
    all: bool,
    /// Whether addresses and ports are shown.
    network: bool,
}

fn preview(
    container: &Container,
    template: &Template,
    allocations: &[Allocation],
    sees: PreviewRights,
) -> StartPreview {
    let manages = sees.all;
    let values = environment(container, template);
    let hidden = |env: &str| {
        let variable = template.variables.iter().find(|variable| variable.env == env);
        // A variable that the template no longer has is hidden from users.
        variable.map_or(!manages, |variable| !manages && !variable.user_viewable)
    };
    let secret = |env: &str| template.variables.iter().any(|variable| variable.env == env && variable.secret);
    let mut masked: BTreeMap<String, String> = values
        .iter()
        .map(|(env, value)| {
            let shown = value.is_empty() || !(secret(env) || hidden(env));
            (env.clone(), if shown { value.clone() } else { MASK.to_owned() })
        })
        .collect();
    with_capitals(&mut masked);
    let copies = capitals::of(values.keys().map(String::as_str));
    let of = |env: &str| {
        copies.iter().find(|copy| copy.name == env).map_or(env.to_owned(), |copy| copy.of.to_owned())
    };
    let mut context = context(container, allocations, masked.clone());
    if !sees.network {
        (context.ip, context.port) = (MASK.to_owned(), MASK.to_owned());
    }
    let built_in = [
        ("SERVER_IP", context.ip.as_str()),
        ("SERVER_PORT", context.port.as_str()),
        ("SERVER_MEMORY", context.memory.as_str()),
        ("P_SERVER_UUID", context.uuid.as_str()),
    ];
    let zone = container.behaviour.timezone.as_deref().map(|zone| ("TZ", zone));
    let built_in: Vec<(&str, &str)> = built_in.into_iter().chain(zone).collect();
    let own = built_in.iter().map(|(name, value)| PreviewVariable {
        name: (*name).into(),
        value: (*value).into(),
        built_in: true,
    });
    let set = masked
        .into_iter()
        .filter(|(env, _)| !hidden(&of(env)) && !built_in.iter().any(|(name, _)| name == env))
        .map(|(name, value)| PreviewVariable { name, value, built_in: false });
    StartPreview {
        image: container.image.clone(),
        startup: context.startup(&container.startup),
        startup_name: named(template, &container.startup).map(|choice| choice.name.clone()),
        environment: own.chain(set).collect(),
        config_files: context.files(template),
        warnings: warnings(container, template, sees.network && allocations.is_empty(), &values, hidden),
    }
}

fn named<'t>(template: &'t Template, command: &str) -> Option<&'t StartupCommand> {
    template.startup_commands.iter().find(|choice| choice.command == command)
}

fn warnings(
    container: &Container,
    template: &Template,
    homeless: bool,
    values: &BTreeMap<String, String>,
    hidden: impl Fn(&str) -> bool,
) -> Vec<ImportWarning> {
    let mut warnings = Vec::new();
    let mut warn = |path: String, message: String| warnings.push(ImportWarning { path, message });
    if !template.images.is_empty() && !template.images.iter().any(|image| image.image == container.image) {
        warn("image".into(), "The template does not offer this image.".into());
    }
    if homeless {
        warn("allocations".into(), "It has no address: SERVER_IP and SERVER_PORT are empty.".into());
    }
    match container.installation.state {
        InstallState::Failed => {
            warn("installation".into(), "The installation failed; files may be missing.".into());
        }
        InstallState::Pending => warn("installation".into(), "The installation runs first.".into()),
        _ => {}
    }
    for variable in template.variables.iter().filter(|variable| !hidden(&variable.env)) {
        let value = values.get(&variable.env).map_or("", String::as_str);
        if let Err(why) = variable.rules().check(value) {
            warn(format!("variables.{}", variable.env), format!("Its value does not meet its rules. {why}"));
        }
    }
    // Warnings about the template as this container uses it.
    let used = Template {
        images: vec![TemplateImage { label: String::new(), image: container.image.clone() }],
        startup: container.startup.clone(),
        startup_commands: Vec::new(),
        ..template.clone()
    };
    let shown =
        |warning: &ImportWarning| warning.path.strip_prefix("variables.").is_none_or(|env| !hidden(env));
    warnings.extend(lint(&used).into_iter().filter(shown));
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        containers::{Behaviour, Installation, Limits, Settings, lifecycle::Phase},
        id::{AllocationId, ContainerId, DaemonId, TemplateId, UserId},
        node::Protocol,
        templates::import::import,
    };
    use serde_json::json;

    const SECRET: &str = "hunter2-secret";
    const HIDDEN: &str = "hidden-value";

    fn template() -> Template {
        let variable = |env: &str, viewable: bool, rules: &str| {
            json!({ "name": env, "env_variable": env, "default_value": "", "user_viewable": viewable,
                    "user_editable": viewable, "rules": rules, "description": "" })
        };
        let egg = json!({
            "meta": { "version": "PTDL_v2" }, "name": "Game", "author": "a@b", "docker_images": { "a": "img:1" },
            "startup": "./run {{MAP}} {{RCON_PASSWORD}} {{INNER}} {{NOBODY}}",
            "config": { "files": { "c.{{INNER}}.properties": { "parser": "properties", "find": {
                "port": "{{server.build.default.port}}", "pass": "{{RCON_PASSWORD}}", "in": "{{server.build.env.INNER}}",
                "x": "{{config.token}}" } } } },
            "variables": [variable("MAP", true, "required|string|max:3"), variable("RCON_PASSWORD", true, "string"),
                          variable("INNER", false, "integer")],
        });
        import(egg.to_string().as_bytes()).unwrap().template
    }

    fn container(template: &Template) -> Container {
        let now = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let values = [("MAP", "desert"), ("RCON_PASSWORD", SECRET), ("INNER", HIDDEN)];
        Container {
            id: ContainerId::generate(),
            number: 1,
            name: "Game".into(),
            description: None,
            owner_id: UserId::generate(),
            owner_name: "steve".into(),
            daemon_id: DaemonId::generate(),
            daemon_name: "one".into(),
            daemon_host: None,
            template_id: TemplateId::generate(),
            template_revision: 1,
            template_name: template.name.clone(),
            image: "other:2".into(),
            image_allowed_by: None,
            startup: template.startup.clone(),
            variables: values.map(|(env, value)| (env.to_owned(), value.to_owned())).into(),
            limits: Limits::default(),
            settings: Settings::default(),
            behaviour: Behaviour::default(),
            installation: Installation::default(),
            suspended: false,
            deleting: false,
            revision: 1,
            synced_revision: 1,
            phase: Phase::Offline,
            phase_since: now,
            status: None,
            damaged: Vec::new(),
            created_at: now,
            updated_at: now,
        }
    }

    fn of(manages: bool) -> StartPreview {
        seen(PreviewRights { all: manages, network: true })
    }

    fn seen(sees: PreviewRights) -> StartPreview {
        let template = template();
        let container = container(&template);
        let allocation = Allocation {
            id: AllocationId::generate(),
            number: 1,
            daemon_id: container.daemon_id,
            ip: "192.0.2.1".into(),
            port: 25_565,
            protocol: Protocol::Both,
            alias: None,
            note: None,
            container: None,
            held_by: None,
            primary: true,
            damaged: false,
        };
        preview(&container, &template, &[allocation], sees)
    }

    #[test]
    fn addresses_and_ports_are_masked_for_those_who_may_not_see_the_network() {
        let shown = serde_json::to_string(&seen(PreviewRights { all: true, network: true })).unwrap();
        assert!(shown.contains("192.0.2.1") && shown.contains("25565"), "{shown}");
        let masked = serde_json::to_string(&seen(PreviewRights { all: true, network: false })).unwrap();
        assert!(!masked.contains("192.0.2.1") && !masked.contains("25565"), "{masked}");
    }

    #[test]
    fn a_secret_is_shown_to_nobody_and_a_hidden_variable_to_nobody_who_may_not_see_it() {
        let theirs = serde_json::to_string(&of(false)).unwrap();
        assert!(!theirs.contains(SECRET) && !theirs.contains(HIDDEN), "{theirs}");
        assert!(!of(false).environment.iter().any(|variable| variable.name == "INNER"));
        assert!(!of(false).warnings.iter().any(|warning| warning.path == "variables.INNER"));
        let managers = serde_json::to_string(&of(true)).unwrap();
        assert!(!managers.contains(SECRET) && managers.contains(HIDDEN), "{managers}");
    }

    #[test]
    fn a_name_in_capitals_shows_no_more_than_the_variable_itself() {
        let mut template = template();
        for (variable, env) in template.variables.iter_mut().zip(["map", "rcon_password", "inner"]) {
            variable.env = env.into();
        }
        let mut container = container(&template);
        container.variables = std::mem::take(&mut container.variables)
            .into_iter()
            .map(|(env, value)| (env.to_lowercase(), value))
            .collect();
        let shown = |manages: bool| {
            let found = preview(&container, &template, &[], PreviewRights { all: manages, network: true });
            assert!(!serde_json::to_string(&found).unwrap().contains(SECRET));
            let environment = found.environment.into_iter().filter(|variable| !variable.built_in);
            environment.map(|variable| (variable.name, variable.value)).collect::<Vec<_>>()
        };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            shown(false),
            [
                pair("MAP", "desert"),
                pair("RCON_PASSWORD", MASK),
                pair("map", "desert"),
                pair("rcon_password", MASK)
            ]
        );
        assert!(shown(true).contains(&pair("INNER", HIDDEN)));
        // What the host receives.
        let spec = super::super::spec::spec(&container, &template, &[], &Default::default()).unwrap();
        assert_eq!(spec.environment.get("RCON_PASSWORD").map(String::as_str), Some(SECRET));
        assert_eq!(spec.environment.get("rcon_password").map(String::as_str), Some(SECRET));
    }

    #[test]
    fn the_command_the_files_and_what_is_odd_are_those_of_this_container() {
        let found = of(false);
        assert_eq!(found.startup, format!("./run desert {MASK} {MASK} {{{{NOBODY}}}}"));
        let values: Vec<_> = found.config_files[0].edits.iter().map(|edit| edit.value.clone()).collect();
        assert_eq!(values, [json!("25565"), json!(MASK), json!(MASK), json!("")]);
        let odd: Vec<_> = found.warnings.iter().map(|warning| warning.path.as_str()).collect();
        let file = "config_files.c.{{INNER}}.properties";
        assert_eq!(odd, ["image", "variables.MAP", "startup", file]);
        assert!(of(true).warnings.iter().any(|warning| warning.path == "variables.INNER"));
    }
}
