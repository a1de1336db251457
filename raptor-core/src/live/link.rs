//! Maintaining the link to one daemon.

use super::{Connection, LinkState, LiveEvent};
use crate::{
    Raptor, Result,
    containers::service::free_unpublished,
    daemons::strays,
    id::{ContainerId, DaemonId},
    jobs::Kind,
    node::{
        ContainerStatus, Done, Happened, HostedContainer, MAX_CLOCK_SKEW_S, Node, NodeError, NodeEvent,
        PROTOCOL, SystemInfo, requests::Acknowledgement,
    },
    nul,
    store::{self, Change, Subject, Verb},
    warnings::warn_of,
};
use futures_util::{StreamExt, stream::BoxStream};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(10);
/// A link that receives nothing for this long is considered down. A daemon sends something every five seconds.
const SILENCE: Duration = Duration::from_secs(12);
/// Free disk space of a host in bytes below which its daemon's page shows a warning.
const DISK_LOW: u64 = 1 << 30;

pub(super) struct Task {
    pub(super) raptor: Raptor,
    pub(super) daemon: DaemonId,
    pub(super) node: Arc<dyn Node>,
    pub(super) connection: Arc<watch::Sender<Connection>>,
    pub(super) stop: CancellationToken,
}

impl Task {
    pub(super) async fn run(self) {
        let stop = self.stop.clone();
        stop.run_until_cancelled(self.keep()).await;
    }

    async fn keep(self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let opened = self.node.events().await;
            // Whatever else its answer was: the daemon has proved that it has the key.
            if self.node.upgraded()
                && let Err(error) = self.raptor.daemons().keep_upgraded(self.daemon).await
            {
                warn_of!(self.raptor, error, daemon = %self.daemon, "recording that the daemon speaks HTTPS failed");
            }
            let error = match opened {
                Ok(events) => self.follow(events, &mut pause).await,
                Err(error) => error,
            };
            self.down(&error);
            // Many links that went down together should not come back together.
            let spread = f64::from(
                u8::try_from(self.raptor.inner.clock.now().timestamp_subsec_micros() % 100).unwrap_or(0),
            ) / 100.0;
            tokio::time::sleep(pause.mul_f64(0.5 + spread)).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// Processes the daemon's events and forwards changes to it until the link is down.
    async fn follow(&self, mut events: BoxStream<'static, NodeEvent>, pause: &mut Duration) -> NodeError {
        let lost = || NodeError::Unreachable("The connection to the daemon was lost.".into());
        let mut changes = self.raptor.inner.store.feed().subscribe();
        let mut gaps = self.raptor.inner.fleet.gaps.subscribe();
        let mut silence = Box::pin(tokio::time::sleep(SILENCE));
        loop {
            tokio::select! {
                // The timeout comes last: while the database is slow, the daemon's events queue up here.
                biased;
                Ok(()) = gaps.changed() => self.recheck(None, None).await,
                change = changes.recv() => self.forward_change(change).await,
                event = events.next() => {
                    let Some(event) = event else { return lost() };
                    if let Err(refused) = self.handle(event).await {
                        return refused;
                    }
                    *pause = FIRST_PAUSE;
                    silence.as_mut().reset(tokio::time::Instant::now() + SILENCE);
                }
                () = &mut silence => return lost(),
            }
        }
    }

    fn down(&self, error: &NodeError) {
        let state = match error {
            NodeError::WrongKey => LinkState::WrongKey,
            NodeError::Protocol { .. } => LinkState::ProtocolMismatch,
            _ => LinkState::Unreachable,
        };
        let now = self.raptor.inner.clock.now();
        self.connection.send_modify(|connection| {
            if connection.state != state {
                connection.since = Some(now);
                tracing::warn!(daemon = %self.daemon, ?state, "{error}");
            }
            (connection.state, connection.message) = (state, Some(error.to_string()));
        });
        let affected = self.raptor.inner.fleet.set_unknown(self.daemon);
        self.raptor.inner.fleet.publish(LiveEvent::Daemon(self.daemon));
        if !affected.is_empty() {
            self.raptor.inner.fleet.publish(LiveEvent::Containers(affected.into()));
        }
    }

    async fn handle(&self, event: NodeEvent) -> Result<(), NodeError> {
        let fleet = &self.raptor.inner.fleet;
        let event = match event {
            // Only numbers, every second.
            NodeEvent::Stats { .. } => event,
            told => nul::storable(told),
        };
        match event {
            NodeEvent::Snapshot { system, containers, held } => self.up(system, containers, held).await?,
            NodeEvent::Status { status } => self.status(status).await,
            NodeEvent::Stats { stats } => {
                let ids: Vec<ContainerId> = stats.iter().map(|stats| stats.id).collect();
                for stats in stats {
                    fleet.set_stats(stats.id, stats.stats);
                }
                fleet.publish(LiveEvent::Measured(ids.into()));
            }
            NodeEvent::System { system } => {
                self.connection.send_modify(|connection| self.take(connection, system));
                fleet.publish(LiveEvent::Daemon(self.daemon));
            }
            NodeEvent::Removed { id } => {
                fleet.forget(id);
                if fleet.forget_stray(self.daemon, id) {
                    fleet.publish(LiveEvent::Daemon(self.daemon));
                }
            }
            NodeEvent::Question { id, question } => self.reply(id, question),
            NodeEvent::Activity { activity } => self.note(activity),
            NodeEvent::Happened(event) => self.happened(event).await?,
        }
        Ok(())
    }

    fn take(&self, connection: &mut Connection, system: SystemInfo) {
        let apart = |skew: i64| skew.abs() > MAX_CLOCK_SKEW_S;
        let skew = (system.time - self.raptor.inner.clock.now()).num_seconds();
        let were_apart = connection.clock_skew_seconds.replace(skew).is_some_and(apart);
        let clock = apart(skew).then(|| {
            let direction = if skew > 0 { "ahead of" } else { "behind" };
            format!("The host's clock is {} s {direction} ours. Synchronise both with a time server (timedatectl set-ntp true).", skew.abs())
        });
        match &clock {
            Some(clock) if !were_apart => tracing::warn!(daemon = %self.daemon, "{clock}"),
            None if were_apart => {
                tracing::info!(daemon = %self.daemon, "the host's clock and ours agree again")
            }
            _ => {}
        }
        let notes: Vec<String> = disk_note(&system).into_iter().chain(clock).collect();
        connection.message = (!notes.is_empty()).then(|| notes.join(" "));
        connection.system = Some(system);
    }

    async fn up(
        &self,
        system: SystemInfo,
        containers: Vec<ContainerStatus>,
        held: Vec<HostedContainer>,
    ) -> Result<(), NodeError> {
        let spoken = system.spoken()?;
        let now = self.raptor.inner.clock.now();
        self.connection.send_modify(|connection| {
            if connection.state != LinkState::Online {
                (connection.state, connection.since) = (LinkState::Online, Some(now));
                tracing::info!(daemon = %self.daemon, hostname = system.hostname, version = system.version, "the daemon is online");
            }
            connection.outdated = spoken < PROTOCOL;
            self.take(connection, system);
        });
        self.raptor.inner.fleet.publish(LiveEvent::Daemon(self.daemon));
        let there: HashMap<ContainerId, ContainerStatus> =
            containers.iter().map(|status| (status.id, status.clone())).collect();
        self.statuses(containers).await;
        if let Err(error) = self.find_strays(held).await {
            warn_of!(self.raptor, error, daemon = %self.daemon, "finding the host's unknown containers failed");
        }
        super::send_logins(&self.raptor, &*self.node).await;
        self.raptor.inner.fleet.send_hosts(&*self.node).await;
        if let Err(error) = self.reconcile(&there).await {
            warn_of!(self.raptor, error, daemon = %self.daemon, "finding the declarations that the host lacks failed");
        }
        Ok(())
    }

    /// Stores an event before acknowledging it. If that fails, the link is re-established and the host delivers it again. An
    /// event that the database will never accept is logged and skipped, so that it can't block the host's other events forever.
    async fn happened(&self, event: Happened) -> Result<(), NodeError> {
        let (spool, number) = (event.spool, event.number);
        match self.raptor.containers().happened(self.daemon, event.clone()).await {
            Ok(()) => {}
            Err(error) if store::refuses_content(&error) => {
                let (error, daemon) = (error.with_cause(), self.daemon);
                let event = serde_json::to_string(&event).unwrap_or_default();
                tracing::error!(error, %daemon, event, "the database rejects an event for good; it is only logged here");
            }
            Err(error) => {
                warn_of!(self.raptor, error, daemon = %self.daemon, "storing an event failed; the host will deliver it again");
                let why = match &error {
                    crate::Error::Internal(_) => "See the API's log.".to_owned(),
                    told => told.to_string(),
                };
                return Err(NodeError::Unreachable(format!("An event could not be stored. {why}")));
            }
        }
        let Done = self.node.handle((), Acknowledgement { spool, number }).await?;
        Ok(())
    }

    async fn status(&self, status: ContainerStatus) {
        let id = status.id;
        if self.raptor.inner.fleet.set_status(self.daemon, status.clone()) {
            self.keep_statuses(&[status]).await;
            if self.raptor.inner.fleet.is_stray(self.daemon, id) {
                // Nobody may see the container itself; it is shown on its daemon's page.
                self.raptor.inner.fleet.publish(LiveEvent::Daemon(self.daemon));
            }
        }
        self.raptor.inner.fleet.publish(LiveEvent::Containers([id].into()));
    }

    /// Stores all statuses that a host sends at once. Most are in the store already if only the link was down.
    async fn statuses(&self, mut statuses: Vec<ContainerStatus>) {
        let ids: Vec<ContainerId> = statuses.iter().map(|status| status.id).collect();
        if let Err(error) = self.free_held(&statuses).await {
            warn_of!(self.raptor, error, daemon = %self.daemon, "freeing removed allocations failed");
        }
        statuses.retain(|status| self.raptor.inner.fleet.set_status(self.daemon, status.clone()));
        if !statuses.is_empty() {
            let kept = async {
                let mut reader = self.raptor.inner.store.read().await?;
                store::containers::statuses(&mut reader.conn(), self.daemon).await
            };
            let kept = kept.await.unwrap_or_default();
            statuses.retain(|status| kept.get(&status.id) != Some(status));
            // A fixed order, since others may be writing the same rows.
            statuses.sort_by_key(|status| status.id);
            self.keep_statuses(&statuses).await;
        }
        self.raptor.inner.fleet.publish(LiveEvent::Containers(ids.into()));
    }

    /// Frees removed allocations of containers whose processes ended or were restarted while the link was down.
    async fn free_held(&self, statuses: &[ContainerStatus]) -> Result<()> {
        let holders = {
            let mut reader = self.raptor.inner.store.read().await?;
            store::allocations::holders(&mut reader.conn(), self.daemon).await?
        };
        if holders.is_empty() {
            return Ok(());
        }
        let mut tx = self.raptor.inner.store.begin().await?;
        for status in statuses.iter().filter(|status| holders.contains(&status.id)) {
            free_unpublished(&mut tx, self.daemon, status).await?;
        }
        tx.commit().await
    }

    async fn keep_statuses(&self, statuses: &[ContainerStatus]) {
        if statuses.is_empty() {
            return;
        }
        let kept = match self.write_statuses(statuses).await {
            // One of them is at fault: store the others.
            Err(error) if statuses.len() > 1 && store::refuses_content(&error) => {
                let mut kept = Ok(());
                for status in statuses {
                    kept = self.write_statuses(std::slice::from_ref(status)).await.and(kept);
                }
                kept
            }
            kept => kept,
        };
        // Every replica hears it from the host itself, so the feed need not tell.
        self.raptor.inner.lists.forget_all();
        if let Err(error) = kept {
            let count = statuses.len();
            warn_of!(self.raptor, error, daemon = %self.daemon, count, "storing the statuses of containers failed");
        }
    }

    /// Finds the containers that the host has and the store doesn't know, as after restoring an older backup.
    async fn find_strays(&self, held: Vec<HostedContainer>) -> Result<()> {
        let unknown = {
            let mut reader = self.raptor.inner.store.read().await?;
            strays::unknown(&mut reader.conn(), self.daemon, held).await?
        };
        if !unknown.is_empty() {
            let names: Vec<&str> = unknown.iter().map(|held| held.name.as_str()).collect();
            tracing::warn!(daemon = %self.daemon, ?names, "the host has containers that are not in the database; see the daemon's page");
        }
        self.raptor.inner.fleet.set_strays(self.daemon, unknown);
        self.raptor.inner.fleet.publish(LiveEvent::Daemon(self.daemon));
        Ok(())
    }

    async fn write_statuses(&self, statuses: &[ContainerStatus]) -> Result<()> {
        let mut tx = self.raptor.inner.store.begin().await?;
        for status in statuses {
            store::containers::set_status(&mut tx.conn(), status).await?;
            free_unpublished(&mut tx, self.daemon, status).await?;
        }
        tx.commit().await
    }

    /// Declares to the host what it doesn't have, and resumes jobs that waited for it.
    async fn reconcile(&self, there: &HashMap<ContainerId, ContainerStatus>) -> Result<()> {
        let wanted =
            store::containers::of_daemon(&mut self.raptor.inner.store.read().await?.conn(), self.daemon)
                .await?;
        let now = self.raptor.inner.clock.now();
        let mut tx = self.raptor.inner.store.begin().await?;
        for (id, revision, installation) in wanted {
            let has = there.get(&id);
            if let Some(ended) = has.and_then(|has| installation.found_ended(has)) {
                store::containers::record_found_installation(&mut tx.conn(), id, revision, &ended).await?;
                tx.emit(Change::new(Subject::Container, Verb::Updated, id));
            }
            let revision = revision.max(0).cast_unsigned();
            if let Some(ahead) = has.filter(|has| has.revision > revision) {
                // The database was restored from an older backup, and the host ignores declarations older than the one that it
                // has.
                let revision = i64::try_from(ahead.revision).unwrap_or(i64::MAX - 1);
                store::containers::raise_revision(&mut tx.conn(), id, revision).await?;
            }
            if has.is_none_or(|has| has.revision != revision) {
                store::containers::set_unsynced(&mut tx.conn(), id).await?;
                store::jobs::insert(&mut tx.conn(), Kind::Declare, self.daemon, id, now).await?;
            }
        }
        store::jobs::make_due(&mut tx.conn(), self.daemon, now).await?;
        tx.emit(Change::new(Subject::Job, Verb::Updated, self.daemon));
        tx.commit().await
    }
}

/// The warning for a disk that is nearly full: less than a tenth and less than 1 GiB is free.
fn disk_note(system: &SystemInfo) -> Option<String> {
    let total = system.disk_total_bytes;
    let free = total.saturating_sub(system.disk_used_bytes);
    (total > 0 && free < DISK_LOW.min(total / 10)).then(|| {
        format!(
            "The host's disk is nearly full: {} MiB of {} MiB are free. Delete files or add disk space. On a full disk, files, console output and changes are lost.",
            free >> 20,
            total >> 20
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemons::simulated::SimulatedHost;

    #[tokio::test]
    async fn a_disk_is_told_of_before_it_is_full() {
        let mut system = SimulatedHost::default().system().await.unwrap();
        for (total, used, told) in [
            (0, 0, false),
            (64 << 20, 50 << 20, false),
            (64 << 20, 60 << 20, true),
            (1 << 40, (1 << 40) - (2 << 30), false),
            (1 << 40, (1 << 40) - (1 << 29), true),
        ] {
            (system.disk_total_bytes, system.disk_used_bytes) = (total, used);
            assert_eq!(disk_note(&system).is_some(), told, "{used} of {total}");
        }
    }
}
