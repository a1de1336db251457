//! From a declaration to a running process.

use super::{
    HostContext, Place,
    attend::ASK_AGAIN,
    edits,
    engine::{self, Halt},
    failure::Failure,
    image,
    install_disk::{self, Measured},
    registry::Need,
    supervisor::Msg,
    taking::Folder,
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

/// How long a port that is in use is waited for, once in each start: whatever had it may be about to let go of it.
const PORT_PATIENCE: Duration = Duration::from_secs(2);

/// What a start needs.
pub(super) struct Boot {
    pub(super) context: Arc<HostContext>,
    pub(super) place: Place,
    pub(super) spec: ContainerSpec,
    pub(super) console: Arc<Console>,
    pub(super) tell: mpsc::Sender<Msg>,
    /// Where the size of the data folder is noted.
    pub(super) disk: Arc<Mutex<u64>>,
    /// What is known of its data folder.
    pub(super) folder: Folder,
    /// Whether nobody asked for it: then it waits for its turn.
    pub(super) patient: bool,
    /// Whether an earlier start has come to a process.
    pub(super) started: bool,
}

impl Boot {
    /// Prepares and starts the process, as soon as the engine answers. None where it runs and nobody reads it yet. The error is
    /// for people.
    pub(super) async fn run(&self) -> Result<Option<Attached>, Failure> {
        let _turn = match self.patient {
            true => self.context.turns.acquire().await.ok(),
            false => None,
        };
        let mut again = true;
        loop {
            engine::answers(&self.context, &self.tell).await;
            match self.attempt().await {
                Ok(started) => return Ok(started),
                Err(Halt::For(failure)) if again && failure.is_for_a_port_in_use() => {
                    again = false;
                    self.context
                        .say(&self.console, "A port of it is still in use. Trying once more in a moment.");
                    tokio::time::sleep(PORT_PATIENCE).await;
                }
                Err(Halt::For(failure)) => return Err(failure),
                Err(Halt::Away) => tokio::time::sleep(ASK_AGAIN).await,
            }
        }
    }

    async fn attempt(&self) -> Result<Option<Attached>, Halt> {
        let Self { context, place, spec, console, tell, .. } = self;
        let say = Halt::of(spec, "Docker refused to start the container.");
        if let Some(found) = engine::running(context, place).await.map_err(say)? {
            context.say(console, "It runs in Docker already and is looked after again.");
            let run = engine::run_of(context, console, &found).await;
            prepared(tell, |noted| Msg::Prepared(run, noted)).await?;
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
        image::have(context, Need::Container, &spec.image, console, tell).await?;
        let _ = tell.send(Msg::Progress(Some(Progress::Preparing))).await;
        let network = context.engine.network(spec, context.pool).await.map_err(say)?;
        // Nothing runs in it yet.
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
        prepared(tell, |noted| Msg::Prepared(run, noted)).await?;
        let early = context.sees(&network);
        let started = match context.engine.start(&name).await {
            Err(RuntimeError::Away(_)) if engine::started(context, &name, tell).await => None,
            done => {
                done.map_err(say)?;
                Some(attached)
            }
        };
        if !early || firewall::is_near(spec) {
            // Podman makes the bridge with the start. Where it is still not here, it is elsewhere. And only now the container
            // has its address.
            let context = context.clone();
            let looking = async move { context.keep_apart(Some((&network, true))).await };
            self.context.tasks.spawn(looking);
        }
        Ok(started)
    }

    /// Makes the data folder and edits the configuration files. A file that can't be edited is reported and is no obstacle.
    async fn prepare(&self, network: &str) -> Result<(), String> {
        let Self { context, place, spec, console, tell, started, .. } = self;
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
        let _ = tell.send(Msg::Edited(problems)).await;
        Ok(())
    }
}

impl Boot {
    /// Has the kernel keep the disk limit, or looks whether it is kept.
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

/// Has the supervisor write down that a process is about to be: whoever comes after a crash looks for it.
pub(super) async fn prepared(
    tell: &mpsc::Sender<Msg>,
    msg: impl FnOnce(oneshot::Sender<()>) -> Msg,
) -> Result<(), String> {
    let (noted, note) = oneshot::channel();
    let _ = tell.send(msg(noted)).await;
    note.await.map_err(|_| "The start was cancelled.".to_owned())
}

fn check_mounts(context: &HostContext, spec: &ContainerSpec) -> Result<(), String> {
    let refused = spec.mounts.iter().find(|mount| !allowed(&context.mounts, Path::new(&mount.source)));
    match refused {
        None => Ok(()),
        Some(mount) if missing(&context.mounts, Path::new(&mount.source)) => Err(format!(
            "The folder {} is to be mounted and is not on this host. Make it, or remove the mount from the container's settings.",
            mount.source
        )),
        Some(mount) => Err(format!(
            "The folder {} may not be mounted. Whoever runs this host can add it, or a folder above it, to ALLOWED_MOUNTS.",
            mount.source
        )),
    }
}

/// Whether nothing is at `source`, though it would be allowed. Of other places nobody is told what is there.
fn missing(folders: &[std::path::PathBuf], source: &Path) -> bool {
    let plain = source.components().all(|part| !matches!(part, Component::ParentDir));
    let absent = source.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
    let within = |folder: &std::path::PathBuf| {
        source.starts_with(folder) || folder.canonicalize().is_ok_and(|folder| source.starts_with(folder))
    };
    plain && absent && folders.iter().any(within)
}

/// Whether `source` is, or lies in, one of `folders`: by components and after following links.
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
        // What is missing is said as such, below the allowed folders only.
        assert!(missing(&folders, &base.join("mounts/nothing")));
        assert!(!missing(&folders, &base.join("mounts/maps")) && !missing(&folders, &base.join("nothing")));
        assert!(!missing(&folders, &base.join("mounts/../nothing")));
    }
}
