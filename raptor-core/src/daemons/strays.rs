//! Strays: containers that a host has but the store doesn't know, as after restoring an older backup of the database.
//!
//! They keep running and keep their ports. Nothing removes or stops them automatically: they are shown on the daemon's page,
//! where people adopt, stop or delete them.

use super::{Daemon, service::DaemonService};
use crate::{
    Error, Result,
    activity::{
        Activity,
        deferred::{self, CompletedAction},
    },
    allocations::Allocation,
    authz::{
        Permit,
        actions::{AdoptStray, DeleteStray, ListStrays, StopStray},
    },
    containers::{Behaviour, Container, Installation, MAX_ALLOCATION_LIMIT, Settings, lifecycle::Phase},
    id::{ContainerId, DaemonId, TemplateId, UserId},
    jobs::Kind,
    node::{ContainerSpec, HostedContainer, NodeError, PortBinding, PowerAction},
    nul,
    store::{self, Change, Subject, Tx, Verb},
};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use std::net::IpAddr;

/// A container that a host has but Raptor doesn't know.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Stray {
    /// The host's information about it.
    pub held: HostedContainer,
    /// The phase that the host last reported.
    pub phase: Phase,
}

/// What the store can't know of a container that is adopted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Adoption {
    /// Id of the container's owner. Unless given, its owner on the host, or else the caller.
    #[serde(default)]
    pub owner_id: Option<UserId>,
    /// Id of the template that the container is taken to be made from, in its newest revision.
    pub template_id: TemplateId,
}

impl DaemonService<'_> {
    /// The daemon's strays, ordered by name.
    #[must_use]
    pub fn strays(&self, permit: Permit<ListStrays>) -> Vec<Stray> {
        let daemon = permit.consume().1;
        self.0.inner.fleet.strays(daemon.id)
    }

    /// Asks a stray to stop. Its files stay.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Refused`] if it isn't running, [`Error::Unavailable`] if the daemon can't be reached.
    pub async fn stop_stray(&self, permit: Permit<StopStray>, id: ContainerId) -> Result<()> {
        let (actor, daemon) = permit.consume();
        let stray = self.stray(&daemon, id)?;
        if !stray.held.declared {
            return Err(undeclared());
        }
        let (node, raptor) = (self.0.inner.fleet.node(daemon.id)?, self.0.clone());
        deferred::run_to_completion(self.0, async move {
            node.power(id, PowerAction::Stop, actor.name()).await?;
            let activity = Activity::new(&raptor.inner.clock, &actor, "daemon.unknown_container_stopped")
                .on("daemon", daemon.id, &daemon.name)
                .with(detail(&stray));
            deferred::record(&raptor, CompletedAction { activity, command: None }).await
        })
        .await
    }

    /// Deletes a stray with its files, as soon as its host can be reached.
    ///
    /// # Errors
    /// [`Error::NotFound`], also if somebody else has just adopted or deleted it.
    pub async fn delete_stray(&self, permit: Permit<DeleteStray>, id: ContainerId) -> Result<()> {
        let (actor, daemon) = permit.consume();
        let stray = self.stray(&daemon, id)?;
        let mut tx = self.0.inner.store.begin().await?;
        store::daemons::lock(&mut tx.conn(), daemon.id).await?;
        still_unknown(&mut tx, daemon.id, &stray).await?;
        // A removal that somebody else requested may have finished by now.
        self.stray(&daemon, id)?;
        store::jobs::insert(&mut tx.conn(), Kind::Remove, daemon.id, id, self.0.inner.clock.now()).await?;
        let activity = Activity::new(&self.0.inner.clock, &actor, "daemon.unknown_container_deleted")
            .on("daemon", daemon.id, &daemon.name)
            .with(detail(&stray));
        store::activity::insert(&mut tx.conn(), &activity).await?;
        tx.emit(Change::new(Subject::Job, Verb::Created, daemon.id));
        tx.emit(Change::new(Subject::Daemon, Verb::Updated, daemon.id));
        tx.commit().await?;
        self.0.inner.fleet.forget_stray(daemon.id, id);
        Ok(())
    }

    /// Adopts a stray as it is, with its id, files, ports and limits. It keeps running.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`] with the field, [`Error::Conflict`] `allocation_taken` if another container has
    /// one of its ports by now.
    pub async fn adopt_stray(
        &self,
        permit: Permit<AdoptStray>,
        id: ContainerId,
        adoption: Adoption,
    ) -> Result<ContainerId> {
        let (actor, daemon) = permit.consume();
        let stray = self.stray(&daemon, id)?;
        let spec = match self.0.inner.fleet.node(daemon.id)?.declared(id).await {
            Ok(spec) => nul::storable(spec),
            Err(NodeError::NotFound) => return Err(undeclared()),
            Err(error) => return Err(error.into()),
        };
        let mut tx = self.0.inner.store.begin().await?;
        store::daemons::lock(&mut tx.conn(), daemon.id).await?;
        still_unknown(&mut tx, daemon.id, &stray).await?;
        let owner = match adoption.owner_id.or(spec.owner) {
            Some(owner) => store::users::find(&mut tx.conn(), owner).await?,
            None => None,
        };
        let owner = match (owner, actor.user_id()) {
            (Some(owner), _) => Some(owner),
            (None, Some(own)) if adoption.owner_id.is_none() => {
                store::users::find(&mut tx.conn(), own).await?
            }
            (None, _) => None,
        };
        let owner = owner.ok_or_else(|| {
            Error::invalid("owner_id", "There is no such user. Choose an owner.").because("unknown")
        })?;
        let template = store::templates::find(&mut tx.conn(), adoption.template_id).await?;
        let template = template
            .ok_or_else(|| Error::invalid("template_id", "There is no such template.").because("unknown"))?
            .readable()?;
        let now = self.0.inner.clock.now();
        let revision = i64::try_from(spec.revision).unwrap_or(i64::MAX - 1) + 1;
        let allocation_limit = allocation_limit(&spec);
        let variables = spec
            .environment
            .into_iter()
            .filter(|(name, _)| template.document.variables.iter().any(|variable| variable.env == *name))
            .collect();
        // It already runs with this image; adopting the container approves it.
        let offered = template.document.images.iter().any(|offer| offer.image == spec.image);
        let image_allowed_by = (!offered).then(|| actor.name().to_owned());
        let mut container = Container {
            id,
            number: 0,
            name: spec.name,
            description: None,
            owner_id: owner.id,
            owner_name: owner.username,
            daemon_id: daemon.id,
            daemon_name: daemon.name.clone(),
            daemon_host: (!daemon.local).then(|| daemon.host.clone()),
            template_id: adoption.template_id,
            template_revision: template.revision,
            template_name: template.document.name.clone(),
            image: spec.image,
            image_allowed_by,
            startup: spec.startup,
            variables,
            limits: spec.limits,
            settings: Settings {
                stop_timeout_ms: i64::try_from(spec.stop_timeout_ms).unwrap_or(i64::MAX),
                allocation_limit,
            },
            behaviour: Behaviour {
                policy: spec.policy,
                timezone: spec.timezone,
                network: spec.network,
                outgoing_ip: spec.outgoing_ip,
                mounts: spec.mounts,
                labels: spec.labels,
                console_encoding: spec.console_encoding,
            },
            installation: Installation::default(),
            suspended: spec.suspended,
            deleting: false,
            revision,
            synced_revision: 0,
            // Its current phase, since the host reports it only when it changes.
            phase: self.stray(&daemon, id)?.phase,
            phase_since: now,
            status: None,
            damaged: Vec::new(),
            created_at: now,
            updated_at: now,
        };
        container.number = store::containers::insert(&mut tx.conn(), &container).await?;
        claim_ports(&mut tx, &container, &spec.ports, now).await?;
        store::jobs::insert(&mut tx.conn(), Kind::Declare, daemon.id, id, now).await?;
        let activity = Activity::new(&self.0.inner.clock, &actor, "container.adopted")
            .on("container", id, &container.name)
            .in_container(id)
            .with(serde_json::json!({ "daemon": daemon.name, "owner": container.owner_name, "template": container.template_name }));
        store::activity::insert(&mut tx.conn(), &activity).await?;
        tx.emit(Change::new(Subject::Container, Verb::Created, id));
        tx.emit(Change::new(Subject::Job, Verb::Created, daemon.id));
        tx.commit().await?;
        self.0.inner.fleet.forget_stray(daemon.id, id);
        Ok(id)
    }

    fn stray(&self, daemon: &Daemon, id: ContainerId) -> Result<Stray> {
        let mut strays = self.0.inner.fleet.strays(daemon.id).into_iter();
        strays.find(|stray| stray.held.id == id).ok_or(Error::NotFound { what: "container" })
    }
}

/// How many extra allocations it may have: its declared limit, and no fewer than it has.
fn allocation_limit(spec: &ContainerSpec) -> i64 {
    let told = spec.environment.get("P_SERVER_ALLOCATION_LIMIT").and_then(|told| told.parse().ok());
    let extra = i64::try_from(spec.ports.len().saturating_sub(1)).unwrap_or(0);
    told.unwrap_or(0).clamp(extra, i64::from(MAX_ALLOCATION_LIMIT).max(extra))
}

fn undeclared() -> Error {
    Error::conflict(
        "not_declared",
        "The host has lost this container's settings; only its process remains. Delete it and create it again.",
    )
}

fn detail(stray: &Stray) -> serde_json::Value {
    serde_json::json!({ "container": stray.held.name, "container_id": stray.held.id })
}

/// Fails if somebody has just adopted or deleted it. The daemon has to be locked.
async fn still_unknown(tx: &mut Tx, daemon: DaemonId, stray: &Stray) -> Result<()> {
    let gone = Error::NotFound { what: "container" };
    if store::containers::find(&mut tx.conn(), stray.held.id, None).await?.is_some() {
        return Err(gone);
    }
    match unknown(&mut tx.conn(), daemon, vec![stray.held.clone()]).await?.is_empty() {
        true => Err(gone),
        false => Ok(()),
    }
}

/// Assigns the allocations of its ports to the container, creating those that don't exist.
async fn claim_ports(
    tx: &mut Tx,
    container: &Container,
    ports: &[PortBinding],
    now: DateTime<Utc>,
) -> Result<()> {
    for port in ports {
        let ip = port.ip.to_string();
        let found = store::allocations::at(&mut tx.conn(), container.daemon_id, &ip, port.port).await?;
        let id = match found {
            Some(Allocation { container: Some(holder), .. }) => {
                let message = format!(
                    "{ip}:{} now belongs to the container {}. Remove it from that container first.",
                    port.port, holder.name
                );
                return Err(Error::conflict("allocation_taken", message)
                    .with("container", holder.name)
                    .with("port", port.port));
            }
            Some(free) => free.id,
            None => {
                let (daemon, address) = (container.daemon_id, (ip.as_str(), port.port));
                store::allocations::insert(&mut tx.conn(), daemon, address, (None, None), port.protocol, now)
                    .await?;
                let made = store::allocations::at(&mut tx.conn(), daemon, &ip, port.port).await?;
                made.ok_or(Error::NotFound { what: "allocation" })?.id
            }
        };
        if !store::allocations::claim(&mut tx.conn(), id, container.daemon_id, container.id, port.primary)
            .await?
        {
            let message = format!(
                "{ip}:{} is still used by another container until that is stopped or restarted.",
                port.port
            );
            return Err(Error::conflict("allocation_held", message).with("port", port.port));
        }
    }
    Ok(())
}

/// Refuses an allocation whose port a stray holds on the host. `names`: whether the caller may learn the stray's name.
pub(crate) fn check_held(strays: &[Stray], allocation: &Allocation, names: bool) -> Result<()> {
    match holder(strays, allocation) {
        None => Ok(()),
        Some(_) if !names => Err(Error::conflict(
            "port_held",
            format!(
                "{}:{} is used on the host by something that Raptor does not know. Choose another allocation, or ask an administrator.",
                allocation.ip, allocation.port
            ),
        )
        .with("ip", allocation.ip.as_str())
        .with("port", allocation.port)),
        Some(stray) => Err(Error::conflict(
            "port_held",
            format!(
                "{}:{} is used on the host by the container {}, which Raptor does not know. Adopt it or delete it on the daemon's page first, or choose another allocation.",
                allocation.ip, allocation.port, stray.held.name
            ),
        )
        .with("ip", allocation.ip.as_str())
        .with("port", allocation.port)
        .with("container", stray.held.name.as_str())),
    }
}

/// The stray that holds this allocation's port.
pub(crate) fn holder<'s>(strays: &'s [Stray], allocation: &Allocation) -> Option<&'s Stray> {
    let ip: Option<IpAddr> = allocation.ip.parse().ok();
    strays.iter().find(|stray| {
        stray.held.ports.iter().any(|port| {
            let everywhere = port.ip.is_unspecified() || ip.is_some_and(|ip| ip.is_unspecified());
            port.port == allocation.port && (everywhere || Some(port.ip) == ip)
        })
    })
}

/// The containers in `held` that the store neither knows on this daemon nor is removing from it.
pub(crate) async fn unknown(
    conn: &mut store::Conn<'_>,
    daemon: DaemonId,
    held: Vec<HostedContainer>,
) -> Result<Vec<HostedContainer>> {
    let known = store::containers::known_on(conn, daemon).await?;
    Ok(held.into_iter().filter(|held| !known.contains(&held.id)).collect())
}
