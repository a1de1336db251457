//! A host's periodic work: measuring, storing measurements, and maintaining rules, disks and images.

use super::Host;
use crate::{
    lifecycle::SupervisorRequest,
    runtime::{Part, Sample},
};
use futures_util::{StreamExt, stream};
use raptor_model::{
    containers::lifecycle::Phase,
    id::ContainerId,
    node::{ContainerStats, NodeEvent, SystemInfo},
};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
    time::Duration,
};

/// Containers measured at the same time.
const SAMPLES_AT_ONCE: usize = 8;

/// The kinds of periodic work.
pub(super) enum PeriodicTask {
    Samples(HashMap<ContainerId, Sample>),
    System,
    History,
    Consoles,
    Rules,
    Disk,
    Images { unused_s: u64 },
    Trash { days: u32 },
}

impl Host {
    pub(super) async fn every(self, period: Duration, mut turn: PeriodicTask) {
        let mut ticks = tokio::time::interval(period);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.0.context.stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            match &mut turn {
                PeriodicTask::Samples(before) => self.sample_all(before).await,
                PeriodicTask::System => {
                    let system = self.measure().await;
                    self.0.context.history.note_host(&system, self.0.meter.network());
                    let _ = self.0.context.events.send(Arc::new(NodeEvent::System { system }));
                }
                PeriodicTask::History => self.keep_history().await,
                PeriodicTask::Consoles => self.settle_consoles(period),
                PeriodicTask::Rules => {
                    self.0.context.keep_apart(None).await;
                    self.notice_running().await;
                }
                PeriodicTask::Disk => {
                    self.drop_old_uploads().await;
                    self.scan().await;
                }
                PeriodicTask::Trash { days } => self.age_trash(*days).await,
                PeriodicTask::Images { unused_s } => {
                    match crate::images::clean(&self.0.context, *unused_s).await {
                        Ok(cleaned) if cleaned.images.is_empty() => {}
                        Ok(cleaned) => tracing::info!(images = ?cleaned.images, "removed unused images"),
                        Err(error) => tracing::debug!(%error, "removing unused images failed"),
                    }
                }
            }
        }
    }

    /// Drops console lines older than `age` from memory. Not while the engine is unavailable: they may be needed to recognise
    /// replayed output.
    fn settle_consoles(&self, age: Duration) {
        let system = self.0.system.lock().unwrap_or_else(PoisonError::into_inner);
        if system.as_ref().is_none_or(|system| system.docker_problem.is_none()) {
            let before = self.0.context.clock.now() - age;
            self.handles().iter().for_each(|(_, handle)| handle.console.settle(before));
        }
    }

    /// Measures the host and checks the engine.
    pub(super) async fn measure(&self) -> SystemInfo {
        let meter = self.0.meter.clone();
        let measured = tokio::task::spawn_blocking(move || meter.measure()).await;
        let mut system = measured.unwrap_or_else(|_| self.0.meter.measure());
        match self.0.context.engine.version().await {
            Ok(version) => {
                system.docker_version = Some(version);
                // If the engine has stopped answering, the next check notices.
                system.docker_problem =
                    self.0.context.engine.mapped_users().await.ok().flatten().map(str::to_owned);
                self.0.context.kept.settle(&*self.0.context.engine).await;
            }
            Err(error) => system.docker_problem = Some(error.to_string()),
        }
        system.folder_problem = self.0.context.folder_problem().await;
        let bridges = self.0.context.engine.makes_bridges();
        system.isolation = bridges.then(|| self.0.context.firewall.isolation());
        system.user_note = self.0.context.user_note();
        system.sftp = self.0.sftp.get().map(|server| server.about());
        *self.0.system.lock().unwrap_or_else(PoisonError::into_inner) = Some(system.clone());
        system
    }

    async fn sample_all(&self, before: &mut HashMap<ContainerId, Sample>) {
        let running: Vec<_> = self
            .handles()
            .into_iter()
            .filter(|(_, handle)| handle.status.borrow().started_at.is_some())
            .collect();
        self.0.context.history.pause(|id| running.iter().any(|(running, _)| *running == id));
        before.retain(|id, _| running.iter().any(|(running, _)| running == id));
        let earlier = std::mem::take(before);
        let now = self.0.context.clock.now();
        let samples: Vec<_> = stream::iter(running)
            .map(|(id, handle)| {
                let (context, earlier) = (&self.0.context, earlier.get(&id));
                async move {
                    let sample = context.engine.sample(&handle.engine_name(), earlier).await;
                    (id, handle, sample)
                }
            })
            .buffer_unordered(SAMPLES_AT_ONCE)
            .collect()
            .await;
        let mut stats = Vec::new();
        for (id, handle, sample) in samples {
            let Ok(mut sample) = sample else { continue };
            let started_at = handle.status.borrow().started_at;
            sample.stats.uptime_ms =
                started_at.map_or(0, |at| (now - at).num_milliseconds().max(0).cast_unsigned());
            sample.stats.disk_bytes = *handle.disk.lock().unwrap_or_else(PoisonError::into_inner);
            sample.stats.memory_limit_bytes = self.memory_limit(id);
            handle.stats.send_replace(Some(sample.stats));
            if earlier.contains_key(&id) {
                // CPU usage is a difference, so the first measurement of a process has none.
                self.0.context.history.note(id, now, &sample.stats);
            }
            stats.push(ContainerStats { id, stats: sample.stats });
            before.insert(id, sample);
        }
        if !stats.is_empty() {
            let _ = self.0.context.events.send(Arc::new(NodeEvent::Stats { stats }));
        }
    }

    /// Checks containers that somebody started with the engine's own commands.
    async fn notice_running(&self) {
        let Ok(found) = self.0.context.engine.ours().await else { return };
        for found in found.into_iter().filter(|found| found.runs && found.part == Part::Server) {
            if let Ok(handle) = self.handle_of(found.id)
                && handle.status.borrow().phase == Phase::Offline
            {
                // If the queue is full, the next round asks again.
                let _ = handle.requests.try_send(SupervisorRequest::Inspect.into());
            }
        }
    }

    pub(super) async fn keep_history(&self) {
        let context = self.0.context.clone();
        if let Err(error) = tokio::task::spawn_blocking(move || context.history.flush()).await {
            tracing::error!(%error, "storing measurements failed");
        }
    }

    fn memory_limit(&self, id: ContainerId) -> u64 {
        self.0.context.place(id).state.spec().map_or(0, |spec| spec.limits.memory_mib * 1024 * 1024)
    }

    /// Deletes what is left of old uploads.
    async fn drop_old_uploads(&self) {
        for (id, _) in self.handles() {
            let host = self.clone();
            let dropped = tokio::task::spawn_blocking(move || {
                let place = host.0.context.place(id);
                // Nothing was ever uploaded there.
                if !place.data.exists() || !place.state.files().join("uploads").exists() {
                    return Ok(0);
                }
                Ok::<_, raptor_model::node::NodeError>(host.workspace(id, &[])?.drop_old_uploads()?)
            });
            if let Ok(Err(error)) = dropped.await {
                tracing::warn!(%error, %id, "deleting old uploads failed");
            }
        }
    }

    /// Deletes items that have been in a container's trash for `days` days.
    async fn age_trash(&self, days: u32) {
        for (id, _) in self.handles() {
            let host = self.clone();
            let aged = tokio::task::spawn_blocking(move || {
                let place = host.0.context.place(id);
                // Nothing was ever deleted there.
                if !place.state.files().join("trash").exists() {
                    return Ok(0);
                }
                Ok::<_, raptor_model::node::NodeError>(host.workspace(id, &[])?.age_trash(days)?)
            });
            match aged.await {
                Ok(Ok(0)) => {}
                Ok(Ok(count)) => {
                    tracing::info!(%id, count, days, "deleted old files from the trash");
                    self.tell_trash_emptied(id).await;
                }
                Ok(Err(error)) => tracing::warn!(%error, %id, "deleting old files from the trash failed"),
                Err(error) => tracing::error!(%error, %id, "deleting old files from the trash failed"),
            }
        }
    }

    /// Measures the data folders one by one. Where the kernel does not enforce the limits, containers over theirs are stopped.
    async fn scan(&self) {
        for (id, handle) in self.handles() {
            let host = self.clone();
            let size = tokio::task::spawn_blocking(move || {
                let place = host.0.context.place(id);
                if !place.data.exists() {
                    return 0;
                }
                host.root(id).map_or(0, |root| root.measure(&place.state.files()))
            });
            let Ok(used_bytes) = size.await else { continue };
            *handle.disk.lock().unwrap_or_else(PoisonError::into_inner) = used_bytes;
            let limit_mib = self.0.context.place(id).state.spec().map_or(0, |spec| spec.limits.disk_mib);
            let limit_bytes = limit_mib * 1024 * 1024;
            if limit_bytes > 0 && used_bytes > limit_bytes && !self.0.context.quota.by_kernel() {
                let _ = handle
                    .requests
                    .send(SupervisorRequest::DiskFull { used_bytes, limit_bytes }.into())
                    .await;
            }
        }
    }
}
