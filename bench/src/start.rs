//! From the accepted power action to the running process, compared with the same calls to Docker without Raptor.

use crate::{
    Setting,
    programs::{Api, Daemon, container, fresh_postgres, phase, template},
    report::{Report, Row, Target},
    wrk::median,
};
use anyhow::{Context, ensure};
use bollard::{
    Docker,
    models::{ContainerCreateBody, HostConfig},
    query_parameters::{
        AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder,
    },
};
use serde_json::json;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const ROUNDS: usize = 12;

/// Runs the suite.
pub async fn run(setting: &Setting, report: &mut Report) -> anyhow::Result<()> {
    let database = fresh_postgres(setting).await?;
    let api = Api::start(setting, Some(&database), 4).await?;
    let daemon = Daemon::start(setting, &api).await?;
    let sleeper = template(&api, "/bin/busybox sleep 600").await?;
    let id = container(&api, "Sleeper", &sleeper, &daemon.id).await?;
    let docker = Docker::connect_with_unix_defaults()?;
    let (mut ours, mut reference) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(through_raptor(&api, &docker, &id).await?);
        reference.push(bare(&docker, &id).await?);
    }
    api.delete(&format!("/containers/{id}")).await?;
    report.add(Row {
        what: "container start".into(),
        unit: "ms",
        ours: median(ours),
        reference: Some((median(reference), "bollard: create, attach, start")),
        target: Target::AtMost(1.15),
    });
    Ok(())
}

/// Milliseconds from `since` to the engine's start time of the process.
async fn started(docker: &Docker, name: &str, since: Duration) -> anyhow::Result<f64> {
    let found = docker.inspect_container(name, None).await?;
    let at = found.state.and_then(|state| state.started_at).context("it has not started")?;
    let at = chrono::DateTime::parse_from_rfc3339(&at)?;
    Ok((at.timestamp_micros() as f64 / 1e6 - since.as_secs_f64()) * 1_000.0)
}

fn now() -> anyhow::Result<Duration> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?)
}

async fn through_raptor(api: &Api, docker: &Docker, id: &str) -> anyhow::Result<f64> {
    let power = format!("/containers/{id}/power");
    let begun = now()?;
    api.post(&power, json!({ "action": "start" })).await?;
    phase(api, id, "running").await?;
    let took = started(docker, &format!("raptor-{id}"), begun).await?;
    api.post(&power, json!({ "action": "kill" })).await?;
    phase(api, id, "offline").await?;
    Ok(took)
}

/// Creates and starts a copy of the container that Raptor created.
async fn bare(docker: &Docker, id: &str) -> anyhow::Result<f64> {
    let made = docker.inspect_container(&format!("raptor-{id}"), None).await?;
    let config = made.config.context("the container has no settings")?;
    let name = format!("raptor-bench-{id}");
    let body = ContainerCreateBody {
        image: config.image,
        hostname: config.hostname,
        user: config.user,
        env: config.env,
        tty: config.tty,
        open_stdin: config.open_stdin,
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        working_dir: config.working_dir,
        host_config: made.host_config.map(|host| HostConfig { port_bindings: None, ..host }),
        ..ContainerCreateBody::default()
    };
    let begun = now()?;
    let create = CreateContainerOptionsBuilder::default().name(&name).build();
    docker.create_container(Some(create), body).await?;
    let attach =
        AttachContainerOptionsBuilder::default().stream(true).stdin(true).stdout(true).stderr(true).build();
    let attached = docker.attach_container(&name, Some(attach)).await?;
    docker.start_container(&name, None).await?;
    let took = started(docker, &name, begun).await?;
    drop(attached);
    let remove = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    docker.remove_container(&name, Some(remove)).await?;
    ensure!(took > 0.0, "the clock of the engine is another one");
    Ok(took)
}
