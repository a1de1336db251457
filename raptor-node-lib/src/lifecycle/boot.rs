//! Starting a process from a declaration.

use super::{
    ContainerPaths, HostContext,
    adoption::Folder,
    edits,
    engine::{self, Interruption},
    failure::Failure,
    image,
    install_disk::{self, Measured},
    monitor::ASK_AGAIN,
    registry::Need,
    supervisor::Msg,
    zone,
};
use crate::{
    console::Console,
    desired::Run,
    files::Root,
    firewall,
    runtime::{Attached, RuntimeError, Shape},
};
use raptor_model::node::{ContainerSpec, Fault, Progress};
use std::{
    path::{Component, Path},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};
use tracing::Instrument;

/// How long a start waits, once, for a port that is in use: its previous user may be about to release it.
const PORT_PATIENCE: Duration = Duration::from_secs(2);

/// The input of a start.
pub(super) struct Boot {
    pub(super) context: Arc<HostContext>,
    pub(super) place: ContainerPaths,
    pub(super) spec: ContainerSpec,
    pub(super) console: Arc<Console>,
    pub(super) messages: mpsc::Sender<Msg>,
    /// Receives the size of the data folder.
    pub(super) disk: Arc<Mutex<u64>>,
    /// What is known about the data folder.
    pub(super) folder: Folder,
    /// Whether nobody requested it, so that it waits for its turn.
    pub(super) patient: bool,
    /// Whether an earlier start has succeeded.
    pub(super) started: bool,
}

impl Boot {
    /// Prepares and starts the process as soon as the engine answers. Returns `None` if it is running but not attached yet. The
    /// error is for people.
    pub(super) async fn run(&self) -> Result<Option<Attached>, Failure> {
        let _turn = match self.patient {
            true => self.context.turns.acquire().await.ok(),
            false => None,
        };
        let mut again = true;
        loop {
            engine::answers(&self.context, &self.messages).await;
            match self.attempt().await {
                Ok(started) => return Ok(started),
                Err(Interruption::For(failure)) if again && failure.is_for_a_port_in_use() => {
                    again = false;
                    self.context.say(
                        &self.console,
                        "One of its ports is still in use. Trying once more in a moment.",
                    );
                    tokio::time::sleep(PORT_PATIENCE).await;
                }
                Err(Interruption::For(failure)) => return Err(failure),
                Err(Interruption::Away) => tokio::time::sleep(ASK_AGAIN).await,
            }
        }
    }

    async fn attempt(&self) -> Result<Option<Attached>, Interruption> {
        let Self { context, place, spec, console, messages, .. } = self;
        let say = Interruption::of(spec, "Docker refused to start the container.");
        if let Some(found) = engine::running(context, place).await.map_err(say)? {
            context.say(console, "It is already running in Docker and is supervised again.");
            let run = engine::run_of(context, console, &found).await;
            prepared(messages, |noted| Msg::Prepared(run, noted)).await?;
            return Ok(None);
        }
        if let Some(why) = &spec.image_refused {
            let image = spec.image.trim_start_matches('~').to_owned();
            return Err(Failure::new(why, Fault::ImageRefused { image }).into());
        }
        if let Some(problem) = context.folder_problem().await {
            return Err(problem.into());
        }
        let (folder, data) = (self.folder, place.data.clone());
        let checked = tokio::task::spawn_blocking(move || folder.check(&data)).await;
        let files_missing = |why| Failure::new(why, Fault::FilesMissing);
        checked.map_err(|error| error.to_string())?.map_err(files_missing)?;
        check_mounts(context, spec)?;
        image::have(context, Need::Container, &spec.image, console, messages).await?;
        let _ = messages.send(Msg::Progress(Some(Progress::Preparing))).await;
        let network = context.engine.network(spec, context.pool).await.map_err(say)?;
        // Nothing is running in it yet.
        let (prepared_files, guarded) = tokio::join!(self.prepare(&network), context.guard(spec, &network));
        prepared_files.and(guarded)?;
        self.limit_disk().await?;
        let shape = Shape {
            spec,
            install: None,
            env: environment(context, spec),
            data: &place.data,
            script: Path::new(""),
            user: (context.uid, context.gid),
            network: network.clone(),
            zone: zone::of(context, spec).await,
        };
        let name = context.engine.create(shape).await.map_err(say)?;
        let attached = context.engine.attach(&name).await.map_err(say)?;
        let run = Run { revision: spec.revision, ..engine::new_run(context, console, &name) };
        prepared(messages, |noted| Msg::Prepared(run, noted)).await?;
        let early = context.sees(&network);
        let started = match context.engine.start(&name).await {
            Err(RuntimeError::Away(_)) if engine::started(context, &name, messages).await => None,
            done => {
                done.map_err(say)?;
                Some(attached)
            }
        };
        if !early || firewall::has_loopback_port(spec) {
            // Podman creates the bridge when the container starts. If it is still missing, it is elsewhere. Only now does the
            // container have its address.
            let context = context.clone();
            let looking = async move { context.keep_apart(Some((&network, true))).await };
            self.context.tasks.spawn(looking.in_current_span());
        }
        Ok(started)
    }

    /// Creates the data folder and edits the configuration files. A file that can't be edited is reported and does not fail the
    /// start.
    async fn prepare(&self, network: &str) -> Result<(), String> {
        let Self { context, place, spec, console, messages, started, .. } = self;
        let needs_gateway = spec.config_files.iter().any(|file| {
            file.edits.iter().any(|edit| edit.value.as_str().is_some_and(|value| value.contains("{{config.")))
        });
        let gateway = if needs_gateway { context.engine.gateway(network).await } else { None };
        let (data, uid, gid, files) =
            (place.data.clone(), context.uid, context.gid, spec.config_files.clone());
        let (usage, beside) = (context.accounts.of(place.id, spec.limits.disk_mib), place.state.files());
        let (state, started) = (place.state.clone(), *started);
        let edited = tokio::task::spawn_blocking(move || {
            let root = Root::measured(&data, &beside, uid, gid, usage)
                .map_err(|error| format!("The folder {} can't be used: {error}", data.display()))?;
            Ok::<_, String>(edits::edit(&root, &state, files, gateway.as_deref(), started))
        });
        let problems = edited.await.map_err(|error| error.to_string())??;
        for problem in &problems {
            context.say(console, problem);
        }
        let _ = messages.send(Msg::Edited(problems)).await;
        Ok(())
    }
}

impl Boot {
    /// Makes the kernel enforce the disk limit, or checks whether it is kept.
    async fn limit_disk(&self) -> Result<(), Failure> {
        let (context, place) = (self.context.clone(), self.place.clone());
        let (limit_mib, disk) = (self.spec.limits.disk_mib, self.disk.clone());
        let limited = tokio::task::spawn_blocking(move || {
            if context.quota.by_kernel() {
                return super::limit_disk(&context, &place, limit_mib).map_err(Failure::from);
            }
            let Measured { used: size, trash } = install_disk::measure(&context, &place, limit_mib);
            *disk.lock().unwrap_or_else(PoisonError::into_inner) = size;
            let used_mib = size.div_ceil(1024 * 1024);
            if limit_mib > 0 && used_mib > limit_mib {
                let why = format!(
                    "It uses {used_mib} MiB of disk and may use {limit_mib} MiB. {}",
                    super::way_out(trash)
                );
                return Err(Failure::new(why, super::disk_full(size, limit_mib, trash)));
            }
            Ok(())
        });
        limited.await.map_err(|error| error.to_string())?
    }
}

/// Makes the supervisor record the process before it is started, so that it is found again after a crash of the daemon.
pub(super) async fn prepared(
    messages: &mpsc::Sender<Msg>,
    msg: impl FnOnce(oneshot::Sender<()>) -> Msg,
) -> Result<(), String> {
    let (noted, note) = oneshot::channel();
    let _ = messages.send(msg(noted)).await;
    note.await.map_err(|_| "The start was cancelled.".to_owned())
}

fn check_mounts(context: &HostContext, spec: &ContainerSpec) -> Result<(), String> {
    let refused = spec.mounts.iter().find(|mount| !allowed(&context.mounts, Path::new(&mount.source)));
    match refused {
        None => Ok(()),
        Some(mount) if missing(&context.mounts, Path::new(&mount.source)) => Err(format!(
            "The folder {} to be mounted does not exist on this host. Create it, or remove the mount from the container's settings.",
            mount.source
        )),
        Some(mount) => Err(format!(
            "The folder {} may not be mounted. The administrator of this host can add it, or one of its parent folders, to ALLOWED_MOUNTS.",
            mount.source
        )),
    }
}

/// Whether nothing exists at `source`, although it would be allowed. Whether other paths exist is not revealed.
fn missing(folders: &[std::path::PathBuf], source: &Path) -> bool {
    let plain = source.components().all(|part| !matches!(part, Component::ParentDir));
    let absent = source.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
    let within = |folder: &std::path::PathBuf| {
        source.starts_with(folder) || folder.canonicalize().is_ok_and(|folder| source.starts_with(folder))
    };
    plain && absent && folders.iter().any(within)
}

/// Whether `source` is one of `folders` or inside of one: by whole components, and after following links.
fn allowed(folders: &[std::path::PathBuf], source: &Path) -> bool {
    let plain = source.is_absolute() && source.components().all(|part| !matches!(part, Component::ParentDir));
    let Ok(real) = source.canonicalize() else { return false };
    plain
        && folders
            .iter()
            .filter_map(|folder| folder.canonicalize().ok())
            .any(|folder| real.starts_with(folder))
}

pub(super) fn environment(context: &HostContext, spec: &ContainerSpec) -> Vec<String> {
    let primary = spec.ports.iter().find(|port| port.primary).or(spec.ports.first());
    let mut env = spec.environment.clone();
    env.insert("TZ".into(), spec.timezone.clone().unwrap_or_else(|| context.timezone.clone()));
    env.insert("STARTUP".into(), spec.startup.clone());
    env.insert("SERVER_MEMORY".into(), spec.limits.memory_mib.to_string());
    if let Some(primary) = primary {
        env.insert("SERVER_IP".into(), primary.ip.to_string());
        env.insert("SERVER_PORT".into(), primary.port.to_string());
    }
    env.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Security case 34.
    #[test]
    fn a_mount_is_allowed_by_whole_components_and_where_its_links_lead() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        for name in ["mounts/maps", "mounts-x"] {
            std::fs::create_dir_all(base.join(name)).unwrap();
        }
        std::os::unix::fs::symlink(base.join("mounts-x"), base.join("mounts/link")).unwrap();
        let folders = [base.join("mounts")];
        assert!(allowed(&folders, &base.join("mounts")));
        assert!(allowed(&folders, &base.join("mounts/maps")));
        assert!(!allowed(&folders, &base.join("mounts-x")));
        assert!(!allowed(&folders, &base.join("mounts/link")));
        assert!(!allowed(&folders, &base.join("mounts/../mounts-x")));
        assert!(!allowed(&folders, &base.join("mounts/nothing")));
        // A missing path is reported as such only below the allowed folders.
        assert!(missing(&folders, &base.join("mounts/nothing")));
        assert!(!missing(&folders, &base.join("mounts/maps")) && !missing(&folders, &base.join("nothing")));
        assert!(!missing(&folders, &base.join("mounts/../nothing")));
    }
}
