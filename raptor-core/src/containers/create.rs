//! Creating containers and choosing a daemon for them.

use super::{
    Behaviour, Container, Installation, Limits, Settings,
    change::{check_startup, check_timeout, description},
    check_name,
    lifecycle::Phase,
    network::check_allocation_limit,
    service::ContainerService,
    values::all_variables,
};
use crate::{
    Error, Result,
    authz::{Permit, SystemPermission, actions::CreateContainer},
    daemons::Daemon,
    id::{AllocationId, ContainerId, DaemonId, TemplateId, UserId},
    images::{Chooser, ChosenImage},
    jobs::Kind,
    store::{self, Change, Subject, Tx, Verb},
};
use std::collections::BTreeMap;

/// The input for creating a container.
#[derive(Clone, Debug)]
pub struct NewContainer {
    /// 1 to 100 characters.
    pub name: String,
    /// What the container is for; up to 1,000 characters.
    pub description: Option<String>,
    /// The owner; `None` = the actor.
    pub owner_id: Option<UserId>,
    /// The daemon; `None` = the one with the most free memory.
    pub daemon_id: Option<DaemonId>,
    /// The template to create it from, in its newest revision.
    pub template_id: TemplateId,
    /// Image; `None` = the template's first one. An image that the template does not offer requires `containers.update`, or the
    /// list of allowed images if owners may choose from it.
    pub image: Option<String>,
    /// Startup command; `None` = the template's.
    pub startup: Option<String>,
    /// Values of variables, by environment name. Others get the template's defaults.
    pub variables: BTreeMap<String, String>,
    /// Memory, CPU, disk and other limits.
    pub limits: Limits,
    /// The allocations to assign, the first one being the primary; if empty, free ones of the daemon.
    pub allocation_ids: Vec<AllocationId>,
    /// The number of free allocations to assign if `allocation_ids` is empty.
    pub allocation_count: u32,
    /// How many allocations beside the primary one people without `containers.update` may add; `None` = as many as it gets now.
    pub allocation_limit: Option<u32>,
    /// Milliseconds between asking the container to stop and killing it; `None` = the default of [`Settings`].
    pub stop_timeout_ms: Option<i64>,
    /// Restart policy, isolation and the like.
    pub behaviour: Behaviour,
    /// Whether to skip the template's installation.
    pub skip_install: bool,
    /// Whether to start the container right away, or after its installation.
    pub start: bool,
}

impl NewContainer {
    /// A container with the template's defaults and one free allocation, on the daemon with the most free memory, owned by the
    /// actor.
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
            allocation_limit: None,
            stop_timeout_ms: None,
            behaviour: Behaviour::default(),
            skip_install: false,
            start: false,
        }
    }
}

impl ContainerService<'_> {
    /// Creates a container.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the field, [`Error::Conflict`] `allocation_taken`, [`Error::Unavailable`] `no_room` with what
    /// each daemon lacks.
    pub async fn create(&self, permit: Permit<CreateContainer>, new: NewContainer) -> Result<ContainerId> {
        let (actor, ()) = permit.consume();
        let name = check_name(&new.name)?;
        new.limits.check()?;
        new.behaviour.check()?;
        let stop_timeout_ms = new.stop_timeout_ms.unwrap_or(Settings::default().stop_timeout_ms);
        check_timeout(stop_timeout_ms)?;
        let owner_id = new
            .owner_id
            .or(actor.user_id())
            .ok_or_else(|| Error::invalid("owner_id", "Choose an owner.").because("required"))?;
        let mut tx = self.0.inner.store.begin().await?;
        let owner = store::users::find(&mut tx.conn(), owner_id).await?;
        let owner =
            owner.ok_or_else(|| Error::invalid("owner_id", "There is no such user.").because("unknown"))?;
        let template = store::templates::find(&mut tx.conn(), new.template_id).await?;
        let template = template
            .ok_or_else(|| Error::invalid("template_id", "There is no such template.").because("unknown"))?
            .readable()?;
        let (template_revision, template) = (template.revision, template.document);
        let manages = actor.grants().contains(SystemPermission::ContainersUpdate);
        if !manages && new.behaviour.reaches_host() {
            return Err(Error::Forbidden { permission: "containers.update".into() });
        }
        let who = Chooser { name: actor.name(), manages };
        let images = store::images::policy(&mut tx.conn()).await?;
        let ChosenImage { image, allowed_by: image_allowed_by } = match new
            .image
            .or_else(|| template.images.first().map(|image| image.image.clone()))
        {
            Some(image) => images.choose(&image, &template, who)?,
            None => {
                return Err(Error::invalid("image", "This template has no image of its own. Choose one.")
                    .because("image_needed"));
            }
        };
        let startup = new.startup.unwrap_or_else(|| template.startup.clone());
        check_startup(&startup)?;
        let variables = all_variables(&template, new.variables)?;
        let now = self.0.inner.clock.now();
        let installs = !new.skip_install
            && template.install.as_ref().is_some_and(|install| !install.script.trim().is_empty());
        let none = Installation::default();
        let given = u32::try_from(new.allocation_ids.len()).unwrap_or(u32::MAX);
        let given = if given > 0 { given } else { new.allocation_count };
        let allocation_limit =
            check_allocation_limit(new.allocation_limit.unwrap_or(given.saturating_sub(1)))?;
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
            template_revision,
            template_name: template.name.clone(),
            image,
            image_allowed_by,
            startup,
            variables,
            limits: new.limits,
            settings: Settings { stop_timeout_ms, allocation_limit },
            behaviour: new.behaviour,
            installation: if installs { none.again(0, false, new.start) } else { none },
            suspended: false,
            deleting: false,
            revision: 1,
            synced_revision: 0,
            phase: Phase::Offline,
            phase_since: now,
            status: None,
            damaged: Vec::new(),
            created_at: now,
            updated_at: now,
        };
        let names = actor.grants().contains(SystemPermission::ContainersRead);
        let wanted = (new.daemon_id, new.allocation_ids.as_slice(), new.allocation_count);
        self.place(&mut tx, &mut container, wanted, names).await?;
        // An installation starts the container when it is done.
        let kind = if new.start && !installs { Kind::Start } else { Kind::Declare };
        store::jobs::insert(&mut tx.conn(), kind, container.daemon_id, container.id, now).await?;
        let detail = serde_json::json!({ "daemon": container.daemon_name, "template": template.name, "owner": container.owner_name });
        self.record(&mut tx, &actor, "container.created", &container, detail).await?;
        tx.emit(Change::new(Subject::Container, Verb::Created, container.id));
        tx.emit(Change::new(Subject::Job, Verb::Created, container.daemon_id));
        tx.commit().await?;
        Ok(container.id)
    }

    /// Chooses a daemon and allocations, and inserts the container.
    async fn place(
        &self,
        tx: &mut Tx,
        container: &mut Container,
        (wanted, allocation_ids, count): (Option<DaemonId>, &[AllocationId], u32),
        names: bool,
    ) -> Result<()> {
        let mut daemons = store::daemons::list(&mut tx.conn()).await?;
        if let Some(wanted) = wanted {
            daemons.retain(|daemon| daemon.id == wanted);
            if daemons.is_empty() {
                return Err(Error::invalid("daemon_id", "There is no such daemon.").because("unknown"));
            }
        } else if let Some(first) = allocation_ids.first() {
            let allocation = store::allocations::find(&mut tx.conn(), *first).await?;
            let allocation = allocation.ok_or_else(|| {
                Error::invalid("allocations", "There is no such allocation.").because("unknown")
            })?;
            daemons.retain(|daemon| daemon.id == allocation.daemon_id);
        }
        // Most free memory first.
        daemons.sort_by_key(|daemon| std::cmp::Reverse(self.free_memory_mib(daemon)));
        let mut lacking = Vec::new();
        for daemon in daemons {
            // One placement per daemon at a time: what is free now is still free when it is taken.
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
            return self.claim_all(tx, container, allocation_ids, count, names).await;
        }
        let why = if lacking.is_empty() {
            "There is no daemon yet; add one first.".into()
        } else {
            lacking.join("; ")
        };
        Err(Error::unavailable("no_room", format!("No daemon has room for this container. {why}")))
    }

    fn free_memory_mib(&self, daemon: &Daemon) -> i64 {
        let host = self.0.inner.fleet.connection(daemon.id).and_then(|connection| connection.system);
        let host =
            host.map_or(0, |system| i64::try_from(system.memory_total_bytes / 1_048_576).unwrap_or(i64::MAX));
        daemon.memory_limit_mib.unwrap_or(host) - daemon.usage.memory_mib
    }

    /// What the daemon lacks to take the container, if anything. An explicitly chosen daemon may be offline or full.
    fn lack(&self, daemon: &Daemon, limits: &Limits, count: Option<u32>, chosen: bool) -> Option<String> {
        if count.is_some_and(|count| daemon.usage.allocation_free_count < i64::from(count)) {
            let free = daemon.usage.allocation_free_count;
            return Some(format!("it has {free} free allocations; add some"));
        }
        if let Some(reason) = &daemon.maintenance {
            return Some(format!("it is in maintenance ({reason})"));
        }
        if !chosen && !self.0.inner.fleet.is_online(daemon.id) {
            return Some("it is offline".into());
        }
        let memory = i64::try_from(limits.memory_mib).unwrap_or(i64::MAX);
        let free = self.free_memory_mib(daemon);
        let bounded = daemon.memory_limit_mib.is_some() || !chosen;
        if bounded && memory > free {
            return Some(format!("it has {} MiB of free memory", free.max(0)));
        }
        let disk = i64::try_from(limits.disk_mib).unwrap_or(i64::MAX);
        match daemon.disk_limit_mib {
            Some(limit) if disk > limit - daemon.usage.disk_mib => {
                Some(format!("it has {} MiB of free disk space", (limit - daemon.usage.disk_mib).max(0)))
            }
            _ => None,
        }
    }
}
