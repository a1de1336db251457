//! Containers as an actor sees them, without what they may not see.

use super::{
    Behaviour, Container, DaemonRef, InstallState, Limits, LiveState, TemplateRef, UserRef,
    access::denied_files,
};
use crate::{
    Result,
    allocations::Allocation,
    authz::{
        Actor, ContainerPermission, ContainerSet, SystemPermission, Target, by_name,
        policy::container_permissions, sealed::Load,
    },
    id::ContainerId,
    images::{ImageStanding, service::ImageChoice},
    node::PowerAction,
    store::{self, Conn},
    templates::{StartupCommand, Template, TemplateImage, Variable, variables::VariableInput},
};
use chrono::{DateTime, Utc};
use serde::Serialize;

/// A container and the actor's rights on it, which is the target of permits on containers. It contains data that the actor may
/// not see, so other crates only get a [`ContainerView`].
#[derive(Clone, Debug, PartialEq)]
pub struct Visible {
    /// The container's record, before anything is redacted.
    pub(crate) container: Container,
    /// What the actor may do with it, by role and by access.
    pub(crate) permissions: ContainerSet,
    /// Patterns of files hidden from the actor, in addition to those of the template.
    pub(crate) denied_files: Vec<String>,
}

impl Target for Visible {
    type Key = ContainerId;
}

impl Load<ContainerId> for Visible {
    const WHAT: &'static str = "container";
    async fn load(
        conn: &mut Conn<'_>,
        actor: &Actor,
        key: ContainerId,
    ) -> Result<Option<(Self, Option<ContainerSet>)>> {
        let found = store::containers::find(conn, key, actor.user_id()).await?;
        Ok(found.map(|(container, held)| {
            let access = held.as_ref().map(|held| held.permissions);
            let permissions = container_permissions(actor.grants(), access);
            let denied_files = denied_files(actor.grants(), held);
            (Self { container, permissions, denied_files }, access)
        }))
    }
}

/// The newest installation of a container.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Installation))]
#[non_exhaustive]
pub struct InstallationView {
    /// State of the installation.
    pub state: InstallState,
    /// Grows with each one that is asked for; 0 = none ever was.
    pub number: u64,
    /// Why the installation failed; null where it did not.
    pub message: Option<String>,
    /// When the installation ended; null where it has not.
    pub ended_at: Option<DateTime<Utc>>,
}

/// A container in a list, as one actor sees it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct ContainerSummary {
    /// Id of the container.
    pub id: ContainerId,
    /// The eight hex digits of the id that people see, such as in SFTP user names.
    pub short_id: String,
    /// Number of the container, counted from 1. It never changes.
    pub number: i64,
    /// Name of the container.
    pub name: String,
    /// Description of the container; null where it has none.
    pub description: Option<String>,
    /// The user who owns it.
    pub owner: UserRef,
    /// The daemon that runs it.
    pub daemon: DaemonRef,
    /// The template that it uses.
    pub template: TemplateRef,
    /// Docker image that it runs.
    pub image: String,
    /// Its addresses, the primary one first; none for callers without `network.read`.
    pub allocations: Vec<Allocation>,
    /// Limits of memory, swap, CPU, disk, processes and disk I/O.
    pub limits: Limits,
    /// Whether it is suspended: starting it is refused.
    pub suspended: bool,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// What can't be read of its record in the database, by column. Such a container can be deleted, but not changed.
    pub damaged: Vec<String>,
    /// The state of the newest installation.
    pub installation: InstallationView,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// Its phase, measurements and problems now.
    pub live: LiveState,
    /// What the caller may do with it, each permission by its name.
    #[serde(serialize_with = "by_name")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<ContainerPermission>))]
    pub permissions: ContainerSet,
    /// What the caller can do with its process now: the power actions that its state accepts and the caller's permissions allow.
    /// None while its daemon is not connected, and none while it is being deleted. A host in maintenance and an image that is not
    /// allowed are told when an action is tried.
    pub actions: Vec<PowerAction>,
}

impl ContainerSummary {
    /// `container` as seen by an actor with these permissions. `live` is `None` if this process has not reached the host yet.
    pub(crate) fn new(
        container: &Container,
        permissions: ContainerSet,
        allocations: &[Allocation],
        live: Option<LiveState>,
    ) -> Self {
        let shows_network = permissions.contains(ContainerPermission::NetworkRead);
        let mut live = live.unwrap_or_else(|| last_heard(container));
        live.redact(permissions);
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
            allocations: if shows_network { allocations.to_vec() } else { Vec::new() },
            limits: container.limits.clone(),
            suspended: container.suspended,
            deleting: container.deleting,
            damaged: container.damaged.iter().map(|column| (*column).to_owned()).collect(),
            installation: InstallationView {
                state: container.installation.state,
                number: container.installation.number,
                message: container.installation.message.clone(),
                ended_at: container.installation.ended_at,
            },
            created_at: container.created_at,
            actions: actions(container, &live, permissions),
            live,
            permissions,
        }
    }
}

/// The power actions that somebody with these permissions can take now.
pub(super) fn actions(
    container: &Container,
    live: &LiveState,
    permissions: ContainerSet,
) -> Vec<PowerAction> {
    if container.deleting { Vec::new() } else { live.actions(container.suspended, permissions) }
}

/// The last known state of a container whose host this process has not reached yet.
fn last_heard(container: &Container) -> LiveState {
    let status = container.status.as_ref();
    LiveState {
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

/// A variable of a container.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct ContainerVariable {
    /// Name of the variable, as the panel shows it.
    pub name: String,
    /// Description from the template; may be empty.
    pub description: String,
    /// Name of the environment variable.
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
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Container))]
#[non_exhaustive]
pub struct ContainerView {
    /// The fields that lists have too.
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

impl ContainerView {
    /// `visible` with related records, as seen by `actor`.
    pub(crate) fn new(
        actor: &Actor,
        visible: Visible,
        allocations: &[Allocation],
        live: Option<LiveState>,
        template: Template,
        choice: ImageChoice,
    ) -> Self {
        let Visible { container, permissions, .. } = visible;
        let manages = actor.grants().contains(SystemPermission::ContainersUpdate);
        let reads = permissions.contains(ContainerPermission::StartupRead);
        let writes = permissions.contains(ContainerPermission::StartupUpdate);
        let shows_settings = permissions.contains(ContainerPermission::SettingsRead);
        let installable = template.install.as_ref().is_some_and(|install| !install.script.trim().is_empty());
        let shown =
            template.variables.into_iter().filter(|variable| reads && (variable.user_viewable || manages));
        let variable = |variable: Variable| {
            let editable = writes && (variable.is_users() || manages);
            show_variable(&container, variable, editable)
        };
        Self {
            summary: ContainerSummary::new(&container, permissions, allocations, live),
            variables: shown.map(variable).collect(),
            images: if reads { template.images } else { Vec::new() },
            image_standing: choice.standing,
            image_allowed_by: container.image_allowed_by.filter(|_| reads),
            image_patterns: choice.patterns.iter().map(|pattern| pattern.text().to_owned()).collect(),
            startup_commands: if reads { template.startup_commands } else { Vec::new() },
            startup_command: reads.then_some(container.startup),
            template_revision: container.template_revision,
            allocation_limit: container.settings.allocation_limit,
            stop_timeout_ms: container.settings.stop_timeout_ms,
            behaviour: shows_settings.then_some(container.behaviour),
            installable,
            synced: container.synced_revision >= container.revision,
        }
    }
}

fn show_variable(container: &Container, variable: Variable, editable: bool) -> ContainerVariable {
    let value = container.variables.get(&variable.env).unwrap_or(&variable.default_value);
    ContainerVariable {
        is_set: !value.is_empty(),
        value: if variable.secret { String::new() } else { value.clone() },
        secret: variable.secret,
        editable,
        required: variable.rules().is_required(),
        input: variable.input(),
        name: variable.name,
        description: variable.description,
        env: variable.env,
    }
}
