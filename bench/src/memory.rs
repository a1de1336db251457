//! The programs' memory, and how soon they respond.

use crate::{
    Setting,
    programs::{Api, Daemon, container, fresh_postgres, phase, template},
    report::{Report, Row, Target},
};
use serde_json::json;
use std::time::Duration;

const CONTAINERS: usize = 50;
const STARTS: usize = 5;
/// How long a program is idle before its memory is read.
const REST: Duration = Duration::from_secs(5);

/// Runs the suite.
pub async fn run(setting: &Setting, report: &mut Report) -> anyhow::Result<()> {
    let database = fresh_postgres(setting).await?;
    let mut api = Api::start(setting, Some(&database), 4).await?;
    let mut add = |what: &str, unit, ours, limit| {
        report.add(Row { what: what.into(), unit, ours, reference: None, target: Target::Limit(limit) });
    };
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        starts.push(api.restart().await?.as_secs_f64() * 1_000.0);
    }
    starts.sort_by(f64::total_cmp);
    add(
        "API, from its start to its first answer",
        "ms",
        starts.get(STARTS / 2).copied().unwrap_or_default(),
        300.0,
    );
    let daemon = Daemon::start(setting, &api).await?;
    tokio::time::sleep(REST).await;
    add("API at rest", "MiB", api.program.resident_mib()?, 40.0);
    add("daemon at rest", "MiB", daemon.program.resident_mib()?, 20.0);
    let sleeper = template(&api, "/bin/busybox sleep 600").await?;
    let mut ids = Vec::new();
    for place in 0..CONTAINERS {
        let id = container(&api, &format!("Sleeper {place}"), &sleeper, &daemon.id).await?;
        api.post(&format!("/containers/{id}/power"), json!({ "action": "start" })).await?;
        ids.push(id);
    }
    for id in &ids {
        phase(&api, id, "running").await?;
    }
    tokio::time::sleep(REST).await;
    add("daemon with 50 running containers", "MiB", daemon.program.resident_mib()?, 40.0);
    for id in &ids {
        api.delete(&format!("/containers/{id}")).await?;
    }
    crate::programs::until("the containers are gone", || async {
        Ok((api.get("/containers?limit=1").await?["items"] == json!([])).then_some(()))
    })
    .await
}
