//! Containers on the wire.

use raptor_core::{
    Error,
    containers::{self, Behaviour, Limits, switch::SwitchOrder, view::ContainerSummary},
    id::{AllocationId, DaemonId, TemplateId, UserId},
    node::{ConsoleLine, PowerAction},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

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

/// A container to create.
//
// Differs from the domain's: defaults of what may be left out.
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
    /// Resource limits; each of them has its default unless given.
    #[serde(default)]
    pub limits: NewLimits,
    /// These allocations, the first one being the primary; free ones unless given.
    #[serde(default)]
    pub allocation_ids: Vec<AllocationId>,
    /// How many free allocations it gets, up to 100, where none are given by id.
    pub allocation_count: Option<u32>,
    /// How many allocations beside the primary one people without `containers.update` may give it, up to 1,000; those that it
    /// gets now unless given.
    pub allocation_limit: Option<u32>,
    /// Milliseconds between asking it to stop and killing it, 1,000 to 3,600,000.
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
        let defaults = Self::new(new.name, new.template_id);
        let allocation_count = new.allocation_count.unwrap_or(defaults.allocation_count);
        if allocation_count > 100 {
            return Err(Error::invalid("allocation_count", "Use at most 100.")
                .because("range")
                .with("min", 0)
                .with("max", 100));
        }
        Ok(Self {
            description: new.description,
            owner_id: new.owner_id,
            daemon_id: new.daemon_id,
            image: new.image,
            startup: new.startup_command,
            variables: new.variables,
            limits: new.limits.into(),
            allocation_ids: new.allocation_ids,
            allocation_count,
            allocation_limit: new.allocation_limit,
            stop_timeout_ms: new.stop_timeout_ms,
            behaviour: new.behaviour,
            skip_install: new.skip_install,
            start: new.start,
            ..defaults
        })
    }
}

/// Limits of a new container.
//
// Differs from `Limits` in that nothing is required: what is left out has its default. A change of limits has to name all of them,
// since it would take back to its default what it leaves out.
#[derive(Deserialize)]
#[serde(default)]
pub struct NewLimits {
    memory_mib: u64,
    swap_mib: i64,
    cpu_percent: u64,
    disk_mib: u64,
    pids: u64,
    io_weight: u16,
    cpuset: Option<String>,
}

impl Default for NewLimits {
    fn default() -> Self {
        let Limits { memory_mib, swap_mib, cpu_percent, disk_mib, pids, io_weight, cpuset } =
            Limits::default();
        Self { memory_mib, swap_mib, cpu_percent, disk_mib, pids, io_weight, cpuset }
    }
}

impl From<NewLimits> for Limits {
    fn from(new: NewLimits) -> Self {
        let NewLimits { memory_mib, swap_mib, cpu_percent, disk_mib, pids, io_weight, cpuset } = new;
        Self { memory_mib, swap_mib, cpu_percent, disk_mib, pids, io_weight, cpuset }
    }
}

/// The schema of `Limits`, of which nothing is required.
impl PartialSchema for NewLimits {
    fn schema() -> RefOr<Schema> {
        let mut schema = Limits::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            object.required.clear();
            object.description =
                Some("Resource limits of a new container. 0 means no limit, except where noted; what is left out has its default.".into());
        }
        schema
    }
}

impl ToSchema for NewLimits {}

/// The name and description to give to a container.
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
    /// Limits of memory, swap, CPU, disk, processes and disk I/O.
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
    /// Number of the revision to move to.
    pub revision: i64,
    /// Values of the variables that need one, by name.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
}

/// Another template for a container.
//
// Differs from the domain's: with the template, which the domain takes as a permit.
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
    /// The value in clear text.
    pub value: String,
}

/// Another owner of a container.
#[derive(Deserialize, ToSchema)]
pub struct OwnerUpdate {
    /// Id of the user who will own it.
    pub owner_id: UserId,
}

/// What is asked of its process.
#[derive(Deserialize, ToSchema)]
pub struct PowerRequest {
    /// What to do with the process.
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
    /// The lines, the oldest first.
    pub lines: Vec<ConsoleLine>,
}

/// An allocation to be added.
#[derive(Deserialize, ToSchema)]
pub struct AllocationChoice {
    /// Which; the next free one unless given.
    pub allocation_id: Option<AllocationId>,
}
