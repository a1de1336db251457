//! A burst of console lines to one and to many viewers, compared with as many `docker logs -f` of the same container.

use crate::{
    Setting,
    programs::{Api, Daemon, container, fresh_postgres, phase, template},
    report::{Report, Row, Target},
    wrk::median,
};
use anyhow::{Context, bail, ensure};
use futures_util::{StreamExt, stream::BoxStream};
use serde_json::{Value, json};
use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use tokio::io::{AsyncBufReadExt, BufReader};

const ROUNDS: usize = 3;
/// Numbers of concurrent viewers, and the target for each.
const VIEWERS: [(usize, Target); 3] = [(1, Target::AtLeast(1.0)), (10, Target::Known), (100, Target::Known)];
/// A viewer that receives nothing for this long counts as failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Prints lines of about 75 bytes as fast as it can, then waits to be stopped.
fn flood(lines: u32) -> String {
    format!(
        "/bin/busybox awk 'BEGIN {{ for (i = 1; i <= {lines}; i++) printf \"line %06d of a burst that is as long as what game servers print at times\\n\", i }}'; /bin/busybox sleep 600"
    )
}

/// Runs the suite.
pub async fn run(setting: &Setting, report: &mut Report) -> anyhow::Result<()> {
    let database = fresh_postgres(setting).await?;
    let api = Api::start(setting, Some(&database), 4).await?;
    let daemon = Daemon::start(setting, &api).await?;
    let lines = setting.lines;
    let startup = format!("/bin/sh -c '{}'", flood(lines).replace('\'', "'\\''"));
    let flood = template(&api, &startup).await?;
    let id = container(&api, "Flood", &flood, &daemon.id).await?;
    for (viewers, target) in VIEWERS {
        let (mut ours, mut reference) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(through_raptor(&api, &id, lines, viewers).await?);
            reference.push(through_docker(&id, lines, viewers).await?);
            api.post(&format!("/containers/{id}/power"), json!({ "action": "kill" })).await?;
            phase(&api, &id, "offline").await?;
        }
        let who = if viewers == 1 {
            "one viewer".into()
        } else {
            format!("{viewers} viewers, all of them to each")
        };
        report.add(Row {
            what: format!("{lines} console lines to {who}"),
            unit: "lines/s",
            ours: median(ours),
            reference: Some((median(reference), "docker logs -f")),
            target,
        });
    }
    api.delete(&format!("/containers/{id}")).await?;
    Ok(())
}

/// When a viewer received its first and its last line.
type Span = (Instant, Instant);

/// Lines per second, from the first line of any viewer to the last line of the last one.
fn rate(lines: u32, spans: &[Span]) -> anyhow::Result<f64> {
    let first = spans.iter().map(|(first, _)| *first).min().context("nobody looked")?;
    let last = spans.iter().map(|(_, last)| *last).max().context("nobody looked")?;
    Ok(f64::from(lines) / (last - first).as_secs_f64())
}

/// Starts the container while `viewers` read its console like browsers.
async fn through_raptor(api: &Api, id: &str, lines: u32, viewers: usize) -> anyhow::Result<f64> {
    let url = format!("{}/api/v1/containers/{id}/live?tail=0", api.base.replacen("http", "ws", 1));
    let mut sockets = Vec::new();
    for _ in 0..viewers {
        sockets.push(raptor_client::connect(&url, &api.token).await?);
    }
    let views: Vec<_> = sockets.into_iter().map(|frames| tokio::spawn(view(frames.boxed(), lines))).collect();
    api.post(&format!("/containers/{id}/power"), json!({ "action": "start" })).await?;
    let mut spans = Vec::new();
    for view in views {
        spans.push(view.await??);
    }
    rate(lines, &spans)
}

/// Checks that every line arrives, in order.
async fn view(mut frames: BoxStream<'static, String>, lines: u32) -> anyhow::Result<Span> {
    let (mut seen, mut first, mut last_seq) = (0, None, None);
    while seen < lines {
        let frame = tokio::time::timeout(PATIENCE, frames.next()).await;
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
    Ok((first.context("there was no line")?, Instant::now()))
}

/// Starts the container again by hand, and reads its log from the first line, this many times at once.
async fn through_docker(id: &str, lines: u32, viewers: usize) -> anyhow::Result<f64> {
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
    let views: Vec<_> = (0..viewers).map(|_| tokio::spawn(view_log(copy.clone(), lines))).collect();
    let mut spans = Vec::new();
    for view in views {
        spans.push(view.await?);
    }
    Command::new("docker").args(["rm", "--force", &copy]).stdout(Stdio::null()).status()?;
    rate(lines, &spans.into_iter().collect::<anyhow::Result<Vec<_>>>()?)
}

async fn view_log(container: String, lines: u32) -> anyhow::Result<Span> {
    let mut logs = tokio::process::Command::new("docker")
        .args(["logs", "-f", &container])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut log = BufReader::new(logs.stdout.take().context("it has no output")?).lines();
    let (mut seen, mut first) = (0, None);
    while seen < lines {
        log.next_line().await?.context("the log ended")?;
        first.get_or_insert_with(Instant::now);
        seen += 1;
    }
    Ok((first.context("there was no line")?, Instant::now()))
}
