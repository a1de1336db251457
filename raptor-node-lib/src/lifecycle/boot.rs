//! From a declaration to a running process.

use super::{Ground, Place, supervisor::Msg};
use crate::{
    console::Console,
    files::Root,
    runtime::{RuntimeError, Stdin},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream::BoxStream};
use raptor_core::{
    configfiles,
    node::{ContainerSpec, Progress},
    templates::ConfigFile,
};
use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

/// A started process: what it writes, and the way in.
pub(super) struct Started {
    pub(super) output: BoxStream<'static, Bytes>,
    pub(super) stdin: Stdin,
}

/// How often progress of a pull is told.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// Prepares and starts the process. The error is a sentence for people.
pub(super) async fn boot(
    ground: &Ground,
    place: &Place,
    spec: &ContainerSpec,
    console: &Arc<Console>,
    tell: &mpsc::Sender<Msg>,
) -> Result<Started, String> {
    image(ground, spec, console, tell).await?;
    let _ = tell.send(Msg::Progress(Some(Progress::Preparing))).await;
    prepare(ground, place, spec, console).await?;
    let env = environment(ground, spec);
    let say = |error: RuntimeError| format!("The container can't be started: {error}");
    ground.docker.create(spec, env, &place.data, ground.uid, ground.gid).await.map_err(say)?;
    let (output, stdin) = ground.docker.attach(place.id).await.map_err(say)?;
    ground.docker.start(place.id).await.map_err(say)?;
    Ok(Started { output: output.boxed(), stdin })
}

/// Makes sure that the image is there. A registry that is away is no obstacle where an earlier copy is there.
async fn image(
    ground: &Ground,
    spec: &ContainerSpec,
    console: &Console,
    tell: &mpsc::Sender<Msg>,
) -> Result<(), String> {
    let docker = &ground.docker;
    let name = spec.image.trim_start_matches('~');
    if spec.image.starts_with('~') {
        return if docker.has_image(name).await {
            Ok(())
        } else {
            Err(format!("The local image {name} is not on this host."))
        };
    }
    let pulled = pull(docker.pull(name), tell).await;
    let Err(error) = pulled else { return Ok(()) };
    if let RuntimeError::Away(_) = error {
        return Err(error.to_string());
    }
    if docker.has_image(name).await {
        ground.say(
            console,
            format!("The image {name} can't be pulled ({error}); using the copy on this host."),
        );
        return Ok(());
    }
    Err(format!("The image {name} can't be pulled: {error}"))
}

async fn pull(
    progress: impl Stream<Item = Result<(u64, u64), RuntimeError>>,
    tell: &mpsc::Sender<Msg>,
) -> Result<(), RuntimeError> {
    let mut progress = pin!(progress);
    let mut told = Instant::now();
    while let Some(step) = progress.next().await {
        let (current_bytes, total_bytes) = step?;
        if total_bytes > 0 && told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            let _ = tell.send(Msg::Progress(Some(Progress::Pulling { current_bytes, total_bytes }))).await;
        }
    }
    Ok(())
}

/// Makes the data folder and edits the configuration files. A file that can't be edited is reported and is no obstacle.
async fn prepare(
    ground: &Ground,
    place: &Place,
    spec: &ContainerSpec,
    console: &Arc<Console>,
) -> Result<(), String> {
    let needs_gateway = spec.config_files.iter().any(|file| {
        file.edits.iter().any(|edit| edit.value.as_str().is_some_and(|value| value.contains("{{config.")))
    });
    let gateway = if needs_gateway { ground.docker.gateway().await } else { None };
    let (data, uid, gid, files) = (place.data.clone(), ground.uid, ground.gid, spec.config_files.clone());
    let (usage, beside) = (ground.accounts.of(place.id, spec.limits.disk_mib), place.state.files());
    let problems = tokio::task::spawn_blocking(move || {
        let root = Root::measured(&data, &beside, uid, gid, usage)
            .map_err(|error| format!("The folder {} can't be used: {error}", data.display()))?;
        let problems = files.into_iter().filter_map(|file| edit(&root, file, gateway.as_deref()).err());
        Ok::<_, String>(problems.collect::<Vec<_>>())
    });
    for problem in problems.await.map_err(|error| error.to_string())?? {
        ground.say(console, problem);
    }
    Ok(())
}

fn edit(root: &Root, mut file: ConfigFile, gateway: Option<&str>) -> Result<(), String> {
    for edit in &mut file.edits {
        if let serde_json::Value::String(value) = &mut edit.value {
            for name in ["{{config.docker.interface}}", "{{config.docker.network.interface}}"] {
                *value = value.replace(name, gateway.unwrap_or("127.0.0.1"));
            }
        }
    }
    let say = |why: &dyn std::fmt::Display| format!("The file {} was not edited: {why}", file.path);
    let text = root.read_text(&file.path).map_err(|error| say(&error))?;
    let edited = configfiles::apply(file.parser, text.as_deref().unwrap_or_default(), &file.edits)
        .map_err(|error| say(&error))?;
    if text.as_ref() == Some(&edited) {
        return Ok(());
    }
    root.write_text(&file.path, &edited).map_err(|error| say(&error))
}

fn environment(ground: &Ground, spec: &ContainerSpec) -> Vec<String> {
    let primary = spec.ports.iter().find(|port| port.primary).or(spec.ports.first());
    let mut env = spec.environment.clone();
    env.insert("TZ".into(), ground.timezone.clone());
    env.insert("STARTUP".into(), spec.startup.clone());
    env.insert("SERVER_MEMORY".into(), spec.limits.memory_mib.to_string());
    if let Some(primary) = primary {
        env.insert("SERVER_IP".into(), primary.ip.to_string());
        env.insert("SERVER_PORT".into(), primary.port.to_string());
    }
    env.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}
