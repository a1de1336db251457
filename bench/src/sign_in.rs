//! Signing in: the time must not depend on what is wrong, and others must not be slowed down.

use crate::{
    Setting,
    bare::Bare,
    programs::{Api, PASSWORD, Program, folder, fresh_postgres, own},
    report::{Report, Row, Target},
    wrk::{load, median},
};
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// The default cost of bcrypt.
const COST: u32 = 12;
const TRIES: usize = 12;
const AT_ONCE: usize = 8;

/// Hashes passwords in this many threads.
pub fn burn(threads: usize, seconds: u64) {
    let until = Instant::now() + Duration::from_secs(seconds);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while Instant::now() < until {
                    let _ = bcrypt::hash(PASSWORD, COST);
                }
            });
        }
    });
}

/// Runs the suite.
pub async fn run(setting: &Setting, report: &mut Report) -> anyhow::Result<()> {
    let database = fresh_postgres(setting).await?;
    let api = Api::start(setting, Some(&database), COST).await?;
    times(report, &api).await?;
    burden(setting, report, &api).await
}

async fn times(report: &mut Report, api: &Api) -> anyhow::Result<()> {
    let http = crate::programs::raptor_client_http()?;
    let url = format!("{}/api/v1/auth/sign-in", api.base);
    let cases = [
        ("right password", "admin", PASSWORD),
        ("wrong password", "admin", "wrong"),
        ("unknown user", "nobody", PASSWORD),
    ];
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..TRIES {
        for ((_, login, password), times) in cases.iter().zip(&mut times) {
            let begun = Instant::now();
            http.post(&url).json(&json!({ "login": login, "password": password })).send().await?;
            times.push(begun.elapsed().as_secs_f64() * 1_000.0);
        }
    }
    let medians = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times.get(TRIES / 2).copied().unwrap_or_default()
    });
    let [right, wrong, unknown] = medians;
    for (what, ours) in [("wrong password", wrong), ("unknown user", unknown)] {
        report.add(Row {
            what: format!("sign-in, {what}"),
            unit: "ms",
            ours,
            reference: Some((right, "right password")),
            target: Target::AtMost(1.05),
        });
    }
    Ok(())
}

/// The slowest requests of others, compared with bare Axum beside as much hashing: alternating rounds, medians.
async fn burden(setting: &Setting, report: &mut Report, api: &Api) -> anyhow::Result<()> {
    let bare = Bare::start(None)?;
    let (mut ours, mut theirs, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..setting.rounds.max(1) {
        let (slower, rate) = beside_sign_ins(setting, api).await?;
        ours.push(slower);
        rates.push(rate);
        theirs.push(beside_hashing(setting, &bare.url("/json"))?);
    }
    report.add(Row {
        what: format!("p99 of others while {AT_ONCE} sign in"),
        unit: "× p99 alone",
        ours: median(ours),
        reference: Some((median(theirs), "Axum beside as much bcrypt")),
        target: Target::AtMost(1.1),
    });
    report.add(Row {
        what: format!("sign-ins with {AT_ONCE} at once"),
        unit: "1/s",
        ours: median(rates),
        reference: None,
        target: Target::Known,
    });
    Ok(())
}

/// How much slower the slowest requests are while others keep signing in, and the number of sign-ins per second.
async fn beside_sign_ins(setting: &Setting, api: &Api) -> anyhow::Result<(f64, f64)> {
    let settings = format!("{}/api/v1/settings", api.base);
    let quiet = load(setting, &settings, &[])?;
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicU32::new(0));
    let mut people = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (stop, done, http) = (stop.clone(), done.clone(), crate::programs::raptor_client_http()?);
        let url = format!("{}/api/v1/auth/sign-in", api.base);
        people.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let body = json!({ "login": "admin", "password": PASSWORD });
                if http.post(&url).json(&body).send().await.is_ok_and(|answer| answer.status().is_success()) {
                    done.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    let busy = load(setting, &settings, &[])?;
    stop.store(true, Ordering::Relaxed);
    people.join_all().await;
    let rate = f64::from(done.load(Ordering::Relaxed)) / (setting.seconds + 1) as f64;
    Ok((busy.p99_ms / quiet.p99_ms, rate))
}

/// The same for bare Axum, beside a program that hashes in as many threads as the API does.
fn beside_hashing(setting: &Setting, url: &str) -> anyhow::Result<f64> {
    let quiet = load(setting, url, &[])?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = (cores / 2).max(1).to_string();
    let seconds = (setting.seconds + 3).to_string();
    let folder = folder()?;
    let mut burner = Program::start(&own()?, &["burn", &threads, &seconds], &[], folder.path())?;
    let busy = load(setting, url, &[])?;
    burner.wait()?;
    Ok(busy.p99_ms / quiet.p99_ms)
}
