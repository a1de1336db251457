//! What can be done with containers.

use super::{
    Container, Level, Limits, check_image, check_name,
    lifecycle::Phase,
    list_cache::{Key, Stored},
    spec,
};
use crate::{
    Error, Raptor, Result,
    activity::{Activity, ActivityFilter},
    allocations::Allocation,
    authz::{
        Act, Actor, ContainerPermission, ContainerSet, Permit, SystemPermission, Target,
        actions::{
            AddAllocation, ChangeOwner, CreateContainer, DeleteContainer, GrantAccess, KillContainer,
            LimitContainer, ReadAccess, ReadConsole, ReadContainerActivity, RemoveAllocation,
            RestartContainer, RevokeAccess, SendCommand, StartContainer, StopContainer, SuspendContainer,
            UpdateAccess, UpdateContainer, UpdateStartup,
        },
        policy::container_permissions,
    },
    daemons::Daemon,
    id::{AllocationId, ContainerId, DaemonId, TemplateId, UserId},
    jobs::Kind,
    node::{ConsoleLine, LiveFrame, LiveParts, Node, NodeError, PowerAction, Since},
    paging::{Page, PageRequest},
    store::{self, Change, Conn, Subject, Tx, Verb},
    templates::Template,
};
use futures_util::stream::BoxStream;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

pub use crate::store::containers::Access;

/// A container and what the actor may do with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Visible {
    /// The record.
    pub container: Container,
    /// What the actor may do with it, by role and access together.
    pub permissions: ContainerSet,
}

/// A container in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// The record.
    pub container: Arc<Container>,
    /// What the actor may do with it, by role and access together.
    pub permissions: ContainerSet,
    /// Its allocations, the primary one first.
    pub allocations: Arc<[Allocation]>,
}

impl Target for Visible {
    type Key = ContainerId;
    const WHAT: &'static str = "container";
    async fn load(
        conn: &mut Conn<'_>,
        actor: &Actor,
        key: ContainerId,
    ) -> Result<Option<(Self, Option<ContainerSet>)>> {
        let found = store::containers::find(conn, key, actor.user_id()).await?;
        Ok(found.map(|(container, access)| {
            (Self { container, permissions: container_permissions(actor.grants(), access) }, access)
        }))
    }
}

/// Which containers a list is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ContainerFilter {
    /// Part of name, short id or owner.
    pub search: Option<String>,
    /// In this phase.
    pub phase: Option<Phase>,
    /// On this daemon.
    pub daemon_id: Option<DaemonId>,
    /// Of this user.
    pub owner_id: Option<UserId>,
    /// From this template.
    pub template_id: Option<TemplateId>,
    /// Only those that the actor owns or has access to.
    pub mine: bool,
    /// In which order.
    pub sort: Sort,
}

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sort {
    /// By name.
    #[default]
    Name,
    /// The oldest first.
    Oldest,
    /// The newest first.
    Newest,
}

/// What somebody gives to make a container.
#[derive(Clone, Debug)]
pub struct NewContainer {
    /// 1 to 100 characters.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whose it will be; the actor's unless given.
    pub owner_id: Option<UserId>,
    /// Where it will run; where there is most room unless given.
    pub daemon_id: Option<DaemonId>,
    /// What it is made from.
    pub template_id: TemplateId,
    /// Image; the template's first unless given.
    pub image: Option<String>,
    /// Startup command; the template's unless given.
    pub startup: Option<String>,
    /// Values of variables; the template's defaults for the rest.
    pub variables: BTreeMap<String, String>,
    /// Resource limits.
    pub limits: Limits,
    /// These allocations, the first one being the primary; free ones of the daemon where there are none.
    pub allocation_ids: Vec<AllocationId>,
    /// How many free ones, where none are given by id.
    pub allocation_count: u32,
    /// Milliseconds between asking it to stop and killing it.
    pub stop_timeout_ms: i64,
    /// Whether to start it at once.
    pub start: bool,
}

impl NewContainer {
    /// One with the template's defaults and one free allocation, where there is most room, for whoever makes it.
    #[must_use]
    pub fn new(name: impl Into<String>, template_id: TemplateId) -> Self {
        Self {
            name: name.into(),
            description: None,
            owner_id: None,
            daemon_id: None,
            template_id,
            image: None,
            startup: None,
            variables: BTreeMap::new(),
            limits: Limits::default(),
            allocation_ids: Vec::new(),
            allocation_count: 1,
            stop_timeout_ms: 30_000,
            start: false,
        }
    }
}

/// How it is started.
#[derive(Clone, Debug)]
pub struct StartupChange {
    /// Image reference; as it is where not given.
    pub image: Option<String>,
    /// Startup command; as it is where not given.
    pub startup: Option<String>,
    /// Values of the variables to be changed.
    pub variables: BTreeMap<String, String>,
}

/// The operations.
pub struct ContainerService<'r>(pub(crate) &'r Raptor);

impl ContainerService<'_> {
    /// The containers that the actor may see.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a cursor of another list.
    pub async fn list(
        &self,
        actor: &Actor,
        filter: &ContainerFilter,
        page: &PageRequest,
    ) -> Result<Page<Listed>> {
        let only_theirs = filter.mine || !actor.grants().contains(SystemPermission::ContainersRead);
        let key = Key { user: actor.user_id(), only_theirs, filter: filter.clone(), page: page.clone() };
        let stored = match self.0.lists.get(&key) {
            Some(stored) => stored,
            None => self.read_list(key).await?,
        };
        let listed = |(container, access, allocations): &(Arc<Container>, _, Arc<[Allocation]>)| Listed {
            container: container.clone(),
            permissions: container_permissions(actor.grants(), *access),
            allocations: allocations.clone(),
        };
        Ok(Page {
            items: stored.items.iter().map(listed).collect(),
            next: stored.next.clone(),
            total: stored.total,
        })
    }

    async fn read_list(&self, key: Key) -> Result<Stored> {
        let generation = self.0.lists.generation();
        let mut reader = self.0.store.read().await?;
        let Key { user, only_theirs, filter, page } = &key;
        let page = store::containers::list(&mut reader.conn(), *user, *only_theirs, filter, page).await?;
        let ids: Vec<ContainerId> = page.items.iter().map(|(container, _)| container.id).collect();
        let mut of_each: HashMap<ContainerId, Vec<Allocation>> = HashMap::new();
        for allocation in store::allocations::of_containers(&mut reader.conn(), &ids).await? {
            if let Some((id, _)) = &allocation.container {
                of_each.entry(*id).or_default().push(allocation);
            }
        }
        let stored: Stored = Arc::new(page.map(|(container, access)| {
            let allocations = of_each.remove(&container.id).unwrap_or_default();
            (Arc::new(container), access, allocations.into())
        }));
        self.0.lists.keep(key, stored.clone(), generation);
        Ok(stored)
    }

    /// One container, for an actor who may do anything at all with it.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn get(&self, actor: &Actor, id: ContainerId) -> Result<(Visible, Vec<Allocation>, Template)> {
        let mut reader = self.0.store.read().await?;
        let found = Visible::load(&mut reader.conn(), actor, id).await?.map(|(visible, _)| visible);
        let visible = found
            .filter(|visible| !visible.permissions.is_empty())
            .ok_or(Error::NotFound { what: "container" })?;
        let allocations = store::allocations::of_container(&mut reader.conn(), id).await?;
        let template = template(&mut reader.conn(), visible.container.template_id).await?;
        Ok((visible, allocations, template))
    }

    /// Creates a container.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the field, [`Error::Conflict`] `allocation_taken`, [`Error::Unavailable`] `no_room` with what each
    /// daemon lacks.
    pub async fn create(&self, permit: Permit<CreateContainer>, new: NewContainer) -> Result<ContainerId> {
        let (actor, ()) = permit.consume();
        let name = check_name(&new.name)?;
        new.limits.check()?;
        check_timeout(new.stop_timeout_ms)?;
        let owner_id =
            new.owner_id.or(actor.user_id()).ok_or_else(|| Error::invalid("owner_id", "Name the owner."))?;
        let mut tx = self.0.store.begin().await?;
        let owner = store::users::find(&mut tx.conn(), owner_id).await?;
        let owner = owner.ok_or_else(|| Error::invalid("owner_id", "There is no such user."))?;
        let template = store::templates::find(&mut tx.conn(), new.template_id).await?;
        let template =
            template.ok_or_else(|| Error::invalid("template_id", "There is no such template."))?.document;
        let image = match new.image.or_else(|| template.images.first().map(|image| image.image.clone())) {
            Some(image) => check_image(&image)?,
            None => return Err(Error::invalid("image", "This template has no image of its own; name one.")),
        };
        let startup = new.startup.unwrap_or_else(|| template.startup.clone());
        check_startup(&startup)?;
        check_variables(&template, &new.variables, true)?;
        check_defaults(&template, &new.variables)?;
        let now = self.0.clock.now();
        let mut container = Container {
            id: ContainerId::generate(),
            number: 0,
            name,
            description: description(new.description)?,
            owner_id,
            owner_name: owner.username,
            daemon_id: DaemonId::generate(),
            daemon_name: String::new(),
            daemon_host: None,
            template_id: new.template_id,
            template_name: template.name.clone(),
            image,
            startup,
            variables: new.variables,
            limits: new.limits,
            stop_timeout_ms: new.stop_timeout_ms,
            suspended: false,
            deleting: false,
            revision: 1,
            synced_revision: 0,
            phase: Phase::Offline,
            phase_since: now,
            created_at: now,
            updated_at: now,
        };
        self.place(&mut tx, &mut container, new.daemon_id, &new.allocation_ids, new.allocation_count).await?;
        let kind = if new.start { Kind::Start } else { Kind::Declare };
        store::jobs::insert(&mut tx.conn(), kind, container.daemon_id, container.id, now).await?;
        let detail = serde_json::json!({ "daemon": container.daemon_name, "template": template.name, "owner": container.owner_name });
        self.record(&mut tx, &actor, "container.created", &container, detail).await?;
        tx.emit(Change::new(Subject::Container, Verb::Created, container.id));
        tx.emit(Change::new(Subject::Job, Verb::Created, container.daemon_id));
        tx.commit().await?;
        Ok(container.id)
    }

    /// Finds the container a daemon and allocations, and inserts it.
    async fn place(
        &self,
        tx: &mut Tx,
        container: &mut Container,
        wanted: Option<DaemonId>,
        allocation_ids: &[AllocationId],
        count: u32,
    ) -> Result<()> {
        let mut daemons = store::daemons::list(&mut tx.conn()).await?;
        if let Some(wanted) = wanted {
            daemons.retain(|daemon| daemon.id == wanted);
            if daemons.is_empty() {
                return Err(Error::invalid("daemon_id", "There is no such daemon."));
            }
        } else if let Some(first) = allocation_ids.first() {
            let allocation = store::allocations::find(&mut tx.conn(), *first).await?;
            let allocation =
                allocation.ok_or_else(|| Error::invalid("allocations", "There is no such allocation."))?;
            daemons.retain(|daemon| daemon.id == allocation.daemon_id);
        }
        // The most free memory first.
        daemons.sort_by_key(|daemon| std::cmp::Reverse(self.free_memory_mib(daemon)));
        let mut lacking = Vec::new();
        for daemon in daemons {
            // One placement at a time on each daemon: what is free now is still free when it is taken.
            store::daemons::lock(&mut tx.conn(), daemon.id).await?;
            let Some(daemon) = store::daemons::find(&mut tx.conn(), daemon.id).await? else { continue };
            if let Some(lack) = self.lack(
                &daemon,
                &container.limits,
                allocation_ids.is_empty().then_some(count),
                wanted.is_some(),
            ) {
                lacking.push(format!("{}: {lack}", daemon.name));
                continue;
            }
            (container.daemon_id, container.daemon_name) = (daemon.id, daemon.name);
            container.daemon_host = (!daemon.local).then_some(daemon.host);
            container.number = store::containers::insert(&mut tx.conn(), container).await?;
            return claim(tx, container, allocation_ids, count).await;
        }
        let why = if lacking.is_empty() {
            "There is no daemon yet; add one first.".into()
        } else {
            lacking.join("; ")
        };
        Err(Error::Unavailable {
            code: "no_room",
            message: format!("No daemon has room for this container. {why}"),
        })
    }

    fn free_memory_mib(&self, daemon: &Daemon) -> i64 {
        let host = self.0.fleet.connection(daemon.id).and_then(|connection| connection.system);
        let host =
            host.map_or(0, |system| i64::try_from(system.memory_total_bytes / 1_048_576).unwrap_or(i64::MAX));
        daemon.memory_limit_mib.unwrap_or(host) - daemon.usage.memory_mib
    }

    /// What the daemon lacks to take the container, if anything. A daemon that somebody chose may be offline or full: they know.
    fn lack(&self, daemon: &Daemon, limits: &Limits, count: Option<u32>, chosen: bool) -> Option<String> {
        if count.is_some_and(|count| daemon.usage.allocation_free_count < i64::from(count)) {
            let free = daemon.usage.allocation_free_count;
            return Some(format!("it has {free} free allocations; add some"));
        }
        if !chosen && !self.0.fleet.is_online(daemon.id) {
            return Some("it is not online".into());
        }
        let memory = i64::try_from(limits.memory_mib).unwrap_or(i64::MAX);
        let free = self.free_memory_mib(daemon);
        let bounded = daemon.memory_limit_mib.is_some() || !chosen;
        if bounded && memory > free {
            return Some(format!("it has {} MiB of memory left", free.max(0)));
        }
        let disk = i64::try_from(limits.disk_mib).unwrap_or(i64::MAX);
        match daemon.disk_limit_mib {
            Some(limit) if disk > limit - daemon.usage.disk_mib => {
                Some(format!("it has {} MiB of disk left", (limit - daemon.usage.disk_mib).max(0)))
            }
            _ => None,
        }
    }

    /// Changes name and description.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the field.
    pub async fn update(
        &self,
        permit: Permit<UpdateContainer>,
        name: &str,
        text: Option<String>,
    ) -> Result<()> {
        let (name, text) = (check_name(name)?, description(text)?);
        let change = |container: &mut Container| (container.name, container.description) = (name, text);
        self.change(permit, "container.updated", |container, _| {
            change(container);
            Ok(serde_json::json!({}))
        })
        .await
    }

    /// Changes the limits. They hold from the next start on.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the field.
    pub async fn set_limits(
        &self,
        permit: Permit<LimitContainer>,
        limits: Limits,
        stop_timeout_ms: i64,
    ) -> Result<()> {
        limits.check()?;
        check_timeout(stop_timeout_ms)?;
        self.change(permit, "container.limits_changed", |container, _| {
            let detail = serde_json::json!({ "from": container.limits, "to": limits });
            (container.limits, container.stop_timeout_ms) = (limits, stop_timeout_ms);
            Ok(detail)
        })
        .await
    }

    /// Changes image, startup command and variables. They hold from the next start on.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the field, [`Error::Forbidden`] for what only those may change who manage all containers.
    pub async fn set_startup(&self, permit: Permit<UpdateStartup>, change: StartupChange) -> Result<()> {
        let manages = permit.actor().grants().contains(SystemPermission::ContainersUpdate);
        let forbidden = || Error::Forbidden { permission: "containers.update".into() };
        self.change(permit, "container.startup_changed", |container, template| {
            if let Some(image) = change.image {
                let image = check_image(&image)?;
                let offered = template.images.iter().any(|offer| offer.image == image);
                if image != container.image && !offered && !manages {
                    return Err(Error::invalid("image", "Use one of the template's images."));
                }
                container.image = image;
            }
            if let Some(startup) = change.startup.filter(|startup| *startup != container.startup) {
                check_startup(&startup)?;
                if !manages {
                    return Err(forbidden());
                }
                container.startup = startup;
            }
            check_variables(template, &change.variables, manages)?;
            let names: Vec<String> = change.variables.keys().cloned().collect();
            container.variables.extend(change.variables);
            Ok(serde_json::json!({ "image": container.image, "variables": names }))
        })
        .await
    }

    /// Gives the container to somebody else.
    ///
    /// # Errors
    /// [`Error::Invalid`] at `owner_id`.
    pub async fn set_owner(&self, permit: Permit<ChangeOwner>, owner: UserId) -> Result<()> {
        let found = store::users::find(&mut self.0.store.read().await?.conn(), owner).await?;
        let found = found.ok_or_else(|| Error::invalid("owner_id", "There is no such user."))?;
        self.change(permit, "container.owner_changed", |container, _| {
            let detail = serde_json::json!({ "from": container.owner_name, "to": found.username });
            (container.owner_id, container.owner_name) = (found.id, found.username);
            Ok(detail)
        })
        .await
    }

    /// Stops the container and refuses to start it, or allows that again.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn set_suspended(&self, permit: Permit<SuspendContainer>, suspended: bool) -> Result<()> {
        let action = if suspended { "container.suspended" } else { "container.unsuspended" };
        self.change(permit, action, |container, _| {
            container.suspended = suspended;
            Ok(serde_json::json!({}))
        })
        .await
    }

    /// Applies a change to the record as it is now, and has its host told.
    async fn change<A: Act<On = Visible>>(
        &self,
        permit: Permit<A>,
        action: &str,
        change: impl FnOnce(&mut Container, &Template) -> Result<serde_json::Value>,
    ) -> Result<()> {
        let (actor, target) = permit.consume();
        let id = target.container.id;
        let now = self.0.clock.now();
        let mut tx = self.0.store.begin().await?;
        store::daemons::lock(&mut tx.conn(), target.container.daemon_id).await?;
        let mut container = alive(&mut tx, id).await?;
        let template = template(&mut tx.conn(), container.template_id).await?;
        let detail = change(&mut container, &template)?;
        container.updated_at = now;
        store::containers::update(&mut tx.conn(), &container).await?;
        self.record(&mut tx, &actor, action, &container, detail).await?;
        self.tell_host(&mut tx, &container).await?;
        tx.commit().await
    }

    async fn tell_host(&self, tx: &mut Tx, container: &Container) -> Result<()> {
        store::jobs::insert(
            &mut tx.conn(),
            Kind::Declare,
            container.daemon_id,
            container.id,
            self.0.clock.now(),
        )
        .await?;
        tx.emit(Change::new(Subject::Container, Verb::Updated, container.id));
        tx.emit(Change::new(Subject::Job, Verb::Created, container.daemon_id));
        Ok(())
    }

    /// Deletes the container with its files: at once in the panel, on its host as soon as that can be reached. With `force` the
    /// record goes without waiting for the host.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn delete(&self, permit: Permit<DeleteContainer>, force: bool) -> Result<()> {
        let (actor, target) = permit.consume();
        let id = target.container.id;
        let mut tx = self.0.store.begin().await?;
        let Some((mut container, _)) = store::containers::find(&mut tx.conn(), id, None).await? else {
            return Err(Error::NotFound { what: "container" });
        };
        let now = self.0.clock.now();
        store::jobs::forget(&mut tx.conn(), id).await?;
        self.record(&mut tx, &actor, "container.deleted", &container, serde_json::json!({ "force": force }))
            .await?;
        if force {
            store::allocations::release_all(&mut tx.conn(), id).await?;
            store::containers::delete(&mut tx.conn(), id).await?;
            tx.emit(Change::new(Subject::Container, Verb::Deleted, id));
        } else {
            container.deleting = true;
            container.updated_at = now;
            store::containers::update(&mut tx.conn(), &container).await?;
            tx.emit(Change::new(Subject::Container, Verb::Updated, id));
        }
        // Also after a forced one: the host should not keep what nobody knows any more.
        store::jobs::insert(&mut tx.conn(), Kind::Remove, container.daemon_id, id, now).await?;
        tx.emit(Change::new(Subject::Job, Verb::Created, container.daemon_id));
        tx.commit().await
    }

    /// The host has removed it: the record and its allocations go.
    pub(crate) async fn forget(&self, id: ContainerId) -> Result<()> {
        let mut tx = self.0.store.begin().await?;
        store::allocations::release_all(&mut tx.conn(), id).await?;
        store::containers::delete(&mut tx.conn(), id).await?;
        tx.emit(Change::new(Subject::Container, Verb::Deleted, id));
        tx.commit().await?;
        self.0.fleet.forget(id);
        Ok(())
    }

    /// Makes sure that the host has the newest declaration.
    pub(crate) async fn sync(&self, id: ContainerId) -> Result<()> {
        let (container, allocations, template) = {
            let mut reader = self.0.store.read().await?;
            let found = store::containers::find(&mut reader.conn(), id, None).await?;
            let (container, _) = found
                .filter(|(container, _)| !container.deleting)
                .ok_or(Error::NotFound { what: "container" })?;
            let allocations = store::allocations::of_container(&mut reader.conn(), id).await?;
            let template = template(&mut reader.conn(), container.template_id).await?;
            (container, allocations, template)
        };
        if container.synced_revision >= container.revision {
            return Ok(());
        }
        let spec = spec::spec(&container, &template, &allocations);
        self.0.fleet.node(container.daemon_id)?.declare(spec).await?;
        let mut tx = self.0.store.begin().await?;
        store::containers::set_synced(&mut tx.conn(), id, container.revision).await?;
        tx.commit().await
    }

    /// Starts it.
    ///
    /// # Errors
    /// [`Error::Refused`] with the reason, [`Error::Unavailable`] when the daemon can't be reached.
    pub async fn start(&self, permit: Permit<StartContainer>) -> Result<()> {
        self.power(permit, PowerAction::Start).await
    }

    /// Asks it to stop.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn stop(&self, permit: Permit<StopContainer>) -> Result<()> {
        self.power(permit, PowerAction::Stop).await
    }

    /// Stops and starts it.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn restart(&self, permit: Permit<RestartContainer>) -> Result<()> {
        self.power(permit, PowerAction::Restart).await
    }

    /// Ends its process at once.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn kill(&self, permit: Permit<KillContainer>) -> Result<()> {
        self.power(permit, PowerAction::Kill).await
    }

    async fn power<A: Act<On = Visible>>(&self, permit: Permit<A>, action: PowerAction) -> Result<()> {
        let (actor, target) = permit.consume();
        let container = target.container;
        if matches!(action, PowerAction::Start | PowerAction::Restart) {
            self.sync(container.id).await?;
        }
        self.node(&container)?.power(container.id, action).await?;
        let name = match action {
            PowerAction::Start => "container.power.start",
            PowerAction::Stop => "container.power.stop",
            PowerAction::Restart => "container.power.restart",
            PowerAction::Kill => "container.power.kill",
        };
        self.note(&actor, name, &container, serde_json::json!({})).await
    }

    /// Writes a line to its standard input.
    ///
    /// # Errors
    /// [`Error::Invalid`] at `command`, [`Error::Refused`] when it is offline.
    pub async fn command(&self, permit: Permit<SendCommand>, line: &str) -> Result<()> {
        let (actor, target) = permit.consume();
        let container = target.container;
        self.node(&container)?.command(container.id, line, actor.name()).await?;
        self.note(&actor, "container.command", &container, serde_json::json!({ "command": line })).await
    }

    /// A page of console lines: at most `limit` after `after`, or the newest.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the daemon can't be reached.
    pub async fn console(
        &self,
        permit: Permit<ReadConsole>,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<ConsoleLine>> {
        let (_, target) = permit.consume();
        Ok(self.node(&target.container)?.console(target.container.id, after, limit).await?)
    }

    /// The container's live stream, with the parts of it that the actor may see, and what they may do.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`] when the daemon can't be reached.
    pub async fn live(
        &self,
        actor: &Actor,
        id: ContainerId,
        since: Since,
    ) -> Result<(ContainerSet, BoxStream<'static, LiveFrame>)> {
        let (visible, _, _) = self.get(actor, id).await?;
        let parts = LiveParts {
            console: visible.permissions.contains(ContainerPermission::ConsoleRead),
            stats: visible.permissions.contains(ContainerPermission::StatsRead),
        };
        let live = self.node(&visible.container)?.live(id, since, parts).await?;
        Ok((visible.permissions, live))
    }

    /// The host of a container.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it can't be reached.
    pub(crate) fn node(&self, container: &Container) -> Result<Arc<dyn Node>> {
        self.0.fleet.node(container.daemon_id)
    }

    /// Gives it another allocation: this one, or the next free one.
    ///
    /// # Errors
    /// [`Error::Conflict`] `allocation_taken` or `none_free`.
    pub async fn add_allocation(
        &self,
        permit: Permit<AddAllocation>,
        id: Option<AllocationId>,
    ) -> Result<()> {
        let (actor, target) = permit.consume();
        let mut tx = self.0.store.begin().await?;
        store::daemons::lock(&mut tx.conn(), target.container.daemon_id).await?;
        let container = alive(&mut tx, target.container.id).await?;
        let first = store::allocations::of_container(&mut tx.conn(), container.id).await?.is_empty();
        match id {
            Some(id)
                if store::allocations::claim(
                    &mut tx.conn(),
                    id,
                    container.daemon_id,
                    container.id,
                    first,
                )
                .await? => {}
            Some(_) => return Err(taken()),
            None if store::allocations::claim_free(
                &mut tx.conn(),
                container.daemon_id,
                container.id,
                first,
            )
            .await? => {}
            None => return Err(none_free()),
        }
        self.changed_network(tx, &actor, "container.allocation_added", container).await
    }

    /// Takes an allocation from it.
    ///
    /// # Errors
    /// [`Error::Conflict`] `primary` for the primary one.
    pub async fn remove_allocation(&self, permit: Permit<RemoveAllocation>, id: AllocationId) -> Result<()> {
        let (actor, target) = permit.consume();
        let mut tx = self.0.store.begin().await?;
        let container = alive(&mut tx, target.container.id).await?;
        let of_it = store::allocations::of_container(&mut tx.conn(), container.id).await?;
        let found = of_it
            .iter()
            .find(|allocation| allocation.id == id)
            .ok_or(Error::NotFound { what: "allocation" })?;
        if found.primary {
            return Err(Error::conflict(
                "primary",
                "This is the primary allocation. Make another one primary first.",
            ));
        }
        store::allocations::release(&mut tx.conn(), id, container.id).await?;
        self.changed_network(tx, &actor, "container.allocation_removed", container).await
    }

    /// Makes one of its allocations the primary one.
    ///
    /// # Errors
    /// [`Error::NotFound`] for one that it does not have.
    pub async fn set_primary_allocation(
        &self,
        permit: Permit<AddAllocation>,
        id: AllocationId,
    ) -> Result<()> {
        let (actor, target) = permit.consume();
        let mut tx = self.0.store.begin().await?;
        store::daemons::lock(&mut tx.conn(), target.container.daemon_id).await?;
        let container = alive(&mut tx, target.container.id).await?;
        if !store::allocations::set_primary(&mut tx.conn(), id, container.id).await? {
            return Err(Error::NotFound { what: "allocation" });
        }
        self.changed_network(tx, &actor, "container.primary_allocation_changed", container).await
    }

    async fn changed_network(
        &self,
        mut tx: Tx,
        actor: &Actor,
        action: &str,
        mut container: Container,
    ) -> Result<()> {
        container.updated_at = self.0.clock.now();
        store::containers::update(&mut tx.conn(), &container).await?;
        self.record(&mut tx, actor, action, &container, serde_json::json!({})).await?;
        tx.emit(Change::new(Subject::Allocation, Verb::Updated, container.daemon_id));
        self.tell_host(&mut tx, &container).await?;
        tx.commit().await
    }

    /// Everybody with access but the owner.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn access(&self, permit: Permit<ReadAccess>) -> Result<(Container, Vec<Access>)> {
        let (_, target) = permit.consume();
        let access =
            store::containers::access(&mut self.0.store.read().await?.conn(), target.container.id).await?;
        Ok((target.container, access))
    }

    /// Gives somebody access, by user name or e-mail address.
    ///
    /// # Errors
    /// [`Error::Invalid`] at `user`, [`Error::Forbidden`] for more than the actor holds.
    pub async fn grant(
        &self,
        permit: Permit<GrantAccess>,
        login: &str,
        level: Level,
        permissions: ContainerSet,
    ) -> Result<()> {
        let found = store::users::find_by_login(&mut self.0.store.read().await?.conn(), login).await?;
        let user = found
            .ok_or_else(|| Error::invalid("user", "There is no user with this name or e-mail address."))?;
        if user.id == permit.target().container.owner_id {
            return Err(Error::invalid("user", "This user owns the container and has all access already."));
        }
        self.set_access(permit, user.id, level, permissions, "container.access_granted").await
    }

    /// Changes somebody's access.
    ///
    /// # Errors
    /// [`Error::NotFound`] for somebody without, [`Error::Forbidden`] for more than the actor holds.
    pub async fn change_access(
        &self,
        permit: Permit<UpdateAccess>,
        user: UserId,
        level: Level,
        permissions: ContainerSet,
    ) -> Result<()> {
        self.set_access(permit, user, level, permissions, "container.access_changed").await
    }

    async fn set_access<A: Act<On = Visible>>(
        &self,
        permit: Permit<A>,
        user: UserId,
        level: Level,
        permissions: ContainerSet,
        action: &str,
    ) -> Result<()> {
        let (actor, target) = permit.consume();
        let permissions = match level {
            Level::Owner => {
                return Err(Error::invalid(
                    "level",
                    "Use admin, user or custom. The owner is changed in the settings.",
                ));
            }
            Level::Custom => permissions,
            level => level.permissions(),
        };
        may_handle(&actor, &target, permissions)?;
        let id = target.container.id;
        let mut tx = self.0.store.begin().await?;
        let container = alive(&mut tx, id).await?;
        let present = store::containers::access(&mut tx.conn(), id)
            .await?
            .into_iter()
            .find(|access| access.user_id == user);
        match &present {
            // Whoever holds more than the actor is not the actor's to change.
            Some(present) => may_handle(&actor, &target, present.permissions)?,
            None if action == "container.access_changed" => return Err(Error::NotFound { what: "access" }),
            None => {}
        }
        store::containers::set_access(&mut tx.conn(), id, user, (level, permissions), self.0.clock.now())
            .await?;
        let named =
            store::users::find(&mut tx.conn(), user).await?.ok_or(Error::NotFound { what: "user" })?;
        let detail = serde_json::json!({ "user": named.username, "level": level });
        self.record(&mut tx, &actor, action, &container, detail).await?;
        tx.emit(Change::new(Subject::Access, Verb::Updated, id));
        tx.commit().await
    }

    /// Takes somebody's access away, at once.
    ///
    /// # Errors
    /// [`Error::NotFound`] for somebody without, [`Error::Forbidden`] for somebody who holds more than the actor.
    pub async fn revoke(&self, permit: Permit<RevokeAccess>, user: UserId) -> Result<()> {
        let (actor, target) = permit.consume();
        let id = target.container.id;
        let mut tx = self.0.store.begin().await?;
        let present = store::containers::access(&mut tx.conn(), id)
            .await?
            .into_iter()
            .find(|access| access.user_id == user);
        let present = present.ok_or(Error::NotFound { what: "access" })?;
        may_handle(&actor, &target, present.permissions)?;
        store::containers::remove_access(&mut tx.conn(), id, user).await?;
        let detail = serde_json::json!({ "user": present.username });
        self.record(&mut tx, &actor, "container.access_revoked", &target.container, detail).await?;
        tx.emit(Change::new(Subject::Access, Verb::Deleted, id));
        tx.commit().await
    }

    /// What was done to the container, the newest first.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a cursor of another list.
    pub async fn activity(
        &self,
        permit: Permit<ReadContainerActivity>,
        page: &PageRequest,
    ) -> Result<Page<Activity>> {
        let (_, target) = permit.consume();
        let filter = ActivityFilter { container_id: Some(target.container.id), ..ActivityFilter::default() };
        store::activity::list(&mut self.0.store.read().await?.conn(), &filter, page).await
    }

    async fn record(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        action: &str,
        container: &Container,
        detail: serde_json::Value,
    ) -> Result<()> {
        let activity = Activity::new(&self.0.clock, actor, action)
            .on("container", container.id, &container.name)
            .in_container(container.id)
            .with(detail);
        store::activity::insert(&mut tx.conn(), &activity).await
    }

    /// Writes down what was done on a host.
    /// Writes down what was done on the container's host.
    pub(crate) async fn note(
        &self,
        actor: &Actor,
        action: &str,
        container: &Container,
        detail: serde_json::Value,
    ) -> Result<()> {
        let mut tx = self.0.store.begin().await?;
        self.record(&mut tx, actor, action, container, detail).await?;
        tx.commit().await
    }
}

async fn template(conn: &mut Conn<'_>, id: TemplateId) -> Result<Template> {
    let found = store::templates::find(conn, id).await?;
    Ok(found.ok_or(Error::NotFound { what: "template" })?.document)
}

/// The record as it is now, unless it is being deleted.
async fn alive(tx: &mut Tx, id: ContainerId) -> Result<Container> {
    let found = store::containers::find(&mut tx.conn(), id, None).await?;
    let (container, _) = found.ok_or(Error::NotFound { what: "container" })?;
    if container.deleting {
        return Err(Error::conflict("deleting", "This container is being deleted."));
    }
    Ok(container)
}

async fn claim(tx: &mut Tx, container: &Container, ids: &[AllocationId], count: u32) -> Result<()> {
    for (place, id) in ids.iter().enumerate() {
        if !store::allocations::claim(&mut tx.conn(), *id, container.daemon_id, container.id, place == 0)
            .await?
        {
            return Err(taken());
        }
    }
    let count = if ids.is_empty() { count } else { 0 };
    for place in 0..count {
        if !store::allocations::claim_free(&mut tx.conn(), container.daemon_id, container.id, place == 0)
            .await?
        {
            return Err(none_free());
        }
    }
    Ok(())
}

fn taken() -> Error {
    Error::conflict(
        "allocation_taken",
        "This allocation belongs to another container or to another daemon. Choose another one.",
    )
}

fn none_free() -> Error {
    Error::conflict("none_free", "The daemon has no free allocation. An administrator can add some.")
}

/// Nobody gives or takes more than they hold.
fn may_handle(actor: &Actor, target: &Visible, permissions: ContainerSet) -> Result<()> {
    use crate::authz::Permission;
    let held = target.permissions;
    // The system's own `*` and the owner's are more than every list.
    let all = actor.grants().is_all() || actor.user_id() == Some(target.container.owner_id);
    match permissions.members().find(|permission| !all && !held.contains(*permission)) {
        None => Ok(()),
        Some(missing) => Err(Error::Forbidden { permission: ContainerPermission::name(missing).to_owned() }),
    }
}

fn description(text: Option<String>) -> Result<Option<String>> {
    let text = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    match &text {
        Some(text) if text.chars().count() > 1_000 => {
            Err(Error::invalid("description", "Use at most 1,000 characters."))
        }
        _ => Ok(text),
    }
}

fn check_startup(startup: &str) -> Result<()> {
    if startup.trim().is_empty() || startup.len() > 16_384 || startup.contains('\0') {
        return Err(Error::invalid("startup_command", "Give a startup command of at most 16,384 bytes."));
    }
    Ok(())
}

fn check_timeout(stop_timeout_ms: i64) -> Result<()> {
    if (1_000..=3_600_000).contains(&stop_timeout_ms) {
        return Ok(());
    }
    Err(Error::invalid("stop_timeout_ms", "Use 1,000 to 3,600,000 milliseconds."))
}

/// Checks the defaults of what is not given: published templates leave some for the user to fill in.
fn check_defaults(template: &Template, values: &BTreeMap<String, String>) -> Result<()> {
    for variable in template.variables.iter().filter(|variable| !values.contains_key(&variable.env)) {
        let needed = variable.rules().is_required() && variable.default_value.is_empty();
        if needed && variable.rules().check("").is_err() {
            return Err(Error::invalid(
                format!("variables.{}", variable.env),
                format!("{} needs a value.", variable.name),
            ));
        }
    }
    Ok(())
}

/// Checks the values that are given. Whoever does not manage all
/// containers sets only what the template lets users set.
fn check_variables(template: &Template, values: &BTreeMap<String, String>, manages: bool) -> Result<()> {
    for (env, value) in values {
        let field = format!("variables.{env}");
        let Some(variable) = template.variables.iter().find(|variable| variable.env == *env) else {
            return Err(Error::invalid(field, "The template has no such variable."));
        };
        if !manages && !variable.user_editable {
            return Err(Error::invalid(field, "This variable can't be changed by users."));
        }
        if value.contains('\0') || value.len() > 16_384 {
            return Err(Error::invalid(field, "Use text of at most 16,384 bytes."));
        }
        variable.rules().check(value).map_err(|why| Error::invalid(field, why))?;
    }
    Ok(())
}

impl From<NodeError> for Error {
    fn from(error: NodeError) -> Self {
        let message = error.to_string();
        match error {
            NodeError::Refused(refused) => Self::Refused(refused),
            NodeError::NotFound => Self::Unavailable {
                code: "not_on_host",
                message: "The daemon does not have this container yet. Try again in a moment.".into(),
            },
            NodeError::Invalid(why) => Self::invalid("command", why),
            NodeError::Unreachable(_) => Self::Unavailable { code: "daemon_unreachable", message },
            NodeError::File(error) => error.into(),
            NodeError::WrongKey => Self::Unavailable { code: "daemon_wrong_key", message },
            NodeError::Protocol { .. } => Self::Unavailable { code: "daemon_protocol", message },
            NodeError::Docker(_) => Self::Unavailable { code: "docker_unavailable", message },
            NodeError::Internal(cause) => Self::internal(cause),
        }
    }
}
