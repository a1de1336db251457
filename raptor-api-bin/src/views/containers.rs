//! Containers on the wire.

use super::{daemons::Allocation, runtime::Installation};
use chrono::{DateTime, Utc};
use raptor_core::{
    Error, allocations,
    authz::{ContainerPermission, ContainerSet, Permission},
    containers::{
        self, Behaviour, Limits,
        lifecycle::{Hold, Phase},
        service::Visible,
        switch::SwitchOrder,
    },
    id::{AllocationId, ContainerId, DaemonId, TemplateId, UserId},
    images::{ImageStanding, service::ImageChoice},
    live,
    node::{ConsoleLine, Crashes, Exit, Fault, PowerAction, Progress, Stats, hide_network},
    templates::{self, StartupCommand, TemplateImage, variables::VariableInput},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A user by name.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserRef {
    /// Its id.
    pub id: UserId,
    /// Its user name.
    pub username: String,
}

/// A daemon by name.
#[derive(Debug, Serialize, ToSchema)]
pub struct DaemonRef {
    /// Its id.
    pub id: DaemonId,
    /// Its name.
    pub name: String,
    /// Its host, which is what people connect to where an allocation is on all addresses (0.0.0.0); none for the host of the API and for callers
    /// without `network.read`.
    pub host: Option<String>,
}

/// A template by name.
#[derive(Debug, Serialize, ToSchema)]
pub struct TemplateRef {
    /// Its id.
    pub id: TemplateId,
    /// Its name.
    pub name: String,
}

/// What is known of a container now.
#[derive(Debug, Serialize, ToSchema)]
pub struct LiveState {
    /// Where it is in its life.
    pub phase: Phase,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Whether its daemon is connected: else this is what was last heard.
    pub known: bool,
    /// The newest measurement while it runs.
    pub stats: Option<Stats>,
    /// Why its last start failed.
    pub problem: Option<String>,
    /// Configuration files that its newest start could not edit, a sentence for each.
    pub config_problems: Vec<String>,
    /// What keeps it from running, as a code with what its way out needs. One about ports is hidden from callers without
    /// `network.read`.
    pub fault: Option<Box<Fault>>,
    /// What its start is busy with.
    pub progress: Option<Progress>,
    /// How its last process ended.
    pub last_exit: Option<Exit>,
    /// What keeps it from being started.
    pub hold: Option<Hold>,
    /// Its crashes in a row, until it has run calmly or somebody started it.
    pub crashes: Option<Crashes>,
    /// Why some of its limits hold only from the next start on.
    pub pending: Option<String>,
}

impl From<live::Live> for LiveState {
    fn from(live: live::Live) -> Self {
        let live::Live { phase, since, known, stats, problem, progress, last_exit, .. } = live;
        let live::Live { hold, crashes, pending, config_problems, fault, .. } = live;
        Self {
            phase,
            since,
            known,
            stats,
            problem,
            fault,
            config_problems,
            progress,
            last_exit,
            hold,
            crashes,
            pending,
        }
    }
}

impl LiveState {
    /// What was heard last, of a container whose host this process has not reached yet.
    fn of(container: &containers::Container) -> Self {
        let status = container.status.as_ref();
        Self {
            phase: container.phase,
            since: container.phase_since,
            known: false,
            stats: None,
            problem: status.and_then(|status| status.problem.clone()),
            config_problems: status.map(|status| status.config_problems.clone()).unwrap_or_default(),
            fault: status.and_then(|status| status.fault.clone()),
            progress: None,
            last_exit: status.and_then(|status| status.last_exit),
            hold: status.and_then(|status| status.hold),
            crashes: status.and_then(|status| status.crashes.clone()),
            pending: status.and_then(|status| status.pending.clone()),
        }
    }
}

/// A container in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContainerSummary {
    /// Its id.
    pub id: ContainerId,
    /// Eight digits of it, for people.
    pub short_id: String,
    /// Its small stable number.
    pub number: i64,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whose it is.
    pub owner: UserRef,
    /// Where it runs.
    pub daemon: DaemonRef,
    /// What it is made from.
    pub template: TemplateRef,
    /// Its image.
    pub image: String,
    /// Its addresses, the primary one first; none for callers without `network.read`.
    pub allocations: Vec<Allocation>,
    /// Its limits.
    pub limits: Limits,
    /// Whether starting is refused.
    pub suspended: bool,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Its newest installation.
    pub installation: Installation,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// What is known of it now.
    pub live: LiveState,
    /// What the caller may do with it.
    pub permissions: Vec<&'static str>,
}

/// What the caller may do, by name and never as `*`.
pub(super) fn names(permissions: ContainerSet) -> Vec<&'static str> {
    permissions.members().map(Permission::name).collect()
}

impl ContainerSummary {
    /// `container` with its addresses and what is known of it now.
    pub fn new(
        container: &containers::Container,
        permissions: ContainerSet,
        allocations: &[allocations::Allocation],
        live: Option<live::Live>,
    ) -> Self {
        let shows_stats = permissions.contains(ContainerPermission::StatsRead);
        let shows_network = permissions.contains(ContainerPermission::NetworkRead);
        let shows_console = permissions.contains(ContainerPermission::ConsoleRead);
        let mut live = live.map_or_else(|| LiveState::of(container), LiveState::from);
        live.stats = live.stats.filter(|_| shows_stats);
        if !shows_network {
            hide_network(&mut live.problem, &mut live.fault);
        }
        if let Some(crashes) = live.crashes.as_mut().filter(|_| !shows_console) {
            crashes.lines.clear();
        }
        Self {
            id: container.id,
            short_id: container.id.short(),
            number: container.number,
            name: container.name.clone(),
            description: container.description.clone(),
            owner: UserRef { id: container.owner_id, username: container.owner_name.clone() },
            daemon: DaemonRef {
                id: container.daemon_id,
                name: container.daemon_name.clone(),
                host: container.daemon_host.clone().filter(|_| shows_network),
            },
            template: TemplateRef { id: container.template_id, name: container.template_name.clone() },
            image: container.image.clone(),
            allocations: allocations.iter().filter(|_| shows_network).cloned().map(Into::into).collect(),
            limits: container.limits.clone(),
            suspended: container.suspended,
            deleting: container.deleting,
            installation: (&container.installation).into(),
            created_at: container.created_at,
            live,
            permissions: names(permissions),
        }
    }
}

/// One page of containers.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContainerPage {
    /// What is on this page.
    pub items: Vec<ContainerSummary>,
    /// The next page's `cursor`; null on the last page.
    pub next: Option<String>,
    /// How many there are on all pages, where `with_total` asked for it.
    pub total: Option<i64>,
}

/// A variable of a container.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContainerVariable {
    /// What people see.
    pub name: String,
    /// What it does.
    pub description: String,
    /// Its name in the environment.
    pub env: String,
    /// Its value; empty where it is secret.
    pub value: String,
    /// Whether its value is not shown: it can be set, and looked up by those who may.
    pub secret: bool,
    /// Whether it has a value.
    pub is_set: bool,
    /// Whether the caller may change it.
    pub editable: bool,
    /// Whether a value is needed.
    pub required: bool,
    /// The input that fits.
    pub input: VariableInput,
}

/// A container with all that the caller may see of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Container {
    /// What lists show.
    #[serde(flatten)]
    pub summary: ContainerSummary,
    /// The startup command, where the caller may see it.
    pub startup_command: Option<String>,
    /// The variables that the caller may see.
    pub variables: Vec<ContainerVariable>,
    /// The template's images to choose from.
    pub images: Vec<TemplateImage>,
    /// Why it may use its image, or that it may not and is not started with it.
    pub image_standing: ImageStanding,
    /// Who chose an image that the template does not name; empty where that was not written down, none where nobody had to, and
    /// for callers without `startup.read`.
    pub image_allowed_by: Option<String>,
    /// Patterns of images that the caller may choose as well; empty where there are none.
    pub image_patterns: Vec<String>,
    /// The template's named commands to choose from; empty where there is only one.
    pub startup_commands: Vec<StartupCommand>,
    /// Which revision of its template it runs.
    pub template_revision: i64,
    /// How many allocations beside the primary one people without `containers.update` may give it. It keeps those that it has.
    pub allocation_limit: i64,
    /// Milliseconds between asking it to stop and killing it.
    pub stop_timeout_ms: i64,
    /// How it behaves over time and towards its host, where the caller may see settings.
    pub behaviour: Option<Behaviour>,
    /// Whether its template has an installation script.
    pub installable: bool,
    /// Whether its daemon knows its newest declaration.
    pub synced: bool,
}

impl Container {
    /// `visible` with all around it. `manages` is whether the caller manages all containers.
    pub fn new(
        visible: Visible,
        allocations: Vec<allocations::Allocation>,
        live: Option<live::Live>,
        template: templates::Template,
        choice: ImageChoice,
        manages: bool,
    ) -> Self {
        let reads = visible.permissions.contains(ContainerPermission::StartupRead);
        let writes = visible.permissions.contains(ContainerPermission::StartupUpdate);
        let shows_settings = visible.permissions.contains(ContainerPermission::SettingsRead);
        let installable = template.install.as_ref().is_some_and(|install| !install.script.trim().is_empty());
        let values = visible.container.variables.clone();
        let variable = |variable: templates::Variable| {
            let rules = variable.rules();
            let value = values.get(&variable.env).unwrap_or(&variable.default_value);
            ContainerVariable {
                is_set: !value.is_empty(),
                value: if variable.secret { String::new() } else { value.clone() },
                secret: variable.secret,
                editable: writes && (variable.is_users() || manages),
                required: rules.is_required(),
                input: variable.input(),
                name: variable.name,
                description: variable.description,
                env: variable.env,
            }
        };
        let shown =
            template.variables.into_iter().filter(|variable| reads && (variable.user_viewable || manages));
        Self {
            startup_command: reads.then(|| visible.container.startup.clone()),
            variables: shown.map(variable).collect(),
            images: if reads { template.images } else { Vec::new() },
            image_standing: choice.standing,
            image_allowed_by: visible.container.image_allowed_by.clone().filter(|_| reads),
            image_patterns: choice.patterns.iter().map(|pattern| pattern.text().to_owned()).collect(),
            startup_commands: if reads { template.startup_commands } else { Vec::new() },
            template_revision: visible.container.template_revision,
            allocation_limit: visible.container.allocation_limit,
            stop_timeout_ms: visible.container.stop_timeout_ms,
            behaviour: shows_settings.then(|| visible.container.behaviour.clone()),
            installable,
            synced: visible.container.synced_revision >= visible.container.revision,
            summary: ContainerSummary::new(&visible.container, visible.permissions, &allocations, live),
        }
    }
}

/// A container to be made.
#[derive(Deserialize, ToSchema)]
pub struct NewContainer {
    /// 1 to 100 characters.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whose it will be; the caller's unless given.
    pub owner_id: Option<UserId>,
    /// Where it will run; where there is most room unless given.
    pub daemon_id: Option<DaemonId>,
    /// What it is made from.
    pub template_id: TemplateId,
    /// Image; the template's first unless given. One that the template does not name takes `containers.update`, or the list of
    /// allowed images where owners may choose from it.
    pub image: Option<String>,
    /// Startup command; the template's unless given.
    pub startup_command: Option<String>,
    /// Values of variables by name; the template's defaults for the rest.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Resource limits.
    pub limits: Limits,
    /// These allocations, the first one being the primary; free ones unless given.
    #[serde(default)]
    pub allocation_ids: Vec<AllocationId>,
    /// How many free ones, where none are given by id; 1 unless given.
    pub allocation_count: Option<u32>,
    /// How many allocations beside the primary one people without `containers.update` may give it, up to 1,000; those that it
    /// gets now unless given.
    pub allocation_limit: Option<u32>,
    /// Milliseconds between asking it to stop and killing it; 30,000 unless given.
    pub stop_timeout_ms: Option<i64>,
    /// How it behaves over time and towards its host.
    #[serde(default)]
    pub behaviour: Behaviour,
    /// Whether the template's installation is left out.
    #[serde(default)]
    pub skip_install: bool,
    /// Whether to start it at once, or when it is installed.
    #[serde(default)]
    pub start: bool,
}

impl TryFrom<NewContainer> for containers::service::NewContainer {
    type Error = Error;
    fn try_from(new: NewContainer) -> Result<Self, Error> {
        let allocation_count = new.allocation_count.unwrap_or(1);
        if allocation_count > 100 {
            return Err(Error::invalid("allocation_count", "Use at most 100."));
        }
        Ok(Self {
            name: new.name,
            description: new.description,
            owner_id: new.owner_id,
            daemon_id: new.daemon_id,
            template_id: new.template_id,
            image: new.image,
            startup: new.startup_command,
            variables: new.variables,
            limits: new.limits,
            allocation_ids: new.allocation_ids,
            allocation_count,
            allocation_limit: new.allocation_limit,
            stop_timeout_ms: new.stop_timeout_ms.unwrap_or(30_000),
            behaviour: new.behaviour,
            skip_install: new.skip_install,
            start: new.start,
        })
    }
}

/// Name and description.
#[derive(Deserialize, ToSchema)]
pub struct ContainerUpdate {
    /// 1 to 100 characters.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
}

/// Limits to be changed.
#[derive(Deserialize, ToSchema)]
pub struct LimitsUpdate {
    /// Resource limits.
    pub limits: Limits,
    /// Milliseconds between asking it to stop and killing it.
    pub stop_timeout_ms: i64,
    /// How many allocations beside the primary one people without `containers.update` may give it, up to 1,000; as it is unless
    /// given.
    pub allocation_limit: Option<u32>,
}

/// How it is started.
#[derive(Deserialize, ToSchema)]
pub struct StartupUpdate {
    /// Image; as it is unless given.
    pub image: Option<String>,
    /// Startup command; as it is unless given.
    pub startup_command: Option<String>,
    /// Values of the variables to be changed, by name.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
}

/// Another revision of the template.
#[derive(Deserialize, ToSchema)]
pub struct TemplateMove {
    /// Which.
    pub revision: i64,
    /// Values of the variables that need one, by name.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
}

/// Another template for a container.
#[derive(Deserialize, ToSchema)]
pub struct TemplateOrder {
    /// Id of the template to change to.
    pub template_id: TemplateId,
    /// The revision of that template that was looked at; a newer one that is there by now is not taken.
    pub revision: i64,
    /// The revision of the container that was looked at; one that was changed meanwhile stays as it is.
    pub container_revision: i64,
    /// Image; the template's first unless given.
    pub image: Option<String>,
    /// Values of the template's variables, by name.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Whether the template's installation script runs over the files, which are kept. The container has to be offline.
    #[serde(default)]
    pub install: bool,
}

impl From<TemplateOrder> for SwitchOrder {
    fn from(order: TemplateOrder) -> Self {
        Self {
            container_revision: order.container_revision,
            revision: order.revision,
            image: order.image,
            variables: order.variables,
            install: order.install,
        }
    }
}

/// The value of a secret variable.
#[derive(Serialize, ToSchema)]
pub struct SecretValue {
    /// The value.
    pub value: String,
}

/// Another owner.
#[derive(Deserialize, ToSchema)]
pub struct OwnerUpdate {
    /// Who.
    pub owner_id: UserId,
}

/// What is asked of its process.
#[derive(Deserialize, ToSchema)]
pub struct PowerRequest {
    /// What.
    pub action: PowerAction,
}

/// A line for its standard input.
#[derive(Deserialize, ToSchema)]
pub struct CommandRequest {
    /// One line of at most 4,096 bytes.
    pub command: String,
}

/// A page of console lines.
#[derive(Serialize, ToSchema)]
pub struct ConsolePage {
    /// In order.
    pub lines: Vec<ConsoleLine>,
}

/// An allocation to be added.
#[derive(Deserialize, ToSchema)]
pub struct AllocationChoice {
    /// Which; the next free one unless given.
    pub allocation_id: Option<AllocationId>,
}
