//! A burst of console lines, against `docker logs -f` of the same container.

use crate::{
    Setting,
    programs::{Api, Daemon, container, fresh_postgres, phase, template},
    report::{Report, Row, Target},
    wrk::median,
};
use anyhow::{Context, bail, ensure};
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use tokio::io::{AsyncBufReadExt, BufReader};

const LINES: u32 = 100_000;
const ROUNDS: usize = 3;
/// Prints about 75 bytes a line, as fast as it can, then waits to be told to end.
const FLOOD: &str = "/bin/busybox awk 'BEGIN { for (i = 1; i <= 100000; i++) printf \"line %06d of a burst that is as long as what game servers print at times\\n\", i }'; /bin/busybox sleep 600";

/// Runs the suite.
pub async fn run(setting: &Setting, report: &mut Report) -> anyhow::Result<()> {
    let database = fresh_postgres(setting).await?;
    let api = Api::start(setting, Some(&database), 4).await?;
    let daemon = Daemon::start(setting, &api).await?;
    let startup = format!("/bin/sh -c '{}'", FLOOD.replace('\'', "'\\''"));
    let flood = template(&api, &startup).await?;
    let id = container(&api, "Flood", &flood, &daemon.id).await?;
    let (mut ours, mut reference) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(through_raptor(&api, &id).await?);
        reference.push(through_docker(&id).await?);
        api.post(&format!("/containers/{id}/power"), json!({ "action": "kill" })).await?;
        phase(&api, &id, "offline").await?;
    }
    api.delete(&format!("/containers/{id}")).await?;
    report.add(Row {
        what: format!("{LINES} console lines to one viewer"),
        unit: "lines/s",
        ours: median(ours),
        reference: Some((median(reference), "docker logs -f")),
        target: Target::AtLeast(1.0),
    });
    Ok(())
}

fn rate(took: Duration) -> f64 {
    f64::from(LINES) / took.as_secs_f64()
}

/// Starts the container and reads its console as a browser does; every line has to come, in order.
async fn through_raptor(api: &Api, id: &str) -> anyhow::Result<f64> {
    let url = format!("{}/api/v1/containers/{id}/live?tail=0", api.base.replacen("http", "ws", 1));
    let mut frames = Box::pin(raptor_client::connect(&url, &api.token).await?);
    api.post(&format!("/containers/{id}/power"), json!({ "action": "start" })).await?;
    let (mut seen, mut first, mut last_seq) = (0, None, None);
    while seen < LINES {
        let frame = tokio::time::timeout(Duration::from_secs(60), frames.next()).await;
        let frame: Value = serde_json::from_str(&frame?.context("the stream ended")?)?;
        if frame["type"] == "gap" {
            bail!("lines are missing: {frame}");
        }
        for line in frame["lines"].as_array().into_iter().flatten() {
            let seq = line["seq"].as_u64().context("a line has no number")?;
            ensure!(last_seq.is_none_or(|last: u64| last + 1 == seq), "line {seq} follows {last_seq:?}");
            last_seq = Some(seq);
            if line["kind"] == "output" {
                first.get_or_insert_with(Instant::now);
                seen += 1;
                let number = format!("line {seen:06} ");
                ensure!(
                    line["text"].as_str().is_some_and(|text| text.starts_with(&number)),
                    "{line} in place of {number}"
                );
            }
        }
    }
    Ok(rate(first.context("there was no line")?.elapsed()))
}

/// Starts the container again, by hand, and reads its log from the first line on.
async fn through_docker(id: &str) -> anyhow::Result<f64> {
    let (name, copy) = (format!("raptor-{id}"), format!("raptor-bench-{id}"));
    let inspect = |format: &str| {
        let output = Command::new("docker").args(["inspect", "--format", format, &name]).output()?;
        anyhow::Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    };
    let startup = inspect("{{range .Config.Env}}{{println .}}{{end}}")?;
    let startup =
        startup.lines().find_map(|line| line.strip_prefix("STARTUP=")).context("it has no command")?;
    let run = [
        "run",
        "--detach",
        "--tty",
        "--name",
        &copy,
        "--env",
        &format!("STARTUP={startup}"),
        "raptor-test/busybox:1",
    ];
    let begun = Command::new("docker").args(run).stdout(Stdio::null()).status()?;
    ensure!(begun.success(), "docker run failed");
    let mut logs = tokio::process::Command::new("docker")
        .args(["logs", "-f", &copy])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(logs.stdout.take().context("it has no output")?).lines();
    let (mut seen, mut first) = (0, None);
    while seen < LINES {
        lines.next_line().await?.context("the log ended")?;
        first.get_or_insert_with(Instant::now);
        seen += 1;
    }
    let took = first.context("there was no line")?.elapsed();
    Command::new("docker").args(["rm", "--force", &copy]).stdout(Stdio::null()).status()?;
    Ok(rate(took))
}
