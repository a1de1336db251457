//! A container's behaviour and installation, and the events that its host reports.

use super::{
    Behaviour, Container, InstallState, Installation, lifecycle::Refused, service::ContainerService,
};
use crate::{
    Error, Result,
    activity::{Activity, deferred},
    authz::{
        Actor, Permit, SystemPermission,
        actions::{InstallContainer, UpdateBehaviour},
    },
    daemons::Daemon,
    id::{ContainerId, DaemonId},
    node::{Happened, Happening, requests::CancelInstall},
    store::{self, Change, Subject, Tx, Verb},
};
use serde_json::json;

/// Time limit of an installation in milliseconds. Large games take hours to download on slow connections.
pub(super) const INSTALL_TIMEOUT_MS: u64 = 4 * 3_600_000;

impl ContainerService<'_> {
    /// Changes the behaviour. Settings of the engine apply from the next start.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the field, [`Error::Forbidden`] for what only those who manage all containers may change.
    pub async fn set_behaviour(&self, permit: Permit<UpdateBehaviour>, behaviour: Behaviour) -> Result<()> {
        behaviour.check()?;
        let manages = permit.actor().grants().contains(SystemPermission::ContainersUpdate);
        self.change(permit, "container.behaviour_changed", |container, _| {
            let before = &container.behaviour;
            let of_the_host = |behaviour: &Behaviour| {
                (behaviour.mounts.clone(), behaviour.labels.clone(), behaviour.outgoing_ip)
            };
            if !manages && of_the_host(&behaviour) != of_the_host(before) {
                return Err(Error::Forbidden { permission: "containers.update".into() });
            }
            let detail = json!({ "from": before, "to": behaviour });
            container.behaviour = behaviour;
            Ok(detail)
        })
        .await
    }

    /// Installs the container, again or for the first time. Stops it first if it is running; `wipe` deletes its files first,
    /// `start` starts it afterwards.
    ///
    /// # Errors
    /// [`Error::Conflict`] `nothing_to_install`, [`Error::Refused`] while an installation is running.
    pub async fn install(&self, permit: Permit<InstallContainer>, wipe: bool, start: bool) -> Result<()> {
        self.change(permit, "container.install", |container, template| {
            if template.install.as_ref().is_none_or(|install| install.script.trim().is_empty()) {
                return Err(Error::conflict(
                    "nothing_to_install",
                    "The template has no installation script.",
                ));
            }
            if container.installation.state == InstallState::Pending {
                return Err(Refused::Installing.into());
            }
            let ended = container.status.as_ref().map_or(0, |status| status.installed);
            let start = start && !container.suspended;
            container.installation = container.installation.again(ended, wipe, start);
            Ok(json!({ "wipe": wipe, "start": start }))
        })
        .await
    }

    /// Cancels the running installation.
    ///
    /// # Errors
    /// [`Error::Refused`] if none is running, [`Error::Unavailable`] if the daemon can't be reached.
    pub async fn cancel_install(&self, permit: Permit<InstallContainer>) -> Result<()> {
        let (actor, target) = permit.consume();
        let (node, raptor) = (self.node(&target.container)?, self.0.clone());
        deferred::run_to_completion(self.0, async move {
            node.handle(target.container.id, CancelInstall).await?;
            raptor
                .containers()
                .note(&actor, "container.install_cancelled", &target.container, json!({}))
                .await
        })
        .await
    }

    /// Marks the container as installed, although its installation failed or never ran.
    ///
    /// # Errors
    /// [`Error::Refused`] while an installation is running.
    pub async fn skip_install(&self, permit: Permit<InstallContainer>) -> Result<()> {
        self.change(permit, "container.install_skipped", |container, _| {
            if container.installation.state == InstallState::Pending {
                return Err(Refused::Installing.into());
            }
            let number = container.installation.number;
            container.installation = Installation { number, ..Installation::default() };
            Ok(json!({}))
        })
        .await
    }

    /// Sends the declaration to the host again, because something that it depends on has changed.
    pub(crate) async fn declare_again(&self, tx: &mut Tx, id: ContainerId) -> Result<()> {
        let Some((mut container, _)) = store::containers::find(&mut tx.conn(), id, None).await? else {
            return Ok(());
        };
        container.updated_at = self.0.inner.clock.now();
        store::containers::update(&mut tx.conn(), &container).await?;
        self.tell_host(tx, &container).await
    }

    /// Stores an event that a host reported. Each event counts once, however often and to however many replicas it is
    /// delivered.
    ///
    /// # Errors
    /// If the store fails; the event has to be delivered again.
    pub(crate) async fn happened(&self, daemon: DaemonId, event: Happened) -> Result<()> {
        let mut tx = self.0.inner.store.begin().await?;
        store::daemons::lock(&mut tx.conn(), daemon).await?;
        let number = i64::try_from(event.number).unwrap_or(i64::MAX);
        if !store::daemons::record_event(&mut tx.conn(), daemon, event.spool, number).await? {
            return Ok(());
        }
        let found = store::containers::find(&mut tx.conn(), event.id, None).await?;
        // A host's events about containers that are deleted or were never on it are ignored.
        let found = found.filter(|(container, _)| container.daemon_id == daemon);
        let host = store::daemons::find(&mut tx.conn(), daemon).await?;
        if let Some(((mut container, _), host)) = found.zip(host) {
            if let Happening::Installed { number, problem, warning, .. } = &event.what
                && *number == container.installation.number
                && container.installation.awaits_report()
            {
                let state = if problem.is_none() { InstallState::Installed } else { InstallState::Failed };
                container.installation.state = state;
                container.installation.message = problem.as_ref().or(warning.as_ref()).cloned();
                container.installation.ended_at = Some(event.at);
                store::containers::set_installation(&mut tx.conn(), container.id, &container.installation)
                    .await?;
            }
            store::activity::insert(&mut tx.conn(), &self.told(&host, &container, event)).await?;
            tx.emit(Change::new(Subject::Container, Verb::Updated, container.id));
        }
        tx.commit().await
    }

    fn told(&self, host: &Daemon, container: &Container, event: Happened) -> Activity {
        let (action, detail) = words(event.what);
        let mut activity = Activity::new(&self.0.inner.clock, &Actor::System, action)
            .by_daemon(host.id, &host.name)
            .on("container", container.id, &container.name)
            .in_container(container.id)
            .with(detail);
        activity.at = event.at;
        activity
    }
}

fn words(what: Happening) -> (&'static str, serde_json::Value) {
    match what {
        Happening::Crashed { exit, count, quarantined, lines } => (
            if quarantined { "container.quarantined" } else { "container.crashed" },
            json!({ "exit_code": exit.code, "out_of_memory": exit.out_of_memory, "count": count, "lines": lines }),
        ),
        Happening::Ended { exit, by_hand } => (
            if by_hand { "container.ended_by_hand" } else { "container.ended" },
            json!({ "exit_code": exit.code }),
        ),
        Happening::Recovered => ("container.recovered", json!({})),
        Happening::StartFailed { why } => ("container.start_failed", json!({ "why": why })),
        Happening::DiskFull { used_bytes, limit_bytes } => {
            ("container.disk_full", json!({ "used_bytes": used_bytes, "limit_bytes": limit_bytes }))
        }
        Happening::Installed { number, problem: None, warning: Some(why), lines } => {
            ("container.installed", json!({ "number": number, "why": why, "lines": lines }))
        }
        Happening::Installed { number, problem: None, .. } => {
            ("container.installed", json!({ "number": number }))
        }
        Happening::Installed { number, problem: Some(why), lines, .. } => {
            ("container.install_failed", json!({ "number": number, "why": why, "lines": lines }))
        }
    }
}
