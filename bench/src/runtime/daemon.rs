//! One real daemon with many containers on a simulated engine.

use super::engine::Engine;
use crate::{
    Setting,
    programs::{Api, Daemon, container, phase, template, until},
    report::{Report, Row, Target},
};
use serde_json::json;
use std::time::{Duration, Instant};

const CONTAINERS: usize = 200;
/// How long the containers have run before the daemon's memory is read.
const RUN: Duration = Duration::from_secs(30);
/// How long CPU time is measured.
const WATCH: Duration = Duration::from_secs(20);
/// Lines per container and second, and for how long: afterwards a console has as much in memory as that of a server that has
/// run for days.
const STEADY: u64 = 4;
const SETTLED: Duration = Duration::from_secs(300);
/// Lines per container and second when all are loud, and their total number: more than is kept in memory.
const FILLING: u64 = 80;
const FILL: u64 = 6_000;

/// Runs the suite.
pub async fn run(setting: &Setting, report: &mut Report) -> anyhow::Result<()> {
    let engine = Engine::start()?;
    let api = Api::start(setting, None, 4).await?;
    let daemon = Daemon::start_on(setting, &api, &engine.socket).await?;
    let template = template(&api, "simulated").await?;
    let mut ids = Vec::new();
    for place in 0..CONTAINERS {
        let id = container(&api, &format!("Simulated {place}"), &template, &daemon.id).await?;
        api.post(&format!("/containers/{id}/power"), json!({ "action": "start" })).await?;
        ids.push(id);
    }
    for id in &ids {
        phase(&api, id, "running").await?;
    }
    tokio::time::sleep(RUN).await;
    let (begun, cpu) = (Instant::now(), daemon.program.cpu_seconds()?);
    tokio::time::sleep(WATCH).await;
    let busy = (daemon.program.cpu_seconds()? - cpu) / begun.elapsed().as_secs_f64() * 100.0;
    let mut add = |what: &str, unit, ours, target| {
        let what = format!("daemon with {CONTAINERS} running containers, simulated engine{what}");
        report.add(Row { what, unit, ours, reference: None, target });
    };
    add("", "MiB", daemon.program.resident_mib()?, Target::Limit(60.0));
    add(": its CPU", "% of a core", busy, Target::Known);
    engine.print(STEADY);
    tokio::time::sleep(SETTLED).await;
    add(", after days of console lines", "MiB", daemon.program.resident_mib()?, Target::Limit(60.0));
    fill(&engine).await?;
    add(", 16,000 console lines a second", "MiB", daemon.program.peak_mib()?, Target::Known);
    Ok(())
}

/// Makes all containers print at once.
async fn fill(engine: &Engine) -> anyhow::Result<()> {
    let wanted = engine.printed() + FILL * CONTAINERS as u64;
    engine.print(FILLING);
    until("the consoles are full", || async { Ok((engine.printed() >= wanted).then_some(())) }).await?;
    engine.print(1);
    Ok(())
}
