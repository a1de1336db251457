//! Generating load with wrk, as packaged by Debian.

use crate::Setting;
use anyhow::{Context, bail};
use std::{io::Write, process::Command};

/// Connections that wrk keeps open at once, on all its threads together.
const CONNECTIONS: u32 = 32;

/// The result of a load.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Responses per second.
    pub rate: f64,
    /// The 99th percentile of response times in milliseconds.
    pub p99_ms: f64,
}

/// One load and another in alternating rounds, so that other activity on the machine affects both. Returns the medians.
pub fn pair(
    setting: &Setting,
    (ours, tokens): (&str, &[String]),
    (theirs, their_tokens): (&str, &[String]),
) -> anyhow::Result<(f64, f64)> {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for _ in 0..setting.rounds.max(1) {
        b.push(load(setting, theirs, their_tokens)?.rate);
        a.push(load(setting, ours, tokens)?.rate);
    }
    Ok((median(a), median(b)))
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Loads `url` with the `tokens` in turn, for a second of warm-up and then for the set time. Any error response fails it.
pub fn load(setting: &Setting, url: &str, tokens: &[String]) -> anyhow::Result<Load> {
    run(url, tokens, 1)?;
    run(url, tokens, setting.seconds)
}

fn run(url: &str, tokens: &[String], seconds: u64) -> anyhow::Result<Load> {
    let mut command = Command::new("wrk");
    command.args(["-t", "2", "--latency", "-c", &CONNECTIONS.to_string(), "-d", &format!("{seconds}s")]);
    // Kept until wrk has read it.
    let mut script = tempfile::NamedTempFile::new()?;
    if let [token] = tokens {
        command.args(["-H", &format!("Authorization: Bearer {token}")]);
    } else if !tokens.is_empty() {
        writeln!(script, "local requests, place = {{}}, math.random(0, {})", tokens.len() - 1)?;
        writeln!(script, "function init(args)")?;
        for token in tokens {
            writeln!(script, "t(\"{token}\")")?;
        }
        writeln!(script, "end")?;
        writeln!(
            script,
            "function t(token) requests[#requests + 1] = wrk.format('GET', nil, {{ ['Authorization'] = 'Bearer ' .. token }}) end"
        )?;
        writeln!(script, "function request() place = place % #requests + 1 return requests[place] end")?;
        script.flush()?;
        command.arg("-s").arg(script.path());
    }
    let output = command.arg(url).output().context("wrk can't be started; Debian has it as `wrk`")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() || text.contains("Non-2xx") || text.contains("Socket errors") {
        bail!("the load on {url} did not go well:\n{text}{}", String::from_utf8_lossy(&output.stderr));
    }
    let field = |name: &str| {
        let line = text.lines().find(|line| line.trim().starts_with(name));
        line.and_then(|line| line.split_whitespace().last()).map(str::to_owned)
    };
    let rate = field("Requests/sec:").and_then(|rate| rate.parse().ok());
    let p99 = field("99%").and_then(|time| milliseconds(&time));
    let (rate, p99_ms) = rate.zip(p99).with_context(|| format!("wrk said something else:\n{text}"))?;
    Ok(Load { rate, p99_ms })
}

fn milliseconds(text: &str) -> Option<f64> {
    for (unit, factor) in [("us", 0.001), ("ms", 1.0), ("s", 1_000.0)] {
        if let Some(number) = text.strip_suffix(unit) {
            return number.parse::<f64>().ok().map(|number| number * factor);
        }
    }
    None
}
